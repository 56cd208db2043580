//! What a task's files take on the disk, found by looking: neither quotas nor block devices are
//! there on every host.

use super::disk;
use crate::volume;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};
use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What files take, or may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Files {
    pub bytes: u64,
    pub count: u64,
    /// They are on a disk of the task's own, which takes no more than the task may.
    pub bounded: bool,
}

impl Files {
    /// What a tree counts as that hides what it holds.
    pub(crate) const TOO_MUCH: Files = Files {
        bytes: u64::MAX / 4,
        count: u64::MAX / 4,
        bounded: false,
    };

    fn add(&mut self, blocks: u64) {
        let bytes = blocks.saturating_mul(512);
        *self = self.and(Files {
            bytes,
            count: 1,
            bounded: false,
        });
    }

    /// Whether something was there that hides what it holds.
    pub(crate) fn is_too_much(&self) -> bool {
        self.bytes >= Files::TOO_MUCH.bytes
    }

    /// The sum of both.
    pub(super) fn and(self, other: Files) -> Files {
        Files {
            bytes: self.bytes.saturating_add(other.bytes),
            count: self.count.saturating_add(other.count),
            bounded: self.bounded || other.bounded,
        }
    }
}

/// A tree deeper than this hides what it holds from us: it counts as too much.
const DEEPEST: usize = 256;

/// Everything under `dir`, links not followed, what has several names counted once. What is mounted
/// there for volumes is of another disk, and of the task's own the file counts that it is.
pub(super) fn under(dir: &Path) -> Files {
    let mut files = Files::default();
    if let Some((used, _)) = disk::room(dir) {
        files.bounded = true;
        // What the disk's file does not show yet.
        files.bytes = used.saturating_sub(disk::file_bytes(dir));
    }
    let mut seen = HashSet::new();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for part in volume::own_files(dir)
        .iter()
        .map(PathBuf::as_path)
        .chain([dir])
    {
        if let Ok(root) = rustix::fs::open(part, flags, Mode::empty()) {
            walk(root, 0, &mut seen, &mut files);
        }
    }
    files
}

/// What cannot be read is gone, or going.
fn walk(dir: OwnedFd, depth: usize, seen: &mut HashSet<u64>, files: &mut Files) {
    let Ok(entries) = Dir::read_from(&dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_elsewhere = depth == 0
            && [volume::DIR, disk::DIR]
                .iter()
                .any(|dir| name.to_bytes() == dir.as_bytes());
        if matches!(name.to_bytes(), b"." | b"..") || is_elsewhere {
            continue;
        }
        let Ok(stat) = statat(dir.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        count(&stat, seen, files);
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            continue;
        }
        if depth == DEEPEST {
            *files = Files::TOO_MUCH;
            return;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Otherwise it is gone meanwhile, or no descriptor is left to look with, which is not the
        // task's doing.
        if let Ok(below) = openat(dir.as_fd(), name, flags, Mode::empty()) {
            walk(below, depth + 1, seen, files);
        }
    }
}

fn count(stat: &Stat, seen: &mut HashSet<u64>, files: &mut Files) {
    if stat.st_nlink > 1
        && FileType::from_raw_mode(stat.st_mode) != FileType::Directory
        && !seen.insert(stat.st_ino)
    {
        return;
    }
    files.add(u64::try_from(stat.st_blocks).unwrap_or(0));
}

/// What these processes have open, or are programs of, and no name is left of.
pub(super) fn unlinked(processes: &[i32]) -> Files {
    let (mut files, mut seen) = (Files::default(), HashSet::new());
    for pid in processes {
        let open = fs::read_dir(format!("/proc/{pid}/fd"));
        let open = open.into_iter().flatten().flatten().map(|fd| fd.path());
        let program = PathBuf::from(format!("/proc/{pid}/exe"));
        for path in open.chain([program]) {
            if let Ok(file) = fs::metadata(&path)
                && file.is_file()
                && file.nlink() == 0
                && seen.insert((file.dev(), file.ino()))
                && !is_in_memory(&path)
            {
                files.add(file.blocks());
            }
        }
    }
    files
}

/// Memory is limited elsewhere. The file system says it, since a name is the task's to choose.
fn is_in_memory(path: &Path) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    const HUGETLBFS: u64 = 0x9584_58f6;
    let kind = rustix::fs::statfs(path).map(|s| s.f_type.cast_unsigned());
    kind.is_ok_and(|kind| matches!(kind, TMPFS | HUGETLBFS))
}

/// Removes what a container wrote; what is known of its run, and its log, stay.
pub(super) fn discard(dir: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            match fs::remove_dir_all(entry.path()) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_once_and_links_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("sub")).unwrap();
        fs::write(path("sub/a"), vec![1; 100_000]).unwrap();
        fs::hard_link(path("sub/a"), path("again")).unwrap();
        std::os::unix::fs::symlink("/usr", path("link")).unwrap();
        let found = under(dir.path());
        assert_eq!(found.count, 3);
        assert!((100_000..200_000).contains(&found.bytes), "{found:?}");
        assert_eq!(under(&path("missing")), Files::default());
    }

    #[test]
    fn what_is_mounted_for_a_volume_is_of_another_disk() {
        let dir = tempfile::tempdir().unwrap();
        for volume in ["own/plain", "own/other", "of/web/%2Fsite"] {
            let data = dir.path().join(".volumes").join(volume).join("_data");
            fs::create_dir_all(&data).unwrap();
            fs::write(data.join("file"), vec![1; 100_000]).unwrap();
        }
        fs::write(dir.path().join(".volumes/own/other/mounted"), "").unwrap();
        let found = under(dir.path());
        assert!((200_000..300_000).contains(&found.bytes), "{found:?}");
    }

    #[test]
    fn a_file_without_a_name_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gone");
        fs::write(&path, vec![1; 100_000]).unwrap();
        let open = fs::File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let own = [std::process::id() as i32];
        assert!(unlinked(&own).bytes >= 100_000);
        drop(open);
    }

    #[test]
    fn memory_is_known_by_its_file_system() {
        let memory = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let of = |fd: i32| PathBuf::from(format!("/proc/self/fd/{fd}"));
        use std::os::fd::AsRawFd;
        assert!(is_in_memory(&of(memory.as_raw_fd())));
        // Whatever its name says.
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let file = fs::File::create(dir.path().join("memfd:x")).unwrap();
        assert!(!is_in_memory(&of(file.as_raw_fd())));
    }

    #[test]
    fn a_tree_too_deep_to_look_into_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let deep: std::path::PathBuf = std::iter::repeat_n("d", DEEPEST + 2).collect();
        fs::create_dir_all(dir.path().join(deep)).unwrap();
        let found = under(dir.path());
        assert!(found.count > 1 << 40 && found.bytes > 1 << 60, "{found:?}");
        let most = u64::MAX;
        let all = Files {
            bytes: most,
            count: most,
            bounded: false,
        };
        assert_eq!(found.and(all), all);
    }

    #[test]
    fn what_a_container_wrote_goes_and_its_end_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("upper/etc")).unwrap();
        fs::write(dir.path().join("exit.json"), "{}").unwrap();
        for _ in 0..2 {
            discard(dir.path()).unwrap();
        }
        assert!(!dir.path().join("upper").exists() && dir.path().join("exit.json").exists());
        discard(&dir.path().join("missing")).unwrap();
    }
}

//! An empty volume gets what the image has at its path: content, owner, mode and attributes
//! (<https://docs.docker.com/engine/storage/volumes/#populate-a-volume-using-a-container>).
//!
//! It runs in the container's root before anything is mounted there, and follows no link. Several
//! names of a file become files of their own.

use super::{place, setup};
use crate::runtime::{Bind, StartFailure, StartFailureKind};
use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid,
    XattrFlags, chownat, fchmod, fchown, fgetxattr, flistxattr, flock, fsetxattr, fstat, futimens,
    mkdirat, mknodat, openat, readlinkat, statat, symlinkat,
};
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A tree deeper than this is not copied.
const DEEPEST: usize = 256;

/// `tree` is the volume, not mounted yet.
pub(super) fn fill(bind: &Bind, tree: &OwnedFd) -> Result<(), StartFailure> {
    let failed = |e: io::Error| {
        StartFailure::new(
            StartFailureKind::Setup,
            format!("failed to copy the image's {}: {e}", bind.target),
        )
    };
    let volume = open_directory(tree.as_fd(), c".").map_err(failed)?;
    // Another container may fill it at the same time.
    flock(&volume, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
    if !is_empty(&volume).map_err(failed)? {
        return Ok(());
    }
    let path = place::directory(&bind.target).map_err(setup(&bind.target))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let image = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
    copy_directory(&image, &volume, 0).map_err(failed)
}

fn open_directory(at: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, name, flags, Mode::empty())?)
}

fn is_own(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn is_empty(dir: &OwnedFd) -> io::Result<bool> {
    for entry in Dir::read_from(dir)? {
        if !is_own(entry?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn copy_directory(from: &OwnedFd, to: &OwnedFd, depth: usize) -> io::Result<()> {
    if depth == DEEPEST {
        return Err(io::Error::from_raw_os_error(libc::ELOOP));
    }
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_own(name) {
            continue;
        }
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::Directory => {
                mkdirat(to, name, Mode::RWXU)?;
                let below = open_directory(from.as_fd(), name)?;
                copy_directory(&below, &open_directory(to.as_fd(), name)?, depth + 1)?;
            }
            FileType::RegularFile => copy_file(from, to, name)?,
            FileType::Symlink => {
                symlinkat(readlinkat(from, name, Vec::new())?, to, name)?;
                chownat(
                    to,
                    name,
                    owner(&stat),
                    group(&stat),
                    AtFlags::SYMLINK_NOFOLLOW,
                )?;
            }
            FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice => {
                mknodat(to, name, kind, mode, stat.st_rdev)?;
                chownat(
                    to,
                    name,
                    owner(&stat),
                    group(&stat),
                    AtFlags::SYMLINK_NOFOLLOW,
                )?;
            }
            // Nobody listens on it.
            _ => {}
        }
    }
    copy_attributes(from, to)
}

fn copy_file(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> io::Result<()> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut source = File::from(openat(from, name, read, Mode::empty())?);
    let mut copy = File::from(openat(to, name, write, Mode::RUSR | Mode::WUSR)?);
    io::copy(&mut source, &mut copy)?;
    copy_attributes(&source.into(), &copy.into())
}

fn owner(stat: &Stat) -> Option<Uid> {
    Some(Uid::from_raw(stat.st_uid))
}

fn group(stat: &Stat) -> Option<Gid> {
    Some(Gid::from_raw(stat.st_gid))
}

/// The mode comes after the owner, whose change takes set-user-ID away.
fn copy_attributes(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    let stat = fstat(from)?;
    fchown(to, owner(&stat), group(&stat))?;
    fchmod(to, Mode::from_raw_mode(stat.st_mode))?;
    let mut names = vec![0; 64 << 10];
    // A file system without any answers that.
    let length = flistxattr(from, &mut names).unwrap_or(0);
    for name in names[..length].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0; 64 << 10];
        if let Ok(length) = fgetxattr(from, name, &mut value) {
            // Not every file system takes every attribute.
            let _ = fsetxattr(to, name, &value[..length], XattrFlags::empty());
        }
    }
    let time = |secs, nanos| Timespec {
        tv_sec: secs,
        tv_nsec: nanos as _,
    };
    futimens(
        to,
        &Timestamps {
            last_access: time(stat.st_atime, stat.st_atime_nsec),
            last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn content_owner_and_mode_are_the_images() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("sub/file"), "text").unwrap();
        std::os::unix::fs::chown(from.join("sub/file"), Some(7), Some(8)).unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o4750)).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o1770)).unwrap();
        symlink("/etc/shadow", from.join("link")).unwrap();
        let open = |path| OwnedFd::from(File::open(path).unwrap());
        assert!(is_empty(&open(&to)).unwrap());
        copy_directory(&open(&from), &open(&to), 0).unwrap();
        assert!(!is_empty(&open(&to)).unwrap());
        let file = fs::metadata(to.join("sub/file")).unwrap();
        assert_eq!(
            (file.mode() & 0o7777, file.uid(), file.gid()),
            (0o4750, 7, 8)
        );
        assert_eq!(fs::read_to_string(to.join("sub/file")).unwrap(), "text");
        assert_eq!(fs::metadata(&to).unwrap().mode() & 0o7777, 0o1770);
        let link = fs::read_link(to.join("link")).unwrap();
        assert_eq!(link.to_str(), Some("/etc/shadow"));
    }
}

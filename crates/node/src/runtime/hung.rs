//! Shims that do not answer: one that was stopped, or waits for a disk for ever. What they own can
//! be ended without them, for the kernel knows it too: the shim by the lock it holds, the
//! container by its cgroup.
//!
//! Invariant: only a process that is still what it was taken for gets a signal.

use crate::cgroup::Cgroup;
use crate::shim::{LOCK, send_signal};
use rustix::fs::FileType;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const KILL: i32 = 9;

/// Kills the shim that holds the directory; its container's first process dies with it.
pub(super) fn kill_shim(dir: &Path) {
    let Some(pid) = holder(dir) else { return };
    let killed = send(pid, KILL, || holder(dir) == Some(pid));
    tracing::warn!(dir = %dir.display(), pid, ?killed, "a shim that does not answer is killed");
}

/// Sends a signal to the container's first process.
pub(super) fn signal(pid: i32, group: &Cgroup, signal: i32) -> io::Result<()> {
    send(pid, signal, || group.processes().contains(&pid))
}

/// One that has just ended is no error.
fn send(pid: i32, signal: i32, is_still: impl Fn() -> bool) -> io::Result<()> {
    let Some(process) = Pid::from_raw(pid) else {
        return Ok(());
    };
    match pidfd_open(process, PidfdFlags::empty()) {
        // From here on the number may be another's, but not the descriptor.
        Ok(pidfd) if is_still() => send_signal(&pidfd, signal),
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// The process that has locked the directory, by `/proc/locks` (proc_locks(5)).
fn holder(dir: &Path) -> Option<i32> {
    let lock = fs::metadata(dir.join(LOCK)).ok()?;
    let is_file = FileType::from_raw_mode(lock.mode()) == FileType::RegularFile;
    let locks = fs::read_to_string("/proc/locks").ok().filter(|_| is_file)?;
    let pids = locks.lines().filter_map(|line| locked(line, lock.ino()));
    let file = (lock.dev(), lock.ino());
    pids.into_iter()
        .find(|pid| is_shim(*pid) && has_open(*pid, file))
}

/// The pid of `1: FLOCK  ADVISORY  WRITE 2389 00:2d:4711 0 EOF`, if it may be of this file: some
/// file systems show another device there than to stat(2), so the inode alone is compared.
fn locked(line: &str, inode: u64) -> Option<i32> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    match fields[..] {
        [_, "FLOCK", _, "WRITE", pid, file, ..] => {
            let of = file.rsplit(':').next()?.parse::<u64>().ok()?;
            pid.parse().ok().filter(|_| of == inode)
        }
        _ => None,
    }
}

/// Whether the process has the file open. Another file system may have the same inode.
fn has_open(pid: i32, file: (u64, u64)) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd"));
    let mut open = open.into_iter().flatten().flatten();
    open.any(|fd| fs::metadata(fd.path()).is_ok_and(|found| (found.dev(), found.ino()) == file))
}

fn is_shim(pid: i32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.starts_with(b"neargate-shim\0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_file_system_is_another_file() {
        let file = tempfile::tempfile().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let stat = file.metadata().unwrap();
        assert!(has_open(own, (stat.dev(), stat.ino())));
        assert!(!has_open(own, (u64::MAX, stat.ino())));
        drop(file);
        assert!(!has_open(own, (stat.dev(), stat.ino())));
    }

    #[test]
    fn a_lock_names_its_file_and_its_holder() {
        let held = "3: FLOCK  ADVISORY  WRITE 2389 00:2d:4711 0 EOF";
        assert_eq!(locked(held, 4711), Some(2389));
        assert_eq!(locked(held, 4712), None);
        for other in [
            "3: -> FLOCK  ADVISORY  WRITE 2389 00:2d:4711 0 EOF",
            "4: POSIX  ADVISORY  WRITE 2389 00:2d:4711 0 EOF",
            "5: FLOCK  ADVISORY  READ 2389 00:2d:4711 0 EOF",
            "",
        ] {
            assert_eq!(locked(other, 4711), None, "{other}");
        }
    }
}

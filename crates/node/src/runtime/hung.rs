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
    pids.into_iter().find(|pid| is_shim(*pid))
}

/// The pid of `1: FLOCK  ADVISORY  WRITE 2389 00:2d:4711 0 EOF`, if it is of this file. Devices
/// are not compared: some file systems show another one there than to stat(2).
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

fn is_shim(pid: i32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.starts_with(b"neargate-shim\0")
}

#[cfg(test)]
mod tests {
    use super::*;

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

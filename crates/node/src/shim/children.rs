//! The kernel calls about children that safe crates do not offer: being told of their end, and
//! reaping those that nobody else waits for.

use super::sys::check;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};

/// Becomes readable whenever a child has ended. Blocks SIGCHLD, which a fork inherits.
pub(super) fn child_events() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before it is read; the descriptor is new
    // and owned by nobody else.
    unsafe {
        let mut child = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(child.as_mut_ptr());
        libc::sigaddset(child.as_mut_ptr(), libc::SIGCHLD);
        check(libc::sigprocmask(
            libc::SIG_BLOCK,
            child.as_ptr(),
            std::ptr::null_mut(),
        ))?;
        let events = libc::signalfd(-1, child.as_ptr(), libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
        check(events)?;
        Ok(OwnedFd::from_raw_fd(events))
    }
}

/// Reaps children that have ended, up to the first that is one of `known`: those have someone
/// who waits for them.
pub(super) fn reap_strangers(known: &[i32]) {
    loop {
        // SAFETY: all-zero is a valid siginfo_t, which the call fills in; WNOWAIT leaves the
        // child as it is.
        let pid = unsafe {
            let mut about: libc::siginfo_t = std::mem::zeroed();
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            if libc::waitid(libc::P_ALL, 0, &raw mut about, options) < 0 {
                return;
            }
            about.si_pid()
        };
        if pid == 0 || known.contains(&pid) {
            return;
        }
        let _ = wait_for(pid);
    }
}

/// Waits for the child `pid` to end: its exit code, 128 + the signal for a killed one.
pub(super) fn wait_for(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: status is a valid place for an int.
    while unsafe { libc::waitpid(pid, &raw mut status, 0) } < 0 {
        if io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return 128;
        }
    }
    if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    }
}

/// The process is on its way out, or gone: it has `PF_EXITING` in field 9 of `/proc/<pid>/stat`.
pub(super) fn is_ending(pid: i32) -> bool {
    const EXITING: u64 = 0x4;
    let flags = || -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(6)?
            .parse()
            .ok()
    };
    flags().is_none_or(|flags| flags & EXITING != 0)
}

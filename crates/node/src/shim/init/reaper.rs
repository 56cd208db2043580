//! What holds a task's namespaces, and pid 1 of a container with `initProcessEnabled`: passes signals on, reaps orphans, and ends
//! as the program did.

use super::super::sys;

/// `program` runs in a child; answers its exit code. It owns the report pipe: held here too,
/// that would never show its end.
pub(super) fn run(program: impl FnOnce() -> i32) -> i32 {
    sys::block_signals();
    let child = match sys::fork(program) {
        Ok(child) => child,
        Err(_) => return 128,
    };
    loop {
        match sys::next_signal() {
            libc::SIGCHLD => {
                while let Some((pid, code)) = sys::reap() {
                    if pid == child {
                        // Pid 1 ending takes every other process with it.
                        return code;
                    }
                }
            }
            signal if signal > 0 => sys::kill(child, signal),
            _ => {}
        }
    }
}

/// Reaps the orphans of a namespace that others join; ends when it is killed.
pub(super) fn pause(start: impl FnOnce()) -> i32 {
    sys::block_signals();
    start();
    loop {
        if sys::next_signal() == libc::SIGCHLD {
            while sys::reap().is_some() {}
        }
    }
}

//! Does a process still live? Its id may be another's by now; the id with its start is its own.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// When that process started, in clock ticks since boot (proc_pid_stat(5)).
pub(super) fn start_ticks(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before the last parenthesis may hold anything. The 22nd field is the 20th after it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// Does the process that started then live? Where `/proc` hides the processes of others, any one
/// of its id is taken for it.
pub(super) fn is(process: u32, ticks: u64) -> bool {
    if let Some(now) = start_ticks(process) {
        return now == ticks;
    }
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::PERM))
}

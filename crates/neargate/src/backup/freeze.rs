//! A process that stands still while it is looked at, and goes on whatever becomes of who looks.

use anyhow::{Context, Result};
use neargate_base::time::Stopwatch;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A stopped process. It goes on when this is dropped, and when this program is killed: a child of its own
/// process group waits for the end of a pipe.
pub struct Frozen {
    process: Pid,
    guard: Child,
    since: Stopwatch,
}

impl Frozen {
    /// # Errors
    /// The process is gone, or is somebody else's.
    pub fn stop(process: u32) -> Result<Frozen> {
        let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process has an id")?;
        let guard = Command::new("sh")
            .args(["-c", "cat >/dev/null; kill -CONT \"$0\" 2>/dev/null"])
            .arg(process.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let frozen = Frozen {
            process: pid,
            guard,
            since: Stopwatch::start(),
        };
        kill_process(pid, Signal::STOP)
            .with_context(|| format!("cannot stop the process {process} for a moment"))?;
        Ok(frozen)
    }

    /// Lets it go on: for how long it stood still.
    pub fn go_on(self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = kill_process(self.process, Signal::CONT);
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

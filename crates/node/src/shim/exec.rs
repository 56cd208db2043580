//! The programs run in the container beside its own, for as long as they last.
//!
//! Each has a cgroup inside the container's, by which all of it is found when its time is up or
//! whoever asked for it has gone. What a program leaves behind when it ends by itself belongs to
//! the container from then on, as with Docker. Nothing here waits: the supervisor's loop calls.
//!
//! Invariant: whatever becomes a child of the shim is reaped. The kernel lets no container end
//! before each of its processes has been, wherever their parents are.

use super::control::{ClientId, ExecRequest};
use super::init::Report;
use super::init::exec::{ExecEnds, run};
use super::launch::Launched;
use super::message::receive;
use super::{children, sys};
use crate::cgroup::{Cgroup, Entrance};
use crate::runtime::{ContainerConfig, ExecEnd, Executed, StartFailure};
use neargate_base::time::Stopwatch;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// How many may run at once in one container.
const MOST: usize = 16;
/// Docker keeps as much of a health check's output.
const KEPT_OUTPUT_BYTES: usize = 4096;
/// A report is a line; more comes from nobody we know.
const LONGEST_REPORT: usize = 16 * 1024;
/// How long after a kill it is looked whether everything has gone; longer each time.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const LOOK_AGAIN_AT_MOST: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Exec {
    client: ClientId,
    group: Cgroup,
    keeper: i32,
    keeper_pidfd: OwnedFd,
    report: OwnedFd,
    reported: Vec<u8>,
    /// Its terminal's other end is still to come with a report.
    awaits_terminal: bool,
    /// `None` once it has ended.
    output: Option<OwnedFd>,
    kept: Vec<u8>,
    running: Stopwatch,
    timeout: Duration,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Running,
    /// Answered for; being killed and cleaned away.
    Ending {
        keeper_reaped: bool,
        looked: Stopwatch,
        pause: Duration,
    },
}

/// What whoever asked for a program is told.
#[derive(Debug)]
pub(super) enum Answer {
    /// The other end of its terminal.
    Terminal(OwnedFd),
    Ended(Executed),
}

/// Every program of one container.
#[derive(Debug, Default)]
pub(super) struct Execs {
    running: Vec<Exec>,
    started: u64,
    /// Readable when a child of the shim has ended; from the first program on.
    child_events: Option<OwnedFd>,
}

impl Execs {
    /// Reaps whatever becomes a child of the shim from the start on: where the container has no
    /// namespace of processes of its own, its orphans do.
    pub fn watching() -> io::Result<Execs> {
        Ok(Execs {
            child_events: Some(children::child_events()?),
            ..Execs::default()
        })
    }

    /// Starts a program in the container that `dir` is of; the answer comes out of [`Execs::step`].
    pub fn start(
        &mut self,
        (config, dir): (&ContainerConfig, &Path),
        container: &Launched,
        client: ClientId,
        request: &ExecRequest,
    ) -> Result<(), String> {
        if self.running.len() >= MOST {
            return Err(format!("{MOST} programs are being run already"));
        }
        if self.child_events.is_none() {
            self.child_events =
                Some(children::child_events().map_err(|e| format!("signalfd: {e}"))?);
        }
        self.started += 1;
        let group = container
            .cgroup
            .part(&format!("x-{}", self.started))
            .map_err(|e| chain(&e))?;
        match Exec::start((config, dir), container, client, request, group.clone()) {
            Ok(exec) => {
                self.running.push(exec);
                Ok(())
            }
            Err(problem) => {
                group.remove_part();
                Err(problem)
            }
        }
    }

    /// What to poll for.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let events = self.child_events.iter();
        let events = events.map(|fd| PollFd::new(fd, PollFlags::IN));
        events.chain(self.running.iter().flat_map(|exec| {
            let reaped = matches!(
                exec.stage,
                Stage::Ending {
                    keeper_reaped: true,
                    ..
                }
            );
            let keeper = (!reaped).then_some(&exec.keeper_pidfd);
            let report = exec.awaits_terminal.then_some(&exec.report);
            keeper
                .into_iter()
                .chain(report)
                .chain(&exec.output)
                .map(|fd| PollFd::new(fd, PollFlags::IN))
        }))
    }

    /// How long may pass before [`Execs::step`] has something to do all the same.
    pub fn wake_in(&self) -> Option<Duration> {
        self.running.iter().map(Exec::wake_in).min()
    }

    /// Handles whatever happened; answers those that have come to an end. `is_connected` tells
    /// whether somebody still waits for the answer; `container`: its first process.
    pub fn step(
        &mut self,
        container: &Launched,
        buffer: &mut [u8],
        is_connected: impl Fn(ClientId) -> bool,
    ) -> Vec<(ClientId, Answer)> {
        let Some(events) = &self.child_events else {
            return Vec::new();
        };
        // Before the children are looked after, so that later ones are told of again.
        while matches!(rustix::io::read(events, &mut *buffer), Ok(n) if n > 0) {}
        let mut answers = Vec::new();
        for exec in &mut self.running {
            // Whether it has ended is looked at first: what it sent before that, its terminal, is there then.
            let code = match exec.stage {
                Stage::Running => exec.reap(),
                Stage::Ending { .. } => None,
            };
            if let Some(terminal) = exec.take_terminal(buffer) {
                answers.push((exec.client, Answer::Terminal(terminal)));
            }
            if let Some(executed) = exec.step(code, container, buffer, &is_connected) {
                answers.push((exec.client, Answer::Ended(executed)));
            }
        }
        self.running.retain_mut(|exec| !exec.is_gone());
        // Programs whose keeper was killed with them are our children now.
        let keepers = self.running.iter().map(|exec| exec.keeper);
        let known: Vec<i32> = keepers.chain([container.pid]).collect();
        children::reap_strangers(&known);
        answers
    }
}

impl Exec {
    fn start(
        (config, dir): (&ContainerConfig, &Path),
        container: &Launched,
        client: ClientId,
        request: &ExecRequest,
        group: Cgroup,
    ) -> Result<Exec, String> {
        let failed = |e: Errno| io::Error::from(e).to_string();
        let pipe = || {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
            rustix::io::ioctl_fionbio(&read, true).map_err(failed)?;
            Ok::<_, String>((read, write))
        };
        let (report, report_child) = match request.terminal {
            true => {
                let flags = SocketFlags::CLOEXEC;
                let (read, write) =
                    socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
                        .map_err(failed)?;
                rustix::io::ioctl_fionbio(&read, true).map_err(failed)?;
                (read, write)
            }
            false => pipe()?,
        };
        let (output, output_child) = pipe()?;
        let entrance = container
            .cgroup
            .part_entrance(&group)
            .map_err(|e| chain(&e))?;
        let (tasks, into) = match entrance {
            Entrance::WriteZero(tasks) => (tasks, None),
            Entrance::CloneInto(directory) => (Vec::new(), Some(OwnedFd::from(directory))),
        };
        let first = container.pidfd.try_clone().map_err(|e| e.to_string())?;
        let ends = ExecEnds {
            report: report_child,
            output: output_child,
            container: first,
            cgroup: tasks,
            on_terminal: request.terminal,
        };
        let (keeper, keeper_pidfd) =
            sys::clone_here(into.as_ref(), || run(config, dir, &request.args, ends))
                .map_err(|e| format!("clone: {e}"))?;
        Ok(Exec {
            client,
            group,
            keeper,
            keeper_pidfd,
            report,
            reported: Vec::new(),
            awaits_terminal: request.terminal,
            output: Some(output),
            kept: Vec::new(),
            running: Stopwatch::start(),
            timeout: Duration::from_millis(request.timeout_millis),
            stage: Stage::Running,
        })
    }

    fn wake_in(&self) -> Duration {
        match &self.stage {
            Stage::Running => self.timeout.saturating_sub(self.running.elapsed()),
            Stage::Ending { looked, pause, .. } => pause.saturating_sub(looked.elapsed()),
        }
    }

    /// `code`: its keeper's, which has ended.
    fn step(
        &mut self,
        code: Option<i32>,
        container: &Launched,
        buffer: &mut [u8],
        is_connected: impl Fn(ClientId) -> bool,
    ) -> Option<Executed> {
        self.pump(buffer);
        if !matches!(self.stage, Stage::Running) {
            return None;
        }
        if let Some(code) = code {
            while self.pump(buffer) {}
            let end = self.reported().unwrap_or(ExecEnd::Exited(code));
            // The container's end kills what is in it first, and lets nothing more begin. That is
            // no end of the program's own; whoever asked learns it from the end of the stream.
            if end != ExecEnd::Exited(0) && children::is_ending(container.pid) {
                self.end(end, true);
                return None;
            }
            // What is left behind is the container's; what cannot be taken in is killed.
            container.cgroup.take_in(&self.group);
            return Some(self.end(end, true));
        }
        if self.running.elapsed() >= self.timeout {
            return Some(self.end(ExecEnd::TimedOut, false));
        }
        if !is_connected(self.client) {
            // Nobody hears the answer.
            self.end(ExecEnd::TimedOut, false);
        }
        None
    }

    /// The other end of its terminal, once it comes.
    fn take_terminal(&mut self, buffer: &mut [u8]) -> Option<OwnedFd> {
        if !self.awaits_terminal {
            return None;
        }
        match receive(&self.report, buffer, RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => None,
            Ok((n, [terminal, _])) => {
                self.reported.extend_from_slice(&buffer[..n]);
                // Whatever comes first is either the terminal or why there is none.
                self.awaits_terminal = false;
                terminal
            }
            Err(_) => {
                self.awaits_terminal = false;
                None
            }
        }
    }

    /// Reads what is there, once; true when there was something.
    fn pump(&mut self, buffer: &mut [u8]) -> bool {
        let Some(output) = &self.output else {
            return false;
        };
        match rustix::io::read(output, &mut *buffer) {
            Err(Errno::AGAIN | Errno::INTR) => false,
            Ok(0) | Err(_) => {
                self.output = None;
                false
            }
            Ok(n) => {
                let room = KEPT_OUTPUT_BYTES.saturating_sub(self.kept.len());
                self.kept.extend_from_slice(&buffer[..n.min(room)]);
                // Beyond that it is read to keep the writer going, but not to an end.
                room > 0
            }
        }
    }

    /// The keeper's exit code, once it has ended.
    fn reap(&self) -> Option<i32> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        match waitid(WaitId::PidFd(self.keeper_pidfd.as_fd()), options) {
            Ok(Some(status)) => {
                let signal = status.terminating_signal().map(|signal| 128 + signal);
                Some(status.exit_status().or(signal).unwrap_or(128))
            }
            Ok(None) | Err(Errno::INTR) => None,
            // Not our child: nothing of it is left to wait for.
            Err(_) => Some(128),
        }
    }

    /// Why it was not executed.
    fn reported(&mut self) -> Option<ExecEnd> {
        let mut reported = std::mem::take(&mut self.reported);
        let mut buffer = [0; 4096];
        while reported.len() < LONGEST_REPORT {
            match rustix::io::read(&self.report, &mut buffer) {
                Ok(n) if n > 0 => reported.extend_from_slice(&buffer[..n]),
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => break,
            }
        }
        let failure = |line: &[u8]| match serde_json::from_slice(line) {
            Ok(Report::Failed(StartFailure { message, .. })) => Some(ExecEnd::NotStarted(message)),
            _ => None,
        };
        reported.split(|&byte| byte == b'\n').find_map(failure)
    }

    /// From here on it is only cleaned away.
    fn end(&mut self, end: ExecEnd, keeper_reaped: bool) -> Executed {
        // What it still writes gets the kernel's answer for a reader that is gone.
        self.output = None;
        self.stage = Stage::Ending {
            keeper_reaped,
            looked: Stopwatch::start(),
            pause: Duration::ZERO,
        };
        Executed {
            end,
            output: String::from_utf8_lossy(&std::mem::take(&mut self.kept)).into_owned(),
        }
    }

    /// Kills what is left; true when nothing is.
    fn is_gone(&mut self) -> bool {
        let reaped_now = self.reap_if_ending();
        let Stage::Ending {
            keeper_reaped,
            looked,
            pause,
        } = &mut self.stage
        else {
            return false;
        };
        *keeper_reaped |= reaped_now;
        if looked.elapsed() < *pause {
            return false;
        }
        if self.group.kill_now() && *keeper_reaped && self.group.remove_part() {
            return true;
        }
        *looked = Stopwatch::start();
        *pause = (*pause * 2).clamp(LOOK_AGAIN, LOOK_AGAIN_AT_MOST);
        false
    }

    fn reap_if_ending(&self) -> bool {
        match self.stage {
            Stage::Ending {
                keeper_reaped: false,
                ..
            } => self.reap().is_some(),
            Stage::Running | Stage::Ending { .. } => false,
        }
    }
}

/// Everything an error has to say, on one line.
fn chain(e: &dyn std::error::Error) -> String {
    match e.source() {
        Some(source) => format!("{e}: {source}"),
        None => e.to_string(),
    }
}

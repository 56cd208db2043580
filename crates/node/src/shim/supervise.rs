//! Watching one container from its first process to `exit.json`: a single poll loop.

use super::control::{ClientId, Control, Greeting, Reply, Request};
use super::exec::{Answer, Execs};
use super::init::Report;
use super::launch::Launched;
use super::lines::{Batch, Splitter, Stream};
use super::log::Log;
use super::message::receive;
use super::state::{EXIT, LOG, STARTED, write_json, write_json_quickly};
use super::{failed, sys};
use crate::runtime::{ContainerConfig, Exit, Namespace, StartFailure, StartFailureKind, Started};
use neargate_base::{
    Clock, Timestamp,
    time::{Stopwatch, SystemClock},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// How often a full log is looked at for room.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long output is read on after everything in the container has been killed.
const DRAIN: Duration = Duration::from_secs(5);

/// One of the container's outputs.
#[derive(Debug)]
struct Output {
    /// `None` once it has ended.
    pipe: Option<OwnedFd>,
    splitter: Splitter,
}

impl Output {
    fn new(pipe: Option<OwnedFd>, stream: Stream) -> Self {
        Output {
            pipe,
            splitter: Splitter::new(stream),
        }
    }

    /// Reads what is there.
    fn pump(&mut self, buffer: &mut [u8], log: &mut Log, batch: &mut Batch) {
        let Some(pipe) = &self.pipe else { return };
        let now = SystemClock.now();
        match rustix::io::read(pipe, &mut *buffer) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A terminal's master end answers EIO once nobody has the other end open.
            Ok(0) | Err(_) => {
                self.pipe = None;
                self.splitter.finish(now, batch);
            }
            Ok(n) => self.splitter.feed(&buffer[..n], now, batch),
        }
        log.write(batch, now);
    }
}

struct Supervisor<'a> {
    config: &'a ContainerConfig,
    dir: &'a Path,
    control: Control,
    launched: Launched,
    outputs: [Output; 2],
    log: Log,
    buffer: Vec<u8>,
    batch: Batch,
    report: Option<OwnedFd>,
    reported: Vec<u8>,
    started: Option<Started>,
    failure: Option<StartFailure>,
    execs: Execs,
}

pub(super) fn supervise(
    config: &ContainerConfig,
    dir: &Path,
    listener: OwnedFd,
    mut launched: Launched,
) -> io::Result<()> {
    let path = dir.join(LOG);
    let kept = config.log.then_some(path.as_path());
    let log = match Log::open(kept, config.log_limit_bytes, config.log_blocks) {
        Ok(log) => log,
        Err(e) => {
            launched.cgroup.kill().map_err(io::Error::other)?;
            let _ = launched.cgroup.remove();
            let message = format!("cannot open {}: {e}", path.display());
            let failure = StartFailure::new(StartFailureKind::Setup, message);
            return super::refuse(dir, listener, failure);
        }
    };
    let (stdout, stderr) = (launched.stdout.take(), launched.stderr.take());
    let supervisor = Supervisor {
        config,
        dir,
        control: Control::new(listener),
        outputs: [
            Output::new(stdout, Stream::Stdout),
            Output::new(stderr, Stream::Stderr),
        ],
        log,
        buffer: vec![0; 64 * 1024],
        batch: Batch::default(),
        report: launched.report.take(),
        reported: Vec::new(),
        started: None,
        failure: None,
        execs: match config.processes {
            Namespace::Host => Execs::watching()?,
            Namespace::Own | Namespace::Of(_) => Execs::default(),
        },
        launched,
    };
    supervisor.run()
}

impl Supervisor<'_> {
    fn run(mut self) -> io::Result<()> {
        let status = loop {
            self.step(self.execs.wake_in())?;
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            if let Some(status) = waitid(WaitId::PidFd(self.launched.pidfd.as_fd()), options)? {
                break status;
            }
        };
        // The program may have been executed and ended since the last look.
        self.read_report()?;
        let oom_kills = self.launched.cgroup.oom_kills();
        self.launched.cgroup.kill().map_err(io::Error::other)?;
        self.drain()?;
        let exit = self.exit(status.exit_status(), status.terminating_signal(), oom_kills);
        // What is left of it (never expected) goes when the task is removed.
        let _ = self.launched.cgroup.remove();
        write_json(self.dir, EXIT, &exit)
    }

    fn exit(&self, code: Option<i32>, signal: Option<i32>, oom_kills: u64) -> Exit {
        if let Some(failure) = &self.failure {
            return failed(failure);
        }
        let Some(started) = &self.started else {
            return failed(&StartFailure::new(
                StartFailureKind::Setup,
                "the container's first process was killed before its program started",
            ));
        };
        let code = code.or(signal.map(|signal| 128 + signal));
        Exit {
            code,
            signal,
            oom_killed: oom_kills > 0 && code == Some(137),
            started_at: Some(started.started_at),
            finished_at: SystemClock.now(),
            error: None,
            dropped_lines: self.log.dropped,
        }
    }

    /// Waits for anything to happen, and handles it.
    fn step(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        // Then the container waits for its output to be read.
        let is_full = self.log.is_full();
        let timeout = match is_full {
            true => Some(timeout.map_or(LOOK_AGAIN, |t| t.min(LOOK_AGAIN))),
            false => timeout,
        };
        let timeout = timeout.map(timespec);
        let ready = {
            let mut fds = vec![PollFd::new(&self.launched.pidfd, PollFlags::IN)];
            let read = |output: usize| self.outputs[output].pipe.as_ref().filter(|_| !is_full);
            let parts = [
                read(0),
                read(1),
                self.report.as_ref(),
                self.launched.terminal.as_ref(),
            ];
            fds.extend(
                parts
                    .into_iter()
                    .flatten()
                    .map(|fd| PollFd::new(fd, PollFlags::IN)),
            );
            fds.extend(self.execs.poll_fds());
            fds.extend(self.control.poll_fds());
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            let controls = fds.len() - self.control.poll_fds().count();
            fds[controls..].iter().any(|fd| !fd.revents().is_empty())
        };
        // Reading from whatever is not ready costs one call that answers EAGAIN.
        self.read_report()?;
        self.take_terminal();
        if !is_full {
            for output in &mut self.outputs {
                output.pump(&mut self.buffer, &mut self.log, &mut self.batch);
            }
        }
        if ready {
            self.serve();
        }
        let control = &self.control;
        let answers = self.execs.step(&self.launched, &mut self.buffer, |id| {
            control.is_connected(id)
        });
        for (client, answer) in answers {
            match answer {
                Answer::Terminal(terminal) => {
                    self.control.reply_with(client, &Reply::Terminal, &terminal);
                }
                Answer::Ended(executed) => {
                    self.control.reply(client, &Reply::Executed(executed));
                }
            }
        }
        Ok(())
    }

    fn serve(&mut self) {
        self.control.accept();
        let (config, launched, execs) = ((self.config, self.dir), &self.launched, &mut self.execs);
        let is_started = self.started.is_some();
        self.control.serve(|client: ClientId, request| {
            let refused = |problem: String| Some(Reply::Refused(problem));
            match request {
                Request::Signal(number) => {
                    let sent = match sys::signal(number) {
                        Some(signal) => send_signal(&launched.pidfd, signal),
                        None => Err(Errno::INVAL),
                    };
                    match sent {
                        Ok(()) => Some(Reply::Done),
                        Err(e) => refused(e.to_string()),
                    }
                }
                // Until then its first process is not confined yet.
                Request::Exec(_) if !is_started => refused("the container has not started".into()),
                Request::Exec(request) => {
                    let started = execs.start(config, launched, client, &request);
                    started.err().and_then(refused)
                }
            }
        });
    }

    fn read_report(&mut self) -> io::Result<()> {
        let Some(report) = &self.report else {
            return Ok(());
        };
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(report, &mut buffer) {
                Ok(0) => break,
                Ok(n) => self.reported.extend_from_slice(&buffer[..n]),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.report = None;
        self.start_is_decided()
    }

    /// The first process has executed its program, or has failed to.
    fn start_is_decided(&mut self) -> io::Result<()> {
        let mut warnings = Vec::new();
        let mut executed = false;
        for line in self.reported.split(|&byte| byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Report::Warning(warning)) => warnings.push(warning),
                Ok(Report::Failed(failure)) => self.failure = Some(failure),
                Ok(Report::Executing) => executed = true,
                Err(_) => {}
            }
        }
        let greeting = if let Some(failure) = &self.failure {
            Greeting::Failed(failure.clone())
        } else if executed {
            let started = Started {
                pid: self.launched.pid,
                started_at: SystemClock.now(),
                start_ticks: sys::start_ticks(self.launched.pid).unwrap_or(0),
                warnings,
            };
            // The greeting tells every client as much, while this process can be asked.
            let _ = write_json_quickly(self.dir, STARTED, &started);
            self.started = Some(started.clone());
            Greeting::Started(started)
        } else {
            // Killed on its way; `exit` says so once it is reaped.
            return Ok(());
        };
        self.control.greet(&greeting);
        Ok(())
    }

    fn take_terminal(&mut self) {
        let Some(socket) = &self.launched.terminal else {
            return;
        };
        match receive(socket, &mut [0], RecvFlags::DONTWAIT) {
            Ok((_, [Some(master), _])) => {
                let _ = rustix::io::ioctl_fionbio(&master, true);
                self.outputs[0].pipe = Some(master);
                self.launched.terminal = None;
            }
            Ok((_, [None, _])) => self.launched.terminal = None,
            Err(_) => {}
        }
    }

    /// Reads the outputs to their end. Nothing in the container is alive, so the end comes at
    /// once; the bound is for a pipe that was passed to a process elsewhere.
    fn drain(&mut self) -> io::Result<()> {
        let watch = Stopwatch::start();
        while self.outputs.iter().any(|output| output.pipe.is_some()) && watch.elapsed() < DRAIN {
            let mut fds: Vec<PollFd<'_>> = self
                .outputs
                .iter()
                .filter_map(|output| output.pipe.as_ref())
                .map(|pipe| PollFd::new(pipe, PollFlags::IN))
                .collect();
            let rest = DRAIN.saturating_sub(watch.elapsed());
            match poll(&mut fds, Some(&timespec(rest))) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            for output in &mut self.outputs {
                output.pump(&mut self.buffer, &mut self.log, &mut self.batch);
            }
        }
        let now: Timestamp = SystemClock.now();
        for output in &mut self.outputs {
            output.splitter.finish(now, &mut self.batch);
        }
        self.log.write(&mut self.batch, now);
        Ok(())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        // A timeout beyond any machine's life.
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// A container that has just ended is no error.
pub(super) fn send_signal(pidfd: &OwnedFd, signal: Signal) -> Result<(), Errno> {
    match pidfd_send_signal(pidfd, signal) {
        Err(Errno::SRCH) => Ok(()),
        other => other,
    }
}

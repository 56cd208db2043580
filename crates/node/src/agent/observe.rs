//! What a driver observes of its task, and how each observation changes the state: the causes
//! and words of every end are here.

use super::health::HealthState;
use super::restart;
use super::seams::{PulledImage, TaskLinks};
use super::state::{ContainerState, Ended, Network, Once, Phase, Secrets, TaskState};
use crate::runtime::Exit;
use neargate_base::Timestamp;
use neargate_domain::{Assignment, DesiredState, TaskReport, TaskSecrets, TaskStopped};
use std::sync::Arc;

/// What the driver observed.
#[derive(Debug, Clone)]
pub enum Event {
    Assigned(Box<Assignment>),
    Removed,
    NetworkReady(Arc<TaskLinks>),
    NetworkFailed {
        message: String,
        retry_at: Timestamp,
    },
    NetworkReleased,
    SecretsRead(Arc<TaskSecrets>),
    /// The text after `ResourceInitializationError: `.
    SecretsRefused(String),
    Pulled(usize, Arc<PulledImage>),
    PullFailed(usize, String),
    LogsReady(usize),
    /// The text after `failed to validate logger args: `.
    LogsRefused(usize, String),
    Started(usize, Timestamp),
    StartFailed(usize, String),
    /// What the task needs for this container cannot be had; the text after
    /// `ResourceInitializationError: `.
    ResourceFailed(usize, String),
    /// The container's health check has passed, has failed, or was cut short.
    Checked(usize, Option<bool>),
    Exited(usize, Exit),
    /// It ran, and nobody saw it end.
    Lost(usize),
    Drained(usize),
    /// Its files take more than they may; the sentence that says so.
    Overfull(String),
    /// What the container wrote is off the disk.
    Discarded(usize),
    TaskRemoved,
    /// A take-down step failed; try all of it again then.
    ReleaseFailed(Timestamp),
    /// This version of the facts is in the ledger.
    Written(u64),
    /// The ledger was written; `durable` says whether it is on disk, too.
    Saved {
        version: u64,
        durable: bool,
    },
    SaveFailed {
        message: String,
        retry_at: Timestamp,
    },
    Reported(Box<TaskReport>),
    ReportFailed {
        retry_at: Timestamp,
    },
    Forgotten,
}

impl TaskState {
    /// Take in one observation. Late and doubled ones change nothing.
    pub fn on(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Assigned(newer) => self.assigned(&newer),
            Event::Removed => self.removed = true,
            Event::NetworkReady(links) => self.network_ready(links),
            Event::NetworkFailed { message, retry_at } => {
                self.network_failed(&message, retry_at, now)
            }
            Event::NetworkReleased => self.network = Network::Released,
            Event::SecretsRead(secrets) => {
                if self.secrets == Secrets::Reading {
                    self.secrets = Secrets::Ready(secrets);
                }
            }
            Event::SecretsRefused(message) => {
                if self.secrets == Secrets::Reading {
                    let never_ran = |c: &ContainerState| {
                        matches!(c.phase, Phase::Waiting | Phase::Pulling | Phase::Pulled)
                    };
                    if self.containers.iter().all(never_ran) {
                        self.secrets = Secrets::Failed;
                        self.fail("ResourceInitializationError", &message, now);
                    } else {
                        // Those that ran before this agent came are not ended for it; the next that
                        // is to start asks again.
                        self.secrets = Secrets::Absent;
                        self.secrets_lost(&message, now);
                    }
                }
            }
            Event::Pulled(i, image) => self.pulled(i, image, now),
            Event::PullFailed(i, message) => {
                if self.containers[i].phase == Phase::Pulling {
                    self.pull_stopped_at.get_or_insert(now);
                    let reason = self.fail("CannotPullContainerError", &message, now);
                    self.end(
                        i,
                        Ended {
                            reason: Some(reason),
                            ..Ended::default()
                        },
                    );
                }
            }
            Event::LogsReady(i) => self.containers[i].log_ready = Once::Done,
            Event::LogsRefused(i, message) => {
                if self.containers[i].log_ready == Once::Doing {
                    self.containers[i].log_ready = Once::Done;
                    self.fail(
                        "ResourceInitializationError",
                        &logger_failure(&message),
                        now,
                    );
                }
            }
            Event::Started(i, started_at) => self.started(i, started_at),
            Event::Checked(i, passed) => self.checked(i, passed, now),
            Event::StartFailed(i, message) => self.start_failed(i, &message, None, now),
            Event::ResourceFailed(i, message) => {
                self.fail("ResourceInitializationError", &message, now);
                self.start_failed(i, &message, None, now);
            }
            Event::Exited(i, exit) => self.exited(i, &exit),
            Event::Lost(i) => {
                let exit = Exit {
                    code: None,
                    signal: None,
                    oom_killed: false,
                    started_at: None,
                    finished_at: now,
                    error: None,
                    dropped_lines: 0,
                };
                self.exited(i, &exit);
            }
            Event::Drained(i) => self.containers[i].drained = true,
            Event::Overfull(why) => {
                if !self.all_ended() {
                    self.overfull = true;
                    self.conclude("EssentialContainerExited", &why, now);
                }
            }
            Event::Discarded(i) => self.containers[i].freed = Once::Done,
            Event::TaskRemoved => self.removal = Once::Done,
            Event::ReleaseFailed(retry_at) => {
                self.release_retry_at = Some(retry_at);
                if self.network == Network::Releasing {
                    self.network = Network::Failed;
                }
                if self.removal == Once::Doing {
                    self.removal = Once::ToDo;
                }
                for c in &mut self.containers {
                    if c.freed == Once::Doing {
                        c.freed = Once::ToDo;
                    }
                }
                if self.forgetting == Once::Doing {
                    self.forgetting = Once::ToDo;
                }
            }
            Event::Written(version) => self.saving.written = self.saving.written.max(version),
            Event::Saved { version, durable } => {
                let saving = &mut self.saving;
                saving.in_flight = false;
                saving.retry_at = None;
                saving.written = saving.written.max(version);
                if durable {
                    saving.durable = saving.durable.max(version);
                }
            }
            Event::SaveFailed { message, retry_at } => {
                self.saving.in_flight = false;
                self.saving.retry_at = Some(retry_at);
                if self.saving.durable == 0 {
                    self.fail("ResourceInitializationError", &message, now);
                }
            }
            Event::Reported(mut report) => {
                self.reporting.in_flight = false;
                self.reporting.retry_at = None;
                report.sequence = 0;
                self.reporting.acknowledged = Some(*report);
            }
            Event::ReportFailed { retry_at } => {
                self.reporting.in_flight = false;
                self.reporting.retry_at = Some(retry_at);
            }
            Event::Forgotten => self.forgetting = Once::Done,
        }
        self.settle(now);
    }

    /// Name the cause when the task must end and nothing named one yet.
    pub(super) fn settle(&mut self, now: Timestamp) {
        if self.assignment.desired == DesiredState::Stopped {
            // ECS's default reason; the control plane knows the caller's own.
            self.conclude("UserInitiated", "Task stopped by user", now);
        } else if self.all_ended() {
            self.conclude(
                "EssentialContainerExited",
                "Essential container in task exited",
                now,
            );
        }
    }

    /// A fact worth keeping changed; a killed agent may find out most of them again.
    pub fn touch(&mut self) {
        self.saving.version += 1;
    }

    /// A fact changed that must not be unsaid once it is reported.
    fn touch_durably(&mut self) {
        self.touch();
        self.saving.durable_version = self.saving.version;
    }

    fn assigned(&mut self, newer: &Assignment) {
        if newer.generation <= self.assignment.generation {
            return;
        }
        // Containers never change within a task's life; only what is desired of it does, and
        // how long they may take to stop.
        self.assignment.generation = newer.generation;
        for (own, new) in self.assignment.containers.iter_mut().zip(&newer.containers) {
            own.stop_timeout_secs = new.stop_timeout_secs;
        }
        if newer.desired == DesiredState::Stopped {
            self.assignment.desired = DesiredState::Stopped;
        }
        self.touch();
    }

    /// What is still to start cannot.
    fn secrets_lost(&mut self, message: &str, now: Timestamp) {
        for i in 0..self.containers.len() {
            let spec = &self.assignment.containers[i];
            if spec.has_secret_route() && !self.containers[i].drained {
                tracing::warn!(name = spec.name, message, "output is dropped");
                self.containers[i].drained = true;
            }
            let waits = matches!(
                self.containers[i].phase,
                Phase::Waiting
                    | Phase::Pulling
                    | Phase::Pulled
                    | Phase::Restarting {
                        under_way: false,
                        ..
                    }
            );
            if waits {
                let reason = format!("ResourceInitializationError: {message}");
                self.give_up(i, Some(&reason), now);
            }
        }
    }

    fn network_ready(&mut self, links: Arc<TaskLinks>) {
        if self.network != Network::Attaching {
            return;
        }
        let mut changed = false;
        for (c, link) in self.containers.iter_mut().zip(links.iter()) {
            if let Ok(joined) = link
                && joined.bindings != c.bindings
            {
                c.bindings = joined.bindings.clone();
                changed = true;
            }
        }
        if changed {
            self.touch();
        }
        self.network = Network::Ready(links);
    }

    /// A task that runs already (the agent came back) does not fail for it.
    fn network_failed(&mut self, message: &str, retry_at: Timestamp, now: Timestamp) {
        if self.network != Network::Attaching {
            return;
        }
        if self
            .containers
            .iter()
            .any(|c| matches!(c.phase, Phase::Running { .. } | Phase::Restarting { .. }))
        {
            self.network = Network::Absent;
            self.network_retry_at = Some(retry_at);
        } else {
            self.network = Network::Failed;
            self.fail("ResourceInitializationError", message, now);
        }
    }

    fn pulled(&mut self, i: usize, image: Arc<PulledImage>, now: Timestamp) {
        let c = &mut self.containers[i];
        if c.phase != Phase::Pulling {
            return;
        }
        c.phase = Phase::Pulled;
        c.image_digest = Some(image.digest.clone());
        c.stop_signal = super::signal::stop_signal(image.stop_signal.as_deref());
        c.image = Some(image);
        let pulling = |c: &ContainerState| matches!(c.phase, Phase::Waiting | Phase::Pulling);
        if !self.containers.iter().any(pulling) {
            self.pull_stopped_at.get_or_insert(now);
            self.touch();
        }
    }

    fn started(&mut self, i: usize, at: Timestamp) {
        let c = &mut self.containers[i];
        let first = match c.phase {
            Phase::Starting => at,
            // What this agent asked for, whenever it began: the clock may have been set back since
            // the run before, and two runs may begin within its one millisecond.
            Phase::Restarting {
                started_at,
                under_way: true,
                ..
            } => started_at,
            // Running already: started again by an agent that was killed before it kept that.
            Phase::Restarting { started_at, .. } | Phase::Running { started_at }
                if at > c.runs.last_start_at.unwrap_or(started_at) =>
            {
                started_at
            }
            Phase::Waiting
            | Phase::Pulling
            | Phase::Pulled
            | Phase::Running { .. }
            | Phase::Restarting { .. }
            | Phase::Ended(_) => return,
        };
        if c.phase != Phase::Starting {
            c.runs.restarts += 1;
            c.runs.last_start_at = Some(at);
        }
        c.phase = Phase::Running { started_at: first };
        c.set_by_millis = 0;
        if let Some(check) = &self.assignment.containers[i].health_check {
            c.health.started(check, at);
        }
        self.touch();
    }

    fn checked(&mut self, i: usize, passed: Option<bool>, now: Timestamp) {
        let c = &mut self.containers[i];
        if let Phase::Running { started_at } = c.phase
            && let Some(check) = &self.assignment.containers[i].health_check
            && let began_at = c.began_at(started_at)
            && c.health.checked(check, began_at, passed, now)
        {
            self.touch();
        }
    }

    fn exited(&mut self, i: usize, exit: &Exit) {
        if let Some(message) = &exit.error {
            self.start_failed(i, message, None, exit.finished_at);
            return;
        }
        let c = &mut self.containers[i];
        let started_at = match c.phase {
            Phase::Ended(_) => return,
            Phase::Running { started_at } => {
                let known = c.runs.last_start_at.unwrap_or(started_at);
                if exit.started_at.is_some_and(|at| at < known) {
                    // An earlier run's.
                    return;
                }
                Some(started_at)
            }
            Phase::Restarting { started_at, .. } => {
                let known = c.runs.last_start_at.unwrap_or(started_at);
                if exit.started_at.is_some_and(|at| at <= known) {
                    // The end that it is restarted for, found again.
                    return;
                }
                if let Some(at) = exit.started_at {
                    c.runs.restarts += 1;
                    c.runs.last_start_at = Some(at);
                }
                Some(started_at)
            }
            Phase::Waiting | Phase::Pulling | Phase::Pulled | Phase::Starting => exit.started_at,
        };
        let (exit_code, reason) = if exit.oom_killed {
            // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
            (
                Some(137),
                Some("OutOfMemoryError: Container killed due to memory usage".into()),
            )
        } else if exit.code.is_none() {
            // The words of the ECS agent for a container it ran and no longer finds.
            (
                None,
                Some("ContainerVanishedError: No container matching saved ID found".into()),
            )
        } else {
            (exit.code, None)
        };
        let finished_at = Some(exit.finished_at);
        let ended = Ended {
            started_at,
            finished_at,
            exit_code,
            reason,
        };
        let spec = &self.assignment.containers[i];
        if let Some(started_at) = started_at
            && !self.stopping()
            && let began_at = self.containers[i].began_at(started_at)
            && restart::again(spec.restart_policy.as_ref(), began_at, &ended)
        {
            let c = &mut self.containers[i];
            c.phase = Phase::Restarting {
                started_at,
                ended,
                under_way: false,
            };
            c.health = HealthState::default();
            self.touch();
            return;
        }
        self.end(i, ended);
        if self.assignment.containers[i].essential {
            let text = "Essential container in task exited";
            self.conclude("EssentialContainerExited", text, exit.finished_at);
        }
    }

    fn start_failed(&mut self, i: usize, message: &str, exit_code: Option<i32>, now: Timestamp) {
        match &self.containers[i].phase {
            Phase::Ended(_) => return,
            Phase::Restarting { ended, .. } => {
                // It did run: it ended as its last run did.
                let reason = Some(format!("CannotStartContainerError: {message}"));
                let ended = Ended {
                    reason,
                    ..ended.clone()
                };
                self.end(i, ended);
                if self.assignment.containers[i].essential {
                    let text = "Essential container in task exited";
                    self.conclude("EssentialContainerExited", text, now);
                }
                return;
            }
            _ => {}
        }
        let reason = format!("CannotStartContainerError: {message}");
        let finished_at = Some(now);
        self.end(
            i,
            Ended {
                reason: Some(reason.clone()),
                exit_code,
                finished_at,
                started_at: None,
            },
        );
        // A container that never ran has written nothing.
        self.containers[i].drained = true;
        if self.assignment.containers[i].essential {
            self.conclude("TaskFailedToStart", &reason, now);
        }
    }

    /// End a container that will not be started, or not again: its task stops, or its dependency failed.
    pub fn give_up(&mut self, i: usize, reason: Option<&str>, now: Timestamp) {
        if let Phase::Restarting { ended, .. } = &self.containers[i].phase {
            self.end(i, ended.clone());
            self.settle(now);
            return;
        }
        match reason {
            // 143 is what the ECS agent reports for a container whose dependency failed.
            Some(reason) => self.start_failed(i, reason, Some(143), now),
            None => self.end(i, Ended::default()),
        }
        self.containers[i].drained = true;
        self.settle(now);
    }

    fn end(&mut self, i: usize, ended: Ended) {
        let c = &mut self.containers[i];
        if matches!(c.phase, Phase::Waiting | Phase::Pulling | Phase::Pulled) {
            // It wrote nothing.
            c.drained = true;
        }
        c.image = None;
        c.phase = Phase::Ended(ended);
        self.touch_durably();
    }

    /// The task cannot run; the text is returned as it is shown.
    fn fail(&mut self, code: &str, message: &str, now: Timestamp) -> String {
        let reason = format!("{code}: {message}");
        self.conclude("TaskFailedToStart", &reason, now);
        reason
    }

    fn conclude(&mut self, stop_code: &str, reason: &str, at: Timestamp) {
        if self.stopped.is_none() {
            let (stop_code, reason) = (stop_code.to_owned(), reason.to_owned());
            self.stopped = Some(TaskStopped {
                stop_code,
                reason,
                at,
            });
            self.touch_durably();
        }
    }
}

/// As Fargate words a log driver that cannot be had.
fn logger_failure(message: &str) -> String {
    format!("failed to validate logger args: {message} : exit status 1")
}

/// As Fargate words a log stream that cannot be made.
pub fn stream_failure(message: &str) -> String {
    format!(
        "create stream has been retried 1 times: failed to create Cloudwatch log stream: {message}"
    )
}

//! What one driver knows of its task, and how each observation changes it. No I/O: the driver
//! feeds events in, the planner reads.
//!
//! A container's phases, forward only:
//! ```text
//! Waiting -> Pulling -> Pulled -> Starting -> Running -> Ended
//!    +----------+----------+----------+-------^-----^------^
//!                                             v            |
//!                                         Restarting ------+
//! ```
//! Invariants: `stopped` is set once and keeps its first cause; an `Ended` container never
//! changes; `desired` never goes back to `Running`.

use super::health::HealthState;
use super::restart::Runs;
use super::seams::{PulledImage, TaskLinks};
use neargate_base::Timestamp;
use neargate_domain::{
    Assignment, ContainerReport, ContainerSecrets, ContainerSpec, ContainerStatus, DesiredState,
    NetworkBinding, TaskReport, TaskSecrets, TaskStopped,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// SIGTERM, the default stop signal.
pub const SIGTERM: i32 = 15;

/// The task's network on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    Absent,
    Attaching,
    /// The links of each container.
    Ready(Arc<TaskLinks>),
    Failed,
    Releasing,
    Released,
}

/// What the task's containers are given that nobody else may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secrets {
    /// Its definition names none.
    Unneeded,
    /// They are to be read, also when an earlier agent has read them: they are in memory only.
    Absent,
    Reading,
    Ready(Arc<TaskSecrets>),
    Failed,
}

impl Secrets {
    /// Nothing need be waited for.
    pub fn are_ready(&self) -> bool {
        matches!(self, Secrets::Unneeded | Secrets::Ready(_))
    }

    /// Those of the container of this name.
    pub fn of(&self, container: &str) -> Option<&ContainerSecrets> {
        match self {
            Secrets::Ready(all) => all.0.get(container),
            _ => None,
        }
    }
}

/// Something done once, asynchronously.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    ToDo,
    Doing,
    Done,
}

/// How a container ended, as it is reported and kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub exit_code: Option<i32>,
    pub reason: Option<String>,
}

/// Where a container is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    Waiting,
    Pulling,
    Pulled,
    Starting,
    /// `started_at`: of its first run.
    Running {
        started_at: Timestamp,
    },
    /// It has ended and runs again soon: its restart policy.
    Restarting {
        started_at: Timestamp,
        ended: Ended,
        under_way: bool,
    },
    Ended(Ended),
}

impl Phase {
    /// A start is under way.
    pub fn is_starting(&self) -> bool {
        matches!(
            self,
            Phase::Starting
                | Phase::Restarting {
                    under_way: true,
                    ..
                }
        )
    }
}

/// One container; its spec is at the same index of the assignment.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerState {
    pub phase: Phase,
    pub image: Option<Arc<PulledImage>>,
    pub image_digest: Option<String>,
    pub stop_signal: i32,
    /// Its ports on the instance, once they are published; they stay the same.
    pub bindings: Vec<NetworkBinding>,
    /// The log stream exists (or none is asked for).
    pub log_ready: Once,
    /// Every line is with the control plane (or there are none to ship).
    pub drained: bool,
    pub signalled_at: Option<Timestamp>,
    pub killed_at: Option<Timestamp>,
    /// Unknown throughout without a health check.
    pub health: HealthState,
    /// Its `ended` is the phase's, and unused here.
    pub runs: Runs,
    /// What it wrote is off the disk.
    pub freed: Once,
    /// How far the clock was set since the newest run began, in milliseconds.
    pub set_by_millis: i64,
}

impl ContainerState {
    /// When the newest run began, on the clock as it is now. `started_at`: of its first run.
    pub fn began_at(&self, started_at: Timestamp) -> Timestamp {
        let began = self.runs.last_start_at.unwrap_or(started_at);
        began.shift(self.set_by_millis)
    }

    fn clock_set(&mut self, millis: i64) {
        self.set_by_millis += millis;
        let health = &mut self.health;
        for at in [
            &mut self.signalled_at,
            &mut self.killed_at,
            &mut health.began_at,
            &mut health.next_at,
        ] {
            *at = at.map(|at| at.shift(millis));
        }
    }
}

/// Ledger writes. Every kept fact raises `version`; those that must survive a power cut before
/// they are reported (that the task is here, how it ended) raise `durable_version` with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saving {
    pub version: u64,
    pub durable_version: u64,
    /// Survives a killed agent.
    pub written: u64,
    /// Survives a power cut.
    pub durable: u64,
    pub in_flight: bool,
    /// The last write failed; when to try again.
    pub retry_at: Option<Timestamp>,
}

impl Saving {
    /// Whatever may be reported is durable.
    pub fn is_safe(&self) -> bool {
        self.durable >= self.durable_version
    }
}

/// Reports to the control plane: at most one in flight, the newest replaces all before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reporting {
    /// The number of the newest report sent.
    pub sequence: u64,
    /// The last one acknowledged, its sequence zeroed.
    pub acknowledged: Option<TaskReport>,
    pub in_flight: bool,
    pub retry_at: Option<Timestamp>,
}

/// The whole of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskState {
    pub assignment: Assignment,
    pub network: Network,
    /// When a failed attachment of a running task is tried again.
    pub network_retry_at: Option<Timestamp>,
    pub secrets: Secrets,
    pub containers: Vec<ContainerState>,
    pub pull_started_at: Option<Timestamp>,
    pub pull_stopped_at: Option<Timestamp>,
    pub stopped: Option<TaskStopped>,
    /// Its containers are killed without being asked: it took more of the disk than it may.
    pub overfull: bool,
    /// Taking down cgroup and state directories.
    pub removal: Once,
    /// When a failed take-down is tried again.
    pub release_retry_at: Option<Timestamp>,
    pub saving: Saving,
    pub reporting: Reporting,
    /// The control plane no longer knows the task.
    pub removed: bool,
    pub forgetting: Once,
}

impl TaskState {
    /// A task just assigned, of which nothing exists yet.
    pub fn new(assignment: Assignment, now: Timestamp) -> Self {
        let containers = assignment
            .containers
            .iter()
            .map(|spec| ContainerState {
                phase: Phase::Waiting,
                image: None,
                image_digest: None,
                stop_signal: SIGTERM,
                bindings: Vec::new(),
                log_ready: if spec.log.is_some() {
                    Once::ToDo
                } else {
                    Once::Done
                },
                drained: !spec.keeps_output(),
                signalled_at: None,
                killed_at: None,
                health: HealthState::default(),
                runs: Runs::default(),
                freed: Once::ToDo,
                set_by_millis: 0,
            })
            .collect();
        // Above any sequence of an earlier life of the task that left no ledger entry.
        let sequence = u64::try_from(now.as_millis()).unwrap_or(0);
        let is_secret = |spec: &ContainerSpec| {
            !spec.secrets.is_empty()
                || !spec.environment_files.is_empty()
                || !spec.log_secrets.is_empty()
                || spec.repository_credentials.is_some()
                || super::firelens::is_from_s3(spec)
        };
        let secrets = match assignment.containers.iter().any(is_secret) {
            true => Secrets::Absent,
            false => Secrets::Unneeded,
        };
        let mut state = TaskState {
            secrets,
            assignment,
            network: Network::Absent,
            network_retry_at: None,
            containers,
            pull_started_at: None,
            pull_stopped_at: None,
            stopped: None,
            overfull: false,
            removal: Once::ToDo,
            release_retry_at: None,
            saving: Saving {
                version: 1,
                durable_version: 1,
                written: 0,
                durable: 0,
                in_flight: false,
                retry_at: None,
            },
            reporting: Reporting {
                sequence,
                acknowledged: None,
                in_flight: false,
                retry_at: None,
            },
            removed: false,
            forgetting: Once::ToDo,
        };
        // A report that says nothing yet would only cost a write on the way to a running task.
        state.reporting.acknowledged = Some(state.report());
        state.settle(now);
        state
    }

    /// The clock was set: what is waited for comes after the rest of its time. What happened
    /// happened when it did.
    pub fn clock_set(&mut self, millis: i64) {
        for at in [
            &mut self.network_retry_at,
            &mut self.release_retry_at,
            &mut self.saving.retry_at,
            &mut self.reporting.retry_at,
        ] {
            *at = at.map(|at| at.shift(millis));
        }
        for c in &mut self.containers {
            c.clock_set(millis);
        }
    }

    /// The task should end, or already does.
    pub fn stopping(&self) -> bool {
        self.removed || self.stopped.is_some() || self.assignment.desired == DesiredState::Stopped
    }

    pub fn all_ended(&self) -> bool {
        self.containers
            .iter()
            .all(|c| matches!(c.phase, Phase::Ended(_)))
    }

    /// Nothing of the task is left on this node but its ledger entry.
    pub fn released(&self) -> bool {
        self.network == Network::Released && self.removal == Once::Done && self.all_ended()
    }

    /// The node's whole view, its sequence zero.
    pub fn report(&self) -> TaskReport {
        let a = &self.assignment;
        let containers = a.containers.iter().zip(&self.containers).map(|(spec, c)| {
            let (status, started_at, finished_at, exit_code, reason) = match &c.phase {
                Phase::Waiting | Phase::Pulling | Phase::Pulled | Phase::Starting => {
                    (ContainerStatus::Pending, None, None, None, None)
                }
                Phase::Running { started_at } | Phase::Restarting { started_at, .. } => (
                    ContainerStatus::Running,
                    Some(*started_at),
                    None,
                    None,
                    None,
                ),
                Phase::Ended(e) => (
                    ContainerStatus::Stopped,
                    e.started_at,
                    e.finished_at,
                    e.exit_code,
                    e.reason.clone(),
                ),
            };
            ContainerReport {
                name: spec.name.clone(),
                status,
                runtime_id: started_at.map(|_| super::command::runtime_id(a, &spec.name)),
                image_digest: c.image_digest.clone(),
                started_at,
                finished_at,
                exit_code,
                reason,
                // "After a task reaches the RUNNING status" (API_NetworkBinding.html).
                network_bindings: match started_at {
                    Some(_) => c.bindings.clone(),
                    None => Vec::new(),
                },
                health: c.health.status,
            }
        });
        TaskReport {
            task_id: a.task_id.clone(),
            sequence: 0,
            observed_generation: a.generation,
            network_ready: matches!(self.network, Network::Ready(_)),
            pull_started_at: self.pull_started_at,
            pull_stopped_at: self.pull_stopped_at,
            containers: containers.collect(),
            stopped: self.stopped.clone(),
            released: self.released(),
        }
    }
}

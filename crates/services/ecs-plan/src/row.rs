//! A task as it is kept in memory: what schedulers and counts read, nothing more.

use crate::id::{ClusterId, ServiceId};
use crate::model::{Demand, Protection, ServiceLink, Task, TaskTarget};
use crate::plan::stop;
use neargate_base::Timestamp;
use neargate_domain::load_balancer::TargetKey;
use neargate_domain::{DesiredState, Health, LaunchType, TaskStatus};
use neargate_service::{Scope, Stored};
use neargate_store::Revision;
use std::time::Duration;
use tokio::time::Instant;

/// One task.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// In the store.
    pub key: String,
    pub revision: Revision,
    pub cluster: ClusterId,
    pub task_id: String,
    pub family: String,
    /// The revision of its task definition.
    pub revision_number: u32,
    pub group: String,
    pub started_by: Option<String>,
    pub service: Option<ServiceLink>,
    pub node: String,
    pub container_instance: Option<String>,
    pub availability_zone: String,
    pub capacity_provider: Option<String>,
    pub launch_type: LaunchType,
    pub demand: Demand,
    pub last_status: TaskStatus,
    pub desired: DesiredState,
    /// The task's: unhealthy when any essential container is.
    pub health: Health,
    pub protection: Option<Protection>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    /// When it was first seen to be `RUNNING`, by the control plane's clock.
    pub running_at: Option<Timestamp>,
    /// Since when this process sees it run: so long it has, however the clock was set meanwhile.
    pub seen_running: Option<Instant>,
    pub stopping_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    pub stop_code: Option<String>,
    /// An essential container has a health check.
    pub checked: bool,
    /// Its health checks found it healthy at some time.
    pub was_healthy: bool,
    /// How many target groups it is to be a target of.
    pub target_groups: usize,
    pub targets: Vec<TaskTarget>,
    /// How many services of Cloud Map it is to be an instance of.
    pub registries: usize,
    /// How many it is noted as an instance of.
    pub instances: usize,
    /// It is asked to stop, and goes on until nothing leads to it any longer.
    pub held: bool,
    /// The target group that finds it unhealthy, see [`crate::plan::balancing::judged`].
    pub failing: Option<FailingTarget>,
    pub turns: Turns,
}

/// What a target group says of a target that its health checks find wanting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingTarget {
    pub target_group_arn: String,
    pub key: TargetKey,
    /// Such as `Health checks failed with these codes: [500]`.
    pub reason: String,
}

/// When a task turned: the store's revision at which the index saw it first. After a restart,
/// that of the task's last change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turns {
    pub unhealthy: Option<Revision>,
    /// When the task was seen to be live no longer.
    pub ended: Option<Revision>,
    pub stopped: Option<Revision>,
}

impl Row {
    pub fn of(task: &Stored<Task>) -> Row {
        let Task { spec, status } = &task.value;
        let assignment = &spec.assignment;
        Row {
            key: task.key.clone(),
            revision: task.revision,
            cluster: ClusterId {
                scope: Scope {
                    account: assignment.account.clone(),
                    region: assignment.region.clone(),
                },
                name: assignment.cluster.clone(),
            },
            task_id: assignment.task_id.clone(),
            family: assignment.family.clone(),
            revision_number: assignment.revision,
            group: spec.group.clone(),
            started_by: spec.started_by.clone(),
            service: spec.service.clone(),
            node: spec.node.clone(),
            container_instance: spec.container_instance.clone(),
            availability_zone: spec.availability_zone.clone(),
            capacity_provider: spec.capacity_provider.clone(),
            launch_type: assignment.launch_type,
            demand: spec.demand.clone(),
            last_status: status.last_status,
            desired: if spec.stop.is_some() {
                DesiredState::Stopped
            } else {
                assignment.desired
            },
            health: task.health(),
            protection: spec.protection,
            created_at: spec.created_at,
            started_at: status.started_at,
            running_at: status.running_at.or(status.started_at),
            seen_running: None,
            stopping_at: status.stopping_at,
            stopped_at: status.stopped_at,
            stop_code: status.stop_code.clone(),
            checked: assignment
                .containers
                .iter()
                .any(|c| c.essential && c.health_check.is_some()),
            was_healthy: status.healthy_at.is_some() || task.health() == Health::Healthy,
            target_groups: spec.target_groups.len(),
            targets: status.targets.clone(),
            registries: spec.registries.len(),
            instances: status.instances.len(),
            held: stop::is_held(task),
            failing: None,
            turns: Turns::default(),
        }
    }

    /// The row that replaces `before`, as of `now`.
    pub fn after(mut self, before: Option<&Row>, now: Instant) -> Row {
        let seen = before.and_then(|b| b.seen_running);
        self.seen_running = seen.or_else(|| self.is_running().then_some(now));
        let before = before.map(|b| b.turns).unwrap_or_default();
        let here = |turned: bool| turned.then_some(self.revision);
        self.turns = Turns {
            unhealthy: before.unhealthy.or(here(self.is_unhealthy())),
            ended: before.ended.or(here(!self.is_live())),
            stopped: before.stopped.or(here(self.is_stopped())),
        };
        self
    }

    /// Running and, if it has health checks, found healthy by them. Whether it counts as healthy
    /// is [`crate::plan::service::Settling`]'s to say.
    pub fn is_well(&self) -> bool {
        self.is_running() && (!self.checked || self.health == Health::Healthy)
    }

    /// Running, but found unhealthy.
    pub fn is_unhealthy(&self) -> bool {
        self.is_running() && self.health == Health::Unhealthy
    }

    /// Did it get as far as to count as healthy: by its health checks or, without any, by running
    /// for `settle`?
    pub fn has_counted(&self, settle: Duration) -> bool {
        let ran = self.started_at.zip(self.stopping_at);
        match self.checked {
            true => self.was_healthy,
            false => ran.is_some_and(|(from, to)| to.since(from) >= settle),
        }
    }

    /// It has no node yet, and waits for capacity.
    pub fn is_waiting(&self) -> bool {
        self.node.is_empty() && !self.is_stopped()
    }

    /// Neither stopped nor on the way there.
    pub fn is_live(&self) -> bool {
        !self.is_stopped() && !self.is_stopping()
    }

    pub fn service_id(&self) -> Option<ServiceId> {
        let link = self.service.as_ref()?;
        Some(ServiceId {
            cluster: self.cluster.clone(),
            name: link.service.clone(),
        })
    }

    pub fn is_stopped(&self) -> bool {
        self.last_status == TaskStatus::Stopped
    }

    /// Asked to stop, or on the way there by itself.
    pub fn is_stopping(&self) -> bool {
        self.desired == DesiredState::Stopped || self.last_status > TaskStatus::Running
    }

    /// Running, and meant to.
    pub fn is_running(&self) -> bool {
        self.last_status == TaskStatus::Running && !self.is_stopping()
    }
}

/// How many tasks are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// `RUNNING`, and not asked to stop.
    pub running: usize,
    /// On the way there: `PROVISIONING`, `PENDING` or `ACTIVATING`, and not asked to stop.
    pub pending: usize,
    /// Asked to stop or stopping, but not `STOPPED` yet.
    pub stopping: usize,
}

impl Counts {
    /// Count one more task.
    pub fn add(&mut self, row: &Row) {
        match (row.is_stopped(), row.is_stopping(), row.is_running()) {
            (true, _, _) => {}
            (_, true, _) => self.stopping += 1,
            (_, _, true) => self.running += 1,
            _ => self.pending += 1,
        }
    }
}

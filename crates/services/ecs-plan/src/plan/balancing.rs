//! A service's tasks as targets of its load balancers: pure.
//!
//! ```text
//! RUNNING: asked -> registered      asked to stop, or ended: draining -> forgotten, and released
//! ```
//! What is about to be registered is noted before, and forgotten only once its group knows it no
//! longer, so that no target outlives its task unnoticed. A task that is asked to stop gets its
//! SIGTERM once it is a target no longer
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html>).

#[cfg(test)]
mod tests;

use crate::model::{Registration, Task, TaskTarget};
use crate::plan::stop;
use crate::row::{FailingTarget, Row};
use neargate_domain::load_balancer::{TargetHealth, TargetKey, TargetState};
use neargate_domain::{Health, TaskStatus};
use neargate_service::target_health::TargetGroupHealth;
use neargate_store::Revision;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A task, and what is known of it as a target.
#[derive(Debug)]
pub struct Seen<'a> {
    pub key: &'a str,
    pub task: &'a Task,
    /// Where each of its target groups would reach it; `None`: its port is not open.
    pub places: Vec<Option<TargetKey>>,
    /// Of its targets those that their groups know no longer.
    pub gone: Vec<TaskTarget>,
}

/// What to do next.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    /// By the task's key: its targets from now on. Done before anything else.
    pub noted: Vec<(String, Vec<TaskTarget>)>,
    /// Tasks that end now.
    pub released: Vec<String>,
    /// By target group: tasks' keys and targets.
    pub register: BTreeMap<String, Vec<(String, TargetKey)>>,
    pub deregister: BTreeMap<String, Vec<(String, TargetKey)>>,
}

impl Step {
    pub fn is_idle(&self) -> bool {
        *self == Step::default()
    }
}

pub fn plan<'a>(tasks: impl IntoIterator<Item = Seen<'a>>) -> Step {
    let mut step = Step::default();
    for seen in tasks {
        let task = seen.task;
        let leaves = task.spec.stop.is_some() || task.status.last_status > TaskStatus::Running;
        let mut targets = task.status.targets.clone();
        if leaves {
            targets.retain(|t| t.state != Registration::Draining || !seen.gone.contains(t));
        } else if task.status.last_status == TaskStatus::Running {
            targets.extend(missing(&seen));
        }
        // What may be known to its group is taken back; what may not be is registered.
        let to = match leaves {
            true => &mut step.deregister,
            false => &mut step.register,
        };
        let is_due = |target: &&TaskTarget| match leaves {
            true => target.state != Registration::Draining,
            false => target.state == Registration::Asked,
        };
        let due = targets.iter().filter(is_due);
        let those = due.map(|t| (t.target_group_arn.clone(), t.key.clone()));
        for (group, key) in those {
            to.entry(group)
                .or_default()
                .push((seen.key.to_owned(), key));
        }
        if targets.is_empty() && task.status.instances.is_empty() && stop::is_held(task) {
            step.released.push(seen.key.to_owned());
        }
        if targets != task.status.targets {
            step.noted.push((seen.key.to_owned(), targets));
        }
    }
    step
}

/// The targets that a running task is to become.
fn missing(seen: &Seen<'_>) -> Vec<TaskTarget> {
    let links = seen.task.spec.target_groups.iter().zip(&seen.places);
    let missing = links.filter(|(link, _)| !seen.task.status.targets.iter().any(|t| t.is_of(link)));
    missing
        .filter_map(|(link, place)| {
            Some(TaskTarget {
                target_group_arn: link.target_group_arn.clone(),
                container_name: link.container_name.clone(),
                container_port: link.container_port,
                key: place.clone()?,
                state: Registration::Asked,
            })
        })
        .collect()
}

/// Has the task anything to be done about it as a target?
pub fn is_due(row: &Row) -> bool {
    let settled = |t: &TaskTarget| t.state == Registration::Registered;
    if row.is_stopping() || row.is_stopped() {
        return row.held || !row.targets.is_empty();
    }
    row.is_running() && (row.targets.len() < row.target_groups || !row.targets.iter().all(settled))
}

/// The task as its load balancers find it: healthy when all of them do, unhealthy when one does and
/// its grace is over. `turned`: when that was first seen.
pub fn judged(
    row: &Arc<Row>,
    health: &BTreeMap<String, TargetGroupHealth>,
    in_grace: bool,
    turned: impl FnOnce() -> Revision,
) -> Arc<Row> {
    if row.target_groups == 0 || !row.is_running() {
        return row.clone();
    }
    let of = |target: &TaskTarget| -> Option<&TargetHealth> {
        health.get(&target.target_group_arn)?.of(&target.key)
    };
    let mut judged = Row::clone(row);
    judged.checked = true;
    if row.is_unhealthy() {
        return Arc::new(judged);
    }
    if let Some((target, why)) = row
        .targets
        .iter()
        .filter_map(|t| Some((t, of(t)?)))
        .find(|(_, h)| is_unhealthy(h.state))
        .filter(|_| !in_grace)
    {
        judged.health = Health::Unhealthy;
        judged.turns.unhealthy.get_or_insert_with(turned);
        judged.failing = Some(FailingTarget {
            target_group_arn: target.target_group_arn.clone(),
            key: target.key.clone(),
            reason: why.description.clone().unwrap_or_default(),
        });
        return Arc::new(judged);
    }
    let takes = |t: &TaskTarget| {
        let state = of(t).map(|h| h.state);
        let takes = matches!(state, Some(TargetState::Healthy | TargetState::Unavailable));
        takes && t.state == Registration::Registered
    };
    let all = row.targets.len() >= row.target_groups && row.targets.iter().all(takes);
    judged.health = match row.is_well() && all {
        true => Health::Healthy,
        false => Health::Unknown,
    };
    judged.was_healthy |= judged.health == Health::Healthy;
    Arc::new(judged)
}

fn is_unhealthy(state: TargetState) -> bool {
    matches!(
        state,
        TargetState::Unhealthy | TargetState::UnhealthyDraining
    )
}

//! A service's task as an instance in Cloud Map: pure.
//!
//! ```text
//! RUNNING and not unhealthy: noted -> registered     asked to stop, or ended: deregistered, and released
//! ```
//! What is about to be registered is noted before, and forgotten only once it is deregistered, so that
//! no instance outlives its task unnoticed. A task that is asked to stop gets its SIGTERM once nobody
//! finds it any longer.

#[cfg(test)]
mod tests;

use crate::model::{Task, TaskInstance};
use crate::plan::stop;
use crate::row::Row;
use neargate_domain::{Health, TaskStatus};

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Idle,
    /// Its instances from now on.
    Note(Vec<TaskInstance>),
    /// In these registries, by their ARNs.
    Register(Vec<String>),
    /// They are told how it is.
    Report {
        registries: Vec<String>,
        healthy: bool,
    },
    /// Everywhere; then its containers may end.
    Deregister,
    /// Its containers may end.
    Release,
}

/// `is_reachable`: its ports are open, which are only known once it runs.
pub fn plan(row: &Row, task: &Task, is_reachable: bool) -> Step {
    let known = &task.status.instances;
    if task.spec.stop.is_some() || task.status.last_status > TaskStatus::Running {
        return match known.is_empty() {
            false => Step::Deregister,
            true if stop::is_held(task) && task.status.targets.is_empty() => Step::Release,
            true => Step::Idle,
        };
    }
    if !row.is_running() {
        return Step::Idle;
    }
    let is_known = |arn: &String| known.iter().any(|i| i.registry_arn == *arn);
    let all = task.spec.registries.iter().map(|r| &r.registry_arn);
    let missing: Vec<_> = all.filter(|arn| !is_known(arn)).collect();
    // One with health checks is found once they have found it healthy.
    if !missing.is_empty() && row.is_well() && is_reachable {
        let noted = missing.into_iter().map(|arn| TaskInstance {
            registry_arn: arn.clone(),
            registered: false,
            healthy: true,
        });
        return Step::Note(known.iter().cloned().chain(noted).collect());
    }
    let those = |due: &dyn Fn(&TaskInstance) -> bool| -> Vec<String> {
        let due = known.iter().filter(|i| due(i));
        due.map(|i| i.registry_arn.clone()).collect()
    };
    let asked = those(&|i| !i.registered);
    if !asked.is_empty() {
        return Step::Register(asked);
    }
    let healthy = row.health != Health::Unhealthy;
    let registries = those(&|i| i.healthy != healthy);
    match registries.is_empty() {
        true => Step::Idle,
        false => Step::Report {
            registries,
            healthy,
        },
    }
}

/// Has the task anything to do with registries?
pub fn concerns(row: &Row) -> bool {
    row.registries > 0 || row.instances > 0
}

//! `dependsOn`: when may a container start, and when may it be stopped. Pure. Whoever has another's
//! volumes (`volumesFrom`) starts after it, since they are made for that one.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDependency.html>

use super::state::{Phase, TaskState};
use neargate_base::Timestamp;
use neargate_domain::Health;
use std::time::Duration;

/// Whether a container's dependencies allow it to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    Now,
    /// Not yet; a dependency's `startTimeout` runs out then.
    Later(Option<Timestamp>),
    /// Never, and why (the words of the ECS agent).
    Never(String),
}

/// May container `i` start?
pub fn start(state: &TaskState, i: usize, now: Timestamp) -> Start {
    let specs = &state.assignment.containers;
    let mut wake_at: Option<Timestamp> = None;
    let mut waits = false;
    let from = specs[i].volumes_from.iter();
    let from = from.map(|from| (from.container.as_str(), "CREATE"));
    let depends = specs[i].depends_on.iter();
    let depends = depends.map(|(on, condition)| (on.as_str(), condition.as_str()));
    for (on, condition) in depends.chain(from) {
        let Some(d) = specs.iter().position(|s| s.name == on) else {
            return Start::Never(format!(
                "dependency graph: container {on} not found in task"
            ));
        };
        let never = |why: &str| {
            Start::Never(format!(
                "dependency graph: failed to resolve container ordering dependency [{on}] \
                 for target [{}] as dependency {why}",
                specs[i].name
            ))
        };
        let health = state.containers[d].health.status;
        match (&state.containers[d].phase, condition) {
            (Phase::Running { .. } | Phase::Restarting { .. }, "START" | "CREATE") => {}
            (Phase::Ended(e), "START" | "CREATE" | "COMPLETE") if e.started_at.is_some() => {}
            (Phase::Ended(e), "SUCCESS") if e.exit_code == Some(0) => {}
            (Phase::Ended(e), "HEALTHY") if e.started_at.is_some() => {
                return never("did not become healthy.");
            }
            (Phase::Ended(_), "SUCCESS") => return never("did not exit successfully."),
            (Phase::Ended(_), _) => return never("did not start."),
            (Phase::Running { .. }, "HEALTHY") if health == Health::Healthy => {}
            (Phase::Running { .. }, "HEALTHY") if health == Health::Unhealthy => {
                return never("is unhealthy.");
            }
            (Phase::Running { started_at }, "COMPLETE" | "SUCCESS" | "HEALTHY") => {
                waits = true;
                let timeout = specs[d].start_timeout_secs;
                if timeout > 0 {
                    let started_at = started_at.shift(state.containers[d].set_by_millis);
                    let at = started_at + Duration::from_secs(timeout.into());
                    if at <= now {
                        return never("has timed out.");
                    }
                    wake_at = Some(wake_at.map_or(at, |w| w.min(at)));
                }
            }
            (Phase::Running { .. }, other) => {
                return never(&format!("condition {other} is not supported."));
            }
            (
                Phase::Waiting
                | Phase::Pulling
                | Phase::Pulled
                | Phase::Starting
                | Phase::Restarting { .. },
                _,
            ) => waits = true,
        }
    }
    if waits {
        Start::Later(wake_at)
    } else {
        Start::Now
    }
}

/// May container `i` be told to stop? Only once those that depend on it have ended, and what they
/// wrote has been taken to it if it is their log router.
pub fn may_stop(state: &TaskState, i: usize) -> bool {
    let specs = &state.assignment.containers;
    specs.iter().zip(&state.containers).all(|(spec, c)| {
        let has_ended = matches!(c.phase, Phase::Ended(_));
        let is_taken = c.drained || specs[i].firelens.is_none();
        (has_ended && is_taken) || !spec.depends_on.iter().any(|(on, _)| *on == specs[i].name)
    })
}

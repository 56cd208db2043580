//! The sentences of service events and rollout reasons, in AWS's words
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html>).

use crate::row::FailingTarget;

/// `(service web) has started 2 tasks: (task 1) (task 2).`
pub fn started<'a>(service: &str, tasks: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = tasks.len();
    format!(
        "(service {service}) has started {count} tasks: {}.",
        list(tasks)
    )
}

/// `(service web) has stopped 1 running tasks: (task 1).`
pub fn stopped<'a>(service: &str, tasks: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = tasks.len();
    format!(
        "(service {service}) has stopped {count} running tasks: {}.",
        list(tasks)
    )
}

fn list<'a>(tasks: impl Iterator<Item = &'a str>) -> String {
    let tasks: Vec<String> = tasks.map(|task| format!("(task {task})")).collect();
    tasks.join(" ")
}

pub fn steady(service: &str) -> String {
    format!("(service {service}) has reached a steady state.")
}

pub fn completed(service: &str, deployment: &str) -> String {
    format!("(service {service}) (deployment {deployment}) deployment completed.")
}

/// `why`: "tasks failed to start", "alarm detected".
pub fn failed(service: &str, deployment: &str, why: &str) -> String {
    format!("(service {service}) (deployment {deployment}) deployment failed: {why}.")
}

pub fn rolling_back(service: &str, to: &str) -> String {
    format!("(service {service}) rolling back to deployment {to}.")
}

/// The throttle
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html>).
pub fn impaired(service: &str) -> String {
    format!(
        "(service {service}) is unable to consistently start tasks successfully. For more \
         information, see the Troubleshooting section of the Amazon ECS Developer Guide."
    )
}

/// `event`: "was unable to place a task because …".
pub fn unplaced(service: &str, event: &str) -> String {
    format!("(service {service}) {event}")
}

pub fn unhealthy(service: &str, task: &str) -> String {
    format!("(service {service}) (task {task}) failed container health checks.")
}

/// The deployment configuration leaves no step.
pub fn stuck(service: &str) -> String {
    format!(
        "(service {service}) was unable to stop or start tasks during a deployment because of \
         the service deployment configuration. Update the minimumHealthyPercent or \
         maximumPercent value and try again."
    )
}

/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing-event-messages-list.html>)
pub fn unbalanced(service: &str, zones: &[(String, usize)]) -> String {
    let parts: Vec<String> = zones
        .iter()
        .map(|(zone, tasks)| format!("{tasks} tasks in {zone}"))
        .collect();
    let text = match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{}, and {last}", rest.join(", ")),
        _ => parts.concat(),
    };
    format!("(service {service}) is not AZ balanced with {text}. AZ Rebalancing in progress.")
}

/// `rolloutStateReason` of a deployment under way.
pub fn in_progress(deployment: &str) -> String {
    format!("ECS deployment {deployment} in progress.")
}

/// `rolloutStateReason` of one that reached a steady state.
pub fn complete(deployment: &str) -> String {
    format!("ECS deployment {deployment} completed.")
}

/// A target group found a task unhealthy
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html>).
pub fn failing(service: &str, failing: &FailingTarget) -> String {
    let FailingTarget {
        target_group_arn,
        key,
        reason,
    } = failing;
    let instance = match key.id.starts_with("i-") {
        true => format!(" (instance {})", key.id),
        false => String::new(),
    };
    format!(
        "(service {service}){instance} (port {}) is unhealthy in (target-group {target_group_arn}) \
         due to (reason {reason})",
        key.port
    )
}

pub fn registered(service: &str, targets: usize, target_group: &str) -> String {
    format!("(service {service}) registered {targets} targets in (target-group {target_group})")
}

pub fn deregistered(service: &str, targets: usize, target_group: &str) -> String {
    format!("(service {service}) deregistered {targets} targets in (target-group {target_group})")
}

pub fn unregistered(service: &str, target_group: &str, error: &str) -> String {
    format!(
        "(service {service}) failed to register targets in (target-group {target_group}) with \
         (error {error})"
    )
}

pub fn draining(service: &str, tasks: usize) -> String {
    format!("(service {service}) has begun draining connections on {tasks} tasks.")
}

/// `stoppedReason` of a task that a target group found wanting
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>).
pub fn unhealthy_target(target_group: &str) -> String {
    format!("Task failed ELB health checks in (target-group {target_group})")
}

/// `stoppedReason` of a task that its service needs no longer.
pub fn scaling(deployment: &str) -> String {
    format!("Scaling activity initiated by (deployment {deployment})")
}

/// `stoppedReason` of a task that its health checks found wanting.
pub const UNHEALTHY: &str = "Task failed container health checks";

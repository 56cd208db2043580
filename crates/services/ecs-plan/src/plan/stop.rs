//! A task is to stop. Pure, and the one writer of a task's stop request and of the desired status
//! `STOPPED`: whoever wants a task to stop says so here.
//!
//! The first cause is the one that counts: a later one changes neither the request nor the reason.

use crate::model::{Status, StopRequest, Task};
use neargate_base::Timestamp;
use neargate_domain::{DesiredState, TaskEvent, TaskStatus};

/// The `stopCode` of a task that somebody asks to stop
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html>).
pub mod code {
    pub const USER_INITIATED: &str = "UserInitiated";
    pub const SERVICE_SCHEDULER_INITIATED: &str = "ServiceSchedulerInitiated";
    pub const SPOT_INTERRUPTION: &str = "SpotInterruption";
    /// The task's host goes away under it.
    pub const TERMINATION_NOTICE: &str = "TerminationNotice";
}

/// Why a task is to stop, and since when.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// The task's `stopCode`.
    pub code: &'a str,
    /// The task's `stoppedReason`.
    pub reason: &'a str,
    pub at: Timestamp,
}

/// Ask a task to stop: its containers get SIGTERM, and SIGKILL after their stop timeout; those of a
/// target, or of an instance in Cloud Map, only once it has been deregistered, see [`release`]. False when
/// it was asked before or has stopped.
pub fn ask(task: &mut Task, cause: Cause<'_>) -> bool {
    if task.spec.stop.is_some() || task.status.last_status == TaskStatus::Stopped {
        return false;
    }
    // Its load balancers are to stop sending to it first, and its names to lead to it.
    match task.status.targets.is_empty() && task.status.instances.is_empty() {
        true => request(task, cause),
        false => note_request(task, cause),
    }
    task.status = began(&task.status, cause);
    true
}

/// A task that was asked to stop is a target no longer: its containers end now. False when they do
/// already.
pub fn release(task: &mut Task) -> bool {
    if !is_held(task) {
        return false;
    }
    task.spec.assignment.desired = DesiredState::Stopped;
    task.spec.assignment.generation += 1;
    advance(&mut task.status, TaskEvent::StopBegan);
    task.status.version += 1;
    true
}

/// Is the task asked to stop, while its containers go on until it is a target no longer?
pub fn is_held(task: &Task) -> bool {
    task.spec.stop.is_some()
        && task.spec.assignment.desired == DesiredState::Running
        && task.status.last_status != TaskStatus::Stopped
}

/// Ask a task to stop without a grace period, even one that was asked before. False when it was
/// asked just so.
pub fn kill(task: &mut Task, cause: Cause<'_>) -> bool {
    let assignment = &mut task.spec.assignment;
    let now = |c: &neargate_domain::ContainerSpec| c.stop_timeout_secs == 0;
    if assignment.desired == DesiredState::Stopped && assignment.containers.iter().all(now) {
        return false;
    }
    for container in &mut assignment.containers {
        container.stop_timeout_secs = 0;
    }
    request(task, cause);
    task.status = began(&task.status, cause);
    true
}

/// Ask a task whose node is lost to stop: nobody saw it move on, so its last status stays. False
/// when it was asked before or has stopped.
pub fn abandon(task: &mut Task, cause: Cause<'_>) -> bool {
    if task.spec.assignment.desired == DesiredState::Stopped
        || task.status.last_status == TaskStatus::Stopped
    {
        return false;
    }
    request(task, cause);
    task.status = abandoned(&task.status, cause);
    true
}

/// End a task whose node is gone for good: it has stopped by decree, for nobody will ever report on
/// it.
pub fn end(task: &mut Task, cause: Cause<'_>) {
    request(task, cause);
    task.status = ended(&task.status, cause);
}

/// A task has stopped, asked to or not: nothing of it is to run any more.
pub fn has_stopped(task: &mut Task) {
    task.spec.assignment.desired = DesiredState::Stopped;
}

/// The node is told of it by the generation.
fn request(task: &mut Task, cause: Cause<'_>) {
    task.spec.assignment.desired = DesiredState::Stopped;
    task.spec.assignment.generation += 1;
    note_request(task, cause);
}

fn note_request(task: &mut Task, cause: Cause<'_>) {
    task.spec.stop.get_or_insert_with(|| StopRequest {
        code: cause.code.to_owned(),
        reason: cause.reason.to_owned(),
        at: cause.at,
    });
}

/// The status of a task that begins to stop.
fn began(before: &Status, cause: Cause<'_>) -> Status {
    let mut status = before.clone();
    begin(&mut status, cause);
    status.version += 1;
    status
}

fn abandoned(before: &Status, cause: Cause<'_>) -> Status {
    let mut status = before.clone();
    note(&mut status, cause);
    status.version += 1;
    status
}

fn ended(before: &Status, cause: Cause<'_>) -> Status {
    let mut status = abandoned(before, cause);
    for event in [
        TaskEvent::StopBegan,
        TaskEvent::ContainersStopped,
        TaskEvent::Released,
    ] {
        advance(&mut status, event);
    }
    status.execution_stopped_at.get_or_insert(cause.at);
    status.stopped_at.get_or_insert(cause.at);
    status
}

/// The task is on its way out, asked to or by itself.
pub(super) fn begin(status: &mut Status, cause: Cause<'_>) {
    advance(status, TaskEvent::StopBegan);
    note(status, cause);
}

fn note(status: &mut Status, cause: Cause<'_>) {
    status.stopping_at.get_or_insert(cause.at);
    if status.stop_code.is_none() {
        status.stop_code = Some(cause.code.to_owned());
        status.stopped_reason = Some(cause.reason.to_owned());
    }
}

/// States only move forward: an event that comes late changes nothing.
pub(super) fn advance(status: &mut Status, event: TaskEvent) {
    if let Ok(next) = status.last_status.on(event) {
        status.last_status = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_task_is_to_stop_and_a_dismissed_one_has() {
        let cause = |code, reason, at| Cause {
            code,
            reason,
            at: Timestamp::from_millis(at),
        };
        let mut running = Status::provisioning();
        running.last_status = TaskStatus::Running;
        let lost = abandoned(&running, cause("TerminationNotice", "gone", 5));
        assert_eq!(
            (lost.last_status, lost.stopped_at),
            (TaskStatus::Running, None)
        );
        assert_eq!(lost.stopped_reason.as_deref(), Some("gone"));
        let gone = ended(&lost, cause("Other", "other", 9));
        assert_eq!(gone.last_status, TaskStatus::Stopped);
        assert_eq!(
            gone.stopped_reason.as_deref(),
            Some("gone"),
            "the first cause counts"
        );
        assert_eq!(gone.stopping_at, Some(Timestamp::from_millis(5)));
    }
}

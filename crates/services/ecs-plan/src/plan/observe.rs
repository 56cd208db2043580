//! From a node's report to the task's status. States only move forward; a report that is late
//! or doubled changes nothing.

use super::stop::{Cause, advance, begin};
use crate::model::{Status, Task};
use neargate_base::Timestamp;
use neargate_domain::{
    ContainerReport, ContainerStatus, Health, TaskEvent, TaskReport, TaskStatus,
};

/// The status after `report`, or `None` when it says nothing new.
pub fn observe(task: &Task, report: &TaskReport, now: Timestamp) -> Option<Status> {
    let before = &task.status;
    if before
        .report
        .as_ref()
        .is_some_and(|seen| seen.sequence >= report.sequence)
    {
        return None;
    }
    let mut status = before.clone();
    let report = &bounded(task, report);
    status.report = Some(report.clone());
    if report.network_ready {
        advance(&mut status, TaskEvent::Provisioned);
        status.connectivity_at.get_or_insert(now);
    }
    let containers = &report.containers;
    // A container that could not start does not hold back a task that goes on without it.
    let settled =
        |c: &ContainerReport| c.started_at.is_some() || c.status == ContainerStatus::Stopped;
    let any_started = containers.iter().any(|c| c.started_at.is_some());
    if any_started && containers.iter().all(settled) {
        advance(&mut status, TaskEvent::ContainersStarted);
        // Nothing yet has to learn of the task before it counts as running.
        advance(&mut status, TaskEvent::Activated);
        let last = containers.iter().filter_map(|c| c.started_at).max();
        status.started_at = status.started_at.or(last);
        // A task that ran before `running_at` was stored does not become young by its next report.
        let since = match before.last_status < TaskStatus::Running {
            true => now,
            false => status.started_at.unwrap_or(now),
        };
        status.running_at.get_or_insert(since);
        if task.health_in(report) == Health::Healthy {
            status.healthy_at.get_or_insert(now);
        }
    }
    if let Some(stopped) = &report.stopped {
        let cause = Cause {
            code: &stopped.stop_code,
            reason: &stopped.reason,
            at: stopped.at,
        };
        begin(&mut status, cause);
    }
    let ended = !containers.is_empty()
        && containers
            .iter()
            .all(|c| c.status == ContainerStatus::Stopped);
    if ended && status.stopping_at.is_some() {
        let last = containers.iter().filter_map(|c| c.finished_at).max();
        status.execution_stopped_at = status.execution_stopped_at.or(last).or(Some(now));
        advance(&mut status, TaskEvent::ContainersStopped);
    }
    if report.released {
        let cause = Cause {
            code: "TaskFailedToStart",
            reason: "Task failed to start",
            at: now,
        };
        begin(&mut status, cause);
        advance(&mut status, TaskEvent::ContainersStopped);
        advance(&mut status, TaskEvent::Released);
        status.stopped_at.get_or_insert(now);
    }
    status.version += 1;
    Some(status)
}

/// Characters of a text that a node wrote.
const MAX_TEXT: usize = 1_024;

/// What is kept of a report: the task's own containers, texts and ports within bounds.
fn bounded(task: &Task, report: &TaskReport) -> TaskReport {
    let mut report = report.clone();
    let specs = &task.spec.assignment.containers;
    let mut seen = Vec::new();
    report.containers.retain_mut(|c| {
        let Some(spec) = specs.iter().find(|s| s.name == c.name) else {
            return false;
        };
        if seen.contains(&spec.name.as_str()) {
            return false;
        }
        seen.push(spec.name.as_str());
        for text in [&mut c.runtime_id, &mut c.image_digest, &mut c.reason] {
            text.iter_mut().for_each(shorten);
        }
        let ports = spec.port_mappings.len() + spec.network.port_ranges.len();
        c.network_bindings.truncate(ports);
        true
    });
    if let Some(stopped) = &mut report.stopped {
        shorten(&mut stopped.stop_code);
        shorten(&mut stopped.reason);
    }
    report
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
    }
}

/// `RUNNING` until something asks the task to stop or ends it.
pub fn desired_status(task: &Task) -> &'static str {
    if task.spec.stop.is_some() || task.status.last_status > TaskStatus::Running {
        "STOPPED"
    } else {
        "RUNNING"
    }
}

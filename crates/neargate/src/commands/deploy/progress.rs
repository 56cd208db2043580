//! How far a deployment is: pure functions from what ECS describes to lines and a verdict.

use crate::view::{Paint, last_part, tone};
use neargate_api_ecs as ecs;

/// How a deployment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Going,
    Steady,
    Failed(String),
}

/// How far the deployment `ours` of this service is.
pub fn verdict(service: &ecs::Service, ours: &str) -> Verdict {
    let status = service.status.as_deref().unwrap_or_default();
    if status != "ACTIVE" {
        return Verdict::Failed(format!("the service is {status}: it was deleted meanwhile"));
    }
    let deployments = service.deployments.as_deref().unwrap_or_default();
    let primary = deployments
        .iter()
        .find(|d| d.status.as_deref() == Some("PRIMARY"));
    let found = deployments.iter().find(|d| d.id.as_deref() == Some(ours));
    let reason = |d: &ecs::Deployment| d.rollout_state_reason.clone().unwrap_or_default();
    if let Some(ours) = found
        && ours.rollout_state.as_deref() == Some("FAILED")
    {
        return Verdict::Failed(reason(ours));
    }
    let Some(primary) = primary else {
        return Verdict::Going;
    };
    if primary.id.as_deref() != Some(ours) {
        let definition = last_part(primary.task_definition.as_deref().unwrap_or_default());
        return Verdict::Failed(format!(
            "another deployment took its place, of {definition}: {}",
            reason(primary)
        ));
    }
    let complete = matches!(primary.rollout_state.as_deref(), None | Some("COMPLETED"));
    let all_run = service.running_count == service.desired_count;
    if complete && all_run && deployments.len() == 1 {
        Verdict::Steady
    } else {
        Verdict::Going
    }
}

/// Do all tasks of the deployment `ours` run, so that only their health is waited for?
pub fn counts_down(service: &ecs::Service, ours: &str) -> bool {
    let mut all = service.deployments.iter().flatten();
    let ours = all.find(|d| d.id.as_deref() == Some(ours));
    ours.is_some_and(|d| {
        d.rollout_state.as_deref() == Some("IN_PROGRESS")
            && d.desired_count.is_some_and(|n| n > 0)
            && d.running_count == d.desired_count
    })
}

/// Does ECS itself give up on deployments that fail?
pub fn has_circuit_breaker(service: &ecs::Service) -> bool {
    let rules = service.deployment_configuration.as_ref();
    let breaker = rules.and_then(|r| r.deployment_circuit_breaker.as_ref());
    breaker.is_some_and(|b| b.enable)
}

/// A line a deployment, the newest first.
pub fn lines(service: &ecs::Service, paint: Paint) -> Vec<String> {
    let deployments = service.deployments.as_deref().unwrap_or_default();
    deployments.iter().map(|d| line(d, paint)).collect()
}

fn line(d: &ecs::Deployment, paint: Paint) -> String {
    let number = |n: Option<i32>| n.unwrap_or(0);
    let state = d.rollout_state.as_deref().unwrap_or("-");
    let definition = last_part(d.task_definition.as_deref().unwrap_or_default());
    let failed = match number(d.failed_tasks) {
        0 => String::new(),
        n => format!(", {n} failed"),
    };
    format!(
        "  {:<8} {definition} {}: {} of {} running, {} pending{failed}",
        d.status.as_deref().unwrap_or("-"),
        paint.text(state, tone(state)),
        number(d.running_count),
        number(d.desired_count),
        number(d.pending_count),
    )
}

/// The events not yet seen, oldest first. `seen` is the newest known id.
pub fn new_events<'a>(service: &'a ecs::Service, seen: Option<&str>) -> Vec<&'a ecs::ServiceEvent> {
    let newest_first = service.events.as_deref().unwrap_or_default();
    let mut new: Vec<_> = newest_first
        .iter()
        .take_while(|e| e.id.as_deref() != seen || seen.is_none())
        .collect();
    new.reverse();
    new
}

/// Why a stopped task stopped, in a line; `None` when nothing went wrong: the scheduler asked it
/// to, or a user.
pub fn failure(task: &ecs::Task) -> Option<String> {
    let code = task.stop_code.as_deref().unwrap_or_default();
    if matches!(code, "ServiceSchedulerInitiated" | "UserInitiated") && !was_unhealthy(task) {
        return None;
    }
    let mut why = task
        .stopped_reason
        .clone()
        .unwrap_or_else(|| code.to_owned());
    for container in task.containers.iter().flatten() {
        let name = container.name.as_deref().unwrap_or_default();
        if let Some(reason) = container
            .reason
            .as_ref()
            .filter(|r| !why.contains(r.as_str()))
        {
            why.push_str(&format!("; {name}: {reason}"));
        }
        if let Some(code) = container.exit_code.filter(|code| *code != 0) {
            why.push_str(&format!("; {name} exited with {code}"));
        }
    }
    Some(why)
}

/// The scheduler stopped it because its health check said so.
fn was_unhealthy(task: &ecs::Task) -> bool {
    task.health_status.as_deref() == Some("UNHEALTHY")
}

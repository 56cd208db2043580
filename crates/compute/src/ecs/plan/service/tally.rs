//! What became of a deployment's tasks: failures in a row for the circuit breaker, launches in
//! a row that came to nothing for the throttle.
//!
//! Each change of a task counts once: those up to `counted_to`, a revision of the store, are in.
//!
//! A task counts as failed when it never came to run, or when its health checks failed
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html>,
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>).
//! Only tasks that never came to run are throttled
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html>).

use crate::ecs::fleet::Row;
use crate::ecs::model::{CircuitBreaker, Deployment, Threshold};
use neargate_base::Timestamp;
use neargate_store::Revision;
use std::sync::Arc;
use std::time::Duration;

/// Strikes that are answered with another try at once.
const FREE_STRIKES: u32 = 2;
const FIRST_DELAY: Duration = Duration::from_secs(2);
/// "up to a maximum of 27 minutes".
const LONGEST_DELAY: Duration = Duration::from_secs(27 * 60);

enum Turn<'a> {
    Healthy,
    Unhealthy,
    NeverRan(&'a Row),
}

/// Count what happened since the last time. `reset`: a healthy task clears the failures.
pub fn tally(deployment: &mut Deployment, rows: &[Arc<Row>], reset: bool, now: Timestamp) {
    let mut turns: Vec<(Revision, Turn<'_>)> = Vec::new();
    let seen = deployment.counted_to;
    let fresh = |at: Option<Revision>| at.filter(|at| *at > seen);
    let id = deployment.id.clone();
    for row in of(rows, &id) {
        if let Some(at) = fresh(row.turns.healthy) {
            turns.push((at, Turn::Healthy));
        }
        if let Some(at) = fresh(row.turns.unhealthy) {
            turns.push((at, Turn::Unhealthy));
        }
        if let Some(at) = fresh(row.turns.stopped).filter(|_| never_ran(row)) {
            turns.push((at, Turn::NeverRan(row)));
        }
    }
    turns.sort_by_key(|(at, _)| *at);
    for (at, turn) in turns {
        deployment.counted_to = at;
        match turn {
            Turn::Healthy => {
                if reset {
                    deployment.failures = 0;
                }
                deployment.strikes = 0;
                deployment.struck_at = None;
                deployment.retry_at = None;
            }
            Turn::Unhealthy => deployment.failures += 1,
            Turn::NeverRan(row) => {
                deployment.failures += 1;
                strike(deployment, row, now);
            }
        }
    }
}

/// The deployment's tasks.
pub fn of<'a>(rows: &'a [Arc<Row>], deployment: &'a str) -> impl Iterator<Item = &'a Arc<Row>> {
    let is_of = move |row: &&Arc<Row>| {
        let link = row.service.as_ref();
        link.is_some_and(|link| link.deployment == deployment)
    };
    rows.iter().filter(is_of)
}

/// It ended before it ran, and nobody asked it to.
fn never_ran(row: &Row) -> bool {
    let asked = matches!(
        row.stop_code.as_deref(),
        Some("UserInitiated" | "ServiceSchedulerInitiated")
    );
    row.started_at.is_none() && !asked
}

/// Tasks that were launched together are one strike.
fn strike(deployment: &mut Deployment, row: &Row, now: Timestamp) {
    // A strike in the future is one from before the clock was set back.
    let struck = deployment.struck_at.filter(|at| *at <= now);
    if struck.is_some_and(|at| row.created_at < at) {
        return;
    }
    deployment.strikes += 1;
    deployment.struck_at = Some(now);
    deployment.retry_at = delay(deployment.strikes).map(|delay| now + delay);
}

/// How long to wait after the `strikes`th launch in a row that came to nothing.
pub fn delay(strikes: u32) -> Option<Duration> {
    let doublings = strikes.checked_sub(FREE_STRIKES + 1)?.min(16);
    Some((FIRST_DELAY * (1 << doublings)).min(LONGEST_DELAY))
}

/// When the next task may be started, if not now. A time further away than any delay is from
/// before the clock was set back.
pub fn held_until(deployment: &Deployment, now: Timestamp) -> Option<Timestamp> {
    let held = |at: &Timestamp| *at > now && *at <= now + LONGEST_DELAY;
    deployment.retry_at.filter(held)
}

/// The service is throttled: AWS says so in an event.
pub fn is_throttled(deployment: &Deployment) -> bool {
    deployment.strikes > FREE_STRIKES
}

/// What trips the breaker: half the desired count unless said otherwise
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ThresholdConfiguration.html>).
pub fn limit(breaker: Option<&CircuitBreaker>) -> Threshold {
    let given = breaker.and_then(|b| b.threshold);
    given.unwrap_or(Threshold::BoundedPercent(50))
}

/// How many failures in a row trip the breaker: by default half the desired count, within 3 and
/// 200.
pub fn threshold(breaker: &CircuitBreaker, desired: usize) -> u32 {
    let percent = |of: u32| {
        let n = (desired as u64 * u64::from(of)).div_ceil(100);
        u32::try_from(n).unwrap_or(u32::MAX)
    };
    match limit(Some(breaker)) {
        Threshold::Count(n) => n.max(1),
        Threshold::BoundedPercent(p) => percent(p).clamp(3, 200),
        Threshold::UnboundedPercent(p) => percent(p).max(1),
    }
}

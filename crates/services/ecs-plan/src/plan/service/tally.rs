//! What became of a deployment's tasks: failures in a row for the circuit breaker, launches in
//! a row that came to nothing for the throttle.
//!
//! Each change of a task counts once: those up to `counted_to`, a revision of the store, are in.
//!
//! A task counts as failed when it ended by itself before it counted as healthy, whether it came to
//! run or not, or when its health checks failed
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html>,
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>).
//! Launches of such tasks are throttled. AWS throttles those that never came to run only
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html>),
//! where each start takes tens of seconds; here it takes a fraction of one.

use super::settling::Settling;
use crate::model::{CircuitBreaker, Deployment, Threshold};
use crate::plan::stop::code;
use crate::row::Row;
use neargate_base::Timestamp;
use neargate_store::Revision;
use std::sync::Arc;
use std::time::Duration;

/// Strikes that are answered with another try at once.
const FREE_STRIKES: u32 = 2;
const FIRST_DELAY: Duration = Duration::from_secs(2);
/// "up to a maximum of 27 minutes".
const LONGEST_DELAY: Duration = Duration::from_secs(27 * 60);
/// After tasks that came to run: what they wait for may be back any moment, and on AWS they would
/// not wait at all.
const LONGEST_DELAY_OF_CRASHES: Duration = Duration::from_secs(5 * 60);

enum Turn<'a> {
    Unhealthy(&'a Row),
    Failed(&'a Row),
    /// A failed task is stopped: nothing new, but what is counted includes it after a restart,
    /// too, which knows its last change only.
    Over,
}

/// Count what happened since the last time. `reset`: a healthy task clears the failures.
pub fn tally(
    deployment: &mut Deployment,
    rows: &[Arc<Row>],
    settling: &Settling,
    reset: bool,
    now: Timestamp,
) {
    let mut turns: Vec<(Revision, Turn<'_>)> = Vec::new();
    let seen = deployment.counted_to;
    let fresh = |at: Option<Revision>| at.filter(|at| *at > seen);
    let id = deployment.id.clone();
    let mut healthy = 0;
    for row in of(rows, &id) {
        healthy += u32::from(settling.counts(row));
        if let Some(at) = fresh(row.turns.unhealthy) {
            turns.push((at, Turn::Unhealthy(row)));
        }
        if row.is_live() || !failed(row, settling.settle) {
            continue;
        }
        if let Some(at) = fresh(row.turns.ended) {
            turns.push((at, Turn::Failed(row)));
        }
        if let Some(at) = fresh(row.turns.stopped) {
            turns.push((at, Turn::Over));
        }
    }
    if healthy > deployment.healthy {
        if reset {
            deployment.failures = 0;
        }
        deployment.strikes = 0;
        deployment.struck_at = None;
        deployment.retry_at = None;
    }
    if healthy > deployment.healthy || !settling.is_unsure() {
        deployment.healthy = healthy;
    }
    turns.sort_by_key(|(at, _)| *at);
    for (at, turn) in turns {
        deployment.counted_to = at;
        match turn {
            Turn::Unhealthy(row) => {
                deployment.failures += 1;
                if !row.was_healthy {
                    strike(deployment, row, now);
                }
            }
            Turn::Failed(row) => {
                deployment.failures += 1;
                strike(deployment, row, now);
            }
            Turn::Over => {}
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

/// Whether the task ended by itself, and not with its host, before it counted as healthy. (A task
/// that was found unhealthy was counted as a failure then.)
fn failed(row: &Row, settle: Duration) -> bool {
    let by_another = matches!(
        row.stop_code.as_deref(),
        Some(
            code::USER_INITIATED
                | code::SERVICE_SCHEDULER_INITIATED
                | code::SPOT_INTERRUPTION
                | code::TERMINATION_NOTICE
        )
    );
    !by_another && row.turns.unhealthy.is_none() && !row.has_counted(settle)
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
    let longest = match row.started_at {
        Some(_) => LONGEST_DELAY_OF_CRASHES,
        None => LONGEST_DELAY,
    };
    deployment.retry_at = delay(deployment.strikes).map(|delay| now + delay.min(longest));
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

//! Tasks that find no place: said in an event, tried again.
//!
//! "duplicate event messages are omitted until either the cause is resolved or six hours passes"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages.html>).

use super::{SAID_AGAIN, sentence};
use crate::model::{Blocked, Rollout, ServiceStatus};
use neargate_base::Timestamp;
use std::time::Duration;

const FIRST_RETRY: Duration = Duration::from_secs(15);
pub(super) const LAST_RETRY: Duration = Duration::from_secs(300);

/// The status after a launch that found no place, and the event that tells of it; `None` when
/// there is nothing new to write. `because`: "was unable to place a task because …".
pub fn blocked(
    status: &ServiceStatus,
    service: &str,
    because: &str,
    now: Timestamp,
) -> Option<(ServiceStatus, Option<String>)> {
    let before = status.blocked.as_ref();
    let same = before.filter(|b| b.because == because);
    let waits = |b: &Blocked| b.retry_at > now && b.retry_at <= now + LAST_RETRY;
    if before.is_some_and(waits) {
        return None;
    }
    let attempts = before.map_or(0, |b| b.attempts) + 1;
    let wait = FIRST_RETRY * (1 << (attempts - 1).min(10));
    let silent = same.is_some_and(|b| b.said_at + SAID_AGAIN > now);
    let mut status = status.clone();
    status.blocked = Some(Blocked {
        because: because.to_owned(),
        attempts,
        said_at: same.filter(|_| silent).map_or(now, |b| b.said_at),
        retry_at: now + wait.min(LAST_RETRY),
    });
    // "A task is considered a failure if the service scheduler can't launch the task"
    // (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html>).
    if let Some(primary) = status.deployments.first_mut()
        && primary.rollout == Rollout::InProgress
    {
        primary.failures += 1;
    }
    let event = (!silent).then(|| sentence::unplaced(service, because));
    Some((status, event))
}

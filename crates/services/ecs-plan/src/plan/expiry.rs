//! How long a stopped task can still be described: at least an hour
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html>).
//! A service that has very many loses some earlier: `plan::service::history`.
//! A client token is remembered for a day, or until its tasks are forgotten
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html>).

use neargate_base::Timestamp;
use std::time::Duration;

/// How long a stopped task is kept.
pub const KEPT: Duration = Duration::from_secs(3_600);

/// How long a client token is remembered at most.
pub const REMEMBERED: Duration = Duration::from_secs(86_400);
/// How often a token's tasks are looked for.
const LOOKED_FOR: Duration = Duration::from_secs(3_600);

/// What to do about a task that stopped so long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    NotStopped,
    /// Look again then.
    At(Timestamp),
    Now,
}

pub fn expiry(stopped_for: Option<Duration>, now: Timestamp) -> Expiry {
    match stopped_for.map(|age| KEPT.saturating_sub(age)) {
        None => Expiry::NotStopped,
        Some(Duration::ZERO) => Expiry::Now,
        Some(left) => Expiry::At(now + left),
    }
}

/// When to look at a client token again that was used at `used_at`; `None`: forget it now.
pub fn token_expiry(used_at: Timestamp, tasks_left: bool, now: Timestamp) -> Option<Timestamp> {
    let last = used_at + REMEMBERED;
    (tasks_left && last > now).then(|| last.min(now + LOOKED_FOR))
}

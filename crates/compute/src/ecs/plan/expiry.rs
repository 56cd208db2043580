//! How long a stopped task can still be described: at least an hour
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html>).

use neargate_base::Timestamp;
use std::time::Duration;

/// How long a stopped task is kept.
pub const KEPT: Duration = Duration::from_secs(3_600);

/// What to do about a task that stopped at `stopped_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    NotStopped,
    /// Look again then.
    At(Timestamp),
    Now,
}

pub fn expiry(stopped_at: Option<Timestamp>, now: Timestamp) -> Expiry {
    match stopped_at.map(|at| at + KEPT) {
        None => Expiry::NotStopped,
        Some(at) if at > now => Expiry::At(at),
        Some(_) => Expiry::Now,
    }
}

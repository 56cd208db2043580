//! Whether a container that has ended runs again in its task. Pure.
//!
//! The ECS agent's rule holds
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-restart-policy.html>):
//! it does when its exit code is known and not ignored, and it has run for the attempt period. Such a
//! container counts as running throughout; its health begins anew, its files and its log go on.

use super::state::Ended;
use neargate_base::Timestamp;
use neargate_domain::RestartPolicy;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The runs of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// How often it was started again.
    pub restarts: u32,
    /// When the newest run began; `None`: there was only the first.
    pub last_start_at: Option<Timestamp>,
    /// How the newest run ended, while the container is to run again.
    pub ended: Option<Ended>,
}

/// Does the container run again?
pub fn again(policy: Option<&RestartPolicy>, began_at: Timestamp, ended: &Ended) -> bool {
    let (Some(policy), Some(code), Some(finished_at)) =
        (policy, ended.exit_code, ended.finished_at)
    else {
        return false;
    };
    let period = Duration::from_secs(policy.attempt_period_secs.into());
    !policy.ignored_exit_codes.contains(&code) && finished_at.since(began_at) >= period
}

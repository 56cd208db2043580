//! What a container's health check has told so far, and when it is to be asked again. Pure.
//!
//! It is Docker's HEALTHCHECK with ECS's limits
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html>):
//! ```text
//!            passed                     passed
//! UNKNOWN ------------> HEALTHY <---------------------+
//!    |                     |                          |
//!    +--- `retries` failures in a row ---------> UNHEALTHY
//! ```
//! The first check comes one `interval` after the start, each further one an `interval` after
//! the end of that before it. Failures of checks begun within `startPeriod` do not count until
//! one has passed. An image's own HEALTHCHECK is not used, as in ECS.

use neargate_base::Timestamp;
use neargate_domain::{Health, HealthCheck};
use std::time::Duration;

/// The health of one container. The ledger keeps only its `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthState {
    pub status: Health,
    /// In a row, and counted.
    pub failures: u32,
    /// Since when a check is being carried out.
    pub began_at: Option<Timestamp>,
    /// When the next one is due; `None` before the container runs.
    pub next_at: Option<Timestamp>,
}

/// Whether it is time for a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Now,
    At(Timestamp),
    /// One is under way, or the container does not run.
    No,
}

fn seconds(n: u32) -> Duration {
    Duration::from_secs(n.into())
}

impl HealthState {
    /// The container has just started.
    pub fn started(&mut self, check: &HealthCheck, started_at: Timestamp) {
        *self = HealthState {
            next_at: Some(started_at + seconds(check.interval_secs)),
            ..HealthState::default()
        };
    }

    /// An agent that came back goes on in the rhythm the container's start has set: checks of
    /// many containers do not fall together, and an agent that restarts often still checks.
    pub fn resumed(
        status: Health,
        check: &HealthCheck,
        started_at: Timestamp,
        now: Timestamp,
    ) -> HealthState {
        let interval = seconds(check.interval_secs.max(1));
        let into = now.since(started_at).as_millis() % interval.as_millis();
        let into = Duration::from_millis(u64::try_from(into).unwrap_or(0));
        HealthState {
            status,
            next_at: Some(now + (interval - into)),
            ..HealthState::default()
        }
    }

    pub fn due(&self, check: &HealthCheck, now: Timestamp) -> Due {
        let (None, Some(next_at)) = (self.began_at, self.next_at) else {
            return Due::No;
        };
        // Further away than it can be: the clock was set back.
        if next_at <= now || next_at.since(now) > seconds(check.interval_secs) {
            Due::Now
        } else {
            Due::At(next_at)
        }
    }

    /// A check begins.
    pub fn begin(&mut self, now: Timestamp) {
        self.began_at = Some(now);
    }

    /// The check under way has passed, has failed, or was cut short by the container's end.
    /// True when the status is another one now.
    pub fn checked(
        &mut self,
        check: &HealthCheck,
        started_at: Timestamp,
        passed: Option<bool>,
        now: Timestamp,
    ) -> bool {
        let Some(began_at) = self.began_at.take() else {
            return false;
        };
        self.next_at = Some(now + seconds(check.interval_secs));
        let before = self.status;
        match passed {
            Some(true) => {
                self.failures = 0;
                self.status = Health::Healthy;
            }
            Some(false) => {
                let starting = self.status == Health::Unknown
                    && began_at.since(started_at) < seconds(check.start_period_secs);
                if !starting {
                    self.failures = self.failures.saturating_add(1);
                    if self.failures >= check.retries {
                        self.status = Health::Unhealthy;
                    }
                }
            }
            None => {}
        }
        self.status != before
    }
}

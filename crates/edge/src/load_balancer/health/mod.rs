//! The health of a target: what checks find, and what follows from it
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html>).
//!
//! ```text
//! initial ── one check passes ──> healthy <── healthyThresholdCount pass ──┐
//!    └── unhealthyThresholdCount fail ──> unhealthy ───────────────────────┘
//!                                             ^── unhealthyThresholdCount fail ── healthy
//! ```

pub mod check;

use neargate_domain::load_balancer::{HealthCheck, TargetReason, TargetState};

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Passed,
    /// The answer's code is not one of those that count.
    Code(u16),
    TimedOut,
    /// There was no connection, or what came was no answer.
    Failed,
}

impl Found {
    fn reason(&self) -> (TargetReason, String) {
        match self {
            Found::Passed => (TargetReason::InternalError, String::new()),
            Found::Code(code) => (
                TargetReason::ResponseCodeMismatch,
                format!("Health checks failed with these codes: [{code}]"),
            ),
            Found::TimedOut => (TargetReason::Timeout, "Request timed out".into()),
            Found::Failed => (
                TargetReason::FailedHealthChecks,
                "Health checks failed".into(),
            ),
        }
    }
}

/// A target's health, which checks change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub state: TargetState,
    pub reason: Option<TargetReason>,
    pub description: Option<String>,
    /// How many checks in a row found the opposite of the state.
    against: u32,
}

impl Health {
    /// Of a target that was just registered, or whose group has no checks.
    pub fn initial(is_checked: bool) -> Health {
        let (state, reason, description) = match is_checked {
            true => (
                TargetState::Initial,
                TargetReason::InitialHealthChecking,
                "Initial health checks in progress",
            ),
            false => (
                TargetState::Unavailable,
                TargetReason::HealthCheckDisabled,
                "Health checks are not enabled for this target",
            ),
        };
        Health {
            state,
            reason: Some(reason),
            description: Some(description.into()),
            against: 0,
        }
    }

    /// As an earlier process found it.
    pub fn known(
        state: TargetState,
        reason: Option<TargetReason>,
        description: Option<String>,
    ) -> Health {
        Health {
            state,
            reason,
            description,
            against: 0,
        }
    }

    /// Takes in what a check found. Did anything change that others see?
    pub fn take_in(&mut self, found: &Found, check: &HealthCheck) -> bool {
        let before = self.clone();
        let passed = *found == Found::Passed;
        let is_as_before = passed == (self.state == TargetState::Healthy);
        if is_as_before && self.state != TargetState::Initial {
            self.against = 0;
        } else {
            self.against += 1;
        }
        let is_enough = match (self.state, passed) {
            (TargetState::Initial, true) => true,
            (_, true) => self.against >= check.healthy_threshold,
            (_, false) => self.against >= check.unhealthy_threshold,
        };
        if is_as_before && !passed && self.state == TargetState::Unhealthy {
            self.say(found);
        } else if is_enough && !(is_as_before && self.state != TargetState::Initial) {
            self.against = 0;
            match passed {
                true => *self = Health::known(TargetState::Healthy, None, None),
                false => {
                    self.state = TargetState::Unhealthy;
                    self.say(found);
                }
            }
        }
        (before.state, before.reason, before.description)
            != (self.state, self.reason, self.description.clone())
    }

    fn say(&mut self, found: &Found) {
        let (reason, description) = found.reason();
        self.reason = Some(reason);
        self.description = Some(description);
    }
}

/// Is this code among those of a matcher, such as `200,202` or `200-299`?
pub fn is_among(matcher: &str, code: u16) -> bool {
    matcher.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bound = |text: &str| text.trim().parse::<u16>();
        match (bound(first), bound(last)) {
            (Ok(first), Ok(last)) => (first..=last).contains(&code),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_domain::load_balancer::Protocol;

    fn check() -> HealthCheck {
        HealthCheck {
            protocol: Protocol::Http,
            port: None,
            path: "/".into(),
            interval_seconds: 30,
            timeout_seconds: 5,
            healthy_threshold: 3,
            unhealthy_threshold: 2,
            matcher: "200".into(),
        }
    }

    /// What is seen after each of these checks.
    fn states(health: &mut Health, found: &[Found]) -> Vec<TargetState> {
        let after = |found| {
            health.take_in(found, &check());
            health.state
        };
        found.iter().map(after).collect()
    }

    #[test]
    fn thresholds_count_checks_in_a_row() {
        use Found::{Code, Failed, Passed, TimedOut};
        use TargetState::{Healthy, Initial, Unhealthy};
        let mut health = Health::initial(true);
        assert_eq!(
            states(&mut health, &[Passed]),
            [Healthy],
            "one is enough at first"
        );
        assert_eq!(
            states(&mut health, &[Failed, Passed, Failed, TimedOut]),
            [Healthy, Healthy, Healthy, Unhealthy]
        );
        assert_eq!(health.description.as_deref(), Some("Request timed out"));
        assert_eq!(
            states(
                &mut health,
                &[Passed, Passed, Code(500), Passed, Passed, Passed]
            ),
            [
                Unhealthy, Unhealthy, Unhealthy, Unhealthy, Unhealthy, Healthy
            ]
        );
        assert_eq!((health.reason, health.description.clone()), (None, None));
        let mut health = Health::initial(true);
        assert_eq!(
            states(&mut health, &[Failed, Code(404)]),
            [Initial, Unhealthy]
        );
        let said = "Health checks failed with these codes: [404]";
        assert_eq!(health.description.as_deref(), Some(said));
    }

    #[test]
    fn matchers_have_codes_and_ranges() {
        assert!(is_among("200", 200) && is_among("200,302", 302) && is_among("200-299", 250));
        assert!(!is_among("200", 201) && !is_among("200-299", 300) && !is_among("", 200));
    }
}

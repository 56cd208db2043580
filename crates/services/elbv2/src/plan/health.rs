//! What a target's health is shown as
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html>).

use crate::model::{Target, TargetType};
use neargate_domain::load_balancer::{TargetHealth, TargetReason, TargetState};
use neargate_service::instance::{Instance, State};

/// State, reason code and description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) state: &'static str,
    pub(crate) reason: Option<&'static str>,
    pub(crate) description: Option<String>,
}

impl Shown {
    fn new(state: &'static str, reason: &'static str, description: impl Into<String>) -> Shown {
        Shown {
            state,
            reason: Some(reason),
            description: Some(description.into()),
        }
    }

    /// A target that a call names and that is not there.
    pub(crate) fn not_registered() -> Shown {
        let why = "Target is not registered to the target group";
        Shown::new("unused", "Target.NotRegistered", why)
    }
}

/// Where a target is, as far as it matters to whether it is used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The zones of the load balancer that uses the group; `None`: none does.
    pub(crate) zones: Option<&'a [&'a str]>,
    /// Of a target that is one.
    pub(crate) instance: Option<&'a Instance>,
    /// Its address is a load balancer's.
    pub(crate) reserved: bool,
}

/// Why the target gets no requests whatever its health is; `None`: it does.
pub(crate) fn unused(kind: TargetType, target: &Target, around: Surroundings<'_>) -> Option<Shown> {
    let Some(zones) = around.zones else {
        let why = "Target group is not configured to receive traffic from the load balancer";
        return Some(Shown::new("unused", "Target.NotInUse", why));
    };
    if kind == TargetType::Instance {
        let state = around
            .instance
            .map_or(State::Terminated, Instance::shown_state);
        if state != State::Running {
            let why = format!("Target is in the {} state", state.shown().0);
            return Some(Shown::new("unused", "Target.InvalidState", why));
        }
    }
    if kind == TargetType::Ip && around.reserved {
        let why = "Target IP address is reserved for use by a load balancer";
        return Some(Shown::new("unused", "Target.IpUnusable", why));
    }
    let zone = target.availability_zone.as_deref();
    if zone.is_some_and(|zone| !zones.contains(&zone)) {
        let why = "Target is in an Availability Zone that is not enabled for the load balancer";
        return Some(Shown::new("unused", "Target.NotInUse", why));
    }
    None
}

/// What is shown of a registered target. What was observed of an earlier registration says nothing
/// of this one.
pub(crate) fn shown(
    kind: TargetType,
    target: &Target,
    around: Surroundings<'_>,
    observed: Option<&TargetHealth>,
) -> Shown {
    if target.draining_until.is_some() {
        let why = "Target deregistration is in progress";
        return Shown::new("draining", "Target.DeregistrationInProgress", why);
    }
    if let Some(unused) = unused(kind, target, around) {
        return unused;
    }
    let known =
        observed.filter(|o| !matches!(o.state, TargetState::Draining | TargetState::Drained));
    known.map_or_else(
        || {
            let why = "Target registration is in progress";
            Shown::new("initial", "Elb.RegistrationInProgress", why)
        },
        of_observed,
    )
}

fn of_observed(health: &TargetHealth) -> Shown {
    let state = match health.state {
        TargetState::Initial => "initial",
        TargetState::Healthy => "healthy",
        TargetState::Unhealthy => "unhealthy",
        TargetState::UnhealthyDraining => "unhealthy.draining",
        TargetState::Draining | TargetState::Drained => "draining",
        TargetState::Unavailable => "unavailable",
    };
    let said = || health.description.clone();
    let (reason, usual) = match health.reason {
        None => (None, None),
        Some(reason) => {
            let (code, usual) = usual(reason);
            (Some(code), Some(usual.to_owned()))
        }
    };
    Shown {
        state,
        reason,
        description: said().or(usual).filter(|_| reason.is_some()),
    }
}

/// A reason's code, and AWS's usual words for it.
fn usual(reason: TargetReason) -> (&'static str, &'static str) {
    match reason {
        TargetReason::RegistrationInProgress => (
            "Elb.RegistrationInProgress",
            "Target registration is in progress",
        ),
        TargetReason::InitialHealthChecking => (
            "Elb.InitialHealthChecking",
            "Initial health checks in progress",
        ),
        TargetReason::ResponseCodeMismatch => (
            "Target.ResponseCodeMismatch",
            "Health checks failed with these codes",
        ),
        TargetReason::Timeout => ("Target.Timeout", "Request timed out"),
        TargetReason::FailedHealthChecks => ("Target.FailedHealthChecks", "Health checks failed"),
        TargetReason::InternalError => (
            "Elb.InternalError",
            "Health checks failed due to an internal error",
        ),
        TargetReason::DeregistrationInProgress => (
            "Target.DeregistrationInProgress",
            "Target deregistration is in progress",
        ),
        TargetReason::HealthCheckDisabled => (
            "Target.HealthCheckDisabled",
            "Health checks are not enabled for this target",
        ),
    }
}

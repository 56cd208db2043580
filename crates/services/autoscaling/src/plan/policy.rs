//! What a scaling policy makes of a group's desired capacity, pure.
//!
//! Executed by a caller, a policy counts from the desired capacity. Executed by an alarm, one of
//! steps or one that tracks a target counts without the instances that warm up, so that what an
//! earlier alarm added is a part of what this one adds
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html#step-scaling-warmup>).

use crate::error;
use crate::model::Group;
use neargate_api_autoscaling as api;
use neargate_base::Timestamp;
use neargate_service::AwsError;
use neargate_service::scaling::adjust::{self, AdjustmentType, Step};
use std::time::Duration;

/// Who executes a policy, and by what.
#[derive(Debug, Clone, Copy)]
pub struct Executed<'a> {
    /// An alarm does, not a caller.
    pub by_alarm: bool,
    pub metric_value: Option<f64>,
    pub breach_threshold: Option<f64>,
    /// What metrics are, by the names of the policies that track them, that are too low.
    pub lows: &'a [(String, f64)],
    pub now: Timestamp,
}

pub fn kind(asked: &api::PutScalingPolicyInput) -> &str {
    asked.policy_type.as_deref().unwrap_or("SimpleScaling")
}

/// The desired capacity that the policy leads to, within the group's bounds.
///
/// # Errors
/// `ValidationError` for what cannot be executed so.
pub fn wanted(
    group: &Group,
    asked: &api::PutScalingPolicyInput,
    executed: &Executed<'_>,
) -> Result<u32, AwsError> {
    let wanted = match kind(asked) {
        "SimpleScaling" => {
            let by = asked.scaling_adjustment.unwrap_or(0);
            adjusted(group.desired, asked, by)
        }
        "StepScaling" => stepped(group, asked, executed)?,
        "TargetTrackingScaling" if executed.by_alarm => tracked(group, asked, executed),
        other => {
            return Err(error::validation(format!(
                "Policies of type {other} cannot be executed"
            )));
        }
    };
    Ok(wanted.clamp(group.min, group.max.max(group.min)))
}

fn adjusted(base: u32, asked: &api::PutScalingPolicyInput, by: i32) -> u32 {
    let kind = asked.adjustment_type.as_deref();
    let kind = kind.and_then(AdjustmentType::parse);
    let least = asked.min_adjustment_magnitude.or(asked.min_adjustment_step);
    let least = least.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    adjust::adjusted(
        base,
        kind.unwrap_or(AdjustmentType::ChangeInCapacity),
        by,
        least,
    )
}

fn stepped(
    group: &Group,
    asked: &api::PutScalingPolicyInput,
    executed: &Executed<'_>,
) -> Result<u32, AwsError> {
    // An alarm that was put into its state by hand has no value: it is at its threshold.
    let threshold = executed
        .breach_threshold
        .or(executed.by_alarm.then_some(0.0));
    let value = executed
        .metric_value
        .or(threshold.filter(|_| executed.by_alarm));
    let (Some(value), Some(threshold)) = (value, threshold) else {
        return Err(error::validation(
            "MetricValue and BreachThreshold are required for policies of type StepScaling",
        ));
    };
    let steps = steps(asked.step_adjustments.as_deref().unwrap_or_default());
    let by = adjust::step(&steps, value - threshold).ok_or_else(|| {
        error::validation("There is no StepAdjustment for this MetricValue and BreachThreshold")
    })?;
    if !executed.by_alarm {
        return Ok(adjusted(group.desired, asked, by));
    }
    let warming = warming(group, asked, executed.now);
    let from_below = adjusted(group.desired.saturating_sub(warming), asked, by);
    let wanted = adjusted(group.desired, asked, by);
    Ok(match wanted > group.desired {
        true => from_below.max(group.desired),
        // Nothing ends while something warms up.
        false if warming > 0 => group.desired,
        false => wanted,
    })
}

fn tracked(group: &Group, asked: &api::PutScalingPolicyInput, executed: &Executed<'_>) -> u32 {
    let stays = group.desired;
    let (Some(asked_for), Some(value)) =
        (&asked.target_tracking_configuration, executed.metric_value)
    else {
        return stays;
    };
    let warming = warming(group, asked, executed.now);
    if value > asked_for.target_value {
        let base = group.desired.saturating_sub(warming);
        let wanted = adjust::tracked(base, value, asked_for.target_value);
        return wanted.max(base.saturating_add(1)).max(stays);
    }
    match enough_for_all(group, executed.lows) {
        Some(enough) if warming == 0 => enough.min(stays),
        _ => stays,
    }
}

/// Several policies that track targets let a group shrink only together, and to what is enough for
/// each of them. `None`: one of them does not find that there is too much.
fn enough_for_all(group: &Group, lows: &[(String, f64)]) -> Option<u32> {
    let mut enough = None;
    for (name, policy) in &group.policies {
        let Some(tracked) = &policy.asked.target_tracking_configuration else {
            continue;
        };
        if tracked.disable_scale_in == Some(true) || policy.asked.enabled == Some(false) {
            continue;
        }
        let (_, value) = lows.iter().find(|(low, _)| low == name)?;
        let of_this = adjust::tracked(group.desired, *value, tracked.target_value);
        enough = enough.max(Some(of_this));
    }
    enough
}

/// Instances that start, or have not been in service for their warm-up yet.
fn warming(group: &Group, asked: &api::PutScalingPolicyInput, now: Timestamp) -> u32 {
    let own = asked.estimated_instance_warmup;
    let own = own.and_then(|n| u32::try_from(n).ok());
    let seconds = own
        .or(group.settings.warmup_seconds)
        .unwrap_or(group.settings.cooldown_seconds);
    let warmup = Duration::from_secs(u64::from(seconds));
    let counting = group.instances.values().filter(|m| m.state.counts());
    let is_cold = |at: Option<Timestamp>| at.is_none_or(|at| at + warmup > now);
    let cold = counting.filter(|m| is_cold(m.in_service_at)).count();
    // What is desired and not begun yet will warm up, too.
    let missing = group.desired.saturating_sub(group.capacity());
    let begun = u32::try_from(cold + group.launches.len()).unwrap_or(u32::MAX);
    begun.saturating_add(missing)
}

/// Steps as they were asked for.
pub fn steps(given: &[api::StepAdjustment]) -> Vec<Step> {
    let step = |s: &api::StepAdjustment| Step {
        lower: s.metric_interval_lower_bound,
        upper: s.metric_interval_upper_bound,
        adjustment: s.scaling_adjustment,
    };
    given.iter().map(step).collect()
}

//! Scaling policies
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html>). Those of
//! single and of graded steps act when they are executed; what tracks a target is kept.

use super::{PAGE, all, capacity, change, find, paged, size, text};
use crate::model::{Group, Policy};
use crate::{Autoscaling, error};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::Json;
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html>).
const MAX_POLICIES: usize = 50;
pub(super) const ADJUSTMENTS: [&str; 3] = [
    "ChangeInCapacity",
    "ExactCapacity",
    "PercentChangeInCapacity",
];
const TYPES: [&str; 4] = [
    "SimpleScaling",
    "StepScaling",
    "TargetTrackingScaling",
    "PredictiveScaling",
];

fn kind(asked: &api::PutScalingPolicyInput) -> &str {
    asked.policy_type.as_deref().unwrap_or("SimpleScaling")
}

pub async fn put_scaling_policy(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::PutScalingPolicyInput,
) -> Result<api::PutScalingPolicyOutput, AwsError> {
    check(&input)?;
    let name = &input.policy_name;
    let arn = change(&cx, &input.auto_scaling_group_name, |group| {
        let before = group.policies.get(name);
        if let Some(before) = before
            && kind(&before.asked) != kind(&input)
        {
            return Err(error::validation(format!(
                "You cannot change the type of the policy {name}: delete it first."
            )));
        }
        if before.is_none() && group.policies.len() >= MAX_POLICIES {
            return Err(error::limit_exceeded(
                "Scaling policies per AutoScalingGroup",
                MAX_POLICIES,
            ));
        }
        let policy = Policy {
            id: before.map_or_else(|| cx.house.rng.uuid(), |b| b.id.clone()),
            asked: Json(input.clone()),
        };
        let arn = arn(&cx, group, name, &policy);
        group.policies.insert(name.clone(), policy);
        Ok(arn)
    });
    Ok(api::PutScalingPolicyOutput {
        policy_arn: Some(arn.await?),
        alarms: Some(vec![]),
    })
}

fn check(input: &api::PutScalingPolicyInput) -> Result<(), AwsError> {
    let kind = kind(input);
    if !TYPES.contains(&kind) {
        return Err(error::validation(format!(
            "{kind} is not a valid PolicyType"
        )));
    }
    let adjusts = matches!(kind, "SimpleScaling" | "StepScaling");
    match input.adjustment_type.as_deref() {
        None if adjusts => {
            return Err(error::validation(format!(
                "AdjustmentType is required for policies of type {kind}"
            )));
        }
        Some(given) if adjusts && !ADJUSTMENTS.contains(&given) => {
            return Err(error::validation(format!(
                "{given} is not a valid AdjustmentType"
            )));
        }
        Some(_) if !adjusts => {
            return Err(error::validation(format!(
                "AdjustmentType is not supported for policies of type {kind}"
            )));
        }
        _ => {}
    }
    let has_steps = input
        .step_adjustments
        .as_ref()
        .is_some_and(|s| !s.is_empty());
    match kind {
        "SimpleScaling" if input.scaling_adjustment.is_none() => Err(error::validation(
            "ScalingAdjustment is required for policies of type SimpleScaling",
        )),
        "SimpleScaling" if has_steps => Err(error::validation(
            "StepAdjustments is not supported for policies of type SimpleScaling",
        )),
        "StepScaling" if input.cooldown.is_some() => Err(error::validation(
            "Cooldown is not supported for policies of type StepScaling",
        )),
        "StepScaling" if !has_steps => Err(error::validation(
            "At least one StepAdjustment is required for policies of type StepScaling",
        )),
        "StepScaling" => check_steps(input.step_adjustments.as_deref().unwrap_or_default()),
        "TargetTrackingScaling" => {
            let given = input.target_tracking_configuration.as_ref();
            let given = given.ok_or_else(|| {
                error::validation(
                    "TargetTrackingConfiguration is required for policies of type TargetTrackingScaling",
                )
            })?;
            let one = given.predefined_metric_specification.is_some()
                != given.customized_metric_specification.is_some();
            match one {
                true => Ok(()),
                false => Err(error::validation(
                    "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification is required.",
                )),
            }
        }
        "PredictiveScaling" if input.predictive_scaling_configuration.is_none() => {
            Err(error::validation(
                "PredictiveScalingConfiguration is required for policies of type PredictiveScaling",
            ))
        }
        _ => Ok(()),
    }
}

/// Steps neither overlap nor leave a gap.
fn check_steps(steps: &[api::StepAdjustment]) -> Result<(), AwsError> {
    let mut bounds: Vec<(f64, f64)> = steps
        .iter()
        .map(|s| {
            (
                s.metric_interval_lower_bound.unwrap_or(f64::NEG_INFINITY),
                s.metric_interval_upper_bound.unwrap_or(f64::INFINITY),
            )
        })
        .collect();
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    if bounds.iter().any(|(lower, upper)| lower >= upper) {
        return Err(error::validation(
            "MetricIntervalLowerBound must be less than the MetricIntervalUpperBound",
        ));
    }
    for pair in bounds.windows(2) {
        if pair[0].1 > pair[1].0 {
            return Err(error::validation("StepAdjustment intervals can't overlap"));
        }
        if pair[0].1 < pair[1].0 {
            return Err(error::validation(
                "There can be no gap between StepAdjustment intervals",
            ));
        }
    }
    Ok(())
}

fn arn(cx: &Ctx, group: &Group, name: &str, policy: &Policy) -> String {
    cx.arn(
        "autoscaling",
        format!(
            "scalingPolicy:{}:autoScalingGroupName/{}:policyName/{name}",
            policy.id, group.name
        ),
    )
}

pub async fn describe_policies(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribePoliciesInput,
) -> Result<api::DescribePoliciesOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let name = input.auto_scaling_group_name.filter(|n| !n.is_empty());
    let groups = match &name {
        Some(name) => vec![find(&cx, name).await?],
        None => all(&cx).await?,
    };
    let names = input.policy_names.unwrap_or_default();
    let types = input.policy_types.unwrap_or_default();
    let mut found = Vec::new();
    for group in &groups {
        for (name, policy) in &group.policies {
            let arn = arn(&cx, group, name, policy);
            let named = names.is_empty() || names.contains(name) || names.contains(&arn);
            let typed = types.is_empty() || types.iter().any(|t| t == kind(&policy.asked));
            if named && typed {
                found.push(shown(policy, arn));
            }
        }
    }
    let position = |p: &api::ScalingPolicy| {
        let of = |s: &Option<String>| crate::model::escaped(s.as_deref().unwrap_or_default());
        format!("{}/{}", of(&p.auto_scaling_group_name), of(&p.policy_name))
    };
    found.sort_by_key(position);
    let found = paged(found, input.next_token.as_deref(), limit, position)?;
    Ok(api::DescribePoliciesOutput {
        scaling_policies: Some(found.items),
        next_token: found.next_token,
    })
}

fn shown(policy: &Policy, arn: String) -> api::ScalingPolicy {
    let asked = policy.asked.0.clone();
    let graded = kind(&asked) == "StepScaling";
    api::ScalingPolicy {
        policy_type: text(kind(&asked)),
        auto_scaling_group_name: text(asked.auto_scaling_group_name),
        policy_name: text(asked.policy_name),
        policy_arn: Some(arn),
        adjustment_type: asked.adjustment_type,
        min_adjustment_step: asked.min_adjustment_step,
        min_adjustment_magnitude: asked.min_adjustment_magnitude,
        scaling_adjustment: asked.scaling_adjustment,
        cooldown: asked.cooldown,
        step_adjustments: Some(asked.step_adjustments.unwrap_or_default()),
        metric_aggregation_type: asked
            .metric_aggregation_type
            .or_else(|| graded.then(|| "Average".into())),
        estimated_instance_warmup: asked.estimated_instance_warmup,
        alarms: Some(vec![]),
        target_tracking_configuration: asked.target_tracking_configuration,
        enabled: Some(asked.enabled.unwrap_or(true)),
        predictive_scaling_configuration: asked.predictive_scaling_configuration,
    }
}

/// A policy by its name in a group, or by its ARN.
async fn named(
    cx: &Ctx,
    group: Option<&String>,
    policy: &str,
) -> Result<(String, String), AwsError> {
    let groups = match group {
        Some(name) => vec![find(cx, name).await?],
        None => all(cx).await?,
    };
    for group in &groups {
        for (name, stored) in &group.policies {
            let by_name = name == policy && !policy.starts_with("arn:");
            if by_name || arn(cx, group, name, stored) == policy {
                return Ok((group.name.clone(), name.clone()));
            }
        }
    }
    if group.is_none() && !policy.starts_with("arn:") {
        return Err(error::validation(
            "AutoScalingGroupName is required unless the policy is named by its ARN.",
        ));
    }
    Err(error::policy_not_found(policy))
}

pub async fn delete_policy(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DeletePolicyInput,
) -> Result<Unit, AwsError> {
    let (group, name) = named(
        &cx,
        input.auto_scaling_group_name.as_ref(),
        &input.policy_name,
    )
    .await?;
    change(&cx, &group, |group| {
        group.policies.remove(&name);
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn execute_policy(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::ExecutePolicyInput,
) -> Result<Unit, AwsError> {
    let (group, name) = named(
        &cx,
        input.auto_scaling_group_name.as_ref(),
        &input.policy_name,
    )
    .await?;
    change(&cx, &group, |group| {
        let found = group.policies.get(&name).cloned();
        let policy = found.ok_or_else(|| error::policy_not_found(&name))?;
        let asked = &policy.asked.0;
        let by = match kind(asked) {
            "SimpleScaling" => asked.scaling_adjustment.unwrap_or(0),
            "StepScaling" => step(asked, &input)?,
            other => {
                return Err(error::validation(format!(
                    "Policies of type {other} cannot be executed"
                )));
            }
        };
        if asked.enabled == Some(false) {
            return Err(error::validation(format!(
                "The policy {name} is not enabled"
            )));
        }
        if input.honor_cooldown == Some(true) {
            let own = asked.cooldown.and_then(|n| u32::try_from(n).ok());
            let cooldown = own.unwrap_or(group.settings.cooldown_seconds);
            capacity::check_calm(group, cooldown, cx.now())?;
        }
        let count = adjusted(group, asked, by);
        let who = format!("a user request executed policy {name}");
        capacity::resize(group, count, &who, cx.now());
        Ok(())
    })
    .await?;
    Ok(Unit)
}

/// The step that the metric's distance from its threshold falls into.
fn step(
    asked: &api::PutScalingPolicyInput,
    input: &api::ExecutePolicyInput,
) -> Result<i32, AwsError> {
    let (Some(value), Some(threshold)) = (input.metric_value, input.breach_threshold) else {
        return Err(error::validation(
            "MetricValue and BreachThreshold are required for policies of type StepScaling",
        ));
    };
    let distance = value - threshold;
    let mut steps = asked.step_adjustments.iter().flatten();
    let fits = |s: &&api::StepAdjustment| {
        let lower = s.metric_interval_lower_bound.unwrap_or(f64::NEG_INFINITY);
        let upper = s.metric_interval_upper_bound.unwrap_or(f64::INFINITY);
        // Above the threshold a step has its lower bound, below it its upper one.
        match distance >= 0.0 {
            true => lower <= distance && distance < upper,
            false => lower < distance && distance <= upper,
        }
    };
    let found = steps.find(fits).map(|s| s.scaling_adjustment);
    found.ok_or_else(|| {
        error::validation("There is no StepAdjustment for this MetricValue and BreachThreshold")
    })
}

/// The desired capacity that an adjustment leads to, within the group's bounds.
fn adjusted(group: &Group, asked: &api::PutScalingPolicyInput, by: i32) -> u32 {
    let now = i64::from(group.desired);
    let by = i64::from(by);
    let wanted = match asked.adjustment_type.as_deref() {
        Some("ExactCapacity") => by,
        Some("PercentChangeInCapacity") => now + percent(now, by, asked),
        _ => now + by,
    };
    let bounded = wanted.clamp(i64::from(group.min), i64::from(group.max));
    u32::try_from(bounded).unwrap_or(group.desired)
}

/// Less than one is one, more is rounded down; and at least the least magnitude.
fn percent(now: i64, by: i64, asked: &api::PutScalingPolicyInput) -> i64 {
    let exact = now * by;
    let change = match exact {
        1..=99 => 1,
        -99..=-1 => -1,
        _ => exact / 100,
    };
    let least = asked.min_adjustment_magnitude.or(asked.min_adjustment_step);
    let least = i64::from(least.unwrap_or(0));
    match by >= 0 {
        true => change.max(least),
        false => change.min(-least),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_rounded_as_documented() {
        let asked = api::PutScalingPolicyInput::default();
        for (now, by, expected) in [
            (10, 10, 1),
            (10, 15, 1),
            (10, 1, 1),
            (10, -1, -1),
            (25, -30, -7),
            (0, 50, 0),
        ] {
            assert_eq!(percent(now, by, &asked), expected, "{by} % of {now}");
        }
        let least = api::PutScalingPolicyInput {
            min_adjustment_magnitude: Some(2),
            ..asked
        };
        assert_eq!((percent(4, 25, &least), percent(4, -25, &least)), (2, -2));
    }
}

//! Scaling policies
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html>). Those of
//! single and of graded steps act when they are executed, by a caller or by CloudWatch for an alarm;
//! those that track a target own the alarms that execute them.

use super::{PAGE, all, capacity, change, find, paged, size, text};
use crate::model::{self, Group, Policy};
use crate::plan::policy::{Executed, kind, steps, wanted};
use crate::{Autoscaling, alarms, error};
use neargate_api_autoscaling as api;
use neargate_service::identity::Kind as PrincipalKind;
use neargate_service::scaling::adjust::{self, AdjustmentType, InvalidSteps};
use neargate_service::scaling::own_alarm;
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::Json;
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html>).
const MAX_POLICIES: usize = 50;
const TYPES: [&str; 4] = [
    "SimpleScaling",
    "StepScaling",
    "TargetTrackingScaling",
    "PredictiveScaling",
];

pub async fn put_scaling_policy(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::PutScalingPolicyInput,
) -> Result<api::PutScalingPolicyOutput, AwsError> {
    check(&input)?;
    let (name, group) = (&input.policy_name, &input.auto_scaling_group_name);
    let put = change(&cx, group, |group| {
        let before = group.policies.remove(name);
        if let Some(before) = &before
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
        check_target(group, &input)?;
        let mut policy = before.clone().unwrap_or_else(|| Policy {
            id: cx.house.rng.uuid(),
            asked: Json(input.clone()),
            alarms: Vec::new(),
        });
        let tracked = input.target_tracking_configuration.as_ref();
        let is_same = before
            .as_ref()
            .map(|b| b.asked.target_tracking_configuration.as_ref());
        if is_same != Some(tracked) {
            group.abandon_alarms(&mut policy);
            if let Some(tracked) = tracked {
                let shrinks = tracked.disable_scale_in != Some(true);
                policy.alarms = own_alarm::named(&group.name, shrinks, || cx.house.rng.uuid());
            }
        }
        policy.asked = Json(input.clone());
        let arn = group.policy_arn(&cx.scope, name, &policy);
        group.policies.insert(name.clone(), policy.clone());
        Ok((arn, policy, before))
    });
    let (arn, policy, before) = put.await?;
    if !policy.alarms.is_empty() || before.as_ref().is_some_and(|b| !b.alarms.is_empty()) {
        let key = model::key::<Group>(&cx.scope, group);
        if let Err(why) = alarms::settle(&cx.house, &key).await {
            undo(&cx, group, name, &policy, before).await?;
            return Err(error::validation(why.message));
        }
    }
    Ok(api::PutScalingPolicyOutput {
        policy_arn: Some(arn),
        alarms: Some(alarms::shown(&cx.scope, &policy)),
    })
}

/// CloudWatch does not take the alarms of a policy: it is as it was before.
async fn undo(
    cx: &Ctx,
    group: &str,
    name: &str,
    policy: &Policy,
    before: Option<Policy>,
) -> Result<(), AwsError> {
    let undo = change(cx, group, |group| {
        if group
            .policies
            .get(name)
            .is_none_or(|p| p.asked != policy.asked)
        {
            return Ok(());
        }
        group.abandon_alarms(&mut policy.clone());
        match &before {
            Some(before) => {
                for own in &before.alarms {
                    group.unwanted_alarms.remove(&own.name);
                }
                group.policies.insert(name.to_owned(), before.clone());
            }
            None => {
                group.policies.remove(name);
            }
        }
        Ok(())
    });
    // A group that goes meanwhile takes its policies along.
    match undo.await {
        Err(e) if e.status < 500 => Ok(()),
        other => other,
    }
}

/// What a policy that tracks a target asks of its group.
fn check_target(group: &Group, asked: &api::PutScalingPolicyInput) -> Result<(), AwsError> {
    let Some(tracked) = &asked.target_tracking_configuration else {
        return Ok(());
    };
    let metric = |t: &api::TargetTrackingConfiguration| {
        (
            t.predefined_metric_specification.clone(),
            t.customized_metric_specification.clone(),
        )
    };
    let others = group.policies.values();
    let mut others = others.filter_map(|p| p.asked.target_tracking_configuration.as_ref());
    if others.any(|other| metric(other) == metric(tracked)) {
        return Err(error::validation(
            "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
        ));
    }
    let predefined = tracked.predefined_metric_specification.as_ref();
    let Some(label) = predefined.and_then(|p| p.resource_label.as_deref()) else {
        return Ok(());
    };
    let target_group = label.find("targetgroup/").map_or("", |at| &label[at..]);
    let is_attached = |arn: &String| arn.ends_with(&format!(":{target_group}"));
    match group.traffic_sources.keys().any(is_attached) {
        true => Ok(()),
        false => Err(error::validation(format!(
            "The load balancer or target group of the resource label {label} is not attached to the \
             Auto Scaling group"
        ))),
    }
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
        Some(given) if adjusts && AdjustmentType::parse(given).is_none() => {
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
            if !one {
                return Err(error::validation(
                    "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification is required.",
                ));
            }
            check_tracked(given)
        }
        "PredictiveScaling" if input.predictive_scaling_configuration.is_none() => {
            Err(error::validation(
                "PredictiveScalingConfiguration is required for policies of type PredictiveScaling",
            ))
        }
        _ => Ok(()),
    }
}

/// The steps, which neither overlap nor leave a gap.
fn check_steps(given: &[api::StepAdjustment]) -> Result<(), AwsError> {
    let why = match adjust::check(&steps(given)) {
        Ok(()) => return Ok(()),
        Err(InvalidSteps::Reversed) => {
            "MetricIntervalLowerBound must be less than the MetricIntervalUpperBound"
        }
        Err(InvalidSteps::Overlap) => "StepAdjustment intervals can't overlap",
        Err(InvalidSteps::Gap) => "There can be no gap between StepAdjustment intervals",
    };
    Err(error::validation(why))
}

/// The metric and target of a policy that tracks one.
fn check_tracked(given: &api::TargetTrackingConfiguration) -> Result<(), AwsError> {
    if !(given.target_value.is_finite() && given.target_value > 0.0) {
        return Err(error::validation("TargetValue must be greater than zero"));
    }
    let Some(predefined) = &given.predefined_metric_specification else {
        let custom = given.customized_metric_specification.as_ref();
        let is_whole = custom.is_some_and(|c| {
            c.metrics.as_ref().is_some_and(|m| !m.is_empty())
                || (c.metric_name.is_some() && c.namespace.is_some() && c.statistic.is_some())
        });
        return match is_whole {
            true => Ok(()),
            false => Err(error::validation(
                "MetricName, Namespace and Statistic are required for a customized metric.",
            )),
        };
    };
    let metric = predefined.predefined_metric_type.as_str();
    match (metric, predefined.resource_label.as_deref()) {
        ("ALBRequestCountPerTarget", None) => Err(error::validation(format!(
            "ResourceLabel is required for the predefined metric type {metric}"
        ))),
        ("ALBRequestCountPerTarget", Some(label)) => match label.split('/').count() {
            6 if label.starts_with("app/") && label.contains("/targetgroup/") => Ok(()),
            _ => Err(error::validation(format!(
                "Invalid resource label '{label}' for the predefined metric type {metric}"
            ))),
        },
        ("ASGAverageCPUUtilizationHighResolution", _) => Err(error::unsupported(metric)),
        (_, Some(_)) => Err(error::validation(format!(
            "ResourceLabel is not supported for the predefined metric type {metric}"
        ))),
        (_, None) => Ok(()),
    }
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
            let arn = group.policy_arn(&cx.scope, name, policy);
            let named = names.is_empty() || names.contains(name) || names.contains(&arn);
            let typed = types.is_empty() || types.iter().any(|t| t == kind(&policy.asked));
            if named && typed {
                found.push(shown(&cx, policy, arn));
            }
        }
    }
    let position = |p: &api::ScalingPolicy| {
        let of = |s: &Option<String>| crate::model::escaped(s.as_deref().unwrap_or_default());
        format!("{}/{}", of(&p.auto_scaling_group_name), of(&p.policy_name))
    };
    found.sort_by_key(position);
    let mut found = paged(found, input.next_token.as_deref(), limit, position)?;
    for policy in &mut found.items {
        let tracks = policy.target_tracking_configuration.is_some();
        if let Some(arn) = policy.policy_arn.as_ref().filter(|_| !tracks) {
            policy.alarms = Some(alarms::of_action(&cx.house, &cx.scope, arn).await?);
        }
    }
    Ok(api::DescribePoliciesOutput {
        scaling_policies: Some(found.items),
        next_token: found.next_token,
    })
}

fn shown(cx: &Ctx, policy: &Policy, arn: String) -> api::ScalingPolicy {
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
        alarms: Some(alarms::shown(&cx.scope, policy)),
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
            if by_name || group.policy_arn(&cx.scope, name, stored) == policy {
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
        if let Some(mut gone) = group.policies.remove(&name) {
            group.abandon_alarms(&mut gone);
        }
        Ok(())
    })
    .await?;
    // The controller goes on with it where this fails.
    let key = model::key::<Group>(&cx.scope, &group);
    if let Err(error) = alarms::settle(&cx.house, &key).await {
        tracing::warn!(%error, "alarms of a deleted policy are there for longer");
    }
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
    // CloudWatch does it for an alarm whose action the policy is.
    let by_alarm = cx.principal.kind == PrincipalKind::Service;
    let lows = match by_alarm {
        true => {
            let group = find(&cx, &group).await?;
            alarms::lows(&cx.house, &cx.scope, &group).await?
        }
        false => Vec::new(),
    };
    change(&cx, &group, |group| {
        let found = group.policies.get(&name).cloned();
        let policy = found.ok_or_else(|| error::policy_not_found(&name))?;
        let asked = &policy.asked.0;
        let executed = Executed {
            by_alarm,
            metric_value: input.metric_value,
            breach_threshold: input.breach_threshold,
            lows: &lows,
            now: cx.now(),
        };
        let count = wanted(group, asked, &executed)?;
        let is_enabled = asked.enabled != Some(false);
        if by_alarm && (!is_enabled || group.is_suspended("AlarmNotification")) {
            return Ok(());
        }
        if !is_enabled {
            return Err(error::validation(format!(
                "The policy {name} is not enabled"
            )));
        }
        // Others wait for instances to warm up instead.
        let is_simple = kind(asked) == "SimpleScaling";
        if is_simple && (by_alarm || input.honor_cooldown == Some(true)) {
            let own = asked.cooldown.and_then(|n| u32::try_from(n).ok());
            let cooldown = own.unwrap_or(group.settings.cooldown_seconds);
            capacity::check_calm(group, cooldown, cx.now())?;
        }
        let who = match by_alarm {
            true => format!("a monitor alarm in state ALARM triggered policy {name}"),
            false => format!("a user request executed policy {name}"),
        };
        capacity::resize(group, count, &who, cx.now());
        Ok(())
    })
    .await?;
    Ok(Unit)
}

//! Scaling policies
//! (<https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html>).

use super::{change, check_filter, find, listed, named, paged, size};
use crate::model::{DIMENSION, Kind, NAMESPACE, Named, Policy, Target};
use crate::plan::hear;
use crate::{ApplicationAutoscaling, alarms, ecs, error, metric};
use neargate_api_application_autoscaling as api;
use neargate_api_cloudwatch as cloudwatch;
use neargate_service::page::Size;
use neargate_service::scaling::adjust::{self, AdjustmentType, InvalidSteps};
use neargate_service::{AwsError, Caller, Ctx};
use neargate_wire::json::Json;
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-limits.html>).
const MAX_POLICIES: usize = 50;
const MAX_STEPS: usize = 20;
/// Ten on a page.
const PAGE: Size = Size::up_to(10);

pub async fn put_scaling_policy(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::PutScalingPolicyInput,
) -> Result<api::PutScalingPolicyOutput, AwsError> {
    let named = named(
        &input.service_namespace,
        &input.resource_id,
        &input.scalable_dimension,
    )?;
    let is_predictive = input.policy_type.as_deref() == Some("PredictiveScaling");
    if is_predictive || input.predictive_scaling_policy_configuration.is_some() {
        return Err(error::no_predictive_scaling());
    }
    let name = &input.policy_name;
    let label = input.target_tracking_scaling_policy_configuration.as_ref();
    let label = label.and_then(metric::label);
    if let Some(label) = label {
        check_attached(&cx, &named, label.target_group).await?;
    }
    let put = change(&cx, &named, |target| {
        let before = target.policies.remove(name);
        let kind = kind(&input, before.as_ref().map(|b| &b.kind))?;
        check_alone(target, &kind)?;
        if before.is_none() && target.policies.len() >= MAX_POLICIES {
            return Err(error::limit_exceeded(format!(
                "There can be {MAX_POLICIES} scaling policies of a scalable target at most"
            )));
        }
        let mut policy = match &before {
            Some(before) => before.clone(),
            None => Policy {
                id: cx.house.rng.uuid(),
                created_at: cx.now(),
                kind: kind.clone(),
                created_by: cx.house.rng.uuid(),
                alarms: Vec::new(),
            },
        };
        if before.as_ref().is_none_or(|b| b.kind != kind) {
            target.unwanted_alarms.extend(policy.abandon_alarms());
            policy.alarms = alarms::names(&cx.house, &named, &kind);
        }
        policy.kind = kind;
        target.not_scaled = None;
        target.policies.insert(name.clone(), policy.clone());
        let arn = target.policy_arn(&cx.scope, name, &policy);
        Ok((arn, policy, before))
    });
    let (arn, policy, before) = put.await?;
    if let Err(why) = alarms::settle(&cx.house, &named.key(&cx.scope)).await {
        undo(&cx, &named, name, &policy, before).await?;
        return Err(error::failed_access(&why));
    }
    let own = policy
        .alarms
        .iter()
        .map(|alarm| shown_alarm(&cx, &alarm.name));
    Ok(api::PutScalingPolicyOutput {
        policy_arn: Some(arn),
        alarms: Some(own.collect()),
    })
}

/// CloudWatch does not take the alarms of a policy: it is as it was before.
async fn undo(
    cx: &Ctx,
    named: &Named,
    name: &str,
    policy: &Policy,
    before: Option<Policy>,
) -> Result<(), AwsError> {
    let undo = change(cx, named, |target| {
        let is_it = |p: &Policy| p.id == policy.id && p.kind == policy.kind;
        if !target.policies.get(name).is_some_and(is_it) {
            return Ok(());
        }
        let new = policy.alarms.iter().map(|alarm| alarm.name.clone());
        target.unwanted_alarms.extend(new);
        match &before {
            Some(before) => {
                for alarm in &before.alarms {
                    target.unwanted_alarms.remove(&alarm.name);
                }
                target.policies.insert(name.to_owned(), before.clone());
            }
            None => {
                target.policies.remove(name);
            }
        }
        Ok(())
    });
    match undo.await {
        Err(e) if e.is("ObjectNotFoundException") => Ok(()),
        other => other,
    }
}

/// What is asked for; what an update does not say stays as it is.
fn kind(input: &api::PutScalingPolicyInput, before: Option<&Kind>) -> Result<Kind, AwsError> {
    let is_step = match (input.policy_type.as_deref(), before) {
        (Some(asked), _) => asked == "StepScaling",
        (None, Some(before)) => matches!(before, Kind::Step(_)),
        (None, None) => {
            return Err(error::validation(
                "PolicyType must be specified for a new scaling policy",
            ));
        }
    };
    if is_step {
        let kept = match before {
            Some(Kind::Step(kept)) => Some(kept.0.clone()),
            _ => None,
        };
        let mut asked = match (&input.step_scaling_policy_configuration, &kept) {
            (Some(asked), _) => asked.clone(),
            (None, Some(kept)) => kept.clone(),
            (None, None) => {
                return Err(error::validation(
                    "StepScalingPolicyConfiguration must be specified",
                ));
            }
        };
        if let Some(kept) = kept {
            asked.adjustment_type = asked.adjustment_type.or(kept.adjustment_type);
            asked.step_adjustments = asked.step_adjustments.or(kept.step_adjustments);
        }
        check_steps(&asked)?;
        return Ok(Kind::Step(Json(asked)));
    }
    let kept = match before {
        Some(Kind::TargetTracking(kept)) => Some(&kept.0),
        _ => None,
    };
    let given = input.target_tracking_scaling_policy_configuration.as_ref();
    let asked = given.or(kept).ok_or_else(|| {
        error::validation("TargetTrackingScalingPolicyConfiguration must be specified")
    })?;
    metric::check(asked)?;
    Ok(Kind::TargetTracking(Json(asked.clone())))
}

fn check_steps(asked: &api::StepScalingPolicyConfiguration) -> Result<(), AwsError> {
    let Some(kind) = asked.adjustment_type.as_deref() else {
        return Err(error::validation("AdjustmentType must be specified"));
    };
    if asked.cooldown.is_some_and(|seconds| seconds < 0) {
        return Err(error::validation("Cooldown cannot be negative"));
    }
    let given = asked.step_adjustments.as_deref().unwrap_or_default();
    if given.is_empty() {
        return Err(error::validation(
            "At least one step adjustment must be specified",
        ));
    }
    if given.len() > MAX_STEPS {
        return Err(error::limit_exceeded(format!(
            "There can be {MAX_STEPS} step adjustments of a scaling policy at most"
        )));
    }
    let is_exact = AdjustmentType::parse(kind) == Some(AdjustmentType::ExactCapacity);
    if is_exact && given.iter().any(|step| step.scaling_adjustment < 0) {
        return Err(error::validation(
            "ScalingAdjustment cannot be negative for AdjustmentType ExactCapacity",
        ));
    }
    let steps: Vec<_> = given.iter().map(hear::step).collect();
    let why = match adjust::check(&steps) {
        Ok(()) => return Ok(()),
        Err(InvalidSteps::Reversed) => "Step upper bound must exceed its lower bound",
        Err(InvalidSteps::Overlap) => "Step adjustment intervals can't overlap",
        Err(InvalidSteps::Gap) => "There can't be a gap between step adjustment intervals",
    };
    Err(error::validation(why))
}

/// No two policies of a target track the same metric.
fn check_alone(target: &Target, kind: &Kind) -> Result<(), AwsError> {
    let Kind::TargetTracking(asked) = kind else {
        return Ok(());
    };
    let tracks_it = |p: &Policy| match &p.kind {
        Kind::TargetTracking(other) => metric::is_same(asked, other),
        Kind::Step(_) => false,
    };
    match target.policies.values().any(tracks_it) {
        false => Ok(()),
        true => Err(error::validation(
            "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
        )),
    }
}

/// # Errors
/// `ValidationException` when the service is not behind the target group.
async fn check_attached(cx: &Ctx, named: &Named, target_group: &str) -> Result<(), AwsError> {
    let service = ecs::see(&cx.house, &cx.scope, named)
        .await?
        .unwrap_or_default();
    let ends = |arn: &String| arn.ends_with(&format!(":{target_group}"));
    match service.target_groups.iter().any(ends) {
        true => Ok(()),
        false => Err(error::validation(format!(
            "Target group {target_group} is not attached to resource {}",
            named.resource_id()
        ))),
    }
}

pub async fn delete_scaling_policy(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::DeleteScalingPolicyInput,
) -> Result<api::DeleteScalingPolicyOutput, AwsError> {
    let named = named(
        &input.service_namespace,
        &input.resource_id,
        &input.scalable_dimension,
    )?;
    let no_such_policy = || error::no_such_policy(&named, &input.policy_name);
    if find(&cx, &named).await?.is_none() {
        return Err(no_such_policy());
    }
    change(&cx, &named, |target| {
        let gone = target.policies.remove(&input.policy_name);
        let mut gone = gone.ok_or_else(no_such_policy)?;
        target.unwanted_alarms.extend(gone.abandon_alarms());
        Ok(())
    })
    .await?;
    // The controller goes on with it where this fails.
    if let Err(error) = alarms::settle(&cx.house, &named.key(&cx.scope)).await {
        tracing::warn!(%error, "alarms of a deleted policy are there for longer");
    }
    Ok(api::DeleteScalingPolicyOutput {})
}

pub async fn describe_scaling_policies(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::DescribeScalingPoliciesInput,
) -> Result<api::DescribeScalingPoliciesOutput, AwsError> {
    let limit = size(PAGE, input.max_results)?;
    let ids: Vec<String> = input.resource_id.into_iter().collect();
    let dimension = input.scalable_dimension.as_ref();
    check_filter("ResourceId", !ids.is_empty(), dimension)?;
    let names = input.policy_names.unwrap_or_default();
    let mut found = Vec::new();
    for target in listed(&cx, &input.service_namespace, &ids, dimension).await? {
        for (name, policy) in &target.policies {
            if names.is_empty() || names.contains(name) {
                found.push((target.value.clone(), name.clone(), policy.clone()));
            }
        }
    }
    let position = |(target, name, _): &(Target, String, Policy)| {
        format!("{}\u{0}{name}", target.named().resource_id())
    };
    let found = paged(found, input.next_token.as_ref(), limit, position)?;
    let mut shown = Vec::new();
    for (target, name, policy) in found.items {
        shown.push(show(&cx, &target, name, policy).await?);
    }
    Ok(api::DescribeScalingPoliciesOutput {
        scaling_policies: Some(shown),
        next_token: found.next_token,
    })
}

async fn show(
    cx: &Ctx,
    target: &Target,
    name: String,
    policy: Policy,
) -> Result<api::ScalingPolicy, AwsError> {
    let arn = target.policy_arn(&cx.scope, &name, &policy);
    let alarms = match &policy.kind {
        Kind::Step(_) => alarms_of(cx, &arn).await?,
        Kind::TargetTracking(_) => {
            let own = policy.alarms.iter();
            own.map(|alarm| shown_alarm(cx, &alarm.name)).collect()
        }
    };
    let policy_type = policy.kind.as_str().to_owned();
    let (step, tracking) = match policy.kind {
        Kind::Step(asked) => (Some(asked.0), None),
        Kind::TargetTracking(asked) => (None, Some(asked.0)),
    };
    Ok(api::ScalingPolicy {
        policy_arn: Some(arn),
        policy_name: Some(name),
        service_namespace: Some(NAMESPACE.into()),
        resource_id: Some(target.named().resource_id()),
        scalable_dimension: Some(DIMENSION.into()),
        policy_type: Some(policy_type),
        step_scaling_policy_configuration: step,
        target_tracking_scaling_policy_configuration: tracking,
        predictive_scaling_policy_configuration: None,
        alarms: Some(alarms),
        creation_time: Some(policy.created_at),
    })
}

/// The alarms that somebody gave the policy as an action.
async fn alarms_of(cx: &Ctx, policy: &str) -> Result<Vec<api::Alarm>, AwsError> {
    let input = cloudwatch::DescribeAlarmsInput {
        action_prefix: Some(policy.to_owned()),
        ..Default::default()
    };
    let role = ecs::role(&cx.scope);
    let asked =
        Caller::call::<cloudwatch::ops::DescribeAlarms>(&cx.house, &cx.scope, &role, &input);
    let found = match asked.await {
        Ok(found) => found.metric_alarms.unwrap_or_default(),
        Err(e) if e.is("NotImplemented") => Vec::new(),
        Err(e) if e.status < 500 => return Err(error::failed_access(&e)),
        Err(e) => return Err(e),
    };
    let alarm = |a: cloudwatch::MetricAlarm| api::Alarm {
        alarm_name: a.alarm_name,
        alarm_arn: a.alarm_arn,
    };
    Ok(found.into_iter().map(alarm).collect())
}

fn shown_alarm(cx: &Ctx, name: &str) -> api::Alarm {
    api::Alarm {
        alarm_name: Some(name.to_owned()),
        alarm_arn: Some(alarms::arn(&cx.scope, name)),
    }
}

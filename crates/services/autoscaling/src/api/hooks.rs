//! Lifecycle hooks, and what is said to the instances that wait for them.

use super::notifications::tried;
use super::{change, find, text};
use crate::hook::{self, Hook, Outcome, Transition, Wait};
use crate::model::Group;
use crate::{Autoscaling, error};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html>).
const MAX_HOOKS: usize = 50;
const HEARTBEAT_SECONDS: u32 = 3_600;

pub(super) fn of_new(
    given: Option<&[api::LifecycleHookSpecification]>,
) -> Result<BTreeMap<String, Hook>, AwsError> {
    let mut hooks = BTreeMap::new();
    for one in given.unwrap_or_default() {
        let hook = Hook {
            transition: transition(&one.lifecycle_transition)?,
            heartbeat_seconds: heartbeat(one.heartbeat_timeout)?.unwrap_or(HEARTBEAT_SECONDS),
            default: result(one.default_result.as_deref())?.unwrap_or(Outcome::Abandon),
            target: target(one.notification_target_arn.clone()),
            role: one.role_arn.clone(),
            metadata: one.notification_metadata.clone(),
        };
        hooks.insert(one.lifecycle_hook_name.clone(), hook);
    }
    match hooks.len() > MAX_HOOKS {
        true => Err(error::limit_exceeded(
            "Lifecycle hooks per AutoScalingGroup",
            MAX_HOOKS,
        )),
        false => Ok(hooks),
    }
}

fn transition(text: &str) -> Result<Transition, AwsError> {
    Transition::parse(text)
        .ok_or_else(|| error::validation(format!("Invalid Lifecycle Transition: {text}")))
}

fn heartbeat(given: Option<i32>) -> Result<Option<u32>, AwsError> {
    match given {
        None => Ok(None),
        Some(n @ 30..=7_200) => Ok(u32::try_from(n).ok()),
        Some(n) => Err(error::validation(format!(
            "Invalid HeartbeatTimeout {n}: it must be between 30 and 7200 seconds"
        ))),
    }
}

fn result(given: Option<&str>) -> Result<Option<Outcome>, AwsError> {
    let Some(text) = given else {
        return Ok(None);
    };
    let known = Outcome::parse(text);
    let known = known.ok_or_else(|| {
        error::validation(format!(
            "Invalid Lifecycle Action Result {text}: it must be CONTINUE or ABANDON"
        ))
    })?;
    Ok(Some(known))
}

/// An empty ARN: there is none any more.
fn target(given: Option<String>) -> Option<String> {
    given.filter(|arn| !arn.is_empty())
}

/// A new hook needs a transition; one that is there keeps what the call does not say.
pub async fn put_lifecycle_hook(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::PutLifecycleHookInput,
) -> Result<api::PutLifecycleHookOutput, AwsError> {
    change(&cx, &input.auto_scaling_group_name, |group| {
        let name = &input.lifecycle_hook_name;
        let before = group.hooks.get(name);
        let given = input.lifecycle_transition.as_deref();
        let transition = match (given.map(transition).transpose()?, before) {
            (Some(given), _) => given,
            (None, Some(before)) => before.transition,
            (None, None) => {
                return Err(error::validation(
                    "LifecycleTransition is required for a new Lifecycle Hook",
                ));
            }
        };
        let hook = Hook {
            transition,
            heartbeat_seconds: heartbeat(input.heartbeat_timeout)?
                .or(before.map(|b| b.heartbeat_seconds))
                .unwrap_or(HEARTBEAT_SECONDS),
            default: result(input.default_result.as_deref())?
                .or(before.map(|b| b.default))
                .unwrap_or(Outcome::Abandon),
            target: match &input.notification_target_arn {
                Some(_) => target(input.notification_target_arn.clone()),
                None => before.and_then(|b| b.target.clone()),
            },
            role: input
                .role_arn
                .clone()
                .or_else(|| before.and_then(|b| b.role.clone())),
            metadata: input
                .notification_metadata
                .clone()
                .or_else(|| before.and_then(|b| b.metadata.clone())),
        };
        if before.is_none() && group.hooks.len() >= MAX_HOOKS {
            return Err(error::limit_exceeded(
                "Lifecycle hooks per AutoScalingGroup",
                MAX_HOOKS,
            ));
        }
        group.hooks.insert(name.clone(), hook);
        Ok(())
    })
    .await?;
    if let Some(target) = target(input.notification_target_arn) {
        let group = &input.auto_scaling_group_name;
        tried(&cx, group, &target, input.role_arn).await?;
    }
    Ok(api::PutLifecycleHookOutput {})
}

pub async fn describe_lifecycle_hooks(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeLifecycleHooksInput,
) -> Result<api::DescribeLifecycleHooksOutput, AwsError> {
    let group = find(&cx, &input.auto_scaling_group_name).await?;
    let names = input.lifecycle_hook_names.unwrap_or_default();
    let hooks = group.hooks.iter();
    let hooks = hooks.filter(|(name, _)| names.is_empty() || names.contains(name));
    let shown = hooks.map(|(name, hook)| api::LifecycleHook {
        lifecycle_hook_name: text(name),
        auto_scaling_group_name: text(&group.name),
        lifecycle_transition: text(hook.transition.shown()),
        notification_target_arn: hook.target.clone(),
        role_arn: hook.role.clone(),
        notification_metadata: hook.metadata.clone(),
        heartbeat_timeout: i32::try_from(hook.heartbeat_seconds).ok(),
        global_timeout: i32::try_from(hook.global_seconds()).ok(),
        default_result: text(hook.default.shown()),
    });
    Ok(api::DescribeLifecycleHooksOutput {
        lifecycle_hooks: Some(shown.collect()),
    })
}

pub async fn delete_lifecycle_hook(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DeleteLifecycleHookInput,
) -> Result<api::DeleteLifecycleHookOutput, AwsError> {
    change(&cx, &input.auto_scaling_group_name, |group| {
        let name = &input.lifecycle_hook_name;
        let gone = group.hooks.remove(name);
        gone.ok_or_else(|| error::hook_not_found(name))?;
        hook::deleted(group, name);
        Ok(())
    })
    .await?;
    Ok(api::DeleteLifecycleHookOutput {})
}

pub async fn complete_lifecycle_action(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::CompleteLifecycleActionInput,
) -> Result<api::CompleteLifecycleActionOutput, AwsError> {
    let said = result(Some(&input.lifecycle_action_result))?;
    change(&cx, &input.auto_scaling_group_name, |group| {
        let of = (&input.lifecycle_action_token, &input.instance_id);
        let wait = action(group, &input.lifecycle_hook_name, of)?;
        wait.said = said;
        Ok(())
    })
    .await?;
    Ok(api::CompleteLifecycleActionOutput {})
}

pub async fn record_lifecycle_action_heartbeat(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::RecordLifecycleActionHeartbeatInput,
) -> Result<api::RecordLifecycleActionHeartbeatOutput, AwsError> {
    change(&cx, &input.auto_scaling_group_name, |group| {
        let of = (&input.lifecycle_action_token, &input.instance_id);
        action(group, &input.lifecycle_hook_name, of)?.heartbeat(cx.now());
        Ok(())
    })
    .await?;
    Ok(api::RecordLifecycleActionHeartbeatOutput {})
}

/// The action that goes on, by its token or its instance.
fn action<'a>(
    group: &'a mut Group,
    hook: &str,
    (token, instance): (&Option<String>, &Option<String>),
) -> Result<&'a mut Wait, AwsError> {
    if !group.hooks.contains_key(hook) {
        return Err(error::hook_not_found(hook));
    }
    let missing = match (token, instance) {
        (Some(token), _) => error::no_action_of_token(token),
        (None, Some(id)) => error::no_action_of_instance(id),
        (None, None) => {
            return Err(error::validation(
                "Either LifecycleActionToken or InstanceId is required.",
            ));
        }
    };
    let members = group.instances.iter_mut();
    let found = members
        .filter(|(id, _)| token.is_some() || instance.as_ref() == Some(*id))
        .filter_map(|(_, member)| member.waits.get_mut(hook))
        .filter(|wait| wait.said.is_none())
        .find(|wait| token.as_ref().is_none_or(|t| *t == wait.token));
    found.ok_or(missing)
}

//! What callers do to single instances: end them, protect them, call them sick.

use super::{all, change};
use crate::model::{Lifecycle, group_of};
use crate::{Autoscaling, error, plan, sentence};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;
use std::time::Duration;

/// The most instances of one call.
const MAX_IDS: usize = 50;

pub async fn terminate_instance_in_auto_scaling_group(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::TerminateInstanceInAutoScalingGroupInput,
) -> Result<api::TerminateInstanceInAutoScalingGroupOutput, AwsError> {
    let several = input.instance_ids.clone().unwrap_or_default();
    let ids: Vec<String> = input.instance_id.into_iter().chain(several).collect();
    let Some(first) = ids.first() else {
        return Err(error::validation("InstanceId is required."));
    };
    let groups = all(&cx).await?;
    let of = group_of(&groups, first).ok_or_else(|| error::instance_not_managed(first))?;
    if let Some(other) = ids.iter().find(|id| !of.instances.contains_key(*id)) {
        return Err(error::instance_not_managed(other));
    }
    let decrement = input.should_decrement_desired_capacity;
    let activities = change(&cx, &of.name, |group| {
        let mut activities = Vec::new();
        for id in &ids {
            let found = group.instances.get(id);
            let member = found.ok_or_else(|| error::instance_not_managed(id))?;
            if member.state.ends() {
                // It ends already: the same activity again.
                let running = member.activity.as_ref();
                activities.extend(running.map(|a| group.shown_activity(&cx.scope, a)));
                continue;
            }
            let mut sizes = None;
            if decrement {
                if group.desired <= group.min {
                    return Err(error::at_min(group.min));
                }
                sizes = Some((group.desired, group.desired - 1));
                group.desired -= 1;
            } else {
                group.replacements += 1;
            }
            let what = "taken out of service";
            let cause = sentence::by_user(cx.now(), id, what, sizes);
            // What was going on with it is told no more.
            let _ = plan::begin_end(group, id, cause, cx.now());
            let running = group.instances.get(id).and_then(|m| m.activity.as_ref());
            activities.extend(running.map(|a| group.shown_activity(&cx.scope, a)));
        }
        Ok(activities)
    });
    let activities = activities.await?;
    Ok(api::TerminateInstanceInAutoScalingGroupOutput {
        activity: activities.first().cloned(),
        activities: (activities.len() > 1).then_some(activities),
    })
}

pub async fn set_instance_protection(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::SetInstanceProtectionInput,
) -> Result<api::SetInstanceProtectionOutput, AwsError> {
    if input.instance_ids.len() > MAX_IDS {
        return Err(error::limit_exceeded("Instance ID", MAX_IDS));
    }
    change(&cx, &input.auto_scaling_group_name, |group| {
        for id in &input.instance_ids {
            let name = group.name.clone();
            let member = group.instances.get_mut(id);
            let member = member.ok_or_else(|| error::not_in_group(id, &name))?;
            match member.state {
                Lifecycle::InService | Lifecycle::EnteringStandby | Lifecycle::Standby => {}
                _ => {
                    let states = "InService or EnteringStandby or Standby";
                    return Err(error::not_in_state(id, states));
                }
            }
            member.protected = input.protected_from_scale_in;
        }
        Ok(())
    })
    .await?;
    Ok(api::SetInstanceProtectionOutput {})
}

pub async fn set_instance_health(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::SetInstanceHealthInput,
) -> Result<Unit, AwsError> {
    let healthy = match input.health_status.to_lowercase().as_str() {
        "healthy" => true,
        "unhealthy" => false,
        other => {
            return Err(error::validation(format!(
                "{other} is not a valid health status: it must be Healthy or Unhealthy"
            )));
        }
    };
    let groups = all(&cx).await?;
    let id = &input.instance_id;
    let of = group_of(&groups, id).ok_or_else(|| error::instance_not_managed(id))?;
    change(&cx, &of.name, |group| {
        let grace = Duration::from_secs(u64::from(group.settings.grace_seconds));
        let member = group.instances.get_mut(id);
        let member = member.ok_or_else(|| error::instance_not_managed(id))?;
        let since = member.in_service_at.unwrap_or(member.since);
        let in_grace = since + grace > cx.now();
        let respects = input.should_respect_grace_period != Some(false);
        if healthy || !(respects && in_grace) {
            member.healthy = healthy;
        }
        Ok(())
    })
    .await?;
    Ok(Unit)
}

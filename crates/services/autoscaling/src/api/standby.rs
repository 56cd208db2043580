//! Instances that are taken out of service for a while
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html>).

use super::change;
use crate::activity::Activity;
use crate::model::{Group, Lifecycle};
use crate::{Autoscaling, error, sentence};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn enter_standby(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::EnterStandbyInput,
) -> Result<api::EnterStandbyOutput, AwsError> {
    let ids = input.instance_ids.unwrap_or_default();
    let activities = change(&cx, &input.auto_scaling_group_name, |group| {
        let sizes = match input.should_decrement_desired_capacity {
            true => Some(shrink(group, ids.len(), "place into standby")?),
            false => None,
        };
        for id in &ids {
            check(group, id, Lifecycle::InService)?;
        }
        begin(
            group,
            &cx,
            &ids,
            Lifecycle::EnteringStandby,
            |id| format!("Moving EC2 instance to Standby: {id}"),
            |id| sentence::by_user(cx.now(), id, "moved to standby", sizes),
        )
    });
    Ok(api::EnterStandbyOutput {
        activities: Some(activities.await?),
    })
}

pub async fn exit_standby(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::ExitStandbyInput,
) -> Result<api::ExitStandbyOutput, AwsError> {
    let ids = input.instance_ids.unwrap_or_default();
    let activities = change(&cx, &input.auto_scaling_group_name, |group| {
        for id in &ids {
            check(group, id, Lifecycle::Standby)?;
        }
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let wanted = group.desired.saturating_add(count);
        if wanted > group.max {
            let what = format!("move out of standby {}", instances(ids.len()));
            return Err(error::sizes(group, &what));
        }
        let sizes = Some((group.desired, wanted));
        group.desired = wanted;
        begin(
            group,
            &cx,
            &ids,
            Lifecycle::Pending,
            |id| format!("Moving EC2 instance out of Standby: {id}"),
            |id| sentence::by_user(cx.now(), id, "moved out of standby", sizes),
        )
    });
    Ok(api::ExitStandbyOutput {
        activities: Some(activities.await?),
    })
}

fn instances(count: usize) -> String {
    match count {
        1 => "1 instance".into(),
        n => format!("{n} instances"),
    }
}

/// `count` fewer are desired.
pub(super) fn shrink(group: &mut Group, count: usize, what: &str) -> Result<(u32, u32), AwsError> {
    let less = u32::try_from(count).ok();
    let wanted = less.and_then(|n| group.desired.checked_sub(n));
    match wanted.filter(|n| *n >= group.min) {
        Some(wanted) => {
            let sizes = (group.desired, wanted);
            group.desired = wanted;
            Ok(sizes)
        }
        None => Err(error::sizes(group, &format!("{what} {}", instances(count)))),
    }
}

fn check(group: &Group, id: &str, state: Lifecycle) -> Result<(), AwsError> {
    match group.instances.get(id) {
        None => Err(error::not_in_group(id, &group.name)),
        Some(member) if member.state == state => Ok(()),
        Some(_) => Err(error::not_in_state(id, state.shown())),
    }
}

/// Gives each a state and the activity that leads there.
pub(super) fn begin(
    group: &mut Group,
    cx: &Ctx,
    ids: &[String],
    state: Lifecycle,
    description: impl Fn(&str) -> String,
    cause: impl Fn(&str) -> String,
) -> Result<Vec<api::Activity>, AwsError> {
    let mut activities = Vec::new();
    for id in ids {
        let Some(place) = group.instances.get(id).map(|m| m.place.clone()) else {
            return Err(error::not_in_group(id, &group.name));
        };
        let (description, cause) = (description(id), cause(id));
        let activity = Activity::begin(group, description, cause, &place, cx.now());
        let activity = match state {
            Lifecycle::Pending => activity.at("PreInService", 30),
            _ => activity.at("InProgress", 50),
        };
        activities.push(group.shown_activity(&cx.scope, &activity));
        if let Some(member) = group.instances.get_mut(id) {
            member.state = state;
            member.activity = Some(activity);
        }
    }
    Ok(activities)
}

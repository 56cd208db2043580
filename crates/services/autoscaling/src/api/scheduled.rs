//! Scheduled actions.

use super::{PAGE, all, change, find, number, paged, size, text};
use crate::model::Group;
use crate::schedule::Scheduled;
use crate::{Autoscaling, error};
use neargate_api_autoscaling as api;
use neargate_service::cron::{Cron, Invalid};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html>).
const MAX_ACTIONS: usize = 125;

pub async fn put_scheduled_update_group_action(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::PutScheduledUpdateGroupActionInput,
) -> Result<Unit, AwsError> {
    // `Time` is the older name of `StartTime`.
    if input.time.is_some() && input.start_time.is_some() && input.time != input.start_time {
        return Err(error::validation("Time and StartTime cannot differ."));
    }
    let request = api::ScheduledUpdateGroupActionRequest {
        scheduled_action_name: input.scheduled_action_name,
        start_time: input.start_time.or(input.time),
        end_time: input.end_time,
        recurrence: input.recurrence,
        min_size: input.min_size,
        max_size: input.max_size,
        desired_capacity: input.desired_capacity,
        time_zone: input.time_zone,
    };
    change(&cx, &input.auto_scaling_group_name, |group| {
        put(&cx, group, &request)
    })
    .await?;
    Ok(Unit)
}

pub async fn batch_put_scheduled_update_group_action(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::BatchPutScheduledUpdateGroupActionInput,
) -> Result<api::BatchPutScheduledUpdateGroupActionOutput, AwsError> {
    let failed = change(&cx, &input.auto_scaling_group_name, |group| {
        let put = |one: &api::ScheduledUpdateGroupActionRequest| {
            let error = put(&cx, group, one).err()?;
            Some(failure(&one.scheduled_action_name, error))
        };
        let actions = input.scheduled_update_group_actions.iter();
        Ok(actions.filter_map(put).collect())
    });
    Ok(api::BatchPutScheduledUpdateGroupActionOutput {
        failed_scheduled_update_group_actions: Some(failed.await?),
    })
}

fn failure(name: &str, error: AwsError) -> api::FailedScheduledUpdateGroupActionRequest {
    api::FailedScheduledUpdateGroupActionRequest {
        scheduled_action_name: text(name),
        error_code: Some(error.code),
        error_message: Some(error.message),
    }
}

fn put(
    cx: &Ctx,
    group: &mut Group,
    asked: &api::ScheduledUpdateGroupActionRequest,
) -> Result<(), AwsError> {
    let (min, max, desired) = (asked.min_size, asked.max_size, asked.desired_capacity);
    if min.is_none() && max.is_none() && desired.is_none() {
        return Err(error::validation(
            "At least one of MinSize, MaxSize or DesiredCapacity is required.",
        ));
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        return Err(error::min_above_max(min, max));
    }
    if let Some(desired) = desired {
        let (least, most) = (min.unwrap_or(0), max.unwrap_or(i32::MAX));
        if desired < least || desired > most {
            return Err(error::desired_outside(desired, least, most));
        }
    }
    let now = cx.now();
    if asked.start_time.is_some_and(|at| at < now) {
        return Err(error::validation("Given start time is in the past"));
    }
    if asked.end_time.is_some_and(|at| at < now) {
        return Err(error::validation("Given end time is in the past"));
    }
    if let (Some(start), Some(end)) = (asked.start_time, asked.end_time)
        && end <= start
    {
        return Err(error::validation("Start time must be before end time"));
    }
    if let Some(recurrence) = &asked.recurrence {
        let zone = asked.time_zone.as_deref().unwrap_or("Etc/UTC");
        match Cron::parse(recurrence, zone) {
            Ok(_) => {}
            Err(Invalid::Expression) => {
                return Err(error::validation(format!(
                    "Given recurrence string: {recurrence} is invalid"
                )));
            }
            Err(Invalid::TimeZone) => {
                return Err(error::validation(format!("Invalid Time Zone: {zone}")));
            }
        }
    } else if asked.time_zone.is_some() {
        return Err(error::validation(
            "TimeZone can only be specified together with Recurrence.",
        ));
    }
    let count = |what, n: Option<i32>| n.map(|n| number(what, n)).transpose();
    let name = &asked.scheduled_action_name;
    let before = group.scheduled.get(name);
    if before.is_none() && group.scheduled.len() >= MAX_ACTIONS {
        let what = "Scheduled actions per AutoScalingGroup";
        return Err(error::limit_exceeded(what, MAX_ACTIONS));
    }
    let mut action = Scheduled {
        id: before.map_or_else(|| cx.house.rng.uuid(), |b| b.id.clone()),
        start: asked.start_time,
        end: asked.end_time,
        recurrence: asked.recurrence.clone(),
        time_zone: asked.time_zone.clone(),
        min: count("minSize", min)?,
        max: count("maxSize", max)?,
        desired: count("desiredCapacity", desired)?,
        next_at: now,
    };
    let next = action.start.or_else(|| action.after(now));
    action.next_at = next.ok_or_else(|| {
        error::validation("Either StartTime or a Recurrence that has a time ahead is required.")
    })?;
    group.scheduled.insert(name.clone(), action);
    Ok(())
}

pub async fn describe_scheduled_actions(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeScheduledActionsInput,
) -> Result<api::DescribeScheduledActionsOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let group = input.auto_scaling_group_name.filter(|n| !n.is_empty());
    let names = input.scheduled_action_names.unwrap_or_default();
    let groups = match &group {
        Some(name) => vec![find(&cx, name).await?],
        None => all(&cx).await?,
    };
    let mut found = Vec::new();
    for group in &groups {
        for (name, action) in &group.scheduled {
            let in_time = input.start_time.is_none_or(|at| action.next_at >= at)
                && input.end_time.is_none_or(|at| action.next_at <= at);
            let named = names.is_empty()
                || names.contains(name)
                || names.contains(&arn(&cx, group, name, action));
            if named && (in_time || !names.is_empty()) {
                found.push(shown(&cx, group, name, action));
            }
        }
    }
    let position = |a: &api::ScheduledUpdateGroupAction| {
        let of = |s: &Option<String>| crate::model::escaped(s.as_deref().unwrap_or_default());
        format!(
            "{}/{}",
            of(&a.auto_scaling_group_name),
            of(&a.scheduled_action_name)
        )
    };
    found.sort_by_key(position);
    let found = paged(found, input.next_token.as_deref(), limit, position)?;
    Ok(api::DescribeScheduledActionsOutput {
        scheduled_update_group_actions: Some(found.items),
        next_token: found.next_token,
    })
}

fn arn(cx: &Ctx, group: &Group, name: &str, action: &Scheduled) -> String {
    cx.arn(
        "autoscaling",
        format!(
            "scheduledUpdateGroupAction:{}:autoScalingGroupName/{}:scheduledActionName/{name}",
            action.id, group.name
        ),
    )
}

/// The start is when it happens next.
fn shown(
    cx: &Ctx,
    group: &Group,
    name: &str,
    action: &Scheduled,
) -> api::ScheduledUpdateGroupAction {
    let size = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok());
    api::ScheduledUpdateGroupAction {
        auto_scaling_group_name: text(&group.name),
        scheduled_action_name: text(name),
        scheduled_action_arn: Some(arn(cx, group, name, action)),
        time: Some(action.next_at),
        start_time: Some(action.next_at),
        end_time: action.end,
        recurrence: action.recurrence.clone(),
        min_size: size(action.min),
        max_size: size(action.max),
        desired_capacity: size(action.desired),
        time_zone: action.time_zone.clone(),
    }
}

pub async fn delete_scheduled_action(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DeleteScheduledActionInput,
) -> Result<Unit, AwsError> {
    change(&cx, &input.auto_scaling_group_name, |group| {
        let name = &input.scheduled_action_name;
        let gone = group.scheduled.remove(name);
        gone.map(drop)
            .ok_or_else(|| error::scheduled_not_found(name))
    })
    .await?;
    Ok(Unit)
}

pub async fn batch_delete_scheduled_action(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::BatchDeleteScheduledActionInput,
) -> Result<api::BatchDeleteScheduledActionOutput, AwsError> {
    let failed = change(&cx, &input.auto_scaling_group_name, |group| {
        let delete = |name: &String| match group.scheduled.remove(name) {
            Some(_) => None,
            None => Some(failure(name, error::scheduled_not_found(name))),
        };
        Ok(input
            .scheduled_action_names
            .iter()
            .filter_map(delete)
            .collect())
    });
    Ok(api::BatchDeleteScheduledActionOutput {
        failed_scheduled_actions: Some(failed.await?),
    })
}

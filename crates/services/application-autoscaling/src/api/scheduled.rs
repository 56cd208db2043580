//! Scheduled actions
//! (<https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScheduledAction.html>).

use super::{PAGE, change, check_filter, find, listed, named, paged, size};
use crate::model::{DIMENSION, NAMESPACE, Scheduled, Target};
use crate::schedule::Schedule;
use crate::{ApplicationAutoscaling, error};
use neargate_api_application_autoscaling as api;
use neargate_service::cron::Invalid;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-limits.html>).
const MAX_ACTIONS: usize = 200;

pub async fn put_scheduled_action(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::PutScheduledActionInput,
) -> Result<api::PutScheduledActionOutput, AwsError> {
    let named = named(
        &input.service_namespace,
        &input.resource_id,
        &input.scalable_dimension,
    )?;
    let name = &input.scheduled_action_name;
    change(&cx, &named, |target| {
        let before = target.scheduled.get(name);
        if before.is_none() && target.scheduled.len() >= MAX_ACTIONS {
            return Err(error::limit_exceeded(format!(
                "There can be {MAX_ACTIONS} scheduled actions of a scalable target at most"
            )));
        }
        let action = action(&cx, &input, before)?;
        target.scheduled.insert(name.clone(), action);
        Ok(())
    })
    .await?;
    Ok(api::PutScheduledActionOutput {})
}

/// What is asked for. Of one that is there, a schedule, a time zone and an action stay where none is
/// given; start and end do not.
fn action(
    cx: &Ctx,
    input: &api::PutScheduledActionInput,
    before: Option<&Scheduled>,
) -> Result<Scheduled, AwsError> {
    let schedule = input
        .schedule
        .clone()
        .or(before.map(|b| b.schedule.clone()));
    let schedule = schedule.ok_or_else(|| error::validation("Schedule must be specified"))?;
    let time_zone = match (&input.timezone, &input.schedule) {
        (Some(given), _) => Some(given.clone()),
        (None, Some(_)) => None,
        (None, None) => before.and_then(|b| b.time_zone.clone()),
    };
    match Schedule::parse(&schedule, time_zone.as_deref()) {
        Ok(_) => {}
        Err(Invalid::Expression) => {
            return Err(error::validation(format!(
                "Invalid schedule expression: {schedule}"
            )));
        }
        Err(Invalid::TimeZone) => {
            let zone = time_zone.unwrap_or_default();
            return Err(error::validation(format!("Invalid time zone: {zone}")));
        }
    }
    let (min, max) = match &input.scalable_target_action {
        Some(given) => bounds(given)?,
        None => before.map_or((None, None), |b| (b.min, b.max)),
    };
    if min.is_none() && max.is_none() {
        return Err(error::validation(
            "At least one of MinCapacity and MaxCapacity must be specified in ScalableTargetAction",
        ));
    }
    let (start, end) = (input.start_time, input.end_time);
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        return Err(error::validation("StartTime must be before EndTime"));
    }
    let mut action = Scheduled {
        id: before.map_or_else(|| cx.house.rng.uuid(), |b| b.id.clone()),
        created_at: before.map_or(cx.now(), |b| b.created_at),
        schedule,
        time_zone,
        start,
        end,
        min,
        max,
        next_at: cx.now(),
    };
    action.next_at = action.after(cx.now()).ok_or_else(|| {
        error::validation("The schedule has no time in the future before its EndTime")
    })?;
    Ok(action)
}

fn bounds(given: &api::ScalableTargetAction) -> Result<(Option<u32>, Option<u32>), AwsError> {
    let count = |what: &str, given: Option<i32>| {
        let count = given.map(u32::try_from).transpose();
        count.map_err(|_| error::validation(format!("{what} capacity cannot be less than 0")))
    };
    let min = count("Minimum", given.min_capacity)?;
    let max = count("Maximum", given.max_capacity)?;
    match (min, max) {
        (Some(min), Some(max)) if max < min => Err(error::validation(
            "Maximum capacity cannot be less than minimum capacity",
        )),
        bounds => Ok(bounds),
    }
}

pub async fn delete_scheduled_action(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::DeleteScheduledActionInput,
) -> Result<api::DeleteScheduledActionOutput, AwsError> {
    let named = named(
        &input.service_namespace,
        &input.resource_id,
        &input.scalable_dimension,
    )?;
    let name = &input.scheduled_action_name;
    let no_such_action = || error::no_such_scheduled_action(&named, name);
    if find(&cx, &named).await?.is_none() {
        return Err(no_such_action());
    }
    change(&cx, &named, |target| {
        let gone = target.scheduled.remove(name);
        gone.map(drop).ok_or_else(no_such_action)
    })
    .await?;
    Ok(api::DeleteScheduledActionOutput {})
}

pub async fn describe_scheduled_actions(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::DescribeScheduledActionsInput,
) -> Result<api::DescribeScheduledActionsOutput, AwsError> {
    let limit = size(PAGE, input.max_results)?;
    let ids: Vec<String> = input.resource_id.into_iter().collect();
    let dimension = input.scalable_dimension.as_ref();
    check_filter("ResourceId", !ids.is_empty(), dimension)?;
    let names = input.scheduled_action_names.unwrap_or_default();
    let mut found = Vec::new();
    for target in listed(&cx, &input.service_namespace, &ids, dimension).await? {
        for (name, action) in &target.scheduled {
            if names.is_empty() || names.contains(name) {
                found.push(shown(&cx, &target, name, action));
            }
        }
    }
    let position = |a: &api::ScheduledAction| {
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        format!(
            "{}\u{0}{}",
            of(&a.resource_id),
            of(&a.scheduled_action_name)
        )
    };
    let found = paged(found, input.next_token.as_ref(), limit, position)?;
    Ok(api::DescribeScheduledActionsOutput {
        scheduled_actions: Some(found.items),
        next_token: found.next_token,
    })
}

fn shown(cx: &Ctx, target: &Target, name: &str, action: &Scheduled) -> api::ScheduledAction {
    let count = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok());
    api::ScheduledAction {
        scheduled_action_name: Some(name.to_owned()),
        scheduled_action_arn: Some(target.scheduled_arn(&cx.scope, name, action)),
        service_namespace: Some(NAMESPACE.into()),
        schedule: Some(action.schedule.clone()),
        timezone: action.time_zone.clone(),
        resource_id: Some(target.named().resource_id()),
        scalable_dimension: Some(DIMENSION.into()),
        start_time: action.start,
        end_time: action.end,
        scalable_target_action: Some(api::ScalableTargetAction {
            min_capacity: count(action.min),
            max_capacity: count(action.max),
        }),
        creation_time: Some(action.created_at),
    }
}

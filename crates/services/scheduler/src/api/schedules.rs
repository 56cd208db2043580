//! Schedules.

use super::{group, paged};
use crate::model::{DEFAULT_GROUP, ENABLED, Schedule, schedule_arn};
use crate::run::ran_key;
use crate::target::{Kind, only_asks};
use crate::{Scheduler, error};
use neargate_api_scheduler as api;
use neargate_base::Arn;
use neargate_service::cron;
use neargate_service::schedule::{Schedule as Times, Units};
use neargate_service::{AwsError, Committed, Ctx, House, Stored, db};
use neargate_wire::json::Json;
use std::sync::Arc;

const UTC: &str = "UTC";
const NONE: &str = "NONE";

/// What a schedule is asked to be, of either call.
fn asked(cx: &Ctx, input: api::UpdateScheduleInput) -> Result<Schedule, AwsError> {
    if input.kms_key_arn.is_some() {
        return Err(error::not_built("KmsKeyArn"));
    }
    let zone = input
        .schedule_expression_timezone
        .unwrap_or_else(|| UTC.into());
    cron::zone(&zone)
        .map_err(|_| error::validation(format!("Provided time zone {zone} is not supported.")))?;
    let times = Times::parse(&input.schedule_expression, &zone, Units::Any)
        .map_err(|_| error::invalid_expression(&input.schedule_expression))?;
    if let (Some(start), Some(end), false) = (
        input.start_date,
        input.end_date,
        matches!(times, Times::At(_)),
    ) && start >= end
    {
        return Err(error::validation(
            "The StartDate you specify must be before the EndDate.",
        ));
    }
    check(&cx.house, &input.target)?;
    Ok(Schedule {
        name: input.name,
        group: input.group_name.unwrap_or_else(|| DEFAULT_GROUP.into()),
        expression: input.schedule_expression,
        zone,
        start: input.start_date,
        end: input.end_date,
        description: input.description,
        state: input.state.unwrap_or_else(|| ENABLED.into()),
        window_minutes: window(&input.flexible_time_window)?,
        after_completion: input.action_after_completion.unwrap_or_else(|| NONE.into()),
        target: Json(input.target),
        created_at: cx.now(),
        modified_at: cx.now(),
        client_token: input.client_token,
    })
}

fn window(given: &api::FlexibleTimeWindow) -> Result<u32, AwsError> {
    let minutes = given.maximum_window_in_minutes;
    match (given.mode.as_str(), minutes) {
        ("FLEXIBLE", Some(minutes)) => Ok(u32::try_from(minutes).unwrap_or(1)),
        ("FLEXIBLE", None) => Err(error::validation(
            "A MaximumWindowInMinutes must be provided when the Mode is FLEXIBLE.",
        )),
        // Without a window its length means nothing.
        _ => Ok(0),
    }
}

/// Is it a target that can be invoked here, with what it needs?
fn check(house: &House, target: &api::Target) -> Result<(), AwsError> {
    let wrong = || {
        error::validation(format!(
            "Provided Arn {} is not in correct format.",
            target.arn
        ))
    };
    let arn: Arn = target.arn.parse().map_err(|_| wrong())?;
    if arn.service == "scheduler" && !arn.resource.starts_with("aws-sdk:") {
        return Err(wrong());
    }
    let kind = Kind::of(&arn)
        .ok_or_else(|| error::not_built(&format!("targets such as {}", target.arn)))?;
    let is_json = target
        .input
        .as_deref()
        .is_none_or(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    let is_object = target.input.as_deref().is_none_or(|text| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
    });
    match kind {
        Kind::Operation(service, operation) => {
            let known = house.caller.service(&service);
            let known = known.and_then(|table| table.schema().operation(&operation));
            if known.is_none() {
                return Err(AwsError::not_implemented(&service, &operation));
            }
            if only_asks(&operation) {
                return Err(error::validation(format!(
                    "{} is not supported.",
                    target.arn
                )));
            }
            is_object.then_some(()).ok_or_else(|| {
                error::validation("The Input of a universal target must be a JSON object.")
            })
        }
        Kind::EcsCluster if target.ecs_parameters.is_none() => Err(error::validation(
            "EcsParameters must be provided for an ECS target.",
        )),
        Kind::Bus if target.event_bridge_parameters.is_none() => Err(error::validation(
            "EventBridgeParameters must be provided for an EventBridge target.",
        )),
        Kind::Bus if !is_json => Err(error::validation("The Input must be well-formed JSON.")),
        Kind::Queue => {
            let group = target
                .sqs_parameters
                .as_ref()
                .and_then(|p| p.message_group_id.as_ref());
            let is_fifo = arn.resource.ends_with(".fifo");
            match (is_fifo, group) {
                (true, None) => Err(error::validation(
                    "SqsParameters must be provided for a FIFO queue.",
                )),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

pub async fn create_schedule(
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::CreateScheduleInput,
) -> Result<api::CreateScheduleOutput, AwsError> {
    let made = asked(
        &cx,
        api::UpdateScheduleInput {
            name: input.name,
            group_name: input.group_name,
            schedule_expression: input.schedule_expression,
            start_date: input.start_date,
            end_date: input.end_date,
            description: input.description,
            schedule_expression_timezone: input.schedule_expression_timezone,
            state: input.state,
            kms_key_arn: input.kms_key_arn,
            target: input.target,
            flexible_time_window: input.flexible_time_window,
            client_token: input.client_token,
            action_after_completion: input.action_after_completion,
        },
    )?;
    let of = group(&cx, &made.group).await?;
    let key = db::key::<Schedule>(&cx.scope, &Schedule::id(&made.group, &made.name));
    let answer = || api::CreateScheduleOutput {
        schedule_arn: Some(made.arn(&cx.scope)),
    };
    loop {
        if let Some(there) = cx.db().get_key::<Schedule>(&key).await? {
            let again = made.client_token.is_some() && there.client_token == made.client_token;
            let exists = || error::conflict(format!("Schedule {} already exists.", made.name));
            return again.then(answer).ok_or_else(exists);
        }
        let tx = cx.db().tx().create(key.clone(), &made);
        // What an earlier one of this name did is none of its.
        let tx = tx.delete_key(ran_key(&cx.scope, &made.group, &made.name));
        let tx = match &of {
            Some(group) => tx.unchanged(group),
            None => tx,
        };
        if let Committed::At(_) = tx.commit().await? {
            return Ok(answer());
        }
        group(&cx, &made.group).await?;
    }
}

async fn schedule(cx: &Ctx, of: Option<&str>, name: &str) -> Result<Stored<Schedule>, AwsError> {
    let of = of.unwrap_or(DEFAULT_GROUP);
    let found = cx
        .db()
        .get::<Schedule>(&cx.scope, &Schedule::id(of, name))
        .await?;
    found.ok_or_else(|| error::schedule_not_found(name))
}

pub async fn update_schedule(
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::UpdateScheduleInput,
) -> Result<api::UpdateScheduleOutput, AwsError> {
    let mut made = asked(&cx, input)?;
    loop {
        let there = schedule(&cx, Some(&made.group), &made.name).await?;
        made.created_at = there.created_at;
        if let Committed::At(_) = cx.db().tx().update(&there, &made).commit().await? {
            return Ok(api::UpdateScheduleOutput {
                schedule_arn: Some(made.arn(&cx.scope)),
            });
        }
    }
}

pub async fn get_schedule(
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::GetScheduleInput,
) -> Result<api::GetScheduleOutput, AwsError> {
    let found = schedule(&cx, input.group_name.as_deref(), &input.name)
        .await?
        .value;
    let mut target = found.target.0.clone();
    // AWS tells what holds where nothing was said.
    let retry = target.retry_policy.get_or_insert_default();
    retry.maximum_event_age_in_seconds.get_or_insert(86_400);
    retry.maximum_retry_attempts.get_or_insert(185);
    let flexible = found.window_minutes > 0;
    Ok(api::GetScheduleOutput {
        arn: Some(found.arn(&cx.scope)),
        group_name: Some(found.group),
        name: Some(found.name),
        schedule_expression: Some(found.expression),
        start_date: found.start,
        end_date: found.end,
        description: found.description,
        schedule_expression_timezone: Some(found.zone),
        state: Some(found.state),
        creation_date: Some(found.created_at),
        last_modification_date: Some(found.modified_at),
        kms_key_arn: None,
        target: Some(target),
        flexible_time_window: Some(api::FlexibleTimeWindow {
            mode: if flexible { "FLEXIBLE" } else { "OFF" }.into(),
            maximum_window_in_minutes: i32::try_from(found.window_minutes)
                .ok()
                .filter(|_| flexible),
        }),
        action_after_completion: Some(found.after_completion),
    })
}

pub async fn list_schedules(
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::ListSchedulesInput,
) -> Result<api::ListSchedulesOutput, AwsError> {
    let prefix = match &input.group_name {
        Some(name) => {
            group(&cx, name).await?;
            db::key::<Schedule>(&cx.scope, &Schedule::id(name, ""))
        }
        None => db::prefix::<Schedule>(&cx.scope),
    };
    let mut all = cx.db().list_prefix::<Schedule>(&prefix).await?;
    let named = input.name_prefix.unwrap_or_default();
    let state = input.state;
    all.retain(|s| s.name.starts_with(&named) && state.as_ref().is_none_or(|of| *of == s.state));
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.max_results, |s| s.key.clone())?;
    let shown = |schedule: Stored<Schedule>| {
        let schedule = schedule.value;
        api::ScheduleSummary {
            arn: Some(schedule_arn(&cx.scope, &schedule.group, &schedule.name)),
            name: Some(schedule.name),
            group_name: Some(schedule.group),
            state: Some(schedule.state),
            creation_date: Some(schedule.created_at),
            last_modification_date: Some(schedule.modified_at),
            target: Some(api::TargetSummary {
                arn: Some(schedule.target.arn.clone()),
            }),
        }
    };
    Ok(api::ListSchedulesOutput {
        next_token: page.next_token,
        schedules: Some(page.items.into_iter().map(shown).collect()),
    })
}

pub async fn delete_schedule(
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::DeleteScheduleInput,
) -> Result<api::DeleteScheduleOutput, AwsError> {
    loop {
        let there = schedule(&cx, input.group_name.as_deref(), &input.name).await?;
        let ran = ran_key(&cx.scope, &there.group, &there.name);
        let tx = cx.db().tx().delete(&there).delete_key(ran);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::DeleteScheduleOutput {});
        }
    }
}

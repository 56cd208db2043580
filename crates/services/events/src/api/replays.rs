//! Replays of what archives keep.

use super::paged;
use crate::archive::Archive;
use crate::model::Rule;
use crate::replay::{ACTIVE, CANCELLED, Replay, STARTING};
use crate::{Events, error, name};
use neargate_api_events as api;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use std::sync::Arc;

/// Replays that go on at the same time.
const MOST_ACTIVE: usize = 10;

async fn replay(cx: &Ctx, name: &str) -> Result<Stored<Replay>, AwsError> {
    let found = cx.db().get::<Replay>(&cx.scope, name).await?;
    found.ok_or_else(|| error::not_found(format!("Replay {name} does not exist.")))
}

pub async fn start_replay(
    _: Arc<Events>,
    cx: Ctx,
    input: api::StartReplayInput,
) -> Result<api::StartReplayOutput, AwsError> {
    let archive = input
        .event_source_arn
        .rsplit("archive/")
        .next()
        .unwrap_or_default();
    let bus = name::bus_of_arn(&input.destination.arn).filter(|bus| bus.scope == cx.scope);
    let bus = bus.ok_or_else(|| {
        error::parameter("Destination.Arn", "Provided Arn is not in correct format.")
    })?;
    super::bus(&cx, &bus.name).await?;
    let found = cx.db().get::<Archive>(&cx.scope, archive).await?;
    let found = found.ok_or_else(|| {
        error::parameter(
            "EventSourceArn",
            &format!("Archive {archive} does not exist."),
        )
    })?;
    if found.bus != bus.name {
        return Err(error::parameter(
            "Destination.Arn",
            "Cross event bus replay is not permitted.",
        ));
    }
    if input.event_start_time >= input.event_end_time {
        return Err(error::parameter(
            "EventEndTime",
            "EventStartTime must be before EventEndTime.",
        ));
    }
    let mut rules = Vec::new();
    for arn in input.destination.filter_arns.iter().flatten() {
        let rule = arn.rsplit('/').next().unwrap_or_default();
        let there = cx
            .db()
            .get::<Rule>(&cx.scope, &Rule::id(&bus.name, rule))
            .await?;
        there.ok_or_else(|| error::rule_not_found(rule, &bus.name))?;
        rules.push(rule.to_owned());
    }
    let all = cx.db().list::<Replay>(&cx.scope).await?;
    let active = all
        .iter()
        .filter(|replay| ACTIVE.contains(&replay.state.as_str()));
    if active.count() >= MOST_ACTIVE {
        return Err(error::limit(
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    let made = Replay {
        name: input.replay_name,
        description: input.description,
        archive: found.name.clone(),
        bus: bus.name,
        rules,
        filter_arns: input.destination.filter_arns,
        from: input.event_start_time,
        to: input.event_end_time,
        state: STARTING.into(),
        cursor: None,
        last: None,
        started_at: cx.now(),
        ended_at: None,
    };
    let key = db::key::<Replay>(&cx.scope, &made.name);
    if cx.db().tx().create(key, &made).commit().await? == Committed::Conflict {
        return Err(error::exists("Replay", &made.name));
    }
    Ok(api::StartReplayOutput {
        replay_arn: Some(made.arn(&cx.scope)),
        state: Some(made.state),
        state_reason: None,
        replay_start_time: Some(made.started_at),
    })
}

pub async fn describe_replay(
    _: Arc<Events>,
    cx: Ctx,
    input: api::DescribeReplayInput,
) -> Result<api::DescribeReplayOutput, AwsError> {
    let found = replay(&cx, &input.replay_name).await?.value;
    Ok(api::DescribeReplayOutput {
        replay_arn: Some(found.arn(&cx.scope)),
        event_source_arn: Some(super::archives::archive_arn(&cx.scope, &found.archive)),
        destination: Some(api::ReplayDestination {
            arn: cx.arn("events", format!("event-bus/{}", found.bus)),
            filter_arns: found.filter_arns,
        }),
        replay_name: Some(found.name),
        description: found.description,
        state: Some(found.state),
        state_reason: None,
        event_start_time: Some(found.from),
        event_end_time: Some(found.to),
        event_last_replayed_time: found.last,
        replay_start_time: Some(found.started_at),
        replay_end_time: found.ended_at,
    })
}

pub async fn list_replays(
    _: Arc<Events>,
    cx: Ctx,
    input: api::ListReplaysInput,
) -> Result<api::ListReplaysOutput, AwsError> {
    let mut all = cx.db().list::<Replay>(&cx.scope).await?;
    let prefix = input.name_prefix.unwrap_or_default();
    let arn = |replay: &Replay| super::archives::archive_arn(&cx.scope, &replay.archive);
    all.retain(|replay| {
        replay.name.starts_with(&prefix)
            && input
                .state
                .as_ref()
                .is_none_or(|state| *state == replay.state)
            && input
                .event_source_arn
                .as_ref()
                .is_none_or(|of| *of == arn(replay))
    });
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.limit, |replay| replay.name.clone())?;
    let shown = |replay: Stored<Replay>| api::Replay {
        event_source_arn: Some(arn(&replay)),
        replay_name: Some(replay.value.name),
        state: Some(replay.value.state),
        state_reason: None,
        event_start_time: Some(replay.value.from),
        event_end_time: Some(replay.value.to),
        event_last_replayed_time: replay.value.last,
        replay_start_time: Some(replay.value.started_at),
        replay_end_time: replay.value.ended_at,
    };
    Ok(api::ListReplaysOutput {
        replays: Some(page.items.into_iter().map(shown).collect()),
        next_token: page.next_token,
    })
}

pub async fn cancel_replay(
    _: Arc<Events>,
    cx: Ctx,
    input: api::CancelReplayInput,
) -> Result<api::CancelReplayOutput, AwsError> {
    loop {
        let there = replay(&cx, &input.replay_name).await?;
        if !ACTIVE.contains(&there.state.as_str()) {
            return Err(error::illegal_status(format!(
                "Replay {} is not in a valid state for this operation.",
                there.name
            )));
        }
        let changed = Replay {
            state: CANCELLED.into(),
            ended_at: Some(cx.now()),
            ..there.value.clone()
        };
        if let Committed::At(_) = cx.db().tx().update(&there, &changed).commit().await? {
            return Ok(api::CancelReplayOutput {
                replay_arn: Some(changed.arn(&cx.scope)),
                state: Some(changed.state),
                state_reason: None,
            });
        }
    }
}

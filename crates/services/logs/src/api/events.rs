//! Writing and reading log events.

use super::put;
use crate::engine::{Cursor, Found, Position, Search, Selection, Times};
use crate::model::{EVENTS, Group, PAGE_BYTES};
use crate::pattern::Pattern;
use crate::{Logs, error, reference};
use neargate_api_logs as api;
use neargate_base::{Timestamp, task};
use neargate_service::{AwsError, Ctx, page};
use std::sync::Arc;

/// How much one FilterLogEvents call looks at before it answers with what it found so far and
/// a token, as AWS does.
const SCAN_BYTES: usize = 256 << 20;

/// `sequenceToken` is ignored: "PutLogEvents actions are always accepted and never return
/// InvalidSequenceTokenException or DataAlreadyAcceptedException".
pub async fn put_log_events(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::PutLogEventsInput,
) -> Result<api::PutLogEventsOutput, AwsError> {
    let group = reference::group(cx.db(), &cx.scope, &input.log_group_name).await?;
    let key = group.engine_key(&cx.scope);
    if logs.engine.stream(&key, &input.log_stream_name).is_none() {
        return Err(error::stream_not_found());
    }
    let now = cx.now();
    let put::Sorted { accepted, rejected } =
        put::sort_out(input.log_events, group.expired_before(now), now)?;
    if !accepted.is_empty() {
        let extraction = &logs.extraction;
        let stream = &input.log_stream_name;
        let listening = logs.tails.listening(&key, stream, &accepted);
        let extracted = extraction
            .of(&cx.house, &cx.scope, &group, &accepted)
            .await?;
        let stored = logs
            .engine
            .append(&key, &input.log_stream_name, false, None, accepted)
            .await;
        stored.map_err(error::engine)?;
        extraction.publish(&cx.house, &cx.scope, extracted);
        let arn = group.arn(&cx.scope);
        logs.tails.tell(listening, &arn, stream, now);
    }
    let token = Position {
        millis: now.as_millis(),
        ordinal: cx.house.rng.u64(),
    };
    Ok(api::PutLogEventsOutput {
        next_sequence_token: Some(token.digits()),
        rejected_log_events_info: rejected,
        rejected_entity_info: None,
    })
}

pub async fn get_log_events(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::GetLogEventsInput,
) -> Result<api::GetLogEventsOutput, AwsError> {
    let (name, identifier) = (
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    );
    let group = reference::named_or_identified(&cx, name, identifier).await?;
    let key = group.engine_key(&cx.scope);
    if logs.engine.stream(&key, &input.log_stream_name).is_none() {
        return Err(error::stream_not_found());
    }
    let cursor = match &input.next_token {
        Some(token) => parse_token(token).ok_or_else(error::invalid_token)?,
        None if input.start_from_head == Some(true) => Cursor::Head,
        None => Cursor::Tail,
    };
    // "Events with a timestamp equal to or later than endTime are not included."
    let times = times(&group, cx.now(), input.start_time, input.end_time);
    let most = EVENTS.clamp(input.limit);
    let read = move || {
        logs.engine.get_events(
            &key,
            &input.log_stream_name,
            times,
            cursor,
            most,
            PAGE_BYTES,
        )
    };
    let read = task::spawn_blocking(read)
        .await
        .map_err(AwsError::internal)?;
    let page = read.map_err(error::engine)?;
    let event = |e: Found| api::OutputLogEvent {
        timestamp: Some(e.timestamp.as_millis()),
        message: Some(e.message),
        ingestion_time: Some(e.ingested.as_millis()),
    };
    Ok(api::GetLogEventsOutput {
        events: Some(page.events.into_iter().map(event).collect()),
        next_forward_token: Some(format!("f/{}/s", page.forward.digits())),
        next_backward_token: Some(format!("b/{}/s", page.backward.digits())),
    })
}

/// `f/<56 digits>/s` or `b/<56 digits>/s`, AWS's own form.
fn parse_token(token: &str) -> Option<Cursor> {
    let (direction, rest) = token.split_once('/')?;
    let position = Position::parse(rest.strip_suffix("/s")?)?;
    match direction {
        "f" => Some(Cursor::Forward(position)),
        "b" => Some(Cursor::Backward(position)),
        _ => None,
    }
}

pub async fn filter_log_events(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::FilterLogEventsInput,
) -> Result<api::FilterLogEventsOutput, AwsError> {
    let (name, identifier) = (
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    );
    let group = reference::named_or_identified(&cx, name, identifier).await?;
    let key = group.engine_key(&cx.scope);
    let streams = selection(&logs, &key, &input)?;
    let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default());
    let pattern = pattern.map_err(error::invalid_pattern)?;
    let position = |t: &String| page::decode(t).ok().and_then(|t| Position::parse(&t));
    let from = input
        .next_token
        .as_ref()
        .map(|t| position(t).ok_or_else(error::invalid_token));
    let search = Search {
        streams,
        // "Events with a timestamp later than endTime are not returned": it is inclusive here.
        times: times(
            &group,
            cx.now(),
            input.start_time,
            input.end_time.map(|end| end.saturating_add(1)),
        ),
        from: from.transpose()?,
        newest_first: input.start_from_head == Some(false),
        limit: EVENTS.clamp(input.limit),
        page_bytes: PAGE_BYTES,
        scan_bytes: SCAN_BYTES,
    };
    let read = move || {
        logs.engine
            .search(&key, &search, |message| pattern.matches(message))
    };
    let read = task::spawn_blocking(read)
        .await
        .map_err(AwsError::internal)?;
    let page = read.map_err(error::engine)?;
    let event = |e: Found| api::FilteredLogEvent {
        log_stream_name: Some(e.stream.to_string()),
        timestamp: Some(e.timestamp.as_millis()),
        message: Some(e.message),
        ingestion_time: Some(e.ingested.as_millis()),
        event_id: Some(e.position.digits()),
    };
    Ok(api::FilterLogEventsOutput {
        events: Some(page.events.into_iter().map(event).collect()),
        // "As of May 15, 2020, this parameter returns an empty list."
        searched_log_streams: Some(Vec::new()),
        next_token: page.next.map(|next| page::encode(&next.digits())),
    })
}

fn selection(
    logs: &Logs,
    key: &str,
    input: &api::FilterLogEventsInput,
) -> Result<Selection, AwsError> {
    match (&input.log_stream_names, &input.log_stream_name_prefix) {
        (None, None) => Ok(Selection::All),
        (None, Some(prefix)) => Ok(Selection::Prefix(prefix.clone())),
        (Some(names), None) => {
            if names
                .iter()
                .any(|name| logs.engine.stream(key, name).is_none())
            {
                return Err(error::stream_not_found());
            }
            Ok(Selection::Named(names.iter().cloned().collect()))
        }
        (Some(_), Some(_)) => Err(error::exclusive("LogStreamNamePrefix", "LogStreamNames")),
    }
}

/// What a reader may see: expired events are gone.
fn times(group: &Group, now: Timestamp, start: Option<i64>, end: Option<i64>) -> Times {
    let start = start.map_or(Times::ALL.start, Timestamp::from_millis);
    let end = end.map_or(Times::ALL.end, Timestamp::from_millis);
    Times {
        start: start.max(group.expired_before(now)),
        end,
    }
}

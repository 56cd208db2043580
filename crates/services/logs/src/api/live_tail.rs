//! StartLiveTail: an answer that goes on.

use crate::pattern::Pattern;
use crate::tail::{Session, Streams, Told};
use crate::{Logs, error, reference};
use futures_util::{StreamExt as _, stream};
use neargate_api_logs as api;
use neargate_service::table::{Events, Sent};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Structure as _;
use std::sync::Arc;
use std::time::Duration;

/// "Every second, a LiveTailSessionUpdate object is sent."
const UPDATE: Duration = Duration::from_secs(1);
/// "After it has been kept open for three hours", in updates.
const UPDATES: u32 = 3 * 3_600;

pub async fn start_live_tail(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::StartLiveTailInput,
) -> Result<Events, AwsError> {
    let api::StartLiveTailInput {
        log_group_identifiers: identifiers,
        log_stream_names: names,
        log_stream_name_prefixes: prefixes,
        log_event_filter_pattern: pattern,
    } = input;
    if names.is_some() && prefixes.is_some() {
        return Err(error::names_and_prefixes());
    }
    if (names.is_some() || prefixes.is_some()) && identifiers.len() > 1 {
        return Err(error::streams_of_several_groups());
    }
    let text = pattern.clone().unwrap_or_default();
    let parsed = Pattern::parse(&text).map_err(error::invalid_pattern)?;
    let (mut keys, mut arns) = (Vec::new(), Vec::new());
    for identifier in &identifiers {
        // "If you specify an ARN, the ARN can't end with an asterisk (*)."
        if identifier.ends_with('*') {
            return Err(error::invalid_arn(identifier));
        }
        let group = reference::of_arn(&cx, identifier).await?;
        if group.class != "STANDARD" {
            return Err(error::not_for_class(&group.class));
        }
        keys.push(group.engine_key(&cx.scope));
        arns.push(group.arn(&cx.scope));
    }
    keys.sort();
    keys.dedup();
    let streams = match (&names, &prefixes) {
        (Some(names), _) => Streams::Named(names.clone()),
        (_, Some(prefixes)) => Streams::Prefixed(prefixes.clone()),
        (None, None) => Streams::All,
    };
    let opened = logs
        .tails
        .open(&cx.scope, &cx.house.rng, &keys, parsed, streams);
    let session = opened.ok_or_else(error::limit_exceeded)?;
    let start = api::LiveTailSessionStart {
        request_id: Some(cx.request_id.clone()),
        session_id: Some(cx.house.rng.uuid()),
        log_group_identifiers: Some(arns),
        log_stream_names: Some(names.unwrap_or_default()),
        log_stream_name_prefixes: Some(prefixes.unwrap_or_default()),
        log_event_filter_pattern: Some(text),
    };
    let first = stream::iter([Sent::event("sessionStart", start.to_value())]);
    Ok(first.chain(updates(session)).boxed())
}

/// An update each second, until the session times out.
fn updates(session: Arc<Session>) -> impl stream::Stream<Item = Sent> + Send {
    stream::unfold((session, 0), |(session, number)| async move {
        if number > UPDATES {
            return None;
        }
        tokio::time::sleep(UPDATE).await;
        if number == UPDATES {
            let message = "The session has been open for three hours.";
            let exception = api::SessionTimeoutException {
                message: Some(message.into()),
            };
            let sent = Sent::exception("SessionTimeoutException", exception.to_value());
            return Some((sent, (session, number + 1)));
        }
        let (told, sampled) = session.take();
        let update = api::LiveTailSessionUpdate {
            session_metadata: Some(api::LiveTailSessionMetadata {
                sampled: Some(sampled),
            }),
            session_results: Some(told.into_iter().map(shape).collect()),
        };
        let sent = Sent::event("sessionUpdate", update.to_value());
        Some((sent, (session, number + 1)))
    })
}

fn shape(told: Told) -> api::LiveTailSessionLogEvent {
    api::LiveTailSessionLogEvent {
        log_stream_name: Some(told.stream.to_string()),
        log_group_identifier: Some(told.group_arn.to_string()),
        message: Some(told.event.message),
        timestamp: Some(told.event.timestamp.as_millis()),
        ingestion_time: Some(told.ingested.as_millis()),
    }
}

//! Log streams.

use crate::engine::{StreamInfo, StreamOrder};
use crate::model::DESCRIBED;
use crate::{Logs, error, reference};
use neargate_api_logs as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx, page};
use std::sync::Arc;

pub async fn create_log_stream(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::CreateLogStreamInput,
) -> Result<api::CreateLogStreamOutput, AwsError> {
    let group = reference::group(cx.db(), &cx.scope, &input.log_group_name).await?;
    let key = group.engine_key(&cx.scope);
    let new = logs
        .engine
        .create_stream(&key, &input.log_stream_name)
        .await
        .map_err(error::engine)?;
    if new {
        Ok(api::CreateLogStreamOutput::default())
    } else {
        Err(error::stream_exists())
    }
}

pub async fn delete_log_stream(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::DeleteLogStreamInput,
) -> Result<api::DeleteLogStreamOutput, AwsError> {
    let group = reference::group(cx.db(), &cx.scope, &input.log_group_name).await?;
    let key = group.engine_key(&cx.scope);
    let there = logs
        .engine
        .delete_stream(&key, &input.log_stream_name)
        .await
        .map_err(error::engine)?;
    if there {
        Ok(api::DeleteLogStreamOutput::default())
    } else {
        Err(error::stream_not_found())
    }
}

pub async fn describe_log_streams(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::DescribeLogStreamsInput,
) -> Result<api::DescribeLogStreamsOutput, AwsError> {
    let by_time = input.order_by.as_deref() == Some("LastEventTime");
    let prefix = input.log_stream_name_prefix.clone();
    if by_time && prefix.is_some() {
        return Err(error::ordered_by_time_with_prefix());
    }
    let (name, identifier) = (
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    );
    let group = reference::named_or_identified(&cx, name, identifier).await?;
    let token = input.next_token.as_deref().map(page::decode).transpose();
    let after = token.map_err(|_| error::invalid_token())?;
    let order = if by_time {
        let after = after
            .map(|a| position(&a).ok_or_else(error::invalid_token))
            .transpose()?;
        StreamOrder::ByLastEvent { after }
    } else {
        StreamOrder::ByName {
            prefix: prefix.unwrap_or_default(),
            after,
        }
    };
    let (key, descending) = (
        group.engine_key(&cx.scope),
        input.descending.unwrap_or(false),
    );
    let (streams, more) =
        logs.engine
            .streams(&key, &order, descending, DESCRIBED.clamp(input.limit));
    let token = |last: &StreamInfo| {
        page::encode(&if by_time {
            format!("{}/{}", last.last_event_millis(), last.name)
        } else {
            last.name.to_string()
        })
    };
    let next_token = streams.last().filter(|_| more).map(token);
    let arn = group.arn(&cx.scope);
    let log_streams = Some(streams.iter().map(|s| shape(&arn, s)).collect());
    Ok(api::DescribeLogStreamsOutput {
        log_streams,
        next_token,
    })
}

/// The token of a list by time: `millis/name`.
fn position(token: &str) -> Option<(i64, String)> {
    let (millis, name) = token.split_once('/')?;
    Some((millis.parse().ok()?, name.to_owned()))
}

fn shape(group_arn: &str, stream: &StreamInfo) -> api::LogStream {
    let millis = |t: Option<Timestamp>| t.map(Timestamp::as_millis);
    api::LogStream {
        log_stream_name: Some(stream.name.to_string()),
        creation_time: Some(stream.created.as_millis()),
        first_event_timestamp: millis(stream.first_event),
        last_event_timestamp: millis(stream.last_event),
        last_ingestion_time: millis(stream.last_ingestion),
        upload_sequence_token: stream
            .last_ingestion
            .map(|t| format!("{:056}", t.as_millis())),
        arn: Some(format!("{group_arn}:log-stream:{}", stream.name)),
        // "As of 2019-06-17 this parameter is no longer supported for log streams, and is
        // always reported as zero."
        stored_bytes: Some(0),
    }
}

//! Segments: taken, and shown as they are together.

use crate::engine::{Batch, Kept};
use crate::trace::{self, TraceId, Unprocessed};
use crate::{XRay, error, query};
use neargate_api_xray as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Traces of one call.
const MOST_TRACES: usize = 5;

/// A document that is not taken keeps no other from being taken.
pub async fn put_trace_segments(
    xray: Arc<XRay>,
    cx: Ctx,
    input: api::PutTraceSegmentsInput,
) -> Result<api::PutTraceSegmentsOutput, AwsError> {
    let now = cx.now();
    let read = query::blocking(move || {
        let documents = input.trace_segment_documents.iter();
        let read = documents.flat_map(|text| trace::read(text, now));
        read.collect::<Vec<_>>()
    });
    let (mut segments, mut unprocessed) = (Vec::new(), Vec::new());
    for one in read.await? {
        match one {
            Ok(document) => segments.push(Kept {
                trace: document.trace,
                time: document.trace.epoch(),
                segment: document.segment,
                in_progress: document.in_progress,
                start: document.start,
                end: document.end,
                document: document.text,
            }),
            Err(why) => unprocessed.push(shown(why)),
        }
    }
    let batch = Batch {
        scope: cx.scope.clone(),
        segments,
    };
    xray.engine.put(batch).await.map_err(error::engine)?;
    Ok(api::PutTraceSegmentsOutput {
        unprocessed_trace_segments: Some(unprocessed),
    })
}

fn shown(why: Unprocessed) -> api::UnprocessedTraceSegment {
    api::UnprocessedTraceSegment {
        id: why.id,
        error_code: Some(why.code.to_owned()),
        message: Some(format!("Invalid segment. ErrorCode: {}", why.code)),
    }
}

pub async fn put_telemetry_records(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::PutTelemetryRecordsInput,
) -> Result<api::PutTelemetryRecordsOutput, AwsError> {
    for record in &input.telemetry_records {
        let lost = record.segments_spillover_count.unwrap_or(0) > 0
            || record.segments_rejected_count.unwrap_or(0) > 0;
        if lost {
            tracing::warn!(
                account = %cx.scope.account,
                hostname = input.hostname.as_deref(),
                received = record.segments_received_count,
                sent = record.segments_sent_count,
                dropped = record.segments_spillover_count,
                rejected = record.segments_rejected_count,
                "an X-Ray daemon lost segments"
            );
        }
    }
    Ok(api::PutTelemetryRecordsOutput {})
}

pub async fn batch_get_traces(
    xray: Arc<XRay>,
    cx: Ctx,
    input: api::BatchGetTracesInput,
) -> Result<api::BatchGetTracesOutput, AwsError> {
    if input.trace_ids.len() > MOST_TRACES {
        return Err(error::invalid_request(format!(
            "The number of trace IDs cannot be more than {MOST_TRACES}."
        )));
    }
    let loaded = query::blocking(move || {
        let (mut traces, mut missing) = (Vec::new(), Vec::new());
        for text in input.trace_ids {
            let id = TraceId::parse(&text);
            match id.and_then(|id| query::load(&xray.engine, &cx.scope, id)) {
                Some(found) => traces.push(trace_of(&found)),
                None => missing.push(text),
            }
        }
        (traces, missing)
    });
    let (traces, missing) = loaded.await?;
    Ok(api::BatchGetTracesOutput {
        traces: Some(traces),
        unprocessed_trace_ids: Some(missing),
        next_token: None,
    })
}

fn trace_of(found: &query::Found) -> api::Trace {
    let segments = found.shown.iter().map(|shown| api::Segment {
        id: Some(shown.id.clone()),
        document: Some(shown.document.to_string()),
    });
    api::Trace {
        id: Some(found.loaded.id.to_string()),
        duration: Some(super::shown::seconds(found.digest.seconds())),
        limit_exceeded: Some(found.loaded.entry.limit_exceeded),
        segments: Some(segments.collect()),
    }
}

//! Summaries of the traces that an expression takes.

use super::shown::summary;
use crate::engine::{Range, RangeKind};
use crate::trace::TraceId;
use crate::{XRay, error, filter, query};
use neargate_api_xray as api;
use neargate_base::Timestamp;
use neargate_service::page::{decode, encode};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The longest range.
const HOURS: i64 = 24;
/// Summaries of a page.
const PAGE: usize = 200;
/// Traces that one page looks at, whether or not the expression takes them.
const LOOKED_AT: i64 = 20_000;

pub async fn get_trace_summaries(
    xray: Arc<XRay>,
    cx: Ctx,
    input: api::GetTraceSummariesInput,
) -> Result<api::GetTraceSummariesOutput, AwsError> {
    query::check_range(input.start_time, input.end_time, HOURS)?;
    let text = input.filter_expression.as_deref().unwrap_or_default();
    let expression = query::expression(&cx, text).await?;
    let kind = match input.time_range_type.as_deref() {
        Some("Event") => RangeKind::Event,
        Some("Service") => RangeKind::Service,
        _ => RangeKind::TraceId,
    };
    let range = Range {
        kind,
        start: input.start_time,
        end: input.end_time,
    };
    let share = share(&input)?;
    let after = match input.next_token.as_deref() {
        Some(token) => Some(position(token).ok_or_else(error::invalid_token)?),
        None => None,
    };
    let account = cx.scope.account.to_string();
    let page = query::blocking(move || {
        let (mut all, mut looked_at, mut last) = (Vec::new(), 0, None);
        query::each(&xray.engine, &cx.scope, range, after, |found| {
            last = Some((found.time, found.loaded.id));
            looked_at += 1;
            let is_sampled = is_in(share, found.loaded.id);
            if is_sampled && filter::matches(&expression, &found.digest, &account) {
                all.push(summary(&found, &account));
            }
            all.len() < PAGE && looked_at < LOOKED_AT
        });
        // There may be more behind the last one that was looked at.
        let is_full = all.len() >= PAGE || looked_at >= LOOKED_AT;
        let more = last.filter(|last| {
            is_full && !xray.engine.ids(&cx.scope, range, Some(*last), 1).is_empty()
        });
        (all, looked_at, last, more)
    });
    let (summaries, looked_at, last, more) = page.await?;
    let begins = last.map(|(time, _)| Timestamp::from_millis(i64::from(time) * 1000));
    Ok(api::GetTraceSummariesOutput {
        trace_summaries: Some(summaries),
        approximate_time: Some(begins.unwrap_or(input.start_time)),
        traces_processed_count: Some(looked_at),
        next_token: more.map(|(time, id)| encode(&format!("{time} {id}"))),
    })
}

fn position(token: &str) -> Option<(u32, TraceId)> {
    let text = decode(token).ok()?;
    let (time, id) = text.split_once(' ')?;
    Some((time.parse().ok()?, TraceId::parse(id)?))
}

/// Which part of the traces is asked for.
fn share(input: &api::GetTraceSummariesInput) -> Result<f64, AwsError> {
    let strategy = input.sampling_strategy.as_ref();
    let value = strategy.and_then(|strategy| strategy.value).unwrap_or(1.0);
    if !(0.0..=1.0).contains(&value) {
        return Err(error::invalid_request(
            "The value of a sampling strategy is from 0 to 1.",
        ));
    }
    Ok(match input.sampling {
        Some(true) => value,
        _ => 1.0,
    })
}

/// The same traces each time it is asked: ids are random.
fn is_in(share: f64, id: TraceId) -> bool {
    let last = u32::from_be_bytes([id.0[12], id.0[13], id.0[14], id.0[15]]);
    f64::from(last) < share * (f64::from(u32::MAX) + 1.0)
}

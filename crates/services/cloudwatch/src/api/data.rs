//! `GetMetricData`.

use crate::query::{self, Query, Run};
use crate::series::{TimeSeries, Window};
use crate::{CloudWatch, error, label};
use neargate_api_cloudwatch as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx, page};
use std::sync::Arc;

/// Datapoints of an answer.
const MOST: usize = 100_800;

pub async fn get_metric_data(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::GetMetricDataInput,
) -> Result<api::GetMetricDataOutput, AwsError> {
    let seconds = |at: Timestamp| at.as_millis().div_euclid(1_000);
    let (start, end) = (seconds(input.start_time), seconds(input.end_time));
    if start == end {
        return Err(error::validation(
            "The parameter StartTime must not equal parameter EndTime.",
        ));
    }
    if start > end {
        return Err(error::validation(
            "The parameter EndTime must be greater than StartTime.",
        ));
    }
    let limit = match input.max_datapoints {
        None => MOST,
        Some(n) => usize::try_from(n)
            .ok()
            .filter(|n| (1..=MOST).contains(n))
            .ok_or_else(|| {
                error::validation(format!(
                    "The parameter MaxDatapoints must be between 1 and {MOST}."
                ))
            })?,
    };
    let queries = query::check(&cx.scope, "MetricDataQueries", &input.metric_data_queries)?;
    if queries.is_empty() {
        return Err(error::validation(
            "The parameter MetricDataQueries is required.",
        ));
    }
    let shortest = queries.iter().filter_map(Query::period).min().unwrap_or(60);
    let now = cx.now();
    let window = query::window(input.start_time, input.end_time, shortest, now);
    bounded(&queries, window)?;
    let after = match &input.next_token {
        None => 0,
        Some(token) => page::decode(token)
            .ok()
            .and_then(|t| t.parse().ok())
            .ok_or_else(error::unknown_token)?,
    };
    let all = {
        let state = cloudwatch.engine.state();
        let mut run = Run::new(&state, &cx.scope, &queries, window, now);
        results(&mut run, &queries)?
    };
    let ascending = input.scan_by.as_deref() == Some("TimestampAscending");
    let (results, next) = paged(all, after, limit, ascending);
    Ok(api::GetMetricDataOutput {
        metric_data_results: Some(results),
        next_token: next.map(|position| page::encode(&position.to_string())),
        messages: Some(Vec::new()),
    })
}

/// What a request may make us compute.
pub(super) fn bounded(queries: &[Query], window: Window) -> Result<(), AwsError> {
    const PERIODS: i64 = 100_800;
    let shortest = queries.iter().filter_map(Query::period).min().unwrap_or(60);
    if (window.end - window.start) / shortest.max(1) > PERIODS {
        return Err(error::validation(
            "The request covers too many periods: increase the period, or decrease the time range.",
        ));
    }
    Ok(())
}

/// One result for each time series that is to be returned.
pub(super) fn results(
    run: &mut Run<'_>,
    queries: &[Query],
) -> Result<Vec<(String, TimeSeries)>, AwsError> {
    let mut all = Vec::new();
    for (at, query) in queries.iter().enumerate().filter(|(_, q)| q.return_data) {
        let (found, array) = run
            .query(at)
            .map_err(|why| error::expression(&query.id, &why))?;
        for mut series in found {
            let filled = query
                .label
                .as_ref()
                .map(|label| label::fill(label, &series));
            series.label = match (filled, &query.kind) {
                (Some(own), query::Kind::Expression { .. })
                    if array && !series.label.is_empty() =>
                {
                    format!("{own} {}", series.label).trim_start().to_owned()
                }
                (Some(own), _) => own,
                (None, query::Kind::Metric(_)) => series.label,
                (None, query::Kind::Expression { .. }) if array => series.label,
                (None, query::Kind::Expression { .. }) => query.id.clone(),
            };
            all.push((query.id.clone(), series));
        }
    }
    Ok(all)
}

/// The datapoints behind the first `after`, counted over all results.
fn paged(
    all: Vec<(String, TimeSeries)>,
    after: usize,
    limit: usize,
    ascending: bool,
) -> (Vec<api::MetricDataResult>, Option<usize>) {
    let total: usize = all.iter().map(|(_, series)| series.values.len()).sum();
    let end = after.saturating_add(limit).min(total);
    let mut seen = 0;
    let mut results = Vec::new();
    for (id, series) in all {
        let (from, to) = (seen, seen + series.values.len());
        seen = to;
        let here = from.max(after)..to.min(end);
        // Those without datapoints are told of once.
        let told = !here.is_empty() || (from == to && after == 0);
        if !told {
            continue;
        }
        let forward = || series.values.iter().map(|(at, v)| (*at, *v));
        let ordered: Vec<(i64, f64)> = match ascending {
            true => forward().collect(),
            false => forward().rev().collect(),
        };
        let part = ordered.get(here.start.saturating_sub(from)..here.end.saturating_sub(from));
        let part = part.unwrap_or_default();
        let complete = to <= end;
        let message = (!series.units.is_empty()).then(|| api::MessageData {
            code: Some("MultipleUnits".into()),
            value: Some(format!(
                "Multiple units returned: '[{}]'",
                series.units.join(", ")
            )),
        });
        results.push(api::MetricDataResult {
            id: Some(id),
            label: Some(series.label),
            timestamps: Some(
                part.iter()
                    .map(|(at, _)| Timestamp::from_millis(at * 1_000))
                    .collect(),
            ),
            values: Some(part.iter().map(|(_, v)| *v).collect()),
            status_code: Some(if complete { "Complete" } else { "PartialData" }.into()),
            messages: message.map(|m| vec![m]),
        });
    }
    (results, (end < total).then_some(end))
}

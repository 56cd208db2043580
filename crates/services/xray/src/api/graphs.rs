//! Graphs of services, and what their calls added up to over time.

use super::paged;
use crate::engine::{Range, RangeKind};
use crate::filter::{self, Expression};
use crate::graph::{Graph, Tally};
use crate::trace::TraceId;
use crate::{XRay, error, query};
use neargate_api_xray as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest range.
const HOURS: i64 = 6;
/// Traces of one graph.
const MOST_TRACES: usize = 100;
const PERIODS: [i32; 2] = [60, 300];

pub async fn get_service_graph(
    xray: Arc<XRay>,
    cx: Ctx,
    input: api::GetServiceGraphInput,
) -> Result<api::GetServiceGraphOutput, AwsError> {
    query::check_range(input.start_time, input.end_time, HOURS)?;
    let name = input.group_name.as_deref();
    let expression = query::of_group(&cx, name, input.group_arn.as_deref()).await?;
    let (start, end) = (input.start_time, input.end_time);
    let account = cx.scope.account.to_string();
    let services = query::blocking(move || {
        let mut graph = Graph::new(&account);
        let range = Range {
            kind: RangeKind::Event,
            start,
            end,
        };
        query::each(&xray.engine, &cx.scope, range, None, |found| {
            if filter::matches(&expression, &found.digest, &account) {
                graph.add(&found.digest, Some((start, end)));
            }
            true
        });
        graph.shown()
    });
    let page = numbered(services.await?, input.next_token.as_deref())?;
    Ok(api::GetServiceGraphOutput {
        start_time: Some(start),
        end_time: Some(end),
        services: Some(page.0),
        contains_old_group_versions: Some(false),
        next_token: page.1,
    })
}

/// A page of services, in the order of their numbers.
fn numbered(
    services: Vec<api::Service>,
    token: Option<&str>,
) -> Result<(Vec<api::Service>, Option<String>), AwsError> {
    let number = |s: &api::Service| format!("{:010}", s.reference_id.unwrap_or(0));
    let page = paged(services, token, number)?;
    Ok((page.items, page.next_token))
}

pub async fn get_trace_graph(
    xray: Arc<XRay>,
    cx: Ctx,
    input: api::GetTraceGraphInput,
) -> Result<api::GetTraceGraphOutput, AwsError> {
    if input.trace_ids.len() > MOST_TRACES {
        return Err(error::invalid_request(format!(
            "The number of trace IDs cannot be more than {MOST_TRACES}."
        )));
    }
    let token = input.next_token.clone();
    let services = query::blocking(move || {
        let mut graph = Graph::new(cx.scope.account.as_str());
        let ids = input.trace_ids.iter().filter_map(|id| TraceId::parse(id));
        for id in ids {
            if let Some(found) = query::load(&xray.engine, &cx.scope, id) {
                graph.add(&found.digest, None);
            }
        }
        graph.shown()
    });
    let (services, next_token) = numbered(services.await?, token.as_deref())?;
    Ok(api::GetTraceGraphOutput {
        services: Some(services),
        next_token,
    })
}

/// What a time series is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Services,
    Edges,
    /// The calls of clients, where nothing is selected.
    Clients,
}

pub async fn get_time_series_service_statistics(
    xray: Arc<XRay>,
    cx: Ctx,
    input: api::GetTimeSeriesServiceStatisticsInput,
) -> Result<api::GetTimeSeriesServiceStatisticsOutput, AwsError> {
    query::check_range(input.start_time, input.end_time, HOURS)?;
    if input.forecast_statistics == Some(true) {
        return Err(error::not_built("forecast statistics"));
    }
    let period = input.period.unwrap_or(PERIODS[0]);
    if !PERIODS.contains(&period) {
        return Err(error::invalid_request("The period is 60 or 300 seconds."));
    }
    let name = input.group_name.as_deref();
    let group = query::of_group(&cx, name, input.group_arn.as_deref()).await?;
    let selector = match input.entity_selector_expression.as_deref() {
        None => None,
        Some(text) => Some(filter::parse(text).map_err(|why| error::invalid_filter(&why))?),
    };
    let of = match &selector {
        None => Of::Clients,
        Some(selector) => selected(selector).ok_or_else(|| {
            error::invalid_filter(&"an entity selector is made of id, service and edge")
        })?,
    };
    let (start, end) = (input.start_time, input.end_time);
    let account = cx.scope.account.to_string();
    let width = i64::from(period) * 1000;
    let tallies = query::blocking(move || {
        let range = Range {
            kind: RangeKind::Event,
            start,
            end,
        };
        let mut tallies = BTreeMap::<i64, Tally>::new();
        let mut at = start.as_millis().div_euclid(width) * width;
        while at < end.as_millis() {
            tallies.insert(at, Tally::default());
            at += width;
        }
        query::each(&xray.engine, &cx.scope, range, None, |found| {
            let trace = &found.digest;
            if !filter::matches(&group, trace, &account) {
                return true;
            }
            let mut add = |ended: f64, flags, seconds| {
                let ended = (ended * 1000.0) as i64;
                let is_in = ended >= start.as_millis() && ended < end.as_millis();
                let window = ended.div_euclid(width) * width;
                if let (true, Some(tally)) = (is_in, tallies.get_mut(&window)) {
                    tally.add(flags, seconds);
                }
            };
            match (&selector, of) {
                (Some(selector), Of::Services) => {
                    for (at, node) in trace.nodes.iter().enumerate() {
                        let is_it = filter::matches_node(selector, trace, &account, at);
                        if is_it && !node.in_progress {
                            add(node.end, node.flags, node.seconds());
                        }
                    }
                }
                (Some(selector), _) => {
                    for edge in &trace.edges {
                        if filter::matches_edge(selector, trace, &account, edge) {
                            add(edge.end, edge.flags, edge.seconds());
                        }
                    }
                }
                (None, _) => {
                    if let Some(root) = trace.root().filter(|root| !root.in_progress) {
                        add(root.end, root.flags, root.seconds());
                    }
                }
            }
            true
        });
        tallies
    });
    let shown = tallies.await?.into_iter().map(|(at, tally)| {
        let service = (of == Of::Services).then(|| tally.of_service());
        let edge = (of != Of::Services).then(|| tally.of_edge());
        api::TimeSeriesServiceStatistics {
            timestamp: Some(Timestamp::from_millis(at)),
            edge_summary_statistics: edge,
            service_summary_statistics: service,
            service_forecast_statistics: None,
            response_time_histogram: Some(tally.histogram()),
        }
    });
    let key = |s: &api::TimeSeriesServiceStatistics| {
        format!("{:020}", s.timestamp.unwrap_or_default().as_millis())
    };
    let page = paged(shown.collect(), input.next_token.as_deref(), key)?;
    Ok(api::GetTimeSeriesServiceStatisticsOutput {
        time_series_service_statistics: Some(page.items),
        contains_old_group_versions: Some(false),
        next_token: page.next_token,
    })
}

/// Services or edges; `None`: neither, or both.
fn selected(selector: &Expression) -> Option<Of> {
    match selector {
        Expression::Service(..) => Some(Of::Services),
        Expression::Edge(..) => Some(Of::Edges),
        Expression::Or(all) | Expression::And(all) => {
            let first = selected(all.first()?)?;
            let same = all.iter().all(|one| selected(one) == Some(first));
            same.then_some(first)
        }
        _ => None,
    }
}

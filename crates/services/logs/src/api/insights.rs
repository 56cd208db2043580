//! Queries of Logs Insights.

use crate::engine::{Candidate, Selection, Times};
use crate::insights::queries::{Asked, Query, Searched, Status};
use crate::insights::{Event, MAX_LIMIT, Plan, Row, Source, flatten, parse};
use crate::model::Group;
use crate::{Logs, error, reference};
use neargate_api_logs as api;
use neargate_base::{Timestamp, task};
use neargate_service::{AwsError, Ctx, Stored, page};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// "The default is 10,000."
const DEFAULT_LIMIT: usize = 10_000;
/// "Each page returning up to 10,000 log events."
const PAGE_ROWS: usize = 10_000;
/// "You can include up to 50 log groups."
const MAX_GROUPS: usize = 50;
/// "CloudWatch Logs Insights can extract a maximum of 200 log event fields from a JSON log", and
/// what it gives itself.
const MAX_FIELDS: usize = 200;
/// Events that GetLogGroupFields looks at.
const SAMPLE: usize = 2_000;

pub async fn start_query(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::StartQueryInput,
) -> Result<api::StartQueryOutput, AwsError> {
    only_insights(input.query_language.as_deref())?;
    let groups = groups(&cx, &input).await?;
    if input.end_time < input.start_time {
        return Err(error::ends_before_start());
    }
    let commands = parse(&input.query_string, cx.now()).map_err(error::malformed_query)?;
    let limit = input.limit.and_then(|n| usize::try_from(n).ok());
    let limit = limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    // Both ends are seconds, and part of the range.
    let start = Timestamp::from_millis(input.start_time.saturating_mul(1_000));
    let end = input.end_time.saturating_add(1).saturating_mul(1_000);
    let searched = |group: &Stored<Group>| Searched {
        source: source(&cx, &group.name),
        engine_key: group.engine_key(&cx.scope),
        times: Times {
            start: start.max(group.expired_before(cx.now())),
            end: Timestamp::from_millis(end),
        },
    };
    let asked = Asked {
        groups: groups.iter().map(searched).collect(),
        text: input.query_string,
        plan: Plan::new(commands, limit),
        user: cx.principal.arn.clone(),
    };
    let started = logs
        .queries
        .start(&cx.house, &logs.engine, &cx.scope, asked);
    let query = started.ok_or_else(error::too_many_queries)?;
    Ok(api::StartQueryOutput {
        query_id: Some(query.id.clone()),
    })
}

fn only_insights(language: Option<&str>) -> Result<(), AwsError> {
    match language {
        None | Some("CWLI") => Ok(()),
        Some(other) => Err(error::not_supported(&format!("queryLanguage {other}"))),
    }
}

fn source(cx: &Ctx, group: &str) -> Source {
    Source {
        name: group.to_owned(),
        account: cx.scope.account.to_string(),
        region: cx.scope.region.to_string(),
    }
}

/// The groups of a query, each once.
async fn groups(cx: &Ctx, input: &api::StartQueryInput) -> Result<Vec<Stored<Group>>, AwsError> {
    let given = [
        input.log_group_name.clone().map(|name| vec![name]),
        input.log_group_names.clone(),
        input.log_group_identifiers.clone(),
    ];
    let mut given: Vec<Vec<String>> = given.into_iter().flatten().collect();
    let identifiers = match (given.pop(), given.is_empty()) {
        (Some(one), true) if !one.is_empty() => one,
        _ => return Err(error::which_groups()),
    };
    if identifiers.len() > MAX_GROUPS {
        return Err(error::too_many_groups(MAX_GROUPS));
    }
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for identifier in identifiers {
        let group = reference::find(cx, &identifier).await?;
        let group = group.ok_or_else(|| error::query_group_not_found(cx, &identifier))?;
        if seen.insert(group.key.clone()) {
            found.push(group);
        }
    }
    Ok(found)
}

fn query(logs: &Logs, cx: &Ctx, id: &str) -> Result<Arc<Query>, AwsError> {
    let query = logs.queries.get(&cx.scope, id);
    query.ok_or_else(|| error::query_not_found(id))
}

pub async fn get_query_results(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::GetQueryResultsInput,
) -> Result<api::GetQueryResultsOutput, AwsError> {
    let progress = query(&logs, &cx, &input.query_id)?.progress();
    let start = match &input.next_token {
        None => 0,
        Some(token) => {
            let place = page::decode(token).ok().and_then(|t| t.parse().ok());
            place.ok_or_else(error::invalid_token)?
        }
    };
    let most = input.max_items.and_then(|n| usize::try_from(n).ok());
    let most = most.filter(|n| *n > 0).unwrap_or(PAGE_ROWS).min(PAGE_ROWS);
    let rows = progress.rows.iter().skip(start).take(most);
    let cells = |row: &Row| {
        let cell = |(name, value): &(Arc<str>, String)| api::ResultField {
            field: Some(name.to_string()),
            value: Some(value.clone()),
        };
        row.iter().map(cell).collect()
    };
    let results: Vec<Vec<api::ResultField>> = rows.map(cells).collect();
    let end = start + results.len();
    Ok(api::GetQueryResultsOutput {
        query_language: Some("CWLI".into()),
        results: Some(results),
        statistics: Some(api::QueryStatistics {
            records_matched: Some(progress.matched),
            records_scanned: Some(progress.scanned),
            estimated_records_skipped: Some(0.0),
            bytes_scanned: Some(progress.bytes),
            estimated_bytes_skipped: Some(0.0),
            log_groups_scanned: Some(progress.groups),
            result_count: Some(progress.rows.len() as f64),
        }),
        status: Some(progress.status.name().into()),
        encryption_key: None,
        next_token: (end < progress.rows.len()).then(|| page::encode(&end.to_string())),
    })
}

pub async fn stop_query(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::StopQueryInput,
) -> Result<api::StopQueryOutput, AwsError> {
    let query = query(&logs, &cx, &input.query_id)?;
    if !logs.queries.stop(&query, cx.now()) {
        return Err(error::query_not_running());
    }
    Ok(api::StopQueryOutput {
        success: Some(true),
    })
}

pub async fn describe_queries(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::DescribeQueriesInput,
) -> Result<api::DescribeQueriesOutput, AwsError> {
    let other_language = input.query_language.is_some_and(|l| l != "CWLI");
    let wanted = |query: &Arc<Query>| {
        let of_group = |name: &String| query.groups.contains(name);
        let has_status = |status: &String| query.progress().status.name() == status;
        !other_language
            && input.log_group_name.as_ref().is_none_or(of_group)
            && input.status.as_ref().is_none_or(has_status)
    };
    let start: usize = match &input.next_token {
        None => 0,
        Some(token) => {
            let place = page::decode(token).ok().and_then(|t| t.parse().ok());
            place.ok_or_else(error::invalid_token)?
        }
    };
    let all: Vec<Arc<Query>> = logs.queries.list(&cx.scope);
    let all: Vec<Arc<Query>> = all.into_iter().filter(wanted).collect();
    let most = input.max_results.and_then(|n| usize::try_from(n).ok());
    let end = all.len().min(start.saturating_add(most.unwrap_or(1_000)));
    let shape = |query: &Arc<Query>| {
        let progress = query.progress();
        api::QueryInfo {
            query_language: Some("CWLI".into()),
            query_id: Some(query.id.clone()),
            query_string: Some(query.text.clone()),
            status: Some(progress.status.name().into()),
            create_time: Some(query.created.as_millis()),
            log_group_name: query.groups.first().cloned(),
            query_duration: progress.took.map(|d| d.as_millis() as i64),
            bytes_scanned: (progress.status == Status::Complete).then_some(progress.bytes),
            user_identity: Some(query.user.clone()),
        }
    };
    let shown = all.get(start..end).unwrap_or_default();
    Ok(api::DescribeQueriesOutput {
        queries: Some(shown.iter().map(shape).collect()),
        next_token: (end < all.len()).then(|| page::encode(&end.to_string())),
    })
}

pub async fn list_log_groups_for_query(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::ListLogGroupsForQueryInput,
) -> Result<api::ListLogGroupsForQueryOutput, AwsError> {
    let query = query(&logs, &cx, &input.query_id)?;
    let arn = |name: &String| cx.arn("logs", format!("log-group:{name}"));
    Ok(api::ListLogGroupsForQueryOutput {
        log_group_identifiers: Some(query.groups.iter().map(arn).collect()),
        next_token: None,
    })
}

/// The whole of an event that a row of results points to.
pub async fn get_log_record(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::GetLogRecordInput,
) -> Result<api::GetLogRecordOutput, AwsError> {
    let pointed = Source::of_pointer(&input.log_record_pointer);
    let (at, name) = pointed.ok_or_else(error::invalid_pointer)?;
    let group = reference::group(cx.db(), &cx.scope, &name).await?;
    let (key, source) = (group.engine_key(&cx.scope), source(&cx, &name));
    let millis = at.millis.max(group.expired_before(cx.now()).as_millis());
    let times = Times {
        start: Timestamp::from_millis(millis),
        end: Timestamp::from_millis(at.millis.saturating_add(1)),
    };
    let pointer = input.log_record_pointer;
    let read = move || {
        let mut record = None;
        let visit = |c: Candidate<'_>| {
            if c.at != at {
                return ControlFlow::Continue(());
            }
            let ingested = c.ingested.as_millis();
            let event = Event::new(c.at, ingested, c.stream, c.message, &source);
            let mut fields: BTreeMap<String, String> = [
                ("@message", c.message.to_owned()),
                ("@timestamp", c.at.millis.to_string()),
                ("@ingestionTime", ingested.to_string()),
                ("@logStream", c.stream.to_string()),
                ("@log", format!("{}:{}", source.account, source.name)),
                ("@ptr", pointer.clone()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
            let found = event.document().map(|d| flatten(d, MAX_FIELDS));
            for (name, value) in found.into_iter().flatten() {
                fields.entry(name).or_insert_with(|| value.to_string());
            }
            record = Some(fields);
            ControlFlow::Break(())
        };
        let visited = logs
            .engine
            .visit(&key, &Selection::All, times, false, visit);
        visited.map(|()| record)
    };
    let read = task::spawn_blocking(read)
        .await
        .map_err(AwsError::internal)?;
    let record = read.map_err(error::engine)?;
    Ok(api::GetLogRecordOutput {
        log_record: Some(record.ok_or_else(error::record_not_found)?),
    })
}

/// How often each field comes in a sample of a group's latest events.
pub async fn get_log_group_fields(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::GetLogGroupFieldsInput,
) -> Result<api::GetLogGroupFieldsOutput, AwsError> {
    let (name, identifier) = (
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    );
    let group = reference::named_or_identified(&cx, name, identifier).await?;
    let around = Duration::from_secs(8 * 60);
    let (start, end) = match input.time {
        Some(seconds) => {
            let center = Timestamp::from_millis(seconds.saturating_mul(1_000));
            (center - around, center + around)
        }
        None => (cx.now() - Duration::from_secs(15 * 60), cx.now()),
    };
    let times = Times {
        start: start.max(group.expired_before(cx.now())),
        end: Timestamp::from_millis(end.as_millis().saturating_add(1)),
    };
    let (key, source) = (group.engine_key(&cx.scope), source(&cx, &group.name));
    let read = move || {
        let (mut events, mut counts) = (0, BTreeMap::<String, usize>::new());
        let visit = |c: Candidate<'_>| {
            events += 1;
            let event = Event::new(c.at, 0, c.stream, c.message, &source);
            let found = event.document().map(|d| flatten(d, MAX_FIELDS));
            for (name, _) in found.into_iter().flatten() {
                if counts.len() < 10 * MAX_FIELDS || counts.contains_key(&name) {
                    *counts.entry(name).or_default() += 1;
                }
            }
            if events == SAMPLE {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let visited = logs.engine.visit(&key, &Selection::All, times, true, visit);
        visited.map(|()| (events, counts))
    };
    let read = task::spawn_blocking(read)
        .await
        .map_err(AwsError::internal)?;
    let (events, mut counts) = read.map_err(error::engine)?;
    if events > 0 {
        for given in [
            "@ingestionTime",
            "@log",
            "@logStream",
            "@message",
            "@timestamp",
        ] {
            counts.insert(given.into(), events);
        }
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|(one, n), (other, m)| m.cmp(n).then_with(|| one.cmp(other)));
    let field = |(name, count): (String, usize)| api::LogGroupField {
        name: Some(name),
        percent: Some((count * 100 / events.max(1)) as i32),
    };
    Ok(api::GetLogGroupFieldsOutput {
        log_group_fields: Some(counts.into_iter().map(field).collect()),
    })
}

//! Segments come, and traces and graphs are made of them.

use super::{Desk, said};
use neargate_api_xray::{self as api, ops};
use neargate_base::Timestamp;
use neargate_testkit::START;
use serde_json::{Value, json};

const TRACE: &str = "1-6553f100-a006649127e371903a2de979";

fn segments(trace: &str, fault: bool, seconds: f64) -> Vec<String> {
    let (start, end) = (1_700_000_000.0, 1_700_000_000.0 + seconds);
    let status = if fault { 500 } else { 200 };
    let web = json!({"trace_id": trace, "id": "1000000000000001", "name": "web", "start_time": start,
        "end_time": end, "origin": "AWS::ECS::Container", "annotations": {"customer": 12},
        "user": "alice", "fault": fault,
        "http": {"request": {"url": "http://web/", "method": "GET"}, "response": {"status": status}},
        "subsegments": [{"id": "1000000000000002", "name": "api", "namespace": "remote",
            "start_time": start, "end_time": end, "fault": fault}]});
    let api = json!({"trace_id": trace, "id": "1000000000000003", "name": "api", "start_time": start,
        "end_time": end, "parent_id": "1000000000000002", "origin": "AWS::ECS::Container", "fault": fault});
    let inner = json!({"trace_id": trace, "id": "1000000000000004", "name": "DynamoDB", "type": "subsegment",
        "namespace": "aws", "parent_id": "1000000000000003", "start_time": start, "end_time": end,
        "aws": {"table_name": "t"}});
    [web, api, inner]
        .map(|document| document.to_string())
        .into()
}

fn numbered(number: u32) -> String {
    format!("1-6553f100-0000000000000000{number:08x}")
}

async fn put(desk: &Desk, documents: Vec<String>) -> Vec<api::UnprocessedTraceSegment> {
    let input = api::PutTraceSegmentsInput {
        trace_segment_documents: documents,
    };
    let put = desk.ask(ops::PutTraceSegments, input).await.expect("put");
    put.unprocessed_trace_segments.expect("a list")
}

fn range() -> (Timestamp, Timestamp) {
    (START.shift(-60_000), START.shift(60_000))
}

fn summaries(filter: &str) -> api::GetTraceSummariesInput {
    let (start_time, end_time) = range();
    api::GetTraceSummariesInput {
        start_time,
        end_time,
        filter_expression: Some(filter.into()),
        ..Default::default()
    }
}

async fn found(desk: &Desk, input: api::GetTraceSummariesInput) -> Vec<api::TraceSummary> {
    let answer = desk.ask(ops::GetTraceSummaries, input).await;
    answer.expect("answered").trace_summaries.expect("a list")
}

async fn graph(desk: &Desk, group: Option<&str>) -> Vec<api::Service> {
    let (start_time, end_time) = range();
    let input = api::GetServiceGraphInput {
        start_time,
        end_time,
        group_name: group.map(str::to_owned),
        ..Default::default()
    };
    let answer = desk
        .ask(ops::GetServiceGraph, input)
        .await
        .expect("a graph");
    answer.services.expect("services")
}

#[tokio::test]
async fn what_is_wrong_is_told_and_the_rest_is_kept() {
    let desk = Desk::new();
    let mut documents = segments(TRACE, false, 0.5);
    documents.insert(1, "nothing".into());
    let old = "1-581cf771-a006649127e371903a2de979";
    documents.extend(segments(old, false, 0.5).into_iter().take(1));
    let unprocessed = put(&desk, documents).await;
    let codes: Vec<&str> = unprocessed
        .iter()
        .filter_map(|u| u.error_code.as_deref())
        .collect();
    assert_eq!(codes, ["ParseError", "InvalidTraceId"]);
    assert_eq!(unprocessed[1].id.as_deref(), Some("1000000000000001"));
    assert_eq!(
        unprocessed[1].message.as_deref(),
        Some("Invalid segment. ErrorCode: InvalidTraceId")
    );
    let input = api::BatchGetTracesInput {
        trace_ids: vec![TRACE.into(), old.into(), "x".into()],
        ..Default::default()
    };
    let answer = desk
        .ask(ops::BatchGetTraces, input)
        .await
        .expect("answered");
    assert_eq!(
        answer.unprocessed_trace_ids,
        Some(vec![old.to_owned(), "x".into()])
    );
    let traces = answer.traces.expect("traces");
    let [trace] = &traces[..] else {
        panic!("{traces:?}");
    };
    assert_eq!(
        (trace.duration, trace.limit_exceeded),
        (Some(0.5), Some(false))
    );
    let segments = trace.segments.as_ref().expect("segments");
    let documents: Vec<Value> = segments
        .iter()
        .map(|s| serde_json::from_str(s.document.as_deref().expect("a document")).expect("JSON"))
        .collect();
    assert_eq!(documents.len(), 3);
    assert_eq!(documents[1]["subsegments"][0]["name"], "DynamoDB");
    assert_eq!(documents[2]["inferred"], true);
    let many = api::BatchGetTracesInput {
        trace_ids: vec![TRACE.into(); 6],
        ..Default::default()
    };
    let refused = said(desk.ask(ops::BatchGetTraces, many).await);
    assert!(refused.starts_with("InvalidRequestException"), "{refused}");
}

#[tokio::test]
async fn a_complete_segment_takes_the_place_of_one_in_progress() {
    let desk = Desk::new();
    let begun = json!({"trace_id": TRACE, "id": "1000000000000001", "name": "web",
        "start_time": 1_700_000_000.0, "in_progress": true});
    assert!(put(&desk, vec![begun.to_string()]).await.is_empty());
    let summary = &found(&desk, summaries("partial")).await[0];
    assert_eq!(
        (summary.is_partial, summary.response_time),
        (Some(true), None)
    );
    put(&desk, segments(TRACE, false, 0.5)).await;
    assert!(found(&desk, summaries("partial")).await.is_empty());
    let summary = &found(&desk, summaries("ok")).await[0];
    assert_eq!(summary.response_time, Some(0.5));
    assert_eq!(summary.id.as_deref(), Some(TRACE));
    let users = summary.users.as_ref().expect("users");
    assert_eq!(users[0].user_name.as_deref(), Some("alice"));
    let annotations = summary.annotations.as_ref().expect("annotations");
    let value = annotations["customer"][0].annotation_value.as_ref();
    assert_eq!(value.and_then(|v| v.number_value), Some(12.0));
}

#[tokio::test]
async fn summaries_come_in_pages_and_by_their_times() {
    let desk = Desk::new();
    for number in 0..450 {
        put(&desk, segments(&numbered(number), number % 2 == 0, 0.5)).await;
    }
    let (mut ids, mut token, mut pages, mut processed) = (Vec::new(), None, 0, 0);
    loop {
        let mut input = summaries("service(\"web\") { fault }");
        input.next_token = token;
        let page = desk
            .ask(ops::GetTraceSummaries, input)
            .await
            .expect("a page");
        ids.extend(
            page.trace_summaries
                .expect("a list")
                .into_iter()
                .filter_map(|s| s.id),
        );
        processed += page.traces_processed_count.expect("a count");
        pages += 1;
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    ids.dedup();
    assert_eq!((ids.len(), pages, processed), (225, 2, 450));
    let mut half = summaries("");
    half.sampling = Some(true);
    half.sampling_strategy = Some(api::SamplingStrategy {
        name: Some("FixedRate".into()),
        value: Some(0.0),
    });
    assert!(found(&desk, half).await.is_empty());
    for (kind, start, end, count) in [
        ("TraceId", 0, 1_000, 1),
        ("TraceId", 1_000, 2_000, 0),
        ("Event", 200, 300, 1),
        ("Event", 600, 700, 0),
        ("Service", 200, 300, 0),
        ("Service", 400, 600, 1),
    ] {
        let mut input = summaries("annotation.customer = 12");
        input.time_range_type = Some(kind.into());
        (input.start_time, input.end_time) = (START.shift(start), START.shift(end));
        let found = found(&desk, input).await.len().min(1);
        assert_eq!(found, count, "{kind} {start}");
    }
    let mut long = summaries("");
    long.start_time = START.shift(-25 * 3_600_000);
    assert_eq!(
        said(desk.ask(ops::GetTraceSummaries, long).await),
        "InvalidRequestException Time range cannot be longer than 24 hours."
    );
    let wrong = said(
        desk.ask(ops::GetTraceSummaries, summaries("fault AND"))
            .await,
    );
    assert!(
        wrong.starts_with("InvalidRequestException Invalid filter expression"),
        "{wrong}"
    );
    let mut token = summaries("");
    token.next_token = Some("x".into());
    let wrong = said(desk.ask(ops::GetTraceSummaries, token).await);
    assert_eq!(wrong, "InvalidRequestException Invalid NextToken.");
}

#[tokio::test]
async fn traces_make_a_graph() {
    let desk = Desk::new();
    for number in 0..10 {
        put(&desk, segments(&numbered(number), number < 3, 0.5)).await;
    }
    let services = graph(&desk, None).await;
    let named = |name: &str, kind: &str| {
        let mut all = services.iter();
        let is_it = |s: &&api::Service| {
            s.name.as_deref() == Some(name) && s.r#type.as_deref() == Some(kind)
        };
        all.find(is_it)
            .unwrap_or_else(|| panic!("{name}: {services:?}"))
    };
    assert_eq!(services.len(), 4);
    let client = named("web", "client");
    let web = named("web", "AWS::ECS::Container");
    let table = named("t", "AWS::DynamoDB::Table");
    assert_eq!(web.root, Some(true));
    assert_eq!(table.state.as_deref(), Some("unknown"));
    let edge = &client.edges.as_ref().expect("edges")[0];
    assert_eq!(edge.reference_id, web.reference_id);
    let statistics = web.summary_statistics.as_ref().expect("statistics");
    assert_eq!(
        (statistics.ok_count, statistics.total_count),
        (Some(7), Some(10))
    );
    assert_eq!(statistics.total_response_time, Some(5.0));
    let faults = statistics.fault_statistics.as_ref().expect("faults");
    assert_eq!(faults.total_count, Some(3));
    let histogram = web.response_time_histogram.as_ref().expect("a histogram");
    assert_eq!(
        (histogram[0].value, histogram[0].count),
        (Some(0.5), Some(10))
    );
    let one = api::GetTraceGraphInput {
        trace_ids: vec![numbered(1), numbered(77)],
        ..Default::default()
    };
    let one = desk.ask(ops::GetTraceGraph, one).await.expect("a graph");
    let one = one.services.expect("services");
    assert_eq!(one.len(), 4);
    let make = api::CreateGroupInput {
        group_name: "failed".into(),
        filter_expression: Some("fault".into()),
        ..Default::default()
    };
    desk.ask(ops::CreateGroup, make).await.expect("made");
    let failed = graph(&desk, Some("failed")).await;
    let total = |services: &[api::Service]| {
        let web = services.iter().find(|s| s.root == Some(true));
        web.and_then(|s| s.summary_statistics.as_ref()?.total_count)
    };
    assert_eq!(total(&failed), Some(3));
    assert_eq!(total(&graph(&desk, Some("Default")).await), Some(10));
    assert_eq!(
        found(&desk, summaries("group.name = \"failed\""))
            .await
            .len(),
        3
    );
    assert_eq!(
        found(&desk, summaries("group.name != \"failed\""))
            .await
            .len(),
        7
    );
}

#[tokio::test]
async fn calls_are_counted_over_time() {
    let desk = Desk::new();
    for number in 0..10 {
        put(&desk, segments(&numbered(number), number < 3, 0.5)).await;
    }
    let (start_time, end_time) = range();
    let series = async |selector: Option<&str>| {
        let input = api::GetTimeSeriesServiceStatisticsInput {
            start_time,
            end_time,
            entity_selector_expression: selector.map(str::to_owned),
            ..Default::default()
        };
        let answer = desk.ask(ops::GetTimeSeriesServiceStatistics, input).await?;
        Ok::<_, neargate_service::AwsError>(answer.time_series_service_statistics.expect("a list"))
    };
    let total = |all: &[api::TimeSeriesServiceStatistics]| -> i64 {
        let of = |one: &api::TimeSeriesServiceStatistics| {
            let service = one
                .service_summary_statistics
                .as_ref()
                .and_then(|s| s.total_count);
            let edge = one
                .edge_summary_statistics
                .as_ref()
                .and_then(|s| s.total_count);
            service.or(edge).unwrap_or(0)
        };
        all.iter().map(of).sum()
    };
    let clients = series(None).await.expect("a series");
    assert_eq!((clients.len(), total(&clients)), (3, 10));
    let services = series(Some("service(\"api\") { fault }"))
        .await
        .expect("a series");
    assert_eq!(total(&services), 3);
    let edges = series(Some("edge(\"web\", \"api\")"))
        .await
        .expect("a series");
    assert_eq!(total(&edges), 10);
    let ids = series(Some("id(name: \"web\", type: \"AWS::ECS::Container\")")).await;
    assert_eq!(total(&ids.expect("a series")), 10);
    let refused = said(series(Some("fault")).await);
    assert!(refused.contains("id, service and edge"), "{refused}");
}

#[tokio::test]
async fn daemons_tell_what_they_lost() {
    let desk = Desk::new();
    let input = api::PutTelemetryRecordsInput {
        telemetry_records: vec![api::TelemetryRecord {
            timestamp: START,
            segments_received_count: Some(5),
            segments_spillover_count: Some(2),
            ..Default::default()
        }],
        ..Default::default()
    };
    desk.ask(ops::PutTelemetryRecords, input)
        .await
        .expect("taken");
}

#[tokio::test]
async fn what_is_not_built_is_refused_by_name() {
    let desk = Desk::new();
    let encrypt = api::PutEncryptionConfigInput {
        r#type: "KMS".into(),
        key_id: Some("alias/x".into()),
    };
    let refused = said(desk.ask(ops::PutEncryptionConfig, encrypt).await);
    assert!(refused.starts_with("NotImplemented"), "{refused}");
    let destination = api::UpdateTraceSegmentDestinationInput {
        destination: Some("CloudWatchLogs".into()),
        ..Default::default()
    };
    let refused = said(
        desk.ask(ops::UpdateTraceSegmentDestination, destination)
            .await,
    );
    assert!(refused.contains("transaction search"), "{refused}");
    let kept = desk
        .ask(ops::GetEncryptionConfig, api::GetEncryptionConfigInput {})
        .await;
    let kept = kept.expect("told").encryption_config.expect("one");
    assert_eq!(kept.r#type.as_deref(), Some("NONE"));
}

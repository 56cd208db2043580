//! Logs Insights through the table.

use super::*;
use neargate_testkit::call;

fn asked(query: &str) -> api::StartQueryInput {
    api::StartQueryInput {
        log_group_name: Some("g".into()),
        start_time: NOW / 1_000 - 3_600,
        end_time: NOW / 1_000,
        query_string: query.into(),
        ..Default::default()
    }
}

async fn start(world: &World, input: api::StartQueryInput) -> Result<String, AwsError> {
    let table = table(world.logs.clone());
    let output = call(&table, world.cx(), api::StartQuery, input).await?;
    Ok(output.query_id.expect("has an id"))
}

async fn results(world: &World, id: &str) -> api::GetQueryResultsOutput {
    let table = table(world.logs.clone());
    loop {
        let input = api::GetQueryResultsInput {
            query_id: id.into(),
            ..Default::default()
        };
        let output = call(&table, world.cx(), api::GetQueryResults, input)
            .await
            .expect("answers");
        if !matches!(output.status.as_deref(), Some("Scheduled" | "Running")) {
            return output;
        }
        tokio::task::yield_now().await;
    }
}

fn cells(output: &api::GetQueryResultsOutput) -> Vec<Vec<(&str, &str)>> {
    fn row(row: &[api::ResultField]) -> Vec<(&str, &str)> {
        row.iter()
            .filter_map(|f| f.field.as_deref().zip(f.value.as_deref()))
            .collect()
    }
    output.results.iter().flatten().map(|r| row(r)).collect()
}

#[tokio::test]
async fn a_query_runs_and_its_record_is_read() {
    let world = world();
    world.group("g").await;
    world.stream("g", "s").await;
    let events = [
        (NOW - 3_000, r#"{"level": "ERROR", "user": {"id": 7}}"#),
        (NOW - 2_000, "plain"),
        (NOW - 1_000, r#"{"level": "INFO"}"#),
        (NOW, r#"{"level": "ERROR"}"#),
    ];
    world.put("s", &events).await.expect("puts");
    let id = start(&world, asked("stats count(*) as n by level | sort n desc"))
        .await
        .expect("starts");
    let output = results(&world, &id).await;
    assert_eq!(output.status.as_deref(), Some("Complete"));
    let expected = [
        vec![("level", "ERROR"), ("n", "2")],
        vec![("level", "INFO"), ("n", "1")],
    ];
    assert_eq!(cells(&output)[..2], expected);
    assert_eq!(cells(&output)[2], [("n", "1")]);
    let statistics = output.statistics.expect("counts");
    assert_eq!(statistics.records_scanned, Some(4.0));
    assert_eq!(statistics.log_groups_scanned, Some(1.0));

    let id = start(&world, asked("fields level | filter user.id = 7"))
        .await
        .expect("starts");
    let output = results(&world, &id).await;
    let pointer = cells(&output)[0][1].1.to_owned();
    let table = table(world.logs.clone());
    let record = |pointer: String| api::GetLogRecordInput {
        log_record_pointer: pointer,
        ..Default::default()
    };
    let found = call(&table, world.cx(), api::GetLogRecord, record(pointer))
        .await
        .expect("reads");
    let found = found.log_record.expect("has fields");
    assert_eq!(found["user.id"], "7");
    assert_eq!(found["@logStream"], "s");
    assert_eq!(found["@message"], events[0].1);
    let none = call(&table, world.cx(), api::GetLogRecord, record("x".into())).await;
    refused(
        none,
        "InvalidParameterException",
        "The specified log record pointer is invalid.",
    );

    let fields = api::GetLogGroupFieldsInput {
        log_group_name: Some("g".into()),
        ..Default::default()
    };
    let fields = call(&table, world.cx(), api::GetLogGroupFields, fields)
        .await
        .expect("looks");
    let fields: Vec<(String, i32)> = fields
        .log_group_fields
        .into_iter()
        .flatten()
        .filter_map(|f| Some((f.name?, f.percent?)))
        .collect();
    assert_eq!(fields[0], ("@ingestionTime".into(), 100));
    assert_eq!(fields[5..], [("level".into(), 75), ("user.id".into(), 25)]);

    let stop = api::StopQueryInput { query_id: id };
    let stopped = call(&table, world.cx(), api::StopQuery, stop).await;
    refused(
        stopped,
        "InvalidParameterException",
        "The specified query is not running.",
    );
    let all = call(&table, world.cx(), api::DescribeQueries, Default::default())
        .await
        .expect("lists");
    let all: Vec<String> = all
        .queries
        .into_iter()
        .flatten()
        .filter_map(|q| q.query_string)
        .collect();
    assert_eq!(all[0], "fields level | filter user.id = 7");
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn groups_are_merged_by_time_and_pages_follow() {
    let world = world();
    for name in ["g", "h"] {
        world.group(name).await;
        world.stream(name, "s").await;
    }
    for (group, at) in [("g", 4), ("h", 3), ("g", 2), ("h", 1)] {
        let input = api::PutLogEventsInput {
            log_group_name: group.into(),
            log_stream_name: "s".into(),
            log_events: vec![api::InputLogEvent {
                timestamp: NOW - at * 1_000,
                message: format!("{group}{at}"),
            }],
            ..Default::default()
        };
        events::put_log_events(world.logs.clone(), world.cx(), input)
            .await
            .expect("puts");
    }
    let mut input = asked("fields @message | limit 3");
    input.log_group_name = None;
    input.log_group_names = Some(vec!["g".into(), "h".into(), "g".into()]);
    let id = start(&world, input).await.expect("starts");
    let output = results(&world, &id).await;
    let found: Vec<&str> = cells(&output).iter().map(|row| row[0].1).collect();
    assert_eq!(found, ["h1", "g2", "h3"]);
    let table = table(world.logs.clone());
    let mut input = api::GetQueryResultsInput {
        query_id: id.clone(),
        max_items: Some(2),
        ..Default::default()
    };
    let first = call(&table, world.cx(), api::GetQueryResults, input.clone())
        .await
        .expect("answers");
    input.next_token = first.next_token;
    assert!(input.next_token.is_some());
    let second = call(&table, world.cx(), api::GetQueryResults, input)
        .await
        .expect("answers");
    assert_eq!(second.results.map(|r| r.len()), Some(1));
    assert_eq!(second.next_token, None);
}

#[tokio::test]
async fn what_is_no_query_is_refused() {
    let world = world();
    world.group("g").await;
    let message = "unexpected symbol found nothing at line 1 and position 0";
    let malformed = start(&world, asked("nothing @message"))
        .await
        .expect_err("is refused");
    assert_eq!(
        (malformed.code.as_str(), malformed.message.as_str()),
        ("MalformedQueryException", message)
    );
    let expected = serde_json::json!({
        "location": {"startCharOffset": 0, "endCharOffset": 7}, "message": message,
    });
    assert_eq!(
        malformed.fields,
        [("queryCompileError".to_owned(), expected)]
    );
    let mut both = asked("limit 1");
    both.log_group_names = Some(vec!["g".into()]);
    assert_eq!(
        start(&world, both).await.expect_err("is refused").code,
        "InvalidParameterException"
    );
    let mut unknown = asked("limit 1");
    unknown.log_group_name = Some("none".into());
    let unknown = start(&world, unknown).await.expect_err("is refused");
    assert_eq!(unknown.code, "ResourceNotFoundException");
    assert!(
        unknown
            .message
            .starts_with("Log group 'none' does not exist")
    );
    let mut sql = asked("limit 1");
    sql.query_language = Some("SQL".into());
    let sql = start(&world, sql).await;
    refused(
        sql,
        "InvalidParameterException",
        "Neargate does not support queryLanguage SQL yet.",
    );
}

#[tokio::test]
async fn queries_are_saved() {
    let world = world();
    let table = table(world.logs.clone());
    let put = |id: Option<String>, name: &str| api::PutQueryDefinitionInput {
        name: name.into(),
        query_string: "limit 1".into(),
        query_definition_id: id,
        client_token: Some("0123456789abcdef0123456789abcdef0123".into()),
        ..Default::default()
    };
    let save =
        async |id, name| call(&table, world.cx(), api::PutQueryDefinition, put(id, name)).await;
    let id = save(None, "a").await.expect("saves").query_definition_id;
    assert_eq!(
        save(None, "a").await.expect("saves").query_definition_id,
        id
    );
    save(id.clone(), "b").await.expect("replaces");
    let all = call(
        &table,
        world.cx(),
        api::DescribeQueryDefinitions,
        Default::default(),
    )
    .await;
    let all = all.expect("lists").query_definitions.expect("lists");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].name.as_deref(), Some("b"));
    let delete = api::DeleteQueryDefinitionInput {
        query_definition_id: id.expect("has an id"),
    };
    call(
        &table,
        world.cx(),
        api::DeleteQueryDefinition,
        delete.clone(),
    )
    .await
    .expect("deletes");
    let again = call(&table, world.cx(), api::DeleteQueryDefinition, delete).await;
    refused(
        again,
        "ResourceNotFoundException",
        "The specified query definition does not exist.",
    );
}

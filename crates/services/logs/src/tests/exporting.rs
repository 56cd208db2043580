//! Export tasks and resource policies through the table; S3 is a table of its own.

use super::*;
use crate::exports::Exports;
use crate::model::exports::ExportTask;
use flate2::read::GzDecoder;
use neargate_api_s3 as s3;
use neargate_service::{OperationTable, db};
use neargate_testkit::call;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::Read as _;

/// Buckets that keep what is put.
#[derive(Debug, Default)]
struct Buckets(Mutex<BTreeMap<String, Vec<u8>>>);

async fn put_object(
    buckets: Arc<Buckets>,
    cx: Ctx,
    input: s3::PutObjectInput,
) -> Result<s3::PutObjectOutput, AwsError> {
    assert_eq!(
        cx.principal.arn,
        format!("logs.{}.amazonaws.com", cx.scope.region)
    );
    if input.bucket != "box" {
        return Err(AwsError::client("NoSuchBucket", "no such bucket"));
    }
    let body = input.body.expect("has a body").to_vec();
    buckets.0.lock().insert(input.key, body);
    Ok(s3::PutObjectOutput::default())
}

fn with_buckets(world: &World) -> Arc<Buckets> {
    let buckets = Arc::new(Buckets::default());
    let table =
        OperationTable::new(&s3::SERVICE, buckets.clone()).on(s3::ops::PutObject, put_object);
    world.house.caller.connect(vec![Arc::new(table)]);
    buckets
}

/// Carry out all tasks.
async fn export(world: &World) {
    let exports = Exports {
        house: world.house.clone(),
        engine: world.logs.engine.clone(),
    };
    for task in world
        .house
        .db
        .list::<ExportTask>(&world.lab.scope)
        .await
        .expect("lists")
    {
        let view = exports
            .view(&task.key)
            .await
            .expect("views")
            .expect("is there");
        for step in exports.plan(&view, world.house.now()).actions {
            exports.apply(step).await.expect("applies");
        }
    }
}

fn asked(bucket: &str) -> api::CreateExportTaskInput {
    api::CreateExportTaskInput {
        log_group_name: "g".into(),
        from: NOW - 10_000,
        to: NOW,
        destination: bucket.into(),
        destination_prefix: Some("out".into()),
        ..Default::default()
    }
}

async fn status(world: &World, id: &str) -> String {
    let table = table(world.logs.clone());
    let input = api::DescribeExportTasksInput {
        task_id: Some(id.into()),
        ..Default::default()
    };
    let tasks = call(&table, world.cx(), api::DescribeExportTasks, input)
        .await
        .expect("describes");
    let status = tasks.export_tasks.and_then(|mut t| t.pop()?.status?.code);
    status.expect("has a status")
}

#[tokio::test]
async fn a_group_is_exported() {
    let world = world();
    let buckets = with_buckets(&world);
    world.group("g").await;
    world.stream("g", "web/1").await;
    world.stream("g", "empty").await;
    let events = [
        (NOW - 20_000, "before"),
        (NOW - 10_000, "one"),
        (NOW, "two"),
        (NOW + 1, "after"),
    ];
    world.put("web/1", &events).await.expect("puts");
    let table = table(world.logs.clone());
    let task = call(&table, world.cx(), api::CreateExportTask, asked("box"))
        .await
        .expect("takes");
    let id = task.task_id.expect("has an id");
    assert_eq!(status(&world, &id).await, "PENDING");
    let second = call(&table, world.cx(), api::CreateExportTask, asked("box")).await;
    refused(second, "LimitExceededException", "Resource limit exceeded.");
    export(&world).await;
    assert_eq!(status(&world, &id).await, "COMPLETED");
    let objects = buckets.0.lock().clone();
    let object = format!("out/{id}/web-1/000000.gz");
    assert!(objects.contains_key(&object));
    assert_eq!(objects.len(), 2);
    assert_eq!(
        objects["out/aws-logs-write-test"],
        b"Permission Check Successful"
    );
    let mut text = String::new();
    GzDecoder::new(&objects[&object][..])
        .read_to_string(&mut text)
        .expect("is text");
    assert_eq!(
        text,
        "2023-11-14T22:13:10.000Z one\n2023-11-14T22:13:20.000Z two\n"
    );
    let cancel = api::CancelExportTaskInput { task_id: id };
    let over = call(&table, world.cx(), api::CancelExportTask, cancel).await;
    refused(
        over,
        "InvalidOperationException",
        "The specified export task has already finished",
    );
}

#[tokio::test]
async fn an_export_is_cancelled_and_one_without_a_bucket_is_refused() {
    let world = world();
    with_buckets(&world);
    world.group("g").await;
    let table = table(world.logs.clone());
    let none = call(&table, world.cx(), api::CreateExportTask, asked("none")).await;
    let message = "The given bucket does not exist. Please make sure the bucket is valid.";
    refused(none, "InvalidParameterException", message);
    let task = call(&table, world.cx(), api::CreateExportTask, asked("box"))
        .await
        .expect("takes");
    let id = task.task_id.expect("has an id");
    let cancel = api::CancelExportTaskInput {
        task_id: id.clone(),
    };
    call(&table, world.cx(), api::CancelExportTask, cancel)
        .await
        .expect("cancels");
    assert_eq!(status(&world, &id).await, "PENDING_CANCEL");
    export(&world).await;
    assert_eq!(status(&world, &id).await, "CANCELLED");
    let key = db::key::<ExportTask>(&world.lab.scope, &id);
    let task = world
        .house
        .db
        .get_key::<ExportTask>(&key)
        .await
        .expect("answers")
        .expect("is there");
    assert!(task.completed.is_some());
}

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"logs:PutLogEvents","Resource":"*"}]}"#;

#[tokio::test]
async fn resource_policies_are_kept() {
    let world = world();
    world.group("g").await;
    let table = table(world.logs.clone());
    let put = |name: &str| api::PutResourcePolicyInput {
        policy_name: Some(name.into()),
        policy_document: Some(POLICY.into()),
        ..Default::default()
    };
    for n in 0..10 {
        let input = put(&format!("p{n}"));
        call(&table, world.cx(), api::PutResourcePolicy, input)
            .await
            .expect("puts");
    }
    let more = call(&table, world.cx(), api::PutResourcePolicy, put("p10")).await;
    refused(more, "LimitExceededException", "Resource limit exceeded.");
    let mut of_group = put("");
    of_group.policy_name = None;
    of_group.resource_arn = Some(world.lab.scope.arn("logs", "log-group:g"));
    let output = call(&table, world.cx(), api::PutResourcePolicy, of_group)
        .await
        .expect("puts");
    assert!(output.revision_id.is_some());
    let all = call(
        &table,
        world.cx(),
        api::DescribeResourcePolicies,
        Default::default(),
    )
    .await;
    assert_eq!(
        all.expect("lists").resource_policies.map(|p| p.len()),
        Some(10)
    );
    let mut bad = put("bad");
    bad.policy_document = Some("{}x".into());
    let bad = call(&table, world.cx(), api::PutResourcePolicy, bad)
        .await
        .expect_err("is refused");
    assert_eq!(bad.code, "InvalidParameterException");
    let none = api::DeleteResourcePolicyInput {
        policy_name: Some("none".into()),
        ..Default::default()
    };
    let none = call(&table, world.cx(), api::DeleteResourcePolicy, none).await;
    refused(
        none,
        "ResourceNotFoundException",
        "Policy with name [none] does not exist",
    );
}

#[tokio::test]
async fn subscriptions_are_refused_by_what_they_lead_to() {
    let world = world();
    world.group("g").await;
    let table = table(world.logs.clone());
    let input = api::PutSubscriptionFilterInput {
        log_group_name: "g".into(),
        filter_name: "f".into(),
        destination_arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
        ..Default::default()
    };
    let lambda = call(&table, world.cx(), api::PutSubscriptionFilter, input).await;
    let message = "Neargate does not support the delivery of log events to AWS Lambda yet.";
    refused(lambda, "InvalidParameterException", message);
}

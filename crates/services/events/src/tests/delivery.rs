//! From an event to its targets: again while that may help, and given up otherwise.

use super::{World, cluster, queue};
use crate::archive::Archived;
use neargate_api_events as api;
use neargate_service::AwsError;
use neargate_service::events::{Event, Posted};
use neargate_service::invocation::To;
use serde_json::{Value, json};
use std::time::Duration;

const SHOP: &str = r#"{"source": ["shop"]}"#;

#[tokio::test]
async fn an_event_becomes_an_invocation_of_each_target() {
    let world = World::new();
    world.put_rule("a", SHOP).await.expect("made");
    world
        .put_rule("b", r#"{"source": ["bank"]}"#)
        .await
        .expect("made");
    world
        .put_rule("c", r#"{"detail-type": [{"prefix": "ord"}]}"#)
        .await
        .expect("made");
    for rule in ["a", "b", "c"] {
        world.put_target(rule, queue("1")).await.expect("put");
    }
    let sent = world.send("shop", r#"{"n": 1}"#).await;
    world.expand().await;
    let made = world.invocations().await;
    let rules: Vec<&str> = made
        .iter()
        .map(|i| i.origin.arn().rsplit('/').next().unwrap_or_default())
        .collect();
    assert_eq!(rules, ["a", "c"]);
    let To::Operation {
        service,
        operation,
        input,
        ..
    } = &made[0].to
    else {
        panic!("{:?}", made[0].to);
    };
    assert_eq!(
        (service.as_str(), operation.as_str()),
        ("sqs", "SendMessage")
    );
    let body: Value =
        serde_json::from_str(input["MessageBody"].as_str().expect("a body")).expect("JSON");
    let wanted = json!({
        "version": "0", "id": sent.event_id, "detail-type": "order", "source": "shop",
        "account": "000000000000", "time": "2023-11-14T22:13:20Z", "region": "us-east-1",
        "resources": [], "detail": {"n": 1},
    });
    assert_eq!(body, wanted);
    let left = world
        .lab
        .house
        .db
        .list_prefix::<Posted>("events/posted/")
        .await
        .expect("listed");
    assert!(left.is_empty());
}

#[tokio::test]
async fn what_nobody_wants_is_not_written() {
    let world = World::new();
    world.put_rule("a", SHOP).await.expect("made");
    world.send("bank", "{}").await;
    let left = world
        .lab
        .house
        .db
        .list_prefix::<Posted>("events/posted/")
        .await
        .expect("listed");
    assert!(left.is_empty());
    let house = &world.lab.house;
    let post = |source: &str| {
        let make = || Event::new(house, source, "order", Vec::new(), json!({}));
        house
            .events
            .post(house.db.tx(), &world.lab.scope, source, "order", make)
    };
    let _ = post("bank").commit().await.expect("committed");
    let _ = post("shop").commit().await.expect("committed");
    let left = house
        .db
        .list_prefix::<Posted>("events/posted/")
        .await
        .expect("listed");
    assert_eq!(left.len(), 1);
    let archived = house
        .db
        .list_prefix::<Archived>("events/archived/")
        .await
        .expect("listed");
    assert!(archived.is_empty());
}

#[tokio::test]
async fn a_task_runs_as_the_target_says() {
    let world = World::new();
    world.put_rule("etl", SHOP).await.expect("made");
    let overrides = r#"{"containerOverrides": [{"name": "main", "command": ["go", <day>]}]}"#;
    let paths = [("day".to_owned(), "$.detail.day".to_owned())];
    let target = api::Target {
        input_transformer: Some(api::InputTransformer {
            input_paths_map: Some(paths.into_iter().collect()),
            input_template: overrides.into(),
        }),
        ..cluster("1")
    };
    world.put_target("etl", target).await.expect("put");
    world.send("shop", r#"{"day": "monday"}"#).await;
    world.expand().await;
    world.deliver().await;
    let asked = world.ecs.asked.lock().clone();
    let [asked] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(asked.count, Some(2));
    assert_eq!(asked.launch_type.as_deref(), Some("FARGATE"));
    assert_eq!(asked.propagate_tags.as_deref(), Some("TASK_DEFINITION"));
    assert_eq!(asked.started_by.as_deref(), Some("events-rule/etl"));
    let vpc = asked
        .network_configuration
        .clone()
        .and_then(|n| n.awsvpc_configuration)
        .expect("a network");
    assert_eq!(
        (vpc.subnets, vpc.assign_public_ip.as_deref()),
        (vec!["subnet-1".to_owned()], Some("ENABLED"))
    );
    let overrides = asked
        .overrides
        .clone()
        .and_then(|o| o.container_overrides)
        .expect("overrides");
    assert_eq!(
        overrides[0].command,
        Some(vec!["go".to_owned(), "monday".to_owned()])
    );
    assert!(world.invocations().await.is_empty());
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let world = World::new();
    world.put_rule("etl", SHOP).await.expect("made");
    let target = api::Target {
        retry_policy: Some(api::RetryPolicy {
            maximum_retry_attempts: Some(2),
            maximum_event_age_in_seconds: None,
        }),
        ..cluster("1")
    };
    world.put_target("etl", target).await.expect("put");
    *world.ecs.refusal.lock() = Some(AwsError::server("ServerException", "Service Unavailable."));
    world.send("shop", "{}").await;
    world.expand().await;
    world.deliver().await;
    world.deliver().await;
    assert_eq!(world.ecs.asked.lock().len(), 1, "not at once");
    let waiting = world.invocations().await;
    assert_eq!(waiting[0].attempts, 1);
    for _ in 0..4 {
        world.lab.clock.advance(Duration::from_secs(900));
        world.deliver().await;
    }
    assert_eq!(world.ecs.asked.lock().len(), 3, "once, and two times again");
    assert!(world.invocations().await.is_empty());
}

#[tokio::test]
async fn what_stays_wrong_is_given_up_at_once() {
    let world = World::new();
    world.put_rule("etl", SHOP).await.expect("made");
    world.put_target("etl", cluster("1")).await.expect("put");
    *world.ecs.refusal.lock() = Some(AwsError::client(
        "ClusterNotFoundException",
        "Cluster not found.",
    ));
    world.send("shop", "{}").await;
    world.expand().await;
    world.deliver().await;
    assert_eq!(world.ecs.asked.lock().len(), 1);
    assert!(world.invocations().await.is_empty());
}

//! Rules that act by a schedule: once for each time.

use super::{World, queue};
use neargate_api_events::{self as api, ops};
use neargate_service::invocation::To;
use std::time::Duration;

async fn timed(world: &World, expression: &str) {
    let input = api::PutRuleInput {
        name: "timed".into(),
        schedule_expression: Some(expression.into()),
        ..Default::default()
    };
    world.ask(ops::PutRule, input).await.expect("made");
    world.put_target("timed", queue("1")).await.expect("put");
}

async fn acted(world: &World) -> usize {
    world.schedule().await;
    world.expand().await;
    world.invocations().await.len()
}

#[tokio::test]
async fn each_time_acts_once() {
    let world = World::new();
    timed(&world, "rate(1 minute)").await;
    // What begins now acts now, and then each minute.
    let first = acted(&world).await;
    world.lab.clock.advance(Duration::from_secs(59));
    assert_eq!(acted(&world).await, first);
    world.lab.clock.advance(Duration::from_secs(1));
    assert_eq!(acted(&world).await, first + 1);
    assert_eq!(acted(&world).await, first + 1, "not again");
    // The clock is set back: what was done is done.
    let now = world.lab.house.now();
    world.lab.clock.set(neargate_base::Timestamp::from_millis(
        now.as_millis() - 60_000,
    ));
    assert_eq!(acted(&world).await, first + 1);
    // Nothing ran for a day: the last of the times acts.
    world.lab.clock.advance(Duration::from_secs(86_400));
    assert_eq!(acted(&world).await, first + 2);
}

#[tokio::test]
async fn the_event_tells_the_time_and_the_rule() {
    let world = World::new();
    timed(&world, "cron(0 0 * * ? *)").await;
    // 22:13:20 on the 14th.
    assert_eq!(acted(&world).await, 0);
    world.lab.clock.advance(Duration::from_secs(2 * 3_600));
    assert_eq!(acted(&world).await, 1);
    let made = world.invocations().await;
    let To::Operation { input, .. } = &made[0].to else {
        panic!("{:?}", made[0].to);
    };
    let body = input["MessageBody"].as_str().expect("a body");
    let event: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(event["detail-type"], "Scheduled Event");
    assert_eq!(event["source"], "aws.events");
    assert_eq!(event["time"], "2023-11-15T00:00:00Z");
    assert_eq!(
        event["resources"][0],
        "arn:aws:events:us-east-1:000000000000:rule/timed"
    );
    assert_eq!(event["detail"], serde_json::json!({}));
}

#[tokio::test]
async fn a_rule_that_is_disabled_rests() {
    let world = World::new();
    timed(&world, "rate(1 hour)").await;
    let before = acted(&world).await;
    let named = || "timed".to_owned();
    let input = api::DisableRuleInput {
        name: named(),
        ..Default::default()
    };
    world.ask(ops::DisableRule, input).await.expect("disabled");
    world.lab.clock.advance(Duration::from_secs(7_200));
    assert_eq!(acted(&world).await, before);
    let input = api::EnableRuleInput {
        name: named(),
        ..Default::default()
    };
    world.ask(ops::EnableRule, input).await.expect("enabled");
    world.lab.clock.advance(Duration::from_secs(3_600));
    assert_eq!(acted(&world).await, before + 1);
}

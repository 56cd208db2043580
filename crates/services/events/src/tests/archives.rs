//! What archives keep, for how long, and that it comes again.

use super::{World, queue, said};
use crate::archive::Archived;
use neargate_api_events::{self as api, ops};
use neargate_service::invocation::To;
use neargate_testkit::START;
use std::time::Duration;

const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/default";
const ARCHIVE: &str = "arn:aws:events:us-east-1:000000000000:archive/all";

async fn archive(world: &World, days: i32) {
    let input = api::CreateArchiveInput {
        archive_name: "all".into(),
        event_source_arn: BUS.into(),
        event_pattern: Some(r#"{"source": ["shop"]}"#.into()),
        retention_days: Some(days),
        ..Default::default()
    };
    world.ask(ops::CreateArchive, input).await.expect("made");
}

async fn kept(world: &World) -> usize {
    let db = &world.lab.house.db;
    db.list_prefix::<Archived>("events/archived/")
        .await
        .expect("listed")
        .len()
}

fn replay(name: &str) -> api::StartReplayInput {
    api::StartReplayInput {
        replay_name: name.into(),
        event_source_arn: ARCHIVE.into(),
        event_start_time: START,
        event_end_time: START + Duration::from_secs(60),
        destination: api::ReplayDestination {
            arn: BUS.into(),
            filter_arns: None,
        },
        ..Default::default()
    }
}

#[tokio::test]
async fn what_was_kept_comes_again() {
    let world = World::new();
    archive(&world, 0).await;
    for n in 0..120 {
        world.send("shop", &format!(r#"{{"n": {n}}}"#)).await;
    }
    world.send("bank", "{}").await;
    world.expand().await;
    assert_eq!(kept(&world).await, 120);
    let asked = api::DescribeArchiveInput {
        archive_name: "all".into(),
    };
    let shown = world.ask(ops::DescribeArchive, asked).await.expect("shown");
    assert_eq!(
        (shown.event_count, shown.state.as_deref()),
        (Some(120), Some("ENABLED"))
    );
    world
        .put_rule("late", r#"{"source": ["shop"]}"#)
        .await
        .expect("made");
    world.put_target("late", queue("1")).await.expect("put");
    let started = world
        .ask(ops::StartReplay, replay("again"))
        .await
        .expect("started");
    assert_eq!(started.state.as_deref(), Some("STARTING"));
    assert_eq!(
        said(world.ask(ops::StartReplay, replay("again")).await),
        "400 ResourceAlreadyExistsException Replay again already exists."
    );
    for _ in 0..5 {
        world.replay().await;
        world.expand().await;
    }
    let made = world.invocations().await;
    assert_eq!(made.len(), 120);
    let To::Operation { input, .. } = &made[0].to else {
        panic!("{:?}", made[0].to);
    };
    let body = input["MessageBody"].as_str().expect("a body");
    assert!(body.contains(r#""replay-name":"again""#), "{body}");
    assert_eq!(
        kept(&world).await,
        120,
        "what comes again is not kept again"
    );
    let asked = api::DescribeReplayInput {
        replay_name: "again".into(),
    };
    let shown = world.ask(ops::DescribeReplay, asked).await.expect("shown");
    assert_eq!(shown.state.as_deref(), Some("COMPLETED"));
    assert_eq!(shown.event_last_replayed_time, Some(START));
}

#[tokio::test]
async fn what_is_too_old_goes() {
    let world = World::new();
    archive(&world, 1).await;
    world.send("shop", "{}").await;
    world.expand().await;
    world.retain().await;
    assert_eq!(kept(&world).await, 1);
    world.lab.clock.advance(Duration::from_secs(86_401));
    world.retain().await;
    assert_eq!(kept(&world).await, 0);
}

#[tokio::test]
async fn replays_are_refused_in_awss_words() {
    let world = World::new();
    let refused = world.ask(ops::StartReplay, replay("again")).await;
    assert_eq!(
        said(refused),
        "400 ValidationException Parameter EventSourceArn is not valid. Reason: Archive all does not exist."
    );
    archive(&world, 0).await;
    let backwards = api::StartReplayInput {
        event_end_time: START,
        ..replay("again")
    };
    assert_eq!(
        said(world.ask(ops::StartReplay, backwards).await),
        "400 ValidationException Parameter EventEndTime is not valid. Reason: EventStartTime must be before \
         EventEndTime."
    );
    let none = api::CancelReplayInput {
        replay_name: "none".into(),
    };
    assert_eq!(
        said(world.ask(ops::CancelReplay, none).await),
        "400 ResourceNotFoundException Replay none does not exist."
    );
}

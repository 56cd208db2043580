//! Buses, what they let others do, and events that go from one to another.

use super::{World, queue, said};
use neargate_api_events::{self as api, ops};
use neargate_service::events::Posted;
use serde_json::Value;

async fn bus(world: &World, name: &str) -> Result<String, neargate_service::AwsError> {
    let input = api::CreateEventBusInput {
        name: name.into(),
        ..Default::default()
    };
    let made = world.ask(ops::CreateEventBus, input).await?;
    Ok(made.event_bus_arn.expect("an ARN"))
}

#[tokio::test]
async fn the_default_bus_is_always_there() {
    let world = World::new();
    let listed = world
        .ask(ops::ListEventBuses, Default::default())
        .await
        .expect("listed");
    let buses = listed.event_buses.expect("buses");
    assert_eq!(buses[0].name.as_deref(), Some("default"));
    let gone = |name: &str| api::DeleteEventBusInput { name: name.into() };
    assert_eq!(
        said(world.ask(ops::DeleteEventBus, gone("default")).await),
        "400 ValidationException Cannot delete event bus default."
    );
    assert_eq!(
        bus(&world, "orders").await.expect("made"),
        "arn:aws:events:us-east-1:000000000000:event-bus/orders"
    );
    assert_eq!(
        said(bus(&world, "orders").await),
        "400 ResourceAlreadyExistsException Event bus orders already exists."
    );
    let input = api::PutRuleInput {
        name: "timed".into(),
        schedule_expression: Some("rate(1 minute)".into()),
        event_bus_name: Some("orders".into()),
        ..Default::default()
    };
    assert_eq!(
        said(world.ask(ops::PutRule, input).await),
        "400 ValidationException ScheduleExpression is supported only on the default event bus."
    );
    world
        .ask(ops::DeleteEventBus, gone("orders"))
        .await
        .expect("deleted");
    let asked = api::DescribeEventBusInput {
        name: Some("orders".into()),
    };
    assert_eq!(
        said(world.ask(ops::DescribeEventBus, asked).await),
        "400 ResourceNotFoundException Event bus orders does not exist."
    );
}

#[tokio::test]
async fn permissions() {
    let world = World::new();
    let input = api::PutPermissionInput {
        action: Some("events:PutEvents".into()),
        principal: Some("111111111111".into()),
        statement_id: Some("other".into()),
        ..Default::default()
    };
    world.ask(ops::PutPermission, input).await.expect("put");
    let shown = world
        .ask(ops::DescribeEventBus, Default::default())
        .await
        .expect("shown");
    let policy: Value = serde_json::from_str(&shown.policy.expect("a policy")).expect("JSON");
    assert_eq!(
        policy["Statement"][0]["Principal"]["AWS"],
        "arn:aws:iam::111111111111:root"
    );
    let remove = |sid: &str| api::RemovePermissionInput {
        statement_id: Some(sid.into()),
        ..Default::default()
    };
    assert_eq!(
        said(world.ask(ops::RemovePermission, remove("none")).await),
        "400 ResourceNotFoundException Statement with the provided id does not exist."
    );
    world
        .ask(ops::RemovePermission, remove("other"))
        .await
        .expect("removed");
    let shown = world
        .ask(ops::DescribeEventBus, Default::default())
        .await
        .expect("shown");
    assert_eq!(shown.policy, None);
}

#[tokio::test]
async fn an_event_goes_on_and_a_loop_ends() {
    let world = World::new();
    let arn = bus(&world, "ring").await.expect("made");
    for rule in ["round", "out"] {
        let input = api::PutRuleInput {
            name: rule.into(),
            event_pattern: Some(r#"{"source": ["shop"]}"#.into()),
            event_bus_name: Some("ring".into()),
            ..Default::default()
        };
        world.ask(ops::PutRule, input).await.expect("made");
    }
    let round = api::Target {
        arn,
        ..queue("again")
    };
    let input = api::PutTargetsInput {
        rule: "round".into(),
        event_bus_name: Some("ring".into()),
        targets: vec![round],
    };
    world.ask(ops::PutTargets, input).await.expect("put");
    let sent = world.send_to(Some("ring"), "shop", "{}").await;
    for _ in 0..20 {
        world.expand().await;
        world.deliver().await;
    }
    assert!(world.invocations().await.is_empty());
    let db = &world.lab.house.db;
    assert!(
        db.list_prefix::<Posted>("events/posted/")
            .await
            .expect("listed")
            .is_empty()
    );
    assert!(sent.event_id.is_some());
}

#[tokio::test]
async fn an_event_for_no_bus_is_taken_and_goes_nowhere() {
    let world = World::new();
    let sent = world.send_to(Some("none"), "shop", "{}").await;
    assert!(sent.event_id.is_some());
}

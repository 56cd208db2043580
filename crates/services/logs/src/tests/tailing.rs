//! Live Tail through the table.

use super::*;
use futures_util::StreamExt as _;
use neargate_service::table::{Events, Sent};
use neargate_wire::structure::{OperationDef as _, Structure as _, from_value};

async fn open(
    world: &World,
    change: impl FnOnce(&mut api::StartLiveTailInput),
) -> Result<Events, AwsError> {
    let arn = world.lab.scope.arn("logs", "log-group:g");
    let mut input = api::StartLiveTailInput {
        log_group_identifiers: vec![arn],
        ..Default::default()
    };
    change(&mut input);
    let table = table(world.logs.clone());
    table
        .open(
            world.cx(),
            ops::StartLiveTail::operation(),
            input.to_value(),
        )
        .await
}

async fn update(events: &mut Events) -> (Vec<String>, bool) {
    let Sent { name, value, .. } = events.next().await.expect("goes on");
    assert_eq!(name, "sessionUpdate");
    let update: api::LiveTailSessionUpdate = from_value(value);
    let results = update.session_results.expect("has results").into_iter();
    let sampled = update
        .session_metadata
        .and_then(|m| m.sampled)
        .expect("says so");
    (results.filter_map(|r| r.message).collect(), sampled)
}

#[tokio::test(start_paused = true)]
async fn a_session_hears_what_it_asked_for() {
    let world = world();
    world.group("g").await;
    world.stream("g", "web/1").await;
    world.stream("g", "job").await;
    world
        .put("web/1", &[(NOW - 1, "ERROR before")])
        .await
        .expect("puts");
    let mut events = open(&world, |input| {
        input.log_event_filter_pattern = Some("ERROR".into());
        input.log_stream_name_prefixes = Some(vec!["web/".into()]);
    })
    .await
    .expect("opens");
    let first = events.next().await.expect("starts");
    let start: api::LiveTailSessionStart = from_value(first.value);
    assert_eq!(
        (first.name, start.log_event_filter_pattern.as_deref()),
        ("sessionStart", Some("ERROR"))
    );
    assert_eq!(update(&mut events).await, (vec![], false));
    world
        .put("web/1", &[(NOW - 1, "fine"), (NOW, "ERROR two")])
        .await
        .expect("puts");
    world
        .put("web/1", &[(NOW - 2, "ERROR one")])
        .await
        .expect("puts");
    world
        .put("job", &[(NOW, "ERROR elsewhere")])
        .await
        .expect("puts");
    let both = vec!["ERROR one".to_owned(), "ERROR two".to_owned()];
    assert_eq!(update(&mut events).await, (both, false));
    let flood: Vec<(i64, &str)> = (0..2_000).map(|_| (NOW, "ERROR")).collect();
    world.put("web/1", &flood).await.expect("puts");
    let (told, sampled) = update(&mut events).await;
    assert_eq!((told.len(), sampled), (500, true));
}

#[tokio::test(start_paused = true)]
async fn a_session_is_over_after_three_hours() {
    let world = world();
    world.group("g").await;
    let events = open(&world, |_| {}).await.expect("opens");
    let all: Vec<Sent> = events.collect().await;
    let last = all.last().expect("ends");
    assert_eq!(
        (all.len(), last.name, last.is_exception),
        (10_802, "SessionTimeoutException", true)
    );
}

#[tokio::test]
async fn what_no_session_can_hear_is_refused() {
    let world = world();
    world.group("g").await;
    let code = "InvalidParameterException";
    let both = open(&world, |input| {
        input.log_stream_names = Some(vec!["s".into()]);
        input.log_stream_name_prefixes = Some(vec!["s".into()]);
    });
    let message = "Only one of logStreamNames or logStreamNamePrefixes can be provided.";
    refused(both.await.map(drop), code, message);
    let several = open(&world, |input| {
        input.log_group_identifiers = vec!["a".into(), "b".into()];
        input.log_stream_names = Some(vec!["s".into()]);
    });
    let message =
        "logStreamNames and logStreamNamePrefixes can only be used with a single log group.";
    refused(several.await.map(drop), code, message);
    let mut open_sessions = Vec::new();
    for _ in 0..15 {
        open_sessions.push(open(&world, |_| {}).await.expect("opens"));
    }
    let code = "LimitExceededException";
    refused(
        open(&world, |_| {}).await.map(drop),
        code,
        "Resource limit exceeded.",
    );
    open_sessions.pop();
    let _again = open(&world, |_| {}).await.expect("opens");
}

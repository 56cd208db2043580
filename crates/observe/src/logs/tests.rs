//! The service as a client sees it: handlers over a store in memory and an engine on disk.

use super::api::{events, filters, groups, retention, streams, tags};
use super::controller::{self, Expire, View};
use super::*;
use neargate_api::logs as api;
use neargate_base::time::ManualClock;
use neargate_base::{Clock, Rng, Timestamp};
use neargate_blob::Blobs;
use neargate_domain::{LogLine, LogTarget};
use neargate_service::controller::{Applied, Controller};
use neargate_service::eni::Cursors;
use neargate_service::{Caller, Ctx, Db, House, Principal, Scope, Service, Settings};
use neargate_store::memory::MemoryStore;
use std::time::Duration;

const NOW: i64 = 1_700_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

struct World {
    clock: Arc<ManualClock>,
    house: Arc<House>,
    logs: Arc<Logs>,
    _dir: tempfile::TempDir,
}

fn world() -> World {
    let dir = tempfile::tempdir().expect("temp");
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(NOW)));
    let rng = Arc::new(Rng::seeded(7));
    let house = Arc::new(House {
        db: Db::new(MemoryStore::new(clock.clone())),
        clock: clock.clone(),
        rng: rng.clone(),
        blobs: Blobs::open(&dir.path().join("blobs")).expect("opens"),
        caller: Caller::default(),
        addresses: Cursors::new(&rng),
        settings: Settings {
            registry_endpoint: "127.0.0.1:4566".into(),
            registry_domain: None,
            default_scope: Scope {
                account: Default::default(),
                region: Default::default(),
            },
        },
    });
    let engine = LogEngine::open(&dir.path().join("logs"), clock.clone()).expect("opens");
    World {
        clock,
        house,
        logs: Arc::new(Logs::new(engine)),
        _dir: dir,
    }
}

impl World {
    fn cx(&self) -> Ctx {
        let scope = Scope {
            account: Default::default(),
            region: Default::default(),
        };
        let principal = Principal {
            arn: "arn:aws:iam::000000000000:root".into(),
            user_id: "u".into(),
            access_key: "k".into(),
        };
        Ctx {
            request_id: "r".into(),
            scope,
            principal,
            house: self.house.clone(),
        }
    }

    async fn group(&self, name: &str) {
        let input = api::CreateLogGroupInput {
            log_group_name: name.into(),
            ..Default::default()
        };
        groups::create_log_group(self.logs.clone(), self.cx(), input)
            .await
            .expect("creates");
    }

    async fn stream(&self, group: &str, name: &str) {
        let input = api::CreateLogStreamInput {
            log_group_name: group.into(),
            log_stream_name: name.into(),
        };
        streams::create_log_stream(self.logs.clone(), self.cx(), input)
            .await
            .expect("creates");
    }

    async fn put(
        &self,
        stream: &str,
        list: &[(i64, &str)],
    ) -> Result<api::PutLogEventsOutput, AwsError> {
        let event = |(timestamp, m): &(i64, &str)| api::InputLogEvent {
            timestamp: *timestamp,
            message: (*m).into(),
        };
        let input = api::PutLogEventsInput {
            log_group_name: "g".into(),
            log_stream_name: stream.into(),
            log_events: list.iter().map(event).collect(),
            ..Default::default()
        };
        events::put_log_events(self.logs.clone(), self.cx(), input).await
    }

    async fn get(&self, token: Option<String>, head: bool, limit: i32) -> api::GetLogEventsOutput {
        let input = api::GetLogEventsInput {
            log_group_name: Some("g".into()),
            log_stream_name: "s".into(),
            next_token: token,
            start_from_head: Some(head),
            limit: Some(limit),
            ..Default::default()
        };
        events::get_log_events(self.logs.clone(), self.cx(), input)
            .await
            .expect("gets")
    }

    async fn filter(
        &self,
        change: impl FnOnce(&mut api::FilterLogEventsInput),
    ) -> Result<api::FilterLogEventsOutput, AwsError> {
        let mut input = api::FilterLogEventsInput {
            log_group_name: Some("g".into()),
            ..Default::default()
        };
        change(&mut input);
        events::filter_log_events(self.logs.clone(), self.cx(), input).await
    }

    async fn describe(
        &self,
        change: impl FnOnce(&mut api::DescribeLogGroupsInput),
    ) -> Result<api::DescribeLogGroupsOutput, AwsError> {
        let mut input = api::DescribeLogGroupsInput::default();
        change(&mut input);
        groups::describe_log_groups(self.logs.clone(), self.cx(), input).await
    }
}

fn messages(events: Option<Vec<api::OutputLogEvent>>) -> Vec<String> {
    events
        .expect("answers")
        .into_iter()
        .filter_map(|e| e.message)
        .collect()
}

fn found(output: &api::FilterLogEventsOutput) -> Vec<&str> {
    output
        .events
        .iter()
        .flatten()
        .filter_map(|e| e.message.as_deref())
        .collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, AwsError>, code: &str, message: &str) {
    let e = result.expect_err("is refused");
    assert_eq!((e.code.as_str(), e.message.as_str()), (code, message));
}

#[tokio::test]
async fn groups_are_made_described_paged_and_deleted() {
    let w = world();
    for name in ["/ecs/web", "/ecs/api", "other", "/ecs"] {
        w.group(name).await;
    }
    let input = api::CreateLogGroupInput {
        log_group_name: "other".into(),
        ..Default::default()
    };
    let twice = groups::create_log_group(w.logs.clone(), w.cx(), input).await;
    refused(
        twice,
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    );

    let page = w
        .describe(|i| (i.limit, i.log_group_name_prefix) = (Some(2), Some("/ecs".into())))
        .await
        .expect("describes");
    let names = |o: &api::DescribeLogGroupsOutput| -> Vec<String> {
        o.log_groups
            .iter()
            .flatten()
            .filter_map(|g| g.log_group_name.clone())
            .collect()
    };
    assert_eq!(names(&page), ["/ecs", "/ecs/api"]);
    let group = &page.log_groups.as_ref().expect("there")[1];
    assert_eq!(
        group.arn.as_deref(),
        Some("arn:aws:logs:us-east-1:000000000000:log-group:/ecs/api:*")
    );
    assert_eq!(
        group.log_group_arn.as_deref(),
        Some("arn:aws:logs:us-east-1:000000000000:log-group:/ecs/api")
    );
    assert_eq!(
        (
            group.creation_time,
            group.stored_bytes,
            group.retention_in_days
        ),
        (Some(NOW), Some(0), None)
    );
    let token = page.next_token.expect("more");
    let rest = w
        .describe(|i| (i.next_token, i.log_group_name_prefix) = (Some(token), Some("/ecs".into())))
        .await
        .expect("describes");
    assert_eq!(
        (names(&rest), rest.next_token),
        (vec!["/ecs/web".to_owned()], None)
    );

    let pattern = w
        .describe(|i| i.log_group_name_pattern = Some("cs/".into()))
        .await
        .expect("describes");
    assert_eq!(names(&pattern), ["/ecs/api", "/ecs/web"]);
    assert_eq!(pattern.log_groups.expect("there")[0].stored_bytes, None);
    let both = w
        .describe(|i| {
            (i.log_group_name_pattern, i.log_group_name_prefix) =
                (Some("a".into()), Some("b".into()))
        })
        .await;
    refused(
        both,
        "InvalidParameterException",
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
    );
    refused(
        w.describe(|i| i.next_token = Some("%%".into())).await,
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    );

    let delete = || {
        groups::delete_log_group(
            w.logs.clone(),
            w.cx(),
            api::DeleteLogGroupInput {
                log_group_name: "other".into(),
            },
        )
    };
    delete().await.expect("deletes");
    refused(
        delete().await,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    );
}

#[tokio::test]
async fn a_group_made_again_is_empty() {
    let w = world();
    w.group("g").await;
    w.stream("g", "s").await;
    w.put("s", &[(NOW, "old")]).await.expect("puts");
    let input = api::DeleteLogGroupInput {
        log_group_name: "g".into(),
    };
    groups::delete_log_group(w.logs.clone(), w.cx(), input)
        .await
        .expect("deletes");
    w.group("g").await;
    refused(
        w.put("s", &[(NOW, "x")]).await,
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    );
    assert!(found(&w.filter(|_| ()).await.expect("filters")).is_empty());
}

#[tokio::test]
async fn a_protected_group_stays() {
    let w = world();
    w.group("g").await;
    let protect = |on| api::PutLogGroupDeletionProtectionInput {
        log_group_identifier: "g".into(),
        deletion_protection_enabled: on,
    };
    let delete = || {
        groups::delete_log_group(
            w.logs.clone(),
            w.cx(),
            api::DeleteLogGroupInput {
                log_group_name: "g".into(),
            },
        )
    };
    groups::put_log_group_deletion_protection(w.logs.clone(), w.cx(), protect(true))
        .await
        .expect("puts");
    assert_eq!(
        delete().await.expect_err("is refused").code,
        "ValidationException"
    );
    groups::put_log_group_deletion_protection(w.logs.clone(), w.cx(), protect(false))
        .await
        .expect("puts");
    delete().await.expect("deletes");
}

#[tokio::test]
async fn streams_are_listed_with_what_they_hold() {
    let w = world();
    w.group("g").await;
    for name in ["a", "b", "s"] {
        w.stream("g", name).await;
    }
    let again = api::CreateLogStreamInput {
        log_group_name: "g".into(),
        log_stream_name: "a".into(),
    };
    let again = streams::create_log_stream(w.logs.clone(), w.cx(), again).await;
    refused(
        again,
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    );
    w.put("b", &[(NOW - 5, "x"), (NOW, "y")])
        .await
        .expect("puts");
    let list = |change: fn(&mut api::DescribeLogStreamsInput)| {
        let mut input = api::DescribeLogStreamsInput {
            log_group_name: Some("g".into()),
            ..Default::default()
        };
        change(&mut input);
        streams::describe_log_streams(w.logs.clone(), w.cx(), input)
    };
    let newest = list(|i| {
        (i.order_by, i.descending, i.limit) = (Some("LastEventTime".into()), Some(true), Some(1))
    });
    let newest = newest.await.expect("lists");
    let b = &newest.log_streams.as_ref().expect("there")[0];
    assert_eq!(b.log_stream_name.as_deref(), Some("b"));
    assert_eq!(
        (b.first_event_timestamp, b.last_event_timestamp),
        (Some(NOW - 5), Some(NOW))
    );
    assert_eq!(
        (b.last_ingestion_time, b.stored_bytes),
        (Some(NOW), Some(0))
    );
    assert_eq!(
        b.arn.as_deref(),
        Some("arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:b")
    );
    assert!(newest.next_token.is_some());
    let input = api::DescribeLogStreamsInput {
        log_group_identifier: Some("arn:aws:logs:us-east-1:000000000000:log-group:g:*".into()),
        next_token: newest.next_token,
        order_by: Some("LastEventTime".into()),
        descending: Some(true),
        ..Default::default()
    };
    let rest = streams::describe_log_streams(w.logs.clone(), w.cx(), input)
        .await
        .expect("lists");
    assert_eq!(rest.log_streams.expect("there").len(), 2);
    let both = list(|i| {
        (i.order_by, i.log_stream_name_prefix) = (Some("LastEventTime".into()), Some("a".into()))
    })
    .await;
    refused(
        both,
        "InvalidParameterException",
        "Cannot order by LastEventTime with a logStreamNamePrefix.",
    );
    let input = api::DeleteLogStreamInput {
        log_group_name: "g".into(),
        log_stream_name: "b".into(),
    };
    streams::delete_log_stream(w.logs.clone(), w.cx(), input.clone())
        .await
        .expect("deletes");
    let gone = streams::delete_log_stream(w.logs.clone(), w.cx(), input).await;
    refused(
        gone,
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    );
}

#[tokio::test]
async fn put_checks_the_batch_and_sorts_events_out() {
    let w = world();
    refused(
        w.put("s", &[(NOW, "x")]).await,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    );
    w.group("g").await;
    refused(
        w.put("s", &[(NOW, "x")]).await,
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    );
    w.stream("g", "s").await;
    let invalid = "InvalidParameterException";
    let order = "Log events in a single PutLogEvents request must be in chronological order.";
    refused(
        w.put("s", &[(NOW, "x"), (NOW - 1, "y")]).await,
        invalid,
        order,
    );
    let span =
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
    refused(
        w.put("s", &[(NOW - 86_400_001, "x"), (NOW, "y")]).await,
        invalid,
        span,
    );
    let half = "x".repeat(524_288 - 26);
    w.put("s", &[(NOW, &half), (NOW, &half)])
        .await
        .expect("exactly 1 MiB");
    let large = "Upload too large: 1048577 bytes exceeds limit of 1048576";
    refused(
        w.put("s", &[(NOW, &half), (NOW, &(half.clone() + "y"))])
            .await,
        invalid,
        large,
    );

    let hour = 3_600_000;
    let old = NOW - 14 * 24 * hour;
    let put = w
        .put("s", &[(old - 2, "a"), (old - 1, "b"), (old, "kept")])
        .await
        .expect("puts");
    let info = put.rejected_log_events_info.expect("rejects");
    assert_eq!(
        (
            info.too_old_log_event_end_index,
            info.too_new_log_event_start_index
        ),
        (Some(2), None)
    );
    let put = w
        .put(
            "s",
            &[
                (NOW, "now"),
                (NOW + 2 * hour, "soon"),
                (NOW + 2 * hour + 1, "late"),
            ],
        )
        .await
        .expect("puts");
    assert_eq!(put.next_sequence_token.expect("there").len(), 56);
    assert_eq!(
        put.rejected_log_events_info
            .expect("rejects")
            .too_new_log_event_start_index,
        Some(2)
    );
    let kept = messages(w.get(None, true, 100).await.events);
    assert_eq!(
        kept.iter().filter(|m| m.len() < 10).collect::<Vec<_>>(),
        ["kept"],
        "one page is 1 MiB"
    );
    let got = w
        .filter(|i| i.filter_pattern = Some("now".into()))
        .await
        .expect("filters");
    assert_eq!(found(&got), ["now"]);
}

#[tokio::test]
async fn retention_hides_and_refuses_expired_events() {
    let w = world();
    w.group("g").await;
    w.stream("g", "s").await;
    let set = |days| {
        let input = api::PutRetentionPolicyInput {
            log_group_name: "g".into(),
            retention_in_days: days,
        };
        retention::put_retention_policy(w.logs.clone(), w.cx(), input)
    };
    assert_eq!(
        set(2).await.expect_err("is refused").code,
        "InvalidParameterException"
    );
    w.put("s", &[(NOW, "old")]).await.expect("puts");
    set(3).await.expect("sets");
    w.clock.advance(DAY * 3);
    assert_eq!(messages(w.get(None, true, 10).await.events), ["old"]);
    w.clock.advance(Duration::from_millis(1));
    assert!(messages(w.get(None, true, 10).await.events).is_empty());
    let put = w
        .put("s", &[(NOW, "late"), (NOW + 1, "in time")])
        .await
        .expect("puts");
    assert_eq!(
        put.rejected_log_events_info
            .expect("rejects")
            .expired_log_event_end_index,
        Some(1)
    );
    assert_eq!(
        found(&w.filter(|_| ()).await.expect("filters")),
        ["in time"]
    );
    let described = w
        .describe(|_| ())
        .await
        .expect("describes")
        .log_groups
        .expect("there");
    assert_eq!(described[0].retention_in_days, Some(3));

    // The controller frees the space an hour later.
    let sweep = Retention {
        db: w.house.db.clone(),
        engine: w.logs.engine.clone(),
    };
    let key = format!("logs/group/{}/us-east-1/g", "000000000000");
    w.clock.advance(Duration::from_secs(3_600));
    let view = sweep.view(&key).await.expect("views").expect("exists");
    let plan = sweep.plan(&view, w.clock.now());
    assert_eq!(plan.actions.len(), 1);
    for action in plan.actions {
        assert_eq!(sweep.apply(action).await.expect("applies"), Applied::Done);
    }
    assert_eq!(w.logs.engine.stored_bytes(&view.engine_key), 0);
    let view = sweep.view(&key).await.expect("views").expect("exists");
    assert!(sweep.plan(&view, w.clock.now()).actions.is_empty());

    let input = api::DeleteRetentionPolicyInput {
        log_group_name: "g".into(),
    };
    retention::delete_retention_policy(w.logs.clone(), w.cx(), input)
        .await
        .expect("deletes");
    let none = w
        .describe(|_| ())
        .await
        .expect("describes")
        .log_groups
        .expect("there");
    assert_eq!(none[0].retention_in_days, None);
}

#[test]
fn the_sweep_waits_an_hour() {
    let now = Timestamp::from_millis(NOW);
    let view = |retention, oldest| View {
        engine_key: "k".into(),
        retention,
        oldest,
    };
    let hour = Duration::from_secs(3_600);
    assert_eq!(controller::plan(&view(None, Some(now)), now).wake_at, None);
    assert_eq!(
        controller::plan(&view(Some(DAY), None), now).wake_at,
        Some(now + hour)
    );
    let soon = controller::plan(&view(Some(DAY), Some(now - DAY)), now);
    assert_eq!((soon.actions.len(), soon.wake_at), (0, Some(now + hour)));
    let due = controller::plan(&view(Some(DAY), Some(now - DAY - hour)), now);
    assert_eq!(
        due.actions,
        [Expire {
            engine_key: "k".into(),
            before: now - DAY
        }]
    );
}

#[tokio::test]
async fn tokens_walk_a_stream_both_ways_and_rest_at_its_ends() {
    let w = world();
    w.group("g").await;
    w.stream("g", "s").await;
    w.put(
        "s",
        &[
            (NOW, "1"),
            (NOW, "2"),
            (NOW + 1, "3"),
            (NOW + 2, "4"),
            (NOW + 3, "5"),
        ],
    )
    .await
    .expect("puts");
    let tail = w.get(None, false, 2).await;
    assert_eq!(messages(tail.events), ["4", "5"]);
    let before = w.get(tail.next_backward_token, false, 2).await;
    assert_eq!(messages(before.events), ["2", "3"]);
    let first = w.get(before.next_backward_token, false, 2).await;
    assert_eq!(messages(first.events), ["1"]);
    let start = w.get(first.next_backward_token.clone(), false, 2).await;
    assert_eq!(
        (start.events.clone(), &start.next_backward_token),
        (Some(Vec::new()), &first.next_backward_token)
    );
    let again = w.get(start.next_forward_token, true, 10).await;
    assert_eq!(messages(again.events), ["1", "2", "3", "4", "5"]);
    let end = w.get(again.next_forward_token.clone(), true, 10).await;
    assert_eq!(
        (messages(end.events), &end.next_forward_token),
        (Vec::new(), &again.next_forward_token)
    );
    w.put("s", &[(NOW + 4, "6")]).await.expect("puts");
    assert_eq!(
        messages(w.get(end.next_forward_token, true, 10).await.events),
        ["6"]
    );
    let input = api::GetLogEventsInput {
        log_group_name: Some("g".into()),
        log_stream_name: "s".into(),
        next_token: Some("f/12/s".into()),
        ..Default::default()
    };
    let bad = events::get_log_events(w.logs.clone(), w.cx(), input).await;
    refused(
        bad,
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    );
}

#[tokio::test]
async fn filter_merges_streams_pages_and_polls_as_tail_does() {
    let w = world();
    w.group("g").await;
    for stream in ["web/1", "web/2", "db"] {
        w.stream("g", stream).await;
    }
    w.put("web/1", &[(NOW, "ERROR a"), (NOW + 2, "ok c")])
        .await
        .expect("puts");
    w.put("web/2", &[(NOW + 1, "ERROR b"), (NOW + 3, "ERROR d")])
        .await
        .expect("puts");
    w.put("db", &[(NOW + 1, "ERROR db")]).await.expect("puts");
    let all = w
        .filter(|i| i.interleaved = Some(true))
        .await
        .expect("filters");
    assert_eq!(
        found(&all),
        ["ERROR a", "ERROR b", "ERROR db", "ok c", "ERROR d"]
    );
    assert_eq!(
        (all.next_token, all.searched_log_streams),
        (None, Some(Vec::new()))
    );
    let ids: std::collections::HashSet<_> = all
        .events
        .iter()
        .flatten()
        .map(|e| e.event_id.clone())
        .collect();
    assert_eq!(ids.len(), 5);

    let page = w
        .filter(|i| (i.filter_pattern, i.limit) = (Some("ERROR -db".into()), Some(2)))
        .await
        .expect("filters");
    assert_eq!(found(&page), ["ERROR a", "ERROR b"]);
    let token = page.next_token;
    assert!(token.is_some());
    let rest = w
        .filter(|i| (i.filter_pattern, i.next_token) = (Some("ERROR -db".into()), token))
        .await
        .expect("filters");
    assert_eq!((found(&rest), &rest.next_token), (vec!["ERROR d"], &None));

    let exact = w
        .filter(|i| (i.limit, i.log_stream_name_prefix) = (Some(4), Some("web/".into())))
        .await
        .expect("filters");
    assert_eq!(
        (exact.events.map(|e| e.len()), exact.next_token),
        (Some(4), None),
        "nothing behind the last one"
    );
    let named = w
        .filter(|i| i.log_stream_names = Some(vec!["db".into()]))
        .await
        .expect("filters");
    assert_eq!(found(&named), ["ERROR db"]);
    let window = w
        .filter(|i| (i.start_time, i.end_time) = (Some(NOW + 1), Some(NOW + 2)))
        .await
        .expect("filters");
    assert_eq!(
        found(&window),
        ["ERROR b", "ERROR db", "ok c"],
        "both ends are included"
    );
    let newest = w
        .filter(|i| (i.start_from_head, i.limit) = (Some(false), Some(2)))
        .await
        .expect("filters");
    assert_eq!(found(&newest), ["ERROR d", "ok c"]);
    let token = newest.next_token;
    let older = w
        .filter(|i| (i.start_from_head, i.next_token) = (Some(false), token))
        .await
        .expect("filters");
    assert_eq!(found(&older), ["ERROR db", "ERROR b", "ERROR a"]);

    let gone = w
        .filter(|i| i.log_stream_names = Some(vec!["none".into()]))
        .await;
    refused(
        gone,
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    );
    refused(
        w.filter(|i| i.filter_pattern = Some("a:b".into())).await,
        "InvalidParameterException",
        "Invalid filter pattern",
    );
    refused(
        w.filter(|i| i.next_token = Some("x".into())).await,
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    );

    // `aws logs tail --follow`: without a token, from the newest time seen, ids sort out doubles.
    w.put("db", &[(NOW + 3, "late")]).await.expect("puts");
    let poll = w
        .filter(|i| (i.start_time, i.interleaved) = (Some(NOW + 3), Some(true)))
        .await
        .expect("filters");
    let new: Vec<_> = poll
        .events
        .into_iter()
        .flatten()
        .filter(|e| !ids.contains(&e.event_id))
        .filter_map(|e| e.message)
        .collect();
    assert_eq!(new, ["late"]);
}

#[tokio::test]
async fn containers_output_is_stored_once_and_makes_its_stream() {
    let w = world();
    let target = |create_group| LogTarget {
        account: Default::default(),
        region: Default::default(),
        group: "g".into(),
        stream: "ecs/web/0123".into(),
        create_group,
    };
    let line = |m: &str| LogLine {
        timestamp: Timestamp::from_millis(NOW),
        message: m.into(),
    };
    let ingest = |create, end, lines| {
        let (logs, house, target) = (w.logs.clone(), w.house.clone(), target(create));
        async move { logs.ingest(&house, &target, "task/web", end, lines).await }
    };
    refused(
        ingest(false, 5, vec![line("x")]).await,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    );
    assert_eq!(
        w.logs
            .offset(&w.house, &target(false), "task/web")
            .await
            .expect("answers"),
        0
    );
    ingest(true, 0, Vec::new())
        .await
        .expect("makes group and stream");
    ingest(true, 5, vec![line("one"), line("")])
        .await
        .expect("ingests");
    ingest(true, 5, vec![line("one"), line("")])
        .await
        .expect("ignores");
    ingest(false, 9, vec![line("two"), line(&"ä".repeat(200_000))])
        .await
        .expect("ingests");
    assert_eq!(
        w.logs
            .offset(&w.house, &target(false), "task/web")
            .await
            .expect("answers"),
        9
    );
    let got = w.filter(|_| ()).await.expect("filters");
    let lengths: Vec<usize> = found(&got).iter().map(|m| m.chars().count()).collect();
    assert_eq!(lengths, [3, 3, 131_059, 68_941]);
}

#[tokio::test]
async fn tags_by_name_and_by_arn() {
    let w = world();
    w.group("g").await;
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:g";
    let pair = |k: &str, v: &str| std::collections::BTreeMap::from([(k.to_owned(), v.to_owned())]);
    let input = api::TagLogGroupInput {
        log_group_name: "g".into(),
        tags: pair("a", "1"),
    };
    tags::tag_log_group(w.logs.clone(), w.cx(), input)
        .await
        .expect("tags");
    let input = api::TagResourceInput {
        resource_arn: arn.into(),
        tags: pair("b", "2"),
    };
    tags::tag_resource(w.logs.clone(), w.cx(), input)
        .await
        .expect("tags");
    let list = |arn: &str| {
        let input = api::ListTagsForResourceInput {
            resource_arn: arn.into(),
        };
        tags::list_tags_for_resource(w.logs.clone(), w.cx(), input)
    };
    assert_eq!(
        list(&format!("{arn}:*"))
            .await
            .expect("lists")
            .tags
            .expect("there")
            .len(),
        2
    );
    let input = api::UntagLogGroupInput {
        log_group_name: "g".into(),
        tags: vec!["a".into(), "none".into()],
    };
    tags::untag_log_group(w.logs.clone(), w.cx(), input)
        .await
        .expect("untags");
    assert_eq!(list(arn).await.expect("lists").tags, Some(pair("b", "2")));
    let many = (0..50).map(|n| (format!("k{n}"), String::new())).collect();
    let input = api::TagResourceInput {
        resource_arn: arn.into(),
        tags: many,
    };
    let many = tags::tag_resource(w.logs.clone(), w.cx(), input).await;
    assert_eq!(many.expect_err("is refused").code, "TooManyTagsException");
    let elsewhere = list("arn:aws:logs:eu-west-1:000000000000:log-group:g").await;
    refused(
        elsewhere,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    );
    let bad = list("arn:aws:ecs:us-east-1:000000000000:cluster/x").await;
    assert_eq!(
        bad.expect_err("is refused").code,
        "InvalidParameterException"
    );
}

#[tokio::test]
async fn a_pattern_can_be_tried() {
    let w = world();
    let test = |pattern: &str| {
        let input = api::TestMetricFilterInput {
            filter_pattern: pattern.into(),
            log_event_messages: vec!["GET 200".into(), "GET 404".into()],
        };
        filters::test_metric_filter(w.logs.clone(), w.cx(), input)
    };
    let matches = test("[method, status=4*]")
        .await
        .expect("tests")
        .matches
        .expect("there");
    assert_eq!(matches.len(), 1);
    assert_eq!(matches[0].event_number, Some(2));
    let values = matches[0].extracted_values.clone().expect("there");
    assert_eq!(values.get("$status").map(String::as_str), Some("404"));
    refused(
        test("[a").await,
        "InvalidParameterException",
        "If a filter pattern starts with '[' it must end with ']'",
    );
}

#[test]
fn the_table_serves_what_it_says() {
    let w = world();
    let table = table(w.logs.clone());
    let served = |name| table.status(name) != neargate_service::Status::NotYet;
    assert!(served("FilterLogEvents") && served("TestMetricFilter"));
    assert!(!served("StartQuery"));
}

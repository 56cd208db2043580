//! Writing, retention, and containers' output.

use super::*;

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
async fn containers_output_is_stored_once_and_makes_its_stream() {
    let w = world();
    let target = |create_group| LogTarget {
        account: Default::default(),
        region: Default::default(),
        group: "g".into(),
        stream: "ecs/web/0123".into(),
        create_group,
        multiline: None,
    };
    let line = |m: &str| LogLine {
        timestamp: Timestamp::from_millis(NOW),
        message: m.into(),
    };
    let ingest = |create, span: std::ops::Range<u64>, lines| {
        let (logs, house, target) = (w.logs.clone(), w.house.clone(), target(create));
        async move { logs.ingest(&house, &target, "task/web", span, lines).await }
    };
    refused(
        ingest(false, 0..5, vec![line("x")]).await,
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
    ingest(true, 0..0, Vec::new())
        .await
        .expect("makes group and stream");
    ingest(true, 0..5, vec![line("one"), line("")])
        .await
        .expect("ingests");
    ingest(true, 0..5, vec![line("one"), line("")])
        .await
        .expect("ignores");
    for wrong in [0..9, 3..9, 6..9] {
        let stored = ingest(false, wrong, vec![line("wrong")]).await;
        assert_eq!(stored.expect("says where"), 5, "neither twice nor a gap");
    }
    ingest(false, 5..9, vec![line("two"), line(&"ä".repeat(200_000))])
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

/// A container writes on while the clock is set, by more than what a caller may be wrong by.
#[tokio::test]
async fn containers_output_is_stored_whatever_the_clock_said() {
    let w = world();
    let target = LogTarget {
        account: Default::default(),
        region: Default::default(),
        group: "g".into(),
        stream: "s".into(),
        create_group: true,
        multiline: None,
    };
    let hour = 3_600_000;
    let line = |at: i64, m: &str| LogLine {
        timestamp: Timestamp::from_millis(NOW + at),
        message: m.into(),
    };
    let batches = [
        vec![line(0, "b"), line(3 * hour, "d"), line(-3 * hour, "a")],
        vec![line(1, "c"), line(30 * 24 * hour, "e")],
    ];
    let mut stored = 0;
    for lines in batches {
        let span = stored..stored + 10;
        let ingested = w.logs.ingest(&w.house, &target, "task/s", span, lines);
        stored = ingested.await.expect("stored");
    }
    let read = w.get(None, true, 10).await.events;
    assert_eq!(messages(read), ["a", "b", "c", "d", "e"]);
}

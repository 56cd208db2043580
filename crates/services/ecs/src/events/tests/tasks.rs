//! Which changes of a task make an event.

use super::{changed, golden, golden_of};
use crate::events::task::{Glance, Look, glance, look};
use crate::model::Task;
use neargate_base::Timestamp;
use neargate_service::{Resource, db};
use neargate_store::Entry;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn seen(entry: &Entry) -> Look {
    look(None, entry, NOW).expect("a task")
}

/// A running task, and a change of it.
fn after(changes: &[(&str, Value)]) -> (Entry, Look) {
    let before = changed(
        &golden::<Task>(),
        &[
            ("/r/status/last_status", json!("RUNNING")),
            ("/r/spec/stop", Value::Null),
        ],
    );
    let entry = changed(&before, changes);
    let look = look(Some(seen(&before).trace), &entry, NOW).expect("a task");
    (entry, look)
}

#[test]
fn the_short_way_reads_what_the_long_way_reads() {
    for version in 1..=Task::VERSION {
        let entry = golden_of(Task::KIND, version);
        let whole = db::decode::<Task>(&entry).expect("read").value;
        assert_eq!(
            glance(&entry).expect("read"),
            Glance::of(&whole),
            "v{version}"
        );
    }
}

#[test]
fn changes_that_are_told() {
    let cases: &[(&str, Value)] = &[
        ("/r/status/last_status", json!("DEACTIVATING")),
        (
            "/r/spec/stop",
            json!({ "code": "c", "reason": "r", "at": 1 }),
        ),
        ("/r/status/connectivity_at", Value::Null),
        ("/r/status/report/containers/0/status", json!("RUNNING")),
        ("/r/status/report/containers/1/health", json!("UNHEALTHY")),
    ];
    for case in cases {
        let (_, look) = after(std::slice::from_ref(case));
        assert!(look.due.is_some(), "{case:?}");
    }
}

#[test]
fn changes_that_are_not() {
    let cases: &[(&str, Value)] = &[
        ("/r/status/version", json!(9)),
        ("/r/status/report/sequence", json!(99)),
        (
            "/r/status/report/pull_stopped_at",
            json!(1_700_000_000_400_u64),
        ),
        ("/r/spec/tags", json!({})),
        ("/r/spec/protection", Value::Null),
        ("/r/spec/assignment/generation", json!(3)),
    ];
    for case in cases {
        let (_, look) = after(std::slice::from_ref(case));
        assert_eq!(look.due, None, "{case:?}");
    }
}

#[test]
fn the_first_report_of_waiting_containers_says_nothing() {
    let waiting = changed(
        &golden::<Task>(),
        &[
            ("/r/status/report/containers/0/status", json!("PENDING")),
            ("/r/status/report/containers/0/health", json!("UNKNOWN")),
            ("/r/status/report/containers/1/status", json!("PENDING")),
            ("/r/status/report/containers/1/health", json!("UNKNOWN")),
        ],
    );
    let before = changed(&waiting, &[("/r/status/report", Value::Null)]);
    let look = look(Some(seen(&before).trace), &waiting, NOW).expect("a task");
    assert_eq!(look.due, None);
}

#[test]
fn a_change_tells_its_own_time_or_the_clocks() {
    let stopped_at = 1_700_000_009_000_i64;
    let (_, look) = after(&[
        ("/r/status/last_status", json!("STOPPED")),
        ("/r/status/stopped_at", json!(stopped_at)),
    ]);
    assert_eq!(look.due, Some(Timestamp::from_millis(stopped_at)));
    let (_, look) = after(&[("/r/status/report/containers/1/health", json!("UNHEALTHY"))]);
    assert_eq!(look.due, Some(NOW), "nothing in the task says when");
    // A node whose clock is ahead.
    let (_, look) = after(&[
        ("/r/status/last_status", json!("STOPPED")),
        ("/r/status/stopped_at", json!(1_900_000_000_000_i64)),
    ]);
    assert_eq!(look.due, Some(NOW));
}

#[test]
fn an_instance_is_touched_when_a_task_comes_or_ends() {
    let id = Some("0123456789abcdef0123456789abcdef".to_owned());
    let running = changed(
        &golden::<Task>(),
        &[("/r/status/last_status", json!("RUNNING"))],
    );
    assert_eq!(seen(&running).instance, id);
    let (_, look) = after(&[("/r/status/last_status", json!("DEACTIVATING"))]);
    assert_eq!(look.instance, None, "it still takes its room");
    let (_, look) = after(&[("/r/status/last_status", json!("STOPPED"))]);
    assert_eq!(look.instance, id);
    assert_eq!(
        seen(&golden::<Task>()).instance,
        None,
        "it had stopped when it was first seen"
    );
}

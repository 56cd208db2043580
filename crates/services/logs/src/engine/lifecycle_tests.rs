//! Streams, sources and groups: made, listed, deleted, expired, wiped.

use super::tests::{SMALL, T0, all, event, interleaved, open};
use super::*;
use neargate_base::time::ManualClock;
use std::time::Duration;

#[tokio::test]
async fn a_source_is_stored_once() {
    let dir = tempfile::tempdir().expect("temp");
    let put = async |engine: &LogEngine, end: u64| {
        let events = vec![event(T0, format!("up to {end}"))];
        engine
            .append("g", "s", true, Some(Source::upto("task/web", end)), events)
            .await
            .expect("appends")
    };
    {
        let engine = open(dir.path(), SMALL);
        assert_eq!(put(&engine, 10).await, Outcome::Stored);
        assert_eq!(put(&engine, 10).await, Outcome::AlreadyStored);
        assert_eq!(put(&engine, 7).await, Outcome::AlreadyStored);
    }
    let engine = open(dir.path(), SMALL);
    assert_eq!(put(&engine, 10).await, Outcome::AlreadyStored);
    engine.seal().await.expect("seals");
    drop(engine);
    let engine = open(dir.path(), SMALL);
    assert_eq!(put(&engine, 10).await, Outcome::AlreadyStored);
    // Two in flight at once: the second waits for the first's fate.
    let (a, b) = tokio::join!(put(&engine, 20), put(&engine, 20));
    assert_eq!([a, b].iter().filter(|o| **o == Outcome::Stored).count(), 1);
    assert_eq!(engine.source_offset("g", "s", "task/web"), Some(20));
    assert_eq!(engine.source_offset("g", "s", "other"), None);
    assert_eq!(all(&engine, "g"), ["up to 10", "up to 20"]);
}

#[tokio::test]
async fn deleted_and_made_again_is_empty() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), SMALL);
    interleaved(&engine).await;
    assert!(engine.delete_stream("g", "s0").await.expect("deletes"));
    assert!(!engine.delete_stream("g", "s0").await.expect("deletes"));
    assert_eq!(all(&engine, "g").len(), 400);
    assert_eq!(
        engine
            .append("g", "s0", false, None, vec![event(T0, "x")])
            .await
            .expect_err("is gone")
            .to_string(),
        EngineError::NoStream.to_string()
    );
    assert!(engine.create_stream("g", "s0").await.expect("creates"));
    assert!(!engine.create_stream("g", "s0").await.expect("creates"));
    assert_eq!(all(&engine, "g").len(), 400);
    drop(engine);
    let engine = open(dir.path(), SMALL);
    assert_eq!(all(&engine, "g").len(), 400);
    engine.delete_group("g").await.expect("deletes");
    assert_eq!(all(&engine, "g").len(), 0);
    drop(engine);
    assert_eq!(
        dir.path()
            .join("segments")
            .read_dir()
            .expect("lists")
            .count(),
        0
    );
    assert!(open(dir.path(), SMALL).groups().is_empty());
}

#[tokio::test]
async fn wipe_leaves_nothing_and_goes_on() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), SMALL);
    interleaved(&engine).await;
    engine.wipe().await.expect("wipes");
    assert!(engine.groups().is_empty());
    engine
        .append("g", "s", true, None, vec![event(T0, "after")])
        .await
        .expect("appends");
    drop(engine);
    let engine = open(dir.path(), SMALL);
    assert_eq!(all(&engine, "g"), ["after"]);
    assert_eq!(
        dir.path()
            .join("segments")
            .read_dir()
            .expect("lists")
            .count(),
        0
    );
}

#[tokio::test]
async fn expired_segments_go_whole() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), SMALL);
    let put = async |at: i64| {
        engine
            .append("g", "s", true, None, vec![event(at, at.to_string())])
            .await
            .expect("appends");
    };
    put(T0).await;
    engine.seal().await.expect("seals");
    put(T0 + 10).await;
    put(T0 + 20).await;
    engine.seal().await.expect("seals");
    put(T0 + 5).await;
    put(T0 + 30).await;
    engine
        .expire("g", Timestamp::from_millis(T0 + 15))
        .await
        .expect("expires");
    // T0 + 10 shares a segment with T0 + 20: queries hide it by their start time.
    let left = [T0 + 10, T0 + 20, T0 + 30].map(|t| t.to_string());
    assert_eq!(all(&engine, "g"), left);
    assert_eq!(engine.stored_bytes("g"), 3 * 13);
    drop(engine);
    assert_eq!(all(&open(dir.path(), SMALL), "g"), left);
}

#[tokio::test]
async fn lists_streams_by_name_and_by_last_event() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), SMALL);
    for (name, at) in [
        ("a/1", Some(30)),
        ("a/2", Some(10)),
        ("a/3", None),
        ("b/1", Some(20)),
    ] {
        engine.create_stream("g", name).await.expect("creates");
        if let Some(at) = at {
            engine
                .append("g", name, false, None, vec![event(T0 + at, "x")])
                .await
                .expect("appends");
        }
    }
    let names = |order: StreamOrder, descending, limit| {
        let (streams, more) = engine.streams("g", &order, descending, limit);
        (
            streams
                .iter()
                .map(|s| s.name.to_string())
                .collect::<Vec<_>>()
                .join(" "),
            more,
        )
    };
    let by_name = |prefix: &str, after: Option<&str>| StreamOrder::ByName {
        prefix: prefix.into(),
        after: after.map(str::to_owned),
    };
    assert_eq!(
        names(by_name("a/", None), false, 2),
        ("a/1 a/2".into(), true)
    );
    assert_eq!(
        names(by_name("a/", Some("a/2")), false, 2),
        ("a/3".into(), false)
    );
    assert_eq!(
        names(by_name("", None), true, 3),
        ("b/1 a/3 a/2".into(), true)
    );
    assert_eq!(
        names(by_name("", Some("a/2")), true, 3),
        ("a/1".into(), false)
    );
    let by_time = |after| StreamOrder::ByLastEvent { after };
    assert_eq!(names(by_time(None), true, 3), ("a/1 b/1 a/2".into(), true));
    assert_eq!(
        names(by_time(Some((T0 + 10, "a/2".into()))), true, 3),
        ("a/3".into(), false)
    );
    assert_eq!(names(by_time(None), false, 2), ("a/3 a/2".into(), true));
    let info = engine.stream("g", "a/1").expect("exists");
    assert_eq!(info.last_event, Some(Timestamp::from_millis(T0 + 30)));
    assert_eq!(
        info.last_ingestion.map(|t| t.since(info.created)),
        Some(Duration::ZERO)
    );
}

#[test]
fn one_directory_one_engine() {
    let dir = tempfile::tempdir().expect("temp");
    let _first = open(dir.path(), SMALL);
    let clock = Arc::new(ManualClock::default());
    assert!(matches!(
        LogEngine::open(dir.path(), clock),
        Err(EngineError::Locked { .. })
    ));
}

/// Written by the first version of the files; every later one must read it.
#[tokio::test]
async fn reads_the_first_version_of_its_files() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/logs-v1");
    let dir = tempfile::tempdir().expect("temp");
    super::crash_tests::copy(&golden, dir.path());
    let engine = open(dir.path(), SMALL);
    assert_eq!(
        all(&engine, "g"),
        ["sealed 1", "sealed 2", "recent", "late"]
    );
    assert_eq!(engine.source_offset("g", "s", "task/web"), Some(42));
    assert!(engine.stream("g", "deleted").is_none());
    assert!(engine.stream("other", "empty").is_some());
    engine.seal().await.expect("seals");
    assert_eq!(all(&engine, "g").len(), 4);
}

/// `cargo test -p neargate-logs write_golden -- --ignored` after a change of version, into
/// a directory of the new version's name.
#[tokio::test]
#[ignore = "writes the golden files"]
async fn write_golden() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/logs-v1");
    let engine = open(&golden, Options::default());
    let put = async |stream: &str, source, events| {
        engine
            .append("g", stream, true, source, events)
            .await
            .expect("appends");
    };
    put(
        "s",
        Some(Source::upto("task/web", 41)),
        vec![event(T0, "sealed 1"), event(T0 + 1, "sealed 2")],
    )
    .await;
    put("deleted", None, vec![event(T0, "deleted")]).await;
    engine.seal().await.expect("seals");
    put(
        "s",
        Some(Source::upto("task/web", 42)),
        vec![event(T0 + 2, "recent")],
    )
    .await;
    put("t", None, vec![event(T0 + 3, "late")]).await;
    engine.delete_stream("g", "deleted").await.expect("deletes");
    engine
        .create_stream("other", "empty")
        .await
        .expect("creates");
}

//! What is acknowledged stays, and what is too old or too much goes.

use super::{Batch, Engine, Kept, Limits, Range, RangeKind};
use crate::trace::TraceId;
use neargate_base::Timestamp;
use neargate_base::time::ManualClock;
use neargate_service::Scope;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn scope() -> Scope {
    neargate_testkit::scope()
}

fn trace(number: u32) -> TraceId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&1_700_000_000u32.to_be_bytes());
    id[12..].copy_from_slice(&number.to_be_bytes());
    TraceId(id)
}

fn kept(number: u32, segment: u64, in_progress: bool, document: &str) -> Kept {
    Kept {
        trace: trace(number),
        time: 1_700_000_000,
        segment,
        in_progress,
        start: NOW,
        end: NOW.shift(10),
        document: document.into(),
    }
}

async fn put(engine: &Engine, segments: Vec<Kept>) {
    let batch = Batch {
        scope: scope(),
        segments,
    };
    engine.put(batch).await.expect("kept");
}

fn documents(engine: &Engine, number: u32) -> Vec<String> {
    let loaded = engine.load(&scope(), trace(number));
    loaded.map(|l| l.documents).unwrap_or_default()
}

fn count(engine: &Engine) -> usize {
    let range = Range {
        kind: RangeKind::TraceId,
        start: NOW.shift(-10_000),
        end: NOW.shift(10_000),
    };
    engine.ids(&scope(), range, None, usize::MAX).len()
}

fn open(dir: &Path, clock: &Arc<ManualClock>, limits: Limits) -> Arc<Engine> {
    Engine::open_with(dir, clock.clone(), limits).expect("opened")
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(NOW));
    let engine = open(dir.path(), &clock, Limits::default());
    put(
        &engine,
        vec![kept(1, 1, true, "begun"), kept(2, 7, false, "other")],
    )
    .await;
    put(&engine, vec![kept(1, 2, false, "part")]).await;
    put(&engine, vec![kept(1, 1, false, "done")]).await;
    put(&engine, vec![kept(1, 1, true, "late")]).await;
    let expected = vec!["done".to_owned(), "part".to_owned()];
    assert_eq!(documents(&engine, 1), expected);
    drop(engine);
    // A write that was cut short was answered to nobody.
    let log = super::path(dir.path(), 1);
    let mut bytes = std::fs::read(&log).expect("read");
    bytes.extend([1, 2, 3]);
    std::fs::write(&log, bytes).expect("written");
    let engine = open(dir.path(), &clock, Limits::default());
    assert_eq!(documents(&engine, 1), expected);
    assert_eq!(documents(&engine, 2), ["other"]);
    put(&engine, vec![kept(1, 3, false, "more")]).await;
    drop(engine);
    let engine = open(dir.path(), &clock, Limits::default());
    assert_eq!(documents(&engine, 1).len(), 3);
    engine.wipe().await.expect("wiped");
    assert_eq!(count(&engine), 0);
    drop(engine);
    let engine = open(dir.path(), &clock, Limits::default());
    assert_eq!(count(&engine), 0);
}

#[tokio::test]
async fn a_trace_has_a_limit() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(NOW));
    let engine = open(dir.path(), &clock, Limits::default());
    let long = "x".repeat(60 << 10);
    for segment in 0..20 {
        put(&engine, vec![kept(1, segment, false, &long)]).await;
    }
    let loaded = engine.load(&scope(), trace(1)).expect("there");
    assert!(loaded.entry.limit_exceeded);
    assert_eq!(loaded.documents.len(), 8);
}

#[tokio::test]
async fn the_oldest_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(NOW));
    let limits = Limits {
        bytes: 40_000,
        log_bytes: 10_000,
        ..Limits::default()
    };
    let engine = open(dir.path(), &clock, limits);
    for number in 0..100 {
        put(&engine, vec![kept(number, 1, false, &"x".repeat(1_000))]).await;
    }
    let left = count(&engine);
    assert!((20..60).contains(&left), "{left}");
    assert_eq!(documents(&engine, 99).len(), 1);
    assert_eq!(documents(&engine, 0).len(), 0);
    clock.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(documents(&engine, 99).len(), 0, "it is too old to be shown");
    let mut late = kept(200, 1, false, "late");
    late.time += 31 * 86_400;
    put(&engine, vec![late.clone()]).await;
    put(&engine, vec![late]).await;
    drop(engine);
    let files = std::fs::read_dir(dir.path()).expect("listed").count();
    assert!(files <= 2, "{files}");
}

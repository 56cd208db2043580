//! What was put is there again after a restart, and what is old goes.

use super::*;
use neargate_base::Timestamp;
use neargate_base::time::ManualClock;
use neargate_service::metrics::Resolution;
use neargate_testkit::{START, scope};

fn key(name: &str) -> Arc<MetricKey> {
    Arc::new(MetricKey {
        scope: scope(),
        namespace: "test".into(),
        name: name.into(),
        dimensions: vec![("a".into(), "b".into())],
    })
}

fn record(name: &str, at: Timestamp, value: f64) -> Record {
    Record {
        key: key(name),
        unit: Some("Count".into()),
        at,
        resolution: Resolution::Minute,
        set: Set::one(value),
        put_at: at,
    }
}

fn open(dir: &Path, clock: &Arc<ManualClock>, limits: Limits) -> Arc<Engine> {
    Engine::open_with(dir, clock.clone(), limits).expect("it opens")
}

/// Begin and sum of every point.
fn points(engine: &Engine, name: &str, period: i64) -> Vec<(i64, f64)> {
    let state = engine.state();
    let mut found = Vec::new();
    if let Some(series) = state.get(&key(name)) {
        series.range(None, 0, i64::MAX / 10_000, period, |_, at, set| {
            found.push((at, set.sum))
        });
    }
    found
}

#[tokio::test]
async fn what_was_put_outlives_the_process() {
    let (dir, clock) = (
        tempfile::tempdir().unwrap(),
        Arc::new(ManualClock::at(START)),
    );
    let limits = Limits {
        journal_bytes: 2_000,
        ..Limits::default()
    };
    for round in 0..5 {
        let engine = open(dir.path(), &clock, limits);
        for n in 0..40 {
            let at = START + Duration::from_secs(60 * (n + round * 40));
            engine
                .put(vec![
                    record("m", at, 1.0),
                    record(&format!("n{n}"), at, 2.0),
                ])
                .await
                .unwrap();
        }
        engine.observe(vec![record("seen", START, 3.0)]);
        drop(engine);
    }
    let engine = open(dir.path(), &clock, limits);
    assert_eq!(points(&engine, "m", 60).len(), 200);
    assert_eq!(points(&engine, "n7", 60).len(), 5);
    assert_eq!(points(&engine, "seen", 60)[0].1, 15.0);
    engine.wipe().await.unwrap();
    assert_eq!(engine.state().count(), 0);
    drop(engine);
    assert_eq!(open(dir.path(), &clock, limits).state().count(), 0);
}

#[tokio::test]
async fn a_torn_frame_is_cut_off() {
    let (dir, clock) = (
        tempfile::tempdir().unwrap(),
        Arc::new(ManualClock::at(START)),
    );
    let engine = open(dir.path(), &clock, Limits::default());
    engine.put(vec![record("m", START, 1.0)]).await.unwrap();
    engine.put(vec![record("m", START, 2.0)]).await.unwrap();
    drop(engine);
    let path = dir.path().join("journal-0");
    let whole = std::fs::read(&path).unwrap();
    for cut in [1, 5, 20] {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let engine = open(dir.path(), &clock, Limits::default());
        assert_eq!(points(&engine, "m", 60)[0].1, 1.0);
        engine.put(vec![record("m", START, 4.0)]).await.unwrap();
        drop(engine);
        let engine = open(dir.path(), &clock, Limits::default());
        assert_eq!(points(&engine, "m", 60)[0].1, 5.0);
    }
}

/// Seconds become minutes after 3 hours, minutes become 5 minutes after 15 days, and those become hours after 63.
#[tokio::test]
async fn old_points_are_kept_coarser() {
    let mut state = State::default();
    for n in 0..7_200 {
        let at = START + Duration::from_secs(n);
        let resolution = Resolution::Second;
        state.apply(&Record {
            resolution,
            ..record("m", at, 1.0)
        });
    }
    let count = |state: &State, period| {
        let mut found = Vec::new();
        let series = state.get(&key("m"));
        let take = |_: Option<&str>, _, set: &Set| found.push(set.sum);
        if let Some(series) = series {
            series.range(None, 0, i64::MAX / 10_000, period, take);
        }
        (found.len(), found.iter().sum::<f64>())
    };
    let hours = |n: u64| START + Duration::from_secs(n * 3_600);
    state.sweep(hours(2), Limits::default());
    assert_eq!(count(&state, 1), (7_200, 7_200.0));
    for (now, resolution, least) in [(6, 60, 120), (24 * 16, 300, 24), (24 * 65, 3_600, 2)] {
        state.sweep(hours(now), Limits::default());
        let (points, sum) = count(&state, resolution);
        assert_eq!((sum, count(&state, resolution - 1).0), (7_200.0, 0));
        assert!(
            points >= least && points <= least + 2,
            "{points} of {resolution}"
        );
    }
    state.sweep(hours(24 * 456), Limits::default());
    assert_eq!(state.count(), 0);
}

#[tokio::test]
async fn memory_is_bounded_and_the_oldest_metrics_go() {
    let mut state = State::default();
    for n in 0..100 {
        let at = START + Duration::from_secs(n);
        state.apply(&record(&format!("m{n:03}"), at, 1.0));
    }
    let limits = Limits {
        metrics: 10,
        ..Limits::default()
    };
    state.sweep(START + Duration::from_secs(200), limits);
    assert_eq!(state.count(), 10);
    let scope = scope();
    let first = state
        .of_scope(&scope, Some("test"))
        .next()
        .unwrap()
        .0
        .name
        .clone();
    assert_eq!(first, "m090");
    assert_eq!(state.of_scope(&scope, Some("tes")).count(), 0);
    let limits = Limits {
        bytes: state.bytes() / 2,
        ..limits
    };
    state.sweep(START + Duration::from_secs(200), limits);
    assert!(state.bytes() <= limits.bytes && state.count() >= 4);
}

//! The engine's promises, on real files.

use super::*;
use neargate_base::time::ManualClock;

pub(super) const T0: i64 = 1_700_000_000_000;

/// Small enough that a few hundred events seal.
pub(super) const SMALL: Options = Options {
    recent_bytes: 16 << 10,
    wal_bytes: 1 << 20,
    block_bytes: 1 << 10,
};

pub(super) fn open(dir: &Path, options: Options) -> Arc<LogEngine> {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(T0)));
    LogEngine::open_with(dir, clock, options).expect("opens")
}

pub(super) fn event(millis: i64, message: impl Into<String>) -> Event {
    Event {
        timestamp: Timestamp::from_millis(millis),
        message: message.into(),
    }
}

pub(super) fn everything() -> Search {
    Search {
        streams: Selection::All,
        times: Times::ALL,
        from: None,
        newest_first: false,
        limit: usize::MAX,
        page_bytes: usize::MAX,
        scan_bytes: usize::MAX,
    }
}

pub(super) fn all(engine: &LogEngine, group: &str) -> Vec<String> {
    let page = engine
        .search(group, &everything(), |_| true)
        .expect("reads");
    assert_eq!(page.next, None);
    page.events.into_iter().map(|e| e.message).collect()
}

/// Three interleaved streams, 600 events, most of them sealed.
pub(super) async fn interleaved(engine: &LogEngine) -> Vec<String> {
    let mut expected = Vec::new();
    for batch in 0..20 {
        for stream in 0..3 {
            let at = |n: i64| T0 + (batch * 10 + n) * 3 + stream;
            let events: Vec<Event> = (0..10)
                .map(|n| event(at(n), format!("{} from {stream}", at(n))))
                .collect();
            expected.extend(events.iter().map(|e| (e.timestamp, e.message.clone())));
            let name = format!("s{stream}");
            let done = engine.append("g", &name, true, None, events).await;
            assert_eq!(done.expect("appends"), Outcome::Stored);
        }
    }
    expected.sort();
    expected.into_iter().map(|(_, m)| m).collect()
}

#[tokio::test]
async fn reads_back_across_segments_and_restarts() {
    let dir = tempfile::tempdir().expect("temp");
    let expected = {
        let engine = open(dir.path(), SMALL);
        let expected = interleaved(&engine).await;
        assert_eq!(all(&engine, "g"), expected);
        expected
    };
    assert!(
        dir.path()
            .join("segments")
            .read_dir()
            .expect("lists")
            .count()
            > 1,
        "sealed"
    );
    let engine = open(dir.path(), SMALL);
    assert_eq!(all(&engine, "g"), expected);
    engine.seal().await.expect("seals");
    assert_eq!(all(&engine, "g"), expected);
    drop(engine);
    assert_eq!(all(&open(dir.path(), SMALL), "g"), expected);
}

#[tokio::test]
async fn pages_join_to_the_whole_in_both_directions() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), SMALL);
    let expected = interleaved(&engine).await;
    let of_s1: Vec<String> = expected
        .iter()
        .filter(|m| m.ends_with(" 1"))
        .cloned()
        .collect();

    let (mut got, mut cursor) = (Vec::new(), Cursor::Head);
    loop {
        let page = engine
            .get_events("g", "s1", Times::ALL, cursor, 7, usize::MAX)
            .expect("reads");
        let next = Cursor::Forward(page.forward);
        got.extend(page.events.into_iter().map(|e| e.message));
        if next == cursor {
            break;
        }
        cursor = next;
    }
    assert_eq!(got, of_s1);

    let (mut got, mut cursor) = (Vec::new(), Cursor::Tail);
    loop {
        let page = engine
            .get_events("g", "s1", Times::ALL, cursor, 7, 300)
            .expect("reads");
        let next = Cursor::Backward(page.backward);
        got.splice(0..0, page.events.into_iter().map(|e| e.message));
        if next == cursor {
            break;
        }
        cursor = next;
    }
    assert_eq!(got, of_s1);

    let mut search = Search {
        limit: 11,
        streams: Selection::Prefix("s".into()),
        ..everything()
    };
    let mut got = Vec::new();
    loop {
        let page = engine
            .search("g", &search, |m| !m.ends_with(" 2"))
            .expect("reads");
        got.extend(page.events.into_iter().map(|e| e.message));
        search.from = page.next;
        if page.next.is_none() {
            break;
        }
    }
    let not_2: Vec<String> = expected
        .iter()
        .filter(|m| !m.ends_with(" 2"))
        .cloned()
        .collect();
    assert_eq!(got, not_2);

    (search.newest_first, search.from) = (true, None);
    let mut got = Vec::new();
    loop {
        let page = engine
            .search("g", &search, |m| !m.ends_with(" 2"))
            .expect("reads");
        got.splice(0..0, page.events.into_iter().rev().map(|e| e.message));
        search.from = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(got, not_2);
}

#[tokio::test]
async fn a_forward_token_at_the_end_waits_for_what_comes() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), SMALL);
    engine.create_stream("g", "s").await.expect("creates");
    let get = |cursor| {
        engine
            .get_events("g", "s", Times::ALL, cursor, 10, usize::MAX)
            .expect("reads")
    };
    let empty = get(Cursor::Tail);
    engine
        .append("g", "s", false, None, vec![event(T0, "one")])
        .await
        .expect("appends");
    let one = get(Cursor::Forward(empty.forward));
    assert_eq!(one.events[0].message, "one");
    let end = get(Cursor::Forward(one.forward));
    assert_eq!((end.events.len(), end.forward), (0, one.forward));
    engine
        .append("g", "s", false, None, vec![event(T0, "two")])
        .await
        .expect("appends");
    assert_eq!(get(Cursor::Forward(end.forward)).events[0].message, "two");
    assert_eq!(get(Cursor::Backward(end.backward)).events[0].message, "one");
    assert_eq!(Position::parse(&end.forward.digits()), Some(end.forward));
    assert_eq!(end.forward.digits().len(), 56);
}

#[tokio::test]
async fn a_time_window_is_closed_below_and_open_above() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), SMALL);
    let events = (0..10).map(|n| event(T0 + n, n.to_string())).collect();
    engine
        .append("g", "s", true, None, events)
        .await
        .expect("appends");
    for _ in 0..2 {
        let times = Times {
            start: Timestamp::from_millis(T0 + 3),
            end: Timestamp::from_millis(T0 + 6),
        };
        let page = engine
            .search(
                "g",
                &Search {
                    times,
                    ..everything()
                },
                |_| true,
            )
            .expect("reads");
        let got: Vec<_> = page.events.iter().map(|e| e.message.as_str()).collect();
        assert_eq!(got, ["3", "4", "5"]);
        engine.seal().await.expect("seals");
    }
}

#[tokio::test]
async fn a_search_stops_at_its_budget_and_goes_on() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), SMALL);
    interleaved(&engine).await;
    let mut search = Search {
        scan_bytes: 2_000,
        ..everything()
    };
    let (mut pages, mut found) = (0, 0);
    loop {
        let page = engine
            .search("g", &search, |m| m.starts_with("1700000000599"))
            .expect("reads");
        (pages, found) = (pages + 1, found + page.events.len());
        search.from = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert!(pages > 5, "{pages}");
    assert_eq!(found, 1);
}

#[tokio::test]
async fn a_reader_is_not_disturbed_by_sealing() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), Options::default());
    let events = (0..5_000).map(|n| event(T0 + n, n.to_string())).collect();
    engine
        .append("g", "s", true, None, events)
        .await
        .expect("appends");
    let (started, go) = std::sync::mpsc::channel();
    let (sealed, resume) = std::sync::mpsc::channel();
    let reader = engine.clone();
    let count = neargate_base::task::spawn_blocking(move || {
        let mut seen = 0;
        let page = reader.search("g", &everything(), |_| {
            seen += 1;
            if seen == 10 {
                started.send(()).expect("the test waits");
                resume.recv().expect("the test seals");
            }
            true
        });
        page.expect("reads").events.len()
    });
    let wait = neargate_base::task::spawn_blocking(move || go.recv());
    wait.await.expect("joins").expect("starts");
    engine.seal().await.expect("seals");
    sealed.send(()).expect("the reader waits");
    assert_eq!(count.await.expect("joins"), 5_000);
}

#[tokio::test]
async fn many_writers_share_commits_and_lose_nothing() {
    let dir = tempfile::tempdir().expect("temp");
    let engine = open(dir.path(), SMALL);
    let mut tasks = Vec::new();
    for w in 0..16 {
        let engine = engine.clone();
        tasks.push(neargate_base::task::spawn("test writer", async move {
            for n in 0..50i64 {
                let event = event(T0 + n, format!("{w}/{n}"));
                let group = format!("g{}", w % 4);
                engine
                    .append(&group, &format!("s{w}"), true, None, vec![event])
                    .await
                    .expect("appends");
            }
        }));
    }
    for task in tasks {
        task.await.expect("joins");
    }
    drop(engine);
    let engine = open(dir.path(), SMALL);
    let total: usize = (0..4).map(|g| all(&engine, &format!("g{g}")).len()).sum();
    assert_eq!(total, 800);
}

//! The engine on a real directory, cut and restarted.

use super::*;
use neargate_base::Timestamp;
use neargate_base::time::ManualClock;
use std::collections::BTreeSet;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR: i64 = 3_600_000;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(START))
}

fn open(dir: &Path, clock: &Arc<ManualClock>) -> Arc<Engine> {
    Engine::open(dir, clock.clone()).expect("a directory that can be read")
}

fn new(text: &str) -> New {
    let mut id = [0; 16];
    let name = text.as_bytes();
    id[..name.len().min(16)].copy_from_slice(&name[..name.len().min(16)]);
    New {
        id,
        delay_millis: 0,
        group: None,
        dedup: None,
        content: text.as_bytes().to_vec(),
        size_bytes: text.len() as u64,
    }
}

fn grouped(text: &str, group: &str) -> New {
    let mut dedup = [0; 16];
    dedup[..text.len()].copy_from_slice(text.as_bytes());
    New {
        group: Some(group.into()),
        dedup: Some(dedup),
        ..new(text)
    }
}

fn ask(max: usize) -> Ask {
    Ask {
        max,
        visibility_millis: 30_000,
        retention_millis: 4 * 24 * HOUR,
        ..Ask::default()
    }
}

fn text(taken: &Taken) -> String {
    let place = &taken.message.place;
    let bytes = place.file.read(place.offset, place.bytes as usize);
    String::from_utf8(bytes.expect("it is there")).expect("text")
}

async fn take(engine: &Engine, queue: &Arc<Handle>, max: usize) -> Vec<Taken> {
    let ask = ask(max);
    let taken = engine.receive(queue, &ask, Duration::ZERO, None);
    taken.await.expect("received")
}

async fn texts(engine: &Engine, queue: &Arc<Handle>, max: usize) -> Vec<String> {
    take(engine, queue, max).await.iter().map(text).collect()
}

fn handle(taken: &Taken) -> (u64, u32) {
    (taken.seq, taken.message.received)
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_start() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    {
        let engine = open(dir.path(), &clock);
        let queue = engine.queue(7, false);
        let all = ["a", "b", "c"].map(new).into();
        engine.send(&queue, all).await.unwrap();
        let taken = take(&engine, &queue, 2).await;
        let deleted = engine.delete(&queue, &[handle(&taken[0])]).await.unwrap();
        assert_eq!(deleted, [Ok(())]);
    }
    let engine = open(dir.path(), &clock);
    let queue = engine.queue(7, false);
    let counts = engine.counts(&queue);
    assert_eq!((counts.visible, counts.in_flight), (1, 1));
    assert_eq!(texts(&engine, &queue, 10).await, ["c"]);
    clock.advance(Duration::from_secs(31));
    let again = take(&engine, &queue, 10).await;
    let again: Vec<_> = again
        .iter()
        .map(|t| (text(t), t.message.received))
        .collect();
    assert_eq!(again, [("b".to_owned(), 2), ("c".to_owned(), 2)]);
}

/// The journal is cut at every byte: what was sent before is there, in order, and what was deleted is not.
#[tokio::test]
async fn a_crash_anywhere_loses_nothing_that_was_acknowledged() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let path = dir.path().join("journal-1");
    // How long the journal was when something was acknowledged, and what was there then.
    let mut told: Vec<(u64, BTreeSet<String>)> = Vec::new();
    let mut there = BTreeSet::new();
    let len = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
    {
        let engine = open(dir.path(), &clock);
        let queue = engine.queue(1, true);
        for round in 0..2 {
            for group in ["x", "y"] {
                let name = format!("{group}{round}");
                let all = vec![grouped(&name, group)];
                engine.send(&queue, all).await.unwrap();
                there.insert(name);
                told.push((len(&path), there.clone()));
            }
            let taken = take(&engine, &queue, 1).await;
            told.push((len(&path), there.clone()));
            engine.delete(&queue, &[handle(&taken[0])]).await.unwrap();
            there.remove(&text(&taken[0]));
            told.push((len(&path), there.clone()));
        }
    }
    let whole = std::fs::read(&path).unwrap();
    for cut in 16..=whole.len() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("journal-1"), &whole[..cut]).unwrap();
        // Long after: everything can be received.
        let clock = Arc::new(ManualClock::at(START + Duration::from_secs(60)));
        let engine = open(dir.path(), &clock);
        let queue = engine.queue(1, true);
        let mut found = Vec::new();
        loop {
            let taken = take(&engine, &queue, 10).await;
            if taken.is_empty() {
                break;
            }
            found.extend(taken.iter().map(text));
            let handles: Vec<_> = taken.iter().map(handle).collect();
            engine.delete(&queue, &handles).await.unwrap();
        }
        let acknowledged = told.iter().rev().find(|(len, _)| *len <= cut as u64);
        let next = told.iter().find(|(len, _)| *len > cut as u64);
        let at_least = acknowledged.map(|(_, all)| all.clone()).unwrap_or_default();
        let may = next.map_or_else(|| at_least.clone(), |(_, all)| all.clone());
        let set: BTreeSet<String> = found.iter().cloned().collect();
        assert_eq!(set.len(), found.len(), "{cut}: nothing twice");
        assert!(
            set == at_least || set == may,
            "{cut}: {set:?} {at_least:?} {may:?}"
        );
        for group in ["x", "y"] {
            let of: Vec<_> = found.iter().filter(|t| t.starts_with(group)).collect();
            assert!(of.is_sorted(), "{cut}: {of:?}");
        }
        // Five minutes are not over: a duplicate is still one, and deleted messages do not come back by it.
        let sent = engine.send(&queue, vec![grouped("x0", "x")]).await.unwrap();
        if acknowledged.is_some() {
            assert_eq!(sent[0].seq, 1, "{cut}");
            assert_eq!(engine.counts(&queue).visible, 0, "{cut}");
        }
    }
}

#[tokio::test]
async fn the_journal_is_kept_short_and_forgets_nothing() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let options = Options {
        file_bytes: 4 << 10,
        slack_bytes: 16 << 10,
    };
    let opened = || Engine::open_with(dir.path(), clock.clone(), options).unwrap();
    let last_seq;
    {
        let engine = opened();
        let (queue, fifo) = (engine.queue(1, false), engine.queue(2, true));
        engine.send(&queue, vec![new("stays")]).await.unwrap();
        engine
            .send(&fifo, vec![grouped("first", "g")])
            .await
            .unwrap();
        let taken = take(&engine, &fifo, 1).await;
        engine.delete(&fifo, &[handle(&taken[0])]).await.unwrap();
        let passing = engine.queue(3, false);
        for round in 0..200 {
            let content = format!("{round} {}", "x".repeat(300));
            engine.send(&passing, vec![new(&content)]).await.unwrap();
            let taken = take(&engine, &passing, 1).await;
            engine.delete(&passing, &[handle(&taken[0])]).await.unwrap();
        }
        last_seq = engine.send(&passing, vec![new("last")]).await.unwrap()[0].seq;
        let taken = take(&engine, &passing, 1).await;
        engine.delete(&passing, &[handle(&taken[0])]).await.unwrap();
    }
    let files = std::fs::read_dir(dir.path()).unwrap();
    let bytes: u64 = files.map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 40 << 10, "{bytes}");
    let engine = opened();
    let (queue, fifo) = (engine.queue(1, false), engine.queue(2, true));
    assert_eq!(texts(&engine, &queue, 10).await, ["stays"]);
    assert_eq!(engine.counts(&engine.queue(3, false)).visible, 0);
    let again = engine
        .send(&fifo, vec![grouped("first", "g")])
        .await
        .unwrap();
    assert_eq!(engine.counts(&fifo).visible, 0, "a duplicate still");
    assert_eq!(&again[0].id[..5], b"first");
    let next = engine.send(&queue, vec![new("next")]).await.unwrap()[0].seq;
    assert!(next > last_seq, "numbers go on");
}

#[tokio::test]
async fn a_group_gives_in_order_and_one_at_a_time() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let engine = open(dir.path(), &clock);
    let queue = engine.queue(1, true);
    let all = [("a1", "a"), ("a2", "a"), ("b1", "b")];
    let all = all.map(|(text, group)| grouped(text, group)).into();
    engine.send(&queue, all).await.unwrap();
    let first = take(&engine, &queue, 1).await;
    assert_eq!(text(&first[0]), "a1");
    assert_eq!(texts(&engine, &queue, 10).await, ["b1"], "a is locked");
    engine.delete(&queue, &[handle(&first[0])]).await.unwrap();
    assert_eq!(texts(&engine, &queue, 10).await, ["a2"]);
    clock.advance(Duration::from_secs(31));
    let expired = engine.delete(&queue, &[(2, 1)]).await.unwrap();
    assert_eq!(expired, [Err(Unfit::NotInFlight)]);
    assert_eq!(texts(&engine, &queue, 10).await, ["a2", "b1"]);
}

#[tokio::test]
async fn an_attempt_is_answered_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let engine = open(dir.path(), &clock);
    let queue = engine.queue(1, true);
    engine.send(&queue, vec![grouped("a", "g")]).await.unwrap();
    let ask = Ask {
        attempt: Some("1".into()),
        ..ask(1)
    };
    for _ in 0..2 {
        let taken = engine.receive(&queue, &ask, Duration::ZERO, None).await;
        assert_eq!(handle(&taken.unwrap()[0]), (1, 1));
    }
}

#[tokio::test]
async fn what_is_received_too_often_is_a_dead_letter() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let engine = open(dir.path(), &clock);
    let (queue, dead) = (engine.queue(1, false), engine.queue(2, false));
    engine
        .send(&queue, vec![new("poison"), new("good")])
        .await
        .unwrap();
    let ask = Ask {
        visibility_millis: 0,
        dead_after: Some(2),
        ..ask(1)
    };
    let to = (dead.clone(), Arc::from("arn"));
    let mut got = Vec::new();
    for _ in 0..5 {
        let taken = engine
            .receive(&queue, &ask, Duration::ZERO, Some(&to))
            .await;
        got.extend(taken.unwrap().iter().map(text));
    }
    assert_eq!(got, ["poison", "poison", "good", "good"]);
    drop(engine);
    let engine = open(dir.path(), &clock);
    let letters = take(&engine, &engine.queue(2, false), 10).await;
    let letters: Vec<_> = letters
        .iter()
        .map(|t| (text(t), t.message.source.clone()))
        .collect();
    assert_eq!(letters[0], ("poison".to_owned(), Some("arn".into())));
    assert_eq!(letters.len(), 2);
}

#[tokio::test]
async fn whoever_waits_is_told_at_once() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let engine = open(dir.path(), &clock);
    let queue = engine.queue(1, false);
    let (asked, send) = (ask(1), vec![new("a")]);
    let wait = engine.receive(&queue, &asked, Duration::from_secs(20), None);
    let (taken, _) = tokio::join!(wait, engine.send(&queue, send));
    assert_eq!(text(&taken.unwrap()[0]), "a");
}

#[tokio::test]
async fn what_is_too_old_does_not_come_back() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let engine = open(dir.path(), &clock);
    let queue = engine.queue(1, false);
    engine.send(&queue, vec![new("old")]).await.unwrap();
    clock.advance(Duration::from_secs(120));
    engine.expire(&queue, 60_000).await.unwrap();
    drop(engine);
    let engine = open(dir.path(), &clock);
    assert!(take(&engine, &engine.queue(1, false), 1).await.is_empty());
}

#[tokio::test]
async fn purged_dropped_and_wiped_stay_so() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let engine = open(dir.path(), &clock);
    let (one, two) = (engine.queue(1, false), engine.queue(2, false));
    engine.send(&one, vec![new("a")]).await.unwrap();
    engine.send(&two, vec![new("b")]).await.unwrap();
    engine.purge(&one).await.unwrap();
    engine.drop_queue(2).await.unwrap();
    let refused = engine.send(&two, vec![new("c")]).await;
    assert!(matches!(refused, Err(EngineError::NoQueue)));
    engine.send(&one, vec![new("d")]).await.unwrap();
    drop(engine);
    let engine = open(dir.path(), &clock);
    assert_eq!(engine.known(), [1]);
    assert_eq!(texts(&engine, &engine.queue(1, false), 10).await, ["d"]);
    engine.wipe().await.unwrap();
    assert!(engine.known().is_empty());
}

/// A start after the clock was set back waits for no longer than anybody was to wait.
#[tokio::test]
async fn a_clock_that_was_ahead_hides_nothing() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    clock.advance(Duration::from_secs(86_400));
    let engine = open(dir.path(), &clock);
    let queue = engine.queue(1, false);
    engine.send(&queue, vec![new("a")]).await.unwrap();
    take(&engine, &queue, 1).await;
    drop(engine);
    clock.set(START);
    let engine = open(dir.path(), &clock);
    let queue = engine.queue(1, false);
    assert_eq!(engine.counts(&queue).in_flight, 1);
    clock.advance(Duration::from_secs(31));
    assert_eq!(texts(&engine, &queue, 1).await, ["a"]);
}

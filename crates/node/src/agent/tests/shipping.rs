//! The shipper against a log that grows, a control plane that comes and goes, and its own end
//! at any moment: every line once, in order.

use super::super::shipper::{LogWatch, Shipper, first_line};
use super::fakes::FakeUpstream;
use super::{container, logged};
use neargate_base::{Rng, task};
use neargate_domain::Multiline;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn shipper(path: &Path, upstream: &Arc<FakeUpstream>, watch: &Arc<LogWatch>) -> Shipper {
    Shipper {
        path: path.into(),
        target: logged(container("web")).log.unwrap(),
        source: "task/web".into(),
        upstream: Arc::clone(upstream) as Arc<_>,
        watch: Arc::clone(watch),
        rng: Arc::new(Rng::seeded(1)),
        ended: CancellationToken::new(),
        drain_limit: Duration::from_secs(60),
        first_line: None,
        discard_bytes: 64 << 10,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_arrives_once_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut log = std::fs::File::create(&path).unwrap();
    let upstream = FakeUpstream::new();
    let watch = Arc::new(LogWatch::start());
    let rng = Rng::seeded(9);
    let mut written = Vec::new();
    for round in 0..12 {
        upstream.away.store(round % 3 == 1, Ordering::SeqCst);
        let running = task::spawn("ship", shipper(&path, &upstream, &watch).run());
        for _ in 0..500 {
            let line = format!(
                "line {} {}",
                written.len(),
                "x".repeat(rng.below(200) as usize)
            );
            // Torn writes, as a reader may see them.
            let record = format!("1700000000000 o {}\n{line}\n", line.len());
            let (head, tail) = record.split_at(rng.below(record.len() as u64) as usize);
            log.write_all(head.as_bytes()).unwrap();
            if rng.below(50) == 0 {
                tokio::task::yield_now().await;
            }
            log.write_all(tail.as_bytes()).unwrap();
            written.push(line);
        }
        if round % 3 == 0 {
            let half = written.len() / 2;
            upstream.lines_where("task/web", |l| l.len() > half).await;
        }
        running.abort();
        let _ = running.await;
    }
    upstream.away.store(false, Ordering::SeqCst);
    let last = shipper(&path, &upstream, &watch);
    last.ended.cancel();
    last.run().await;
    assert_eq!(upstream.lines_where("task/web", |_| true).await, written);
}

#[tokio::test]
async fn a_quiet_line_arrives_soon() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut log = std::fs::File::create(&path).unwrap();
    let upstream = FakeUpstream::new();
    let running = task::spawn(
        "ship",
        shipper(&path, &upstream, &Arc::new(LogWatch::start())).run(),
    );
    for n in 1..4 {
        log.write_all(b"1700000000000 o 2\nhi\n").unwrap();
        // Well below the two seconds after which it would look anyway.
        let soon = upstream.lines_where("task/web", |l| l.len() == n);
        tokio::time::timeout(Duration::from_secs(1), soon)
            .await
            .expect("soon");
    }
    running.abort();
}

/// An event has ended with the next one, with a moment of silence, or with its container; one that
/// the node's end tears is put together again.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_several_lines_arrive_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut log = std::fs::File::create(&path).unwrap();
    let mut write = |line: &str| {
        let record = format!("1700000000000 o {}\n{line}\n", line.len());
        log.write_all(record.as_bytes()).unwrap();
    };
    let upstream = FakeUpstream::new();
    let watch = Arc::new(LogWatch::start());
    let with_pattern = || Shipper {
        first_line: first_line(&Multiline::Pattern("^Error".into())).ok(),
        ..shipper(&path, &upstream, &watch)
    };
    let running = task::spawn("ship", with_pattern().run());
    for line in ["Error one", " at a", "Error two", " at b"] {
        write(line);
    }
    // The second has ended when nothing more comes.
    upstream.lines_where("task/web", |l| l.len() == 2).await;
    write("Error three");
    running.abort();
    let _ = running.await;
    write(" at c");
    let last = with_pattern();
    last.ended.cancel();
    last.run().await;
    let all = upstream.lines_where("task/web", |_| true).await;
    let whole = [
        "Error one\n at a\n",
        "Error two\n at b\n",
        "Error three\n at c\n",
    ];
    assert_eq!(all, whole);
}

#[tokio::test]
async fn a_refused_stream_is_drained_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, "1700000000000 o 2\nhi\n").unwrap();
    let upstream = FakeUpstream::new();
    upstream.no_group.store(true, Ordering::SeqCst);
    let shipper = shipper(&path, &upstream, &Arc::new(LogWatch::start()));
    shipper.ended.cancel();
    shipper.run().await;
    assert!(upstream.logs.borrow().is_empty());
}

#[tokio::test]
async fn lines_nobody_takes_are_given_up_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, "1700000000000 o 2\nhi\n").unwrap();
    let upstream = FakeUpstream::new();
    upstream.away.store(true, Ordering::SeqCst);
    let watch = Arc::new(LogWatch::start());
    let shipper = Shipper {
        drain_limit: Duration::ZERO,
        ..shipper(&path, &upstream, &watch)
    };
    shipper.ended.cancel();
    shipper.run().await;
}

#[tokio::test]
async fn a_watched_file_tells_of_its_changes() {
    let dir = tempfile::tempdir().unwrap();
    let watch = LogWatch::start();
    let files: Vec<_> = (0..3).map(|n| dir.path().join(n.to_string())).collect();
    for path in &files {
        std::fs::write(path, "").unwrap();
    }
    let watched: Vec<_> = files.iter().map(|path| watch.file(path)).collect();
    for (path, watched) in files.iter().zip(&watched) {
        std::fs::write(path, "more").unwrap();
        tokio::time::timeout(Duration::from_secs(5), watched.changed())
            .await
            .expect("told");
    }
}

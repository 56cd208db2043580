//! kill -9 of a process that stores log events, again and again on the same directory: every
//! acknowledged event is there, once, and every source goes on where it was.

use neargate_base::time::SystemClock;
use neargate_base::{Timestamp, task};
use neargate_logs::engine::{Event, LogEngine, Options, Search, Selection, Source, Times};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const DIR: &str = "NEARGATE_TEST_LOG_DIR";
const WRITERS: u64 = 6;
const ROUNDS: usize = 12;

fn open(dir: &Path) -> Arc<LogEngine> {
    // Small, so that the kill often hits a seal.
    let options = Options {
        recent_bytes: 64 << 10,
        wal_bytes: 1 << 20,
        block_bytes: 4 << 10,
    };
    LogEngine::open_with(dir, Arc::new(SystemClock), options).expect("opens")
}

/// The process that is killed: prints a line for every append that was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other test"]
async fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let engine = open(Path::new(&dir));
    let mut writers = Vec::new();
    for w in 0..WRITERS {
        let engine = engine.clone();
        writers.push(task::spawn("writer", async move {
            let (group, stream, source) = (format!("g{}", w % 3), format!("s{w}"), format!("w{w}"));
            let mut offset = engine.source_offset(&group, &stream, &source).unwrap_or(0);
            loop {
                let batch = offset % 7 + 1;
                let event = |n: u64| Event {
                    timestamp: Timestamp::from_millis((n * 10) as i64),
                    message: format!("{w}:{n} {}", "z".repeat((n % 200) as usize)),
                };
                let events = (offset + 1..=offset + batch).map(event).collect();
                offset += batch;
                let done = engine
                    .append(
                        &group,
                        &stream,
                        true,
                        Some(Source::upto(&source, offset)),
                        events,
                    )
                    .await;
                done.expect("appends");
                let mut out = std::io::stdout().lock();
                writeln!(out, "\nack {w} {offset}")
                    .and_then(|()| out.flush())
                    .expect("prints");
            }
        }));
    }
    for writer in writers {
        let _ = writer.await;
    }
}

fn check(dir: &Path, acked: &BTreeMap<u64, u64>, round: usize) {
    let engine = open(dir);
    for (w, acked) in acked {
        let (group, stream, source) = (format!("g{}", w % 3), format!("s{w}"), format!("w{w}"));
        let stored = engine.source_offset(&group, &stream, &source).unwrap_or(0);
        assert!(
            stored >= *acked,
            "round {round}: writer {w} was told {acked}, {stored} is stored"
        );
        let search = Search {
            streams: Selection::stream(&stream),
            times: Times::ALL,
            from: None,
            newest_first: false,
            limit: usize::MAX,
            page_bytes: usize::MAX,
            scan_bytes: usize::MAX,
        };
        let page = engine.search(&group, &search, |_| true).expect("reads");
        let numbers: Vec<u64> = page
            .events
            .iter()
            .filter_map(|e| number(&e.message))
            .collect();
        assert!(
            numbers.iter().copied().eq(1..=stored),
            "round {round}: writer {w}: a gap or a double"
        );
    }
}

fn number(message: &str) -> Option<u64> {
    message.split_once(':')?.1.split_once(' ')?.0.parse().ok()
}

#[test]
fn acknowledged_events_survive_kill_9() {
    let dir = tempfile::tempdir().expect("temp");
    let mut acked = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().expect("known"))
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let enough = 150 + round * 37;
        let mut seen = 0;
        for line in out.lines() {
            let Ok(line) = line else { break };
            let mut words = line.split(' ');
            if words.next() != Some("ack") {
                continue;
            }
            let mut next = || words.next().and_then(|w| w.parse::<u64>().ok());
            if let (Some(w), Some(offset)) = (next(), next()) {
                acked.insert(w, offset);
                seen += 1;
            }
            if seen == enough {
                // What the child prints until it is dead counts too.
                child.kill().expect("kills");
            }
        }
        child.wait().expect("ends");
        assert!(
            seen >= enough,
            "round {round}: the child ended by itself after {seen}"
        );
        check(dir.path(), &acked, round);
    }
}

//! kill -9 while clients write: every acknowledgement that got out is kept.
//!
//! The test runs itself again as the process to kill, which prints `ACK <client> <n>` once the
//! store has said so. `NEARGATE_KILLS` says how often (10), `NEARGATE_SEED` repeats a run.

use bytes::Bytes;
use neargate_base::Rng;
use neargate_base::task::spawn;
use neargate_base::time::SystemClock;
use neargate_store::{EmbeddedStore, Op, Store, Txn, TxnOutcome};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const PATH: &str = "NEARGATE_STORE_TO_KILL";
const CLIENTS: usize = 8;

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

async fn count(store: &dyn Store, client: usize) -> u64 {
    let entry = store
        .get(&format!("c/{client}/seq"))
        .await
        .expect("get works");
    entry.map_or(0, |e| {
        String::from_utf8_lossy(&e.value).parse().expect("a number")
    })
}

fn put(key: String, value: u64) -> Op {
    Op::Put {
        key,
        value: Bytes::from(value.to_string()),
        lease: None,
    }
}

/// Not a test of its own: what the other one kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    let store = EmbeddedStore::open(Path::new(&path), Arc::new(SystemClock)).expect("it opens");
    println!();
    let clients = (0..CLIENTS).map(|client| {
        let store = store.clone();
        spawn("client", async move {
            let mut n = count(&*store, client).await;
            loop {
                n += 1;
                let ops = vec![
                    put(format!("c/{client}/seq"), n),
                    put(format!("c/{client}/n/{n:08}"), n),
                ];
                let outcome = store
                    .txn(Txn {
                        ops,
                        ..Default::default()
                    })
                    .await;
                assert!(
                    matches!(outcome, Ok(TxnOutcome::Committed(_))),
                    "{outcome:?}"
                );
                println!("ACK {client} {n}");
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    // They end together, if ever: by the kill.
    if let Some(client) = clients.into_iter().next() {
        client.await.expect("a client goes on until the kill");
    }
}

/// Lets a child write until it has told us `lines` times, kills it, and returns the highest
/// acknowledgement of each client.
fn write_and_kill(path: &Path, lines: u64) -> [u64; CLIENTS] {
    let exe = std::env::current_exe().expect("this test is a program");
    let mut child = Command::new(exe)
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut told = [0; CLIENTS];
    let (mut acks, mut killed) = (0, false);
    for line in BufReader::new(child.stdout.take().expect("its output is ours")).lines() {
        let line = line.expect("the output is text");
        if let Some((client, n)) = line.strip_prefix("ACK ").and_then(|l| l.split_once(' ')) {
            // The kill may cut the last line short.
            let (Ok(client), Ok(n)) = (client.parse::<usize>(), n.parse::<u64>()) else {
                continue;
            };
            told[client] = n.max(told[client]);
            acks += 1;
        }
        if acks >= lines && !killed {
            child.kill().expect("kill -9");
            killed = true;
        }
    }
    let status = child.wait().expect("the child ends");
    assert!(killed, "the child ended by itself: {status}");
    told
}

#[tokio::test]
async fn kill_nine_loses_nothing() {
    let kills = from_env("NEARGATE_KILLS", 10);
    let seed = from_env("NEARGATE_SEED", Rng::from_entropy().u64() >> 16);
    let rng = Rng::seeded(seed);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("state");
    let mut acknowledged = 0;
    let mut before = [0; CLIENTS];
    for kill in 0..kills {
        let told = write_and_kill(&path, 1 + rng.below(600));
        let store = EmbeddedStore::open(&path, Arc::new(SystemClock)).expect("it opens");
        for client in 0..CLIENTS {
            let found = count(&*store, client).await;
            let told = told[client].max(before[client]);
            assert!(
                found >= told,
                "seed {seed}, kill {kill}: {told} acknowledged, {found} found"
            );
            acknowledged += told - before[client];
            before[client] = found;
            verify_rows(&*store, client, found).await;
        }
    }
    println!(
        "{kills} kills, {acknowledged} acknowledged transactions: 0 lost, 0 torn; seed {seed}"
    );
}

/// Each transaction left its row, and nothing else did.
async fn verify_rows(store: &dyn Store, client: usize, count: u64) {
    let prefix = format!("c/{client}/n/");
    let (mut rows, mut after) = (0, None::<String>);
    loop {
        let page = store
            .range(&prefix, after.as_deref(), 1_000, None)
            .await
            .expect("range works");
        for entry in &page.entries {
            rows += 1;
            assert_eq!(
                entry.key,
                format!("{prefix}{rows:08}"),
                "a transaction is torn"
            );
        }
        after = page.entries.last().map(|e| e.key.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(rows, count, "client {client}");
}

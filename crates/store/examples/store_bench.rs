//! Transactions per second and latency of the embedded store, beside the bare cost of fdatasync
//! on the same disk.
//!
//! `cargo run --release -p neargate-store --example store_bench [DIR [SECONDS]]`

use bytes::Bytes;
use neargate_base::task::spawn;
use neargate_base::time::{Stopwatch, SystemClock};
use neargate_store::{EmbeddedStore, Op, Store, Txn, TxnOutcome};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const CLIENTS: [usize; 3] = [1, 64, 512];
const VALUE_BYTES: usize = 512;

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get(sorted.len().saturating_sub(1) * percent / 100)
        .copied()
        .unwrap_or_default()
}

fn fdatasync_p50(dir: &Path) -> std::io::Result<Duration> {
    let path = dir.join("fdatasync");
    let file = std::fs::File::create(&path)?;
    file.write_all_at(&vec![1; 1 << 20], 0)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for i in 0..300 {
        file.write_all_at(&[i as u8; 8_192], (i % 100) * 8_192)?;
        let watch = Stopwatch::start();
        file.sync_data()?;
        times.push(watch.elapsed());
    }
    times.sort_unstable();
    std::fs::remove_file(path)?;
    Ok(percentile(&times, 50))
}

async fn client(store: Arc<EmbeddedStore>, id: usize, run: Duration) -> Vec<Duration> {
    let all = Stopwatch::start();
    let mut times = Vec::new();
    while all.elapsed() < run {
        let key = format!("task/{id:04}/{:04}", times.len() % 50);
        let ops = vec![Op::Put {
            key,
            value: Bytes::from(vec![7; VALUE_BYTES]),
            lease: None,
        }];
        let watch = Stopwatch::start();
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
        times.push(watch.elapsed());
    }
    times
}

async fn measure(
    dir: &Path,
    clients: usize,
    run: Duration,
) -> Result<(), Box<dyn std::error::Error>> {
    let path = dir.join(format!("bench-{clients}"));
    let store = EmbeddedStore::open(&path, Arc::new(SystemClock))?;
    let watch = Stopwatch::start();
    let running: Vec<_> = (0..clients)
        .map(|id| spawn("client", client(store.clone(), id, run)))
        .collect();
    let mut times = Vec::new();
    for client in running {
        times.extend(client.await?);
    }
    let seconds = watch.elapsed().as_secs_f64();
    times.sort_unstable();
    drop(store);
    let opening = Stopwatch::start();
    let store = EmbeddedStore::open(&path, Arc::new(SystemClock))?;
    let opened = opening.elapsed();
    let wipe = Stopwatch::start();
    store.wipe().await?;
    let wiped = wipe.elapsed();
    println!(
        "{clients:>4} clients: {:>7.0} txn/s, p50 {:>8.0?}, p99 {:>8.0?}; file {} KiB; open {opened:.1?}; wipe {wiped:.1?}",
        times.len() as f64 / seconds,
        percentile(&times, 50),
        percentile(&times, 99),
        std::fs::metadata(&path)?.len() / 1024,
    );
    drop(store);
    std::fs::remove_file(path)?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = args.next().map_or(Ok(3), |s| s.parse())?;
    println!(
        "fdatasync of 8 KiB in {}: p50 {:.0?}",
        dir.display(),
        fdatasync_p50(&dir)?
    );
    for clients in CLIENTS {
        measure(&dir, clients, Duration::from_secs(seconds)).await?;
    }
    Ok(())
}

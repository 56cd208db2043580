//! How fast the log engine takes events and searches them.
//!
//! `cargo run --release -p neargate-logs --example logs_bench [events] [directory]`

use neargate_base::time::{Stopwatch, SystemClock};
use neargate_base::{Timestamp, task};
use neargate_logs::engine::{Event, LogEngine, Search, Selection, Times};
use neargate_logs::pattern::Pattern;
use std::path::PathBuf;
use std::sync::Arc;

const BATCH: usize = 500;
const WRITERS: usize = 8;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let total: usize = args.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let dir = args.next().map_or_else(
        || std::env::temp_dir().join("neargate-logs-bench"),
        PathBuf::from,
    );
    if dir.exists() {
        return Err(format!("{} exists: give an empty place", dir.display()).into());
    }
    let engine = LogEngine::open(&dir, Arc::new(SystemClock))?;

    let watch = Stopwatch::start();
    let mut writers = Vec::new();
    for w in 0..WRITERS {
        let engine = engine.clone();
        writers.push(task::spawn("bench writer", async move {
            let mut bytes = 0;
            for batch in 0..total / WRITERS / BATCH {
                let line = |n: usize| line(w, batch * BATCH + n);
                let events: Vec<Event> = (0..BATCH).map(line).collect();
                bytes += events.iter().map(|e| e.message.len()).sum::<usize>();
                engine
                    .append("bench", &format!("task-{w}"), true, None, events)
                    .await?;
            }
            Ok::<_, neargate_logs::EngineError>(bytes)
        }));
    }
    let mut bytes = 0;
    for writer in writers {
        bytes += writer.await??;
    }
    let took = watch.elapsed().as_secs_f64();
    let stored = total / WRITERS / BATCH * WRITERS * BATCH;
    println!(
        "append: {stored} events, {} MB in {took:.2} s: {:.0} events/s",
        bytes >> 20,
        stored as f64 / took
    );

    for pattern in [
        "",
        "\"status=503\"",
        "needle_777777",
        "{ $.none = 1 }",
        "%status=50[0-9]%",
    ] {
        let parsed = Pattern::parse(pattern)?;
        let watch = Stopwatch::start();
        let search = Search {
            streams: Selection::All,
            times: Times::ALL,
            from: None,
            newest_first: false,
            limit: usize::MAX,
            page_bytes: usize::MAX,
            scan_bytes: usize::MAX,
        };
        let page = engine.search("bench", &search, |m| parsed.matches(m))?;
        println!(
            "search {pattern:>18}: {:>7} found in {:.0} ms",
            page.events.len(),
            watch.elapsed().as_secs_f64() * 1e3
        );
    }
    let watch = Stopwatch::start();
    drop(engine);
    let engine = LogEngine::open(&dir, Arc::new(SystemClock))?;
    println!(
        "close and open: {:.0} ms",
        watch.elapsed().as_secs_f64() * 1e3
    );
    let watch = Stopwatch::start();
    engine.wipe().await?;
    println!("wipe: {:.1} ms", watch.elapsed().as_secs_f64() * 1e3);
    drop(engine);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn line(writer: usize, n: usize) -> Event {
    let status = if n % 1000 == 7 { 503 } else { 200 };
    let message = format!(
        "2026-11-23T05:30:08.123Z INFO request id={writer}-{n:08x} path=/api/v1/items/{} status={status} took={}us needle_{n}",
        n * 31 % 9973,
        n * 17 % 100_003
    );
    Event {
        timestamp: Timestamp::from_millis(1_700_000_000_000 + n as i64),
        message,
    }
}

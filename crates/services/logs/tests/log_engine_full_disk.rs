//! A full disk: appends are refused and say so, nothing stored is lost, and with room again
//! the engine goes on. Needs a mount namespace of its own; without one it is skipped.

use neargate_base::Timestamp;
use neargate_base::time::SystemClock;
use neargate_logs::engine::{
    EngineError, Event, LogEngine, Options, Search, Selection, Source, Times,
};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const DIR: &str = "NEARGATE_TEST_FULL_DIR";

fn open(dir: &Path) -> Arc<LogEngine> {
    let options = Options {
        recent_bytes: 256 << 10,
        wal_bytes: 1 << 20,
        block_bytes: 16 << 10,
    };
    LogEngine::open_with(&dir.join("logs"), Arc::new(SystemClock), options).expect("opens")
}

async fn put(engine: &LogEngine, n: i64) -> Result<(), EngineError> {
    // Hardly compressible, so that segments fill the disk too.
    let noise: String = (0..2_000u64)
        .map(|i| char::from(b'0' + (((i + 7) * (n as u64 * 7 + 13)) % 71) as u8))
        .collect();
    let event = Event {
        timestamp: Timestamp::from_millis(n),
        message: format!("{n}:{noise}"),
    };
    engine
        .append(
            "g",
            "s",
            true,
            Some(Source::upto("src", n as u64)),
            vec![event],
        )
        .await
        .map(|_| ())
}

fn stored(engine: &LogEngine) -> Vec<i64> {
    let search = Search {
        streams: Selection::All,
        times: Times::ALL,
        from: None,
        newest_first: false,
        limit: usize::MAX,
        page_bytes: usize::MAX,
        scan_bytes: usize::MAX,
    };
    let page = engine.search("g", &search, |_| true).expect("reads");
    page.events
        .iter()
        .map(|e| e.timestamp.as_millis())
        .collect()
}

#[tokio::test]
#[ignore = "run by the other test, on a tiny file system"]
async fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let dir = Path::new(&dir);
    std::fs::write(dir.join("ballast"), vec![1; 1 << 20]).expect("fits");
    let engine = open(dir);
    let mut acked = 0;
    let error = loop {
        match put(&engine, acked + 1).await {
            Ok(()) => acked += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(error, EngineError::Io { .. }), "{error}");
    assert!(acked > 100, "{acked}");
    assert!(stored(&engine).into_iter().eq(1..=acked));
    drop(engine);
    let engine = open(dir);
    assert!(stored(&engine).into_iter().eq(1..=acked), "after a restart");
    std::fs::remove_file(dir.join("ballast")).expect("removes");
    for _ in 0..50 {
        acked += 1;
        put(&engine, acked).await.expect("there is room again");
    }
    engine.seal().await.expect("seals");
    drop(engine);
    assert!(stored(&open(dir)).into_iter().eq(1..=acked), "at the end");
    println!("\nall is well");
}

#[test]
fn a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().expect("temp");
    let script = r#"mount -t tmpfs -o size=3m tmpfs "$1" || exit 77; exec "$2" --exact child --ignored --nocapture"#;
    let run = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().expect("known"))
        .env(DIR, dir.path())
        .output();
    let Ok(run) = run else {
        return eprintln!("skipped: no unshare here");
    };
    let (out, err) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    if run.status.code() == Some(77) || err.contains("unshare failed") {
        return eprintln!("skipped: {err}");
    }
    assert!(
        run.status.success() && out.contains("all is well"),
        "{out}\n{err}"
    );
}

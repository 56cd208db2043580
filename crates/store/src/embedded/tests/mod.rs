use super::*;
use crate::conformance::{self, Subject, commit, get, put, put_leased};
use neargate_base::time::ManualClock;

mod agreement;
mod broken_disk;
mod files;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::default())
}

/// For stores that are broken on purpose: the process must live on.
fn survivable() -> Options {
    Options {
        on_death: Arc::new(|_| {}),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = std::sync::atomic::AtomicUsize::new(0);
    conformance::check(|| async {
        let n = fresh.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let clock = clock();
        let path = dir.path().join(format!("{n}.redb"));
        Subject {
            store: EmbeddedStore::open(&path, clock.clone()).unwrap(),
            clock: Some(clock),
        }
    })
    .await;
}

use super::*;
use crate::conformance::{self, Subject};
use neargate_base::time::ManualClock;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = std::sync::atomic::AtomicUsize::new(0);
    conformance::check(|| async {
        let n = fresh.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let clock = Arc::new(ManualClock::default());
        let path = dir.path().join(format!("{n}.redb"));
        Subject {
            store: EmbeddedStore::open(&path, clock.clone()).unwrap(),
            clock: Some(clock),
        }
    })
    .await;
}

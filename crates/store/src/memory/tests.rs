use super::*;
use crate::conformance::{self, Subject};
use neargate_base::time::ManualClock;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    conformance::check(|| async {
        let clock = Arc::new(ManualClock::default());
        Subject {
            store: MemoryStore::new(clock.clone()),
            clock: Some(clock),
        }
    })
    .await;
}

#[tokio::test]
async fn a_watch_ends_with_its_store() {
    let store = MemoryStore::new(Arc::new(ManualClock::default()));
    let mut watch = store.watch("", None).await.unwrap();
    drop(store);
    assert!(matches!(
        watch.next().await,
        Err(StoreError::Unavailable(_))
    ));
}

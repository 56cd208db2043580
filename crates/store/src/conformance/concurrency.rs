//! Many clients at once: nothing lost, nothing torn, time goes one way.

use super::{commit, get, put, when};
use crate::{Compare, Store, TxnOutcome};
use neargate_base::task::spawn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Compare-and-swap increments of one counter by several clients add up exactly.
pub(super) async fn counter_loses_nothing(store: Arc<dyn Store>) {
    const CLIENTS: usize = 8;
    const INCREMENTS: usize = 25;
    commit(&*store, vec![put("counter", "0")]).await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| spawn("client", increment(store.clone(), INCREMENTS)))
        .collect();
    let mut revisions = Vec::new();
    for client in clients {
        let mine = client.await.expect("the client finishes");
        assert!(mine.is_sorted(), "a client's revisions rise");
        revisions.extend(mine);
    }
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(
        revisions.len(),
        CLIENTS * INCREMENTS,
        "each increment has its own revision"
    );
    let end = get(&*store, "counter").await.expect("the counter exists");
    assert_eq!(end.value, (CLIENTS * INCREMENTS).to_string());
    assert_eq!(Some(&end.mod_revision), revisions.last());
}

async fn increment(store: Arc<dyn Store>, times: usize) -> Vec<u64> {
    let mut revisions = Vec::new();
    while revisions.len() < times {
        let now = get(&*store, "counter").await.expect("the counter exists");
        let count: usize = std::str::from_utf8(&now.value)
            .ok()
            .and_then(|s| s.parse().ok())
            .expect("a number");
        let guard = vec![Compare::ModRevision("counter".into(), now.mod_revision)];
        let txn = when(guard, vec![put("counter", &(count + 1).to_string())]);
        match store.txn(txn).await.expect("txn works") {
            TxnOutcome::Committed(revision) => revisions.push(revision),
            TxnOutcome::Conflict(at) => {
                assert!(
                    at > now.mod_revision,
                    "somebody else was faster, later than we read"
                );
            }
        }
    }
    revisions
}

/// Two keys always written together are always read equal, and acknowledged writes at once.
pub(super) async fn readers_see_whole_transactions(store: Arc<dyn Store>) {
    let done = Arc::new(AtomicBool::new(false));
    let (writer, finished) = (store.clone(), done.clone());
    let writing = spawn("writer", async move {
        for i in 0..200 {
            let value = i.to_string();
            let revision =
                commit(&*writer, vec![put("pair/a", &value), put("pair/b", &value)]).await;
            let seen = get(&*writer, "pair/a").await.map(|e| e.mod_revision);
            assert_eq!(seen, Some(revision), "a writer reads its own write");
        }
        finished.store(true, Ordering::SeqCst);
    });
    let mut last = 0;
    while !done.load(Ordering::SeqCst) && !writing.is_finished() {
        let page = store
            .range("pair/", None, 10, None)
            .await
            .expect("range works");
        assert!(page.revision >= last, "reads never go back");
        last = page.revision;
        if let [a, b] = &page.entries[..] {
            assert_eq!((&a.value, a.mod_revision), (&b.value, b.mod_revision));
        } else {
            assert!(page.entries.is_empty(), "one of a pair: {page:?}");
        }
        tokio::task::yield_now().await;
    }
    writing.await.expect("the writer finishes");
}

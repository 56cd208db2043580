//! Watches: no gap, no repeat, no split, and honest endings.

use super::{commit, delete, get, next, outcome, put};
use crate::{Event, Store, StoreError};
use std::sync::Arc;

pub(super) async fn from_now(store: &dyn Store) {
    commit(store, vec![put("w/old", "1")]).await;
    let mut watch = store.watch("w/", None).await.expect("watch works");
    commit(store, vec![put("other", "1")]).await;
    let revision = commit(store, vec![put("w/a", "1"), put("x", "1"), put("w/b", "2")]).await;
    let batch = next(&mut *watch).await;
    assert_eq!(batch.revision, revision);
    let keys: Vec<_> = batch.events.iter().map(key_of).collect();
    assert_eq!(
        keys,
        ["w/a", "w/b"],
        "only what is under the prefix, whole, in order"
    );
    let gone = commit(store, vec![delete("w/a")]).await;
    let event = next(&mut *watch).await.events.remove(0);
    assert_eq!(
        event,
        Event::Delete {
            key: "w/a".into(),
            mod_revision: gone
        }
    );
    let Some(entry) = get(store, "w/b").await else {
        panic!("w/b exists")
    };
    let again = commit(store, vec![put("w/b", "3")]).await;
    let Event::Put(seen) = next(&mut *watch).await.events.remove(0) else {
        panic!("not a put")
    };
    assert_eq!(
        (seen.create_revision, seen.mod_revision),
        (entry.create_revision, again)
    );
}

fn key_of(event: &Event) -> &str {
    match event {
        Event::Put(entry) => &entry.key,
        Event::Delete { key, .. } => key,
    }
}

pub(super) async fn from_the_past(store: &dyn Store) {
    let mut revisions = Vec::new();
    for i in 0..10 {
        revisions.push(commit(store, vec![put("w/k", &i.to_string())]).await);
        commit(store, vec![put("elsewhere", "x")]).await;
    }
    let mut watch = store
        .watch("w/", Some(revisions[4]))
        .await
        .expect("watch works");
    revisions.push(commit(store, vec![delete("w/k")]).await);
    for expected in &revisions[4..] {
        assert_eq!(next(&mut *watch).await.revision, *expected);
    }
    let mut everything = store
        .watch("", Some(0))
        .await
        .expect("0 is before anything");
    assert_eq!(next(&mut *everything).await.revision, revisions[0]);
}

/// A watcher that starts over at random moments, while others write, sees every revision once.
pub(super) async fn never_splits_or_repeats(store: Arc<dyn Store>) {
    const ROUNDS: usize = 200;
    let writer = store.clone();
    let writing = neargate_base::task::spawn("writer", async move {
        let mut revisions = Vec::new();
        for i in 0..ROUNDS {
            revisions
                .push(commit(&*writer, vec![put("w/a", &i.to_string()), put("w/b", "x")]).await);
        }
        revisions
    });
    let mut seen: Vec<u64> = Vec::new();
    let mut watch = store.watch("w/", Some(1)).await.expect("watch works");
    while seen.len() < ROUNDS {
        let batch = next(&mut *watch).await;
        assert_eq!(batch.events.len(), 2, "a revision is never split");
        seen.push(batch.revision);
        if seen.len().is_multiple_of(7) {
            watch = store
                .watch("w/", Some(batch.revision + 1))
                .await
                .expect("watch works");
        }
    }
    assert_eq!(seen, writing.await.expect("the writer finishes"));
}

pub(super) async fn from_the_compacted_past_or_the_future(store: &dyn Store) {
    commit(store, vec![put("w/a", "1")]).await;
    let kept = commit(store, vec![put("w/a", "2")]).await;
    let newest = commit(store, vec![put("w/a", "3")]).await;
    store.compact(kept).await.expect("compact works");
    for from in [0, kept] {
        let error = store.watch("w/", Some(from)).await.expect_err("compacted");
        assert!(
            matches!(error, StoreError::Compacted { compacted } if compacted == kept),
            "{error}"
        );
    }
    let mut watch = store
        .watch("w/", Some(kept + 1))
        .await
        .expect("the rest is there");
    assert_eq!(next(&mut *watch).await.revision, newest);
    let mut upcoming = store
        .watch("w/", Some(newest + 1))
        .await
        .expect("the next one may be awaited");
    let after = commit(store, vec![put("w/a", "4")]).await;
    assert_eq!(next(&mut *upcoming).await.revision, after);
    let error = store
        .watch("w/", Some(after + 2))
        .await
        .expect_err("in the future");
    assert!(
        matches!(error, StoreError::FutureRev { asked, now } if (asked, now) == (after + 2, after))
    );
}

/// A watcher that does not read is dropped at some point, and told where to go on.
pub(super) async fn drops_the_slow(store: &dyn Store) {
    let mut watch = store.watch("w/", None).await.expect("watch works");
    let mut written = Vec::new();
    for i in 0..3_000 {
        written.push(commit(store, vec![put("w/k", &i.to_string())]).await);
    }
    let mut seen = Vec::new();
    let resume_from = loop {
        match outcome(&mut *watch).await {
            Ok(batch) => seen.push(batch.revision),
            Err(StoreError::Lagged { resume_from }) => break resume_from,
            Err(other) => panic!("{other}"),
        }
        assert!(
            seen.len() < written.len(),
            "3,000 batches is more than any queue should hold"
        );
    };
    assert_eq!(seen, written[..seen.len()]);
    assert_eq!(resume_from, written[seen.len()], "the first one it missed");
    let mut watch = store
        .watch("w/", Some(resume_from))
        .await
        .expect("it may resume");
    for expected in &written[seen.len()..] {
        assert_eq!(next(&mut *watch).await.revision, *expected);
    }
}

pub(super) async fn wipe_is_seen(store: &dyn Store) {
    let lease = store
        .grant(std::time::Duration::from_secs(60))
        .await
        .expect("grant works");
    let before = commit(
        store,
        vec![put("w/a", "1"), put("w/b", "2"), put("other", "3")],
    )
    .await;
    let mut watch = store.watch("w/", None).await.expect("watch works");
    store.wipe().await.expect("wipe works");
    let batch = next(&mut *watch).await;
    assert!(batch.revision > before);
    let mut gone: Vec<_> = batch.events.iter().map(key_of).collect();
    gone.sort_unstable();
    assert_eq!(gone, ["w/a", "w/b"]);
    assert!(
        batch
            .events
            .iter()
            .all(|e| matches!(e, Event::Delete { .. }))
    );
    let page = store.range("", None, 10, None).await.expect("range works");
    assert!(page.entries.is_empty() && page.revision >= batch.revision);
    let error = store
        .keep_alive(lease)
        .await
        .expect_err("leases are wiped too");
    assert!(matches!(error, StoreError::LeaseNotFound(_)), "{error}");
    let error = store
        .watch("w/", Some(before))
        .await
        .expect_err("history is wiped too");
    assert!(matches!(error, StoreError::Compacted { .. }), "{error}");
    let after = commit(store, vec![put("w/a", "new")]).await;
    assert!(after > batch.revision, "revisions go on rising");
    assert_eq!(next(&mut *watch).await.revision, after, "the watch goes on");
    assert_eq!(
        get(store, "w/a").await.map(|e| e.create_revision),
        Some(after)
    );
}

pub(super) async fn compaction_keeps_values(store: &dyn Store) {
    commit(store, vec![put("a", "1"), put("b", "1"), put("c", "1")]).await;
    commit(store, vec![put("a", "2"), delete("b")]).await;
    let last = commit(store, vec![put("b", "3")]).await;
    store.compact(last).await.expect("compact works");
    store
        .compact(last)
        .await
        .expect("compacting twice is harmless");
    let page = store.range("", None, 10, None).await.expect("range works");
    let values: Vec<_> = page
        .entries
        .iter()
        .map(|e| (e.key.as_str(), &e.value[..]))
        .collect();
    assert_eq!(values, [("a", &b"2"[..]), ("b", b"3"), ("c", b"1")]);
}

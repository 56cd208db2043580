//! What a reopened file says, who may open it, and how large it gets.

use super::*;
use crate::conformance::{delete, next, outcome};

#[tokio::test]
async fn a_reopened_store_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let store = EmbeddedStore::open(&path, clock()).unwrap();
    let first = commit(&*store, vec![put("a", "1"), put("b", "1")]).await;
    commit(&*store, vec![put("a", "2")]).await;
    commit(&*store, vec![delete("b"), put("c", "3")]).await;
    store.compact(first).await.unwrap();
    let before = store.range("", None, 10, None).await.unwrap();
    drop(store);

    let store = EmbeddedStore::open(&path, clock()).unwrap();
    assert_eq!(store.range("", None, 10, None).await.unwrap(), before);
    let mut watch = store.watch("", Some(first + 1)).await.unwrap();
    assert_eq!(next(&mut *watch).await.revision, first + 1);
    assert_eq!(next(&mut *watch).await.events.len(), 2);
    assert!(matches!(
        store.watch("", Some(first)).await,
        Err(StoreError::Compacted { .. })
    ));
    assert!(commit(&*store, vec![put("d", "4")]).await > before.revision);
}

/// A deleted key must not come back when its tombstone is compacted away, and the revision
/// must not fall back when nothing at all is left.
#[tokio::test]
async fn deletions_and_revisions_outlive_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let store = EmbeddedStore::open(&path, clock()).unwrap();
    commit(&*store, vec![put("a", "1")]).await;
    let second = commit(&*store, vec![put("a", "2")]).await;
    store.compact(second).await.unwrap();
    let last = commit(&*store, vec![delete("a")]).await;
    store.compact(last).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(&path, clock()).unwrap();
    assert_eq!(get(&*store, "a").await, None);
    assert_eq!(store.revision().await.unwrap(), last);
}

#[tokio::test]
async fn leases_outlive_a_restart_and_start_over() {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("state"), clock());
    let ttl = Duration::from_secs(10);
    let store = EmbeddedStore::open(&path, clock.clone()).unwrap();
    let lease = store.grant(ttl).await.unwrap();
    commit(
        &*store,
        vec![put_leased("a", lease), put_leased("b", lease)],
    )
    .await;
    drop(store);
    clock.advance(ttl * 2);

    let store = EmbeddedStore::open(&path, clock.clone()).unwrap();
    assert!(
        get(&*store, "a").await.is_some(),
        "its owner could not renew it meanwhile"
    );
    store.keep_alive(lease).await.unwrap();
    assert!(
        store.grant(ttl).await.unwrap() > lease,
        "ids are never used twice"
    );
    let mut watch = store.watch("", None).await.unwrap();
    clock.advance(ttl);
    assert_eq!(next(&mut *watch).await.events.len(), 2);
    drop(store);
    let store = EmbeddedStore::open(&path, clock).unwrap();
    assert_eq!(get(&*store, "a").await, None);
    assert!(matches!(
        store.keep_alive(lease).await,
        Err(StoreError::LeaseNotFound(_))
    ));
}

#[tokio::test]
async fn a_wipe_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let store = EmbeddedStore::open(&path, clock()).unwrap();
    let before = commit(&*store, vec![put("a", "1")]).await;
    store.wipe().await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(&path, clock()).unwrap();
    assert_eq!(get(&*store, "a").await, None);
    assert!(store.revision().await.unwrap() > before);
}

#[tokio::test]
async fn only_one_may_have_it_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let store = EmbeddedStore::open(&path, clock()).unwrap();
    let error = EmbeddedStore::open(&path, clock()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("state is in use by another process"),
        "{error}"
    );
    drop(store);
    EmbeddedStore::open(&path, clock()).unwrap();
}

#[test]
fn what_is_no_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    std::fs::write(&path, "hello, world".repeat(1_000)).unwrap();
    let error = EmbeddedStore::open(&path, clock()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Corrupt(text) if text.contains("state")),
        "{error}"
    );
    let error = EmbeddedStore::open(&dir.path().join("no/such/dir"), clock()).unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("cannot open")));
}

#[test]
fn another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let db = Database::create(&path).unwrap();
    let txn = db.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    txn.open_table(meta).unwrap().insert("format", 99).unwrap();
    txn.commit().unwrap();
    drop(db);
    let error = EmbeddedStore::open(&path, clock()).unwrap_err();
    assert!(error.to_string().contains("format 99"), "{error}");
}

#[tokio::test]
async fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let _store = EmbeddedStore::open(&path, clock()).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// History is compacted in the background, so the file stops growing.
#[tokio::test]
async fn the_file_stops_growing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let options = Options::default().keep_revisions(100);
    let store = EmbeddedStore::open_with(&path, clock(), options).unwrap();
    let value = "x".repeat(2_000);
    let mut sizes = Vec::new();
    for _ in 0..4 {
        for i in 0..500 {
            commit(
                &*store,
                vec![put(&format!("k/{}", i % 10), &value), put("n", "1")],
            )
            .await;
        }
        sizes.push(std::fs::metadata(&path).unwrap().len());
    }
    assert!(sizes[3] <= sizes[1] * 5 / 4, "still growing: {sizes:?}");
    let now = store.revision().await.unwrap();
    assert!(
        store.watch("", Some(now - 50)).await.is_ok(),
        "recent history is kept"
    );
    assert!(matches!(
        store.watch("", Some(1)).await,
        Err(StoreError::Compacted { .. })
    ));
}

#[tokio::test]
async fn a_watch_ends_with_its_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&dir.path().join("state"), clock()).unwrap();
    let mut watch = store.watch("", None).await.unwrap();
    commit(&*store, vec![put("a", "1")]).await;
    drop(store);
    assert_eq!(
        next(&mut *watch).await.events.len(),
        1,
        "what was told before still arrives"
    );
    assert!(matches!(
        outcome(&mut *watch).await,
        Err(StoreError::Unavailable(_))
    ));
}

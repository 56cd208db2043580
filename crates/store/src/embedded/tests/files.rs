//! What a reopened file says, who may open it, and how large it gets.

use super::*;
use crate::conformance::{delete, next, outcome, when};

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
    let other = matches!(error, StoreError::OtherFormat { found: 99, .. });
    assert!(other, "{error}");
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

/// What a busy hour left behind is gone a while later, from the file too.
#[tokio::test]
async fn history_and_space_go_when_nothing_happens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let keep = Duration::from_millis(40);
    let options = || Options::default().keep_for(keep).shrink_above(1 << 20);
    let clock = clock();
    let store = EmbeddedStore::open_with(&path, clock.clone(), options()).unwrap();
    let value = "x".repeat(100_000);
    for i in 0..100 {
        commit(&*store, vec![put(&format!("k/{i}"), &value), put("n", "1")]).await;
    }
    let lease = store.grant(Duration::from_secs(600)).await.unwrap();
    commit(&*store, vec![put_leased("held", lease)]).await;
    for i in 1..100 {
        commit(&*store, vec![delete(&format!("k/{i}"))]).await;
    }
    let size = || std::fs::metadata(&path).unwrap().len();
    let busy = size();
    assert!(busy > 8 << 20, "{busy}");
    let now = store.revision().await.unwrap();
    assert!(store.watch("", Some(now - 50)).await.is_ok());
    while size() > 1 << 20 {
        clock.advance(keep);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let recent = store.watch("", Some(now)).await;
    assert!(matches!(recent, Err(StoreError::Compacted { .. })));
    assert!(
        store.watch("", Some(now + 1)).await.is_ok(),
        "no gap for who is up to date"
    );
    let before = store.range("", None, 10, None).await.unwrap();
    assert_eq!(before.entries.len(), 3);
    let after = commit(&*store, vec![put("n", "2")]).await;
    drop(store);
    let store = EmbeddedStore::open_with(&path, clock, options()).unwrap();
    assert_eq!(store.revision().await.unwrap(), after);
    assert_eq!(get(&*store, "k/0").await.unwrap().value.len(), 100_000);
    store.keep_alive(lease).await.unwrap();
}

/// Cut short or overwritten: an error that names the file, never a panic and never an empty store.
#[tokio::test]
async fn a_damaged_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let store = EmbeddedStore::open(&path, clock()).unwrap();
    for i in 0..50 {
        commit(&*store, vec![put(&format!("k/{i}"), &"x".repeat(10_000))]).await;
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let zeroed = |upto: usize| {
        let mut bytes = whole.clone();
        bytes[..upto].fill(0);
        bytes
    };
    let cuts = [1, 100, 4_096, whole.len() / 2, whole.len() - 1];
    let cut = cuts.map(|n| whole[..n].to_vec());
    let zeros = [64, 512, whole.len()].map(zeroed);
    for bytes in cut.into_iter().chain(zeros) {
        std::fs::write(&path, &bytes).unwrap();
        match EmbeddedStore::open(&path, clock()) {
            Err(StoreError::Corrupt(text)) => assert!(text.contains("state"), "{text}"),
            other => panic!("{} bytes: {other:?}", bytes.len()),
        }
    }
    std::fs::write(&path, &whole).unwrap();
    let store = EmbeddedStore::open(&path, clock()).unwrap();
    assert!(get(&*store, "k/49").await.is_some());
}

/// Space beyond the end is this file's already, whatever becomes of the rest of the disk.
#[tokio::test]
async fn space_is_held_ahead() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let options = Options::default().hold_ahead(4 << 20);
    let store = EmbeddedStore::open_with(&path, clock(), options).unwrap();
    let ahead = || {
        let file = std::fs::metadata(&path).unwrap();
        (file.blocks() * 512).saturating_sub(file.len())
    };
    assert!(ahead() >= 4 << 20, "{}", ahead());
    let value = "x".repeat(100_000);
    for i in 0..30 {
        commit(&*store, vec![put(&format!("k/{i}"), &value)]).await;
    }
    assert!(ahead() >= 4 << 20, "{}", ahead());
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

#[tokio::test]
async fn a_closed_store_writes_no_more_and_is_whole_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let store = EmbeddedStore::open(&path, clock()).unwrap();
    commit(&*store, vec![put("k", "1")]).await;
    store.close().await;
    store.close().await;
    let late = store.txn(when(vec![], vec![put("k", "2")])).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    assert_eq!(store.get("k").await.unwrap().unwrap().value, "1");
    // As a process leaves it that ends without dropping everything.
    let copy = dir.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    let repairs = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = repairs.clone();
    redb::Builder::new()
        .set_repair_callback(move |_| seen.set(seen.get() + 1))
        .open(&copy)
        .unwrap();
    assert_eq!(repairs.get(), 0);
}

//! A full disk is survived; any other failure is the end, and says so.

use super::*;
use crate::conformance::{next, outcome, when};
use redb::backends::InMemoryBackend;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

/// A disk in memory that fails on demand.
#[derive(Debug, Default)]
struct Brittle {
    disk: InMemoryBackend,
    trouble: AtomicU8,
}

const FULL: u8 = 1;
const FULL_AT_SYNC: u8 = 2;
const BROKEN: u8 = 3;

impl Brittle {
    fn set(&self, trouble: u8) {
        self.trouble.store(trouble, Ordering::SeqCst);
    }

    fn check(&self, syncing: bool) -> io::Result<()> {
        match self.trouble.load(Ordering::SeqCst) {
            FULL if !syncing => Err(io::ErrorKind::StorageFull.into()),
            FULL_AT_SYNC if syncing => Err(io::ErrorKind::StorageFull.into()),
            BROKEN => Err(io::Error::other("the disk is on fire")),
            _ => Ok(()),
        }
    }
}

impl StorageBackend for Brittle {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check(false)?;
        self.disk.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.check(true)?;
        self.disk.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check(false)?;
        self.disk.write(offset, data)
    }
}

/// Repeats a transaction until it works, as callers of an unavailable store do.
async fn insist(store: &dyn Store, key: &str) -> Revision {
    loop {
        match store.txn(when(vec![], vec![put(key, "v")])).await {
            Ok(TxnOutcome::Committed(revision)) => return revision,
            Ok(other) => panic!("{other:?}"),
            Err(StoreError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_survived() {
    let disk = Arc::new(Brittle::default());
    let store = EmbeddedStore::open_with_backend(disk.clone(), clock(), survivable()).unwrap();
    let lease = store.grant(Duration::from_secs(60)).await.unwrap();
    let before = commit(&*store, vec![put_leased("kept", lease)]).await;
    let mut watch = store.watch("", None).await.unwrap();
    for _ in 0..3 {
        disk.set(FULL);
        let error = store
            .txn(when(vec![], vec![put("k", "lost")]))
            .await
            .unwrap_err();
        assert!(
            error.is_retryable() && error.to_string().contains("the disk is full"),
            "{error}"
        );
        assert!(store.wipe().await.is_err());
        assert!(get(&*store, "kept").await.is_some(), "reads go on");
        disk.set(0);
        let again = insist(&*store, "k").await;
        assert!(again > before);
        assert_eq!(
            next(&mut *watch).await.revision,
            again,
            "the watch goes on, without the lost"
        );
    }
    store.keep_alive(lease).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open_with_backend(disk, clock(), survivable()).unwrap();
    assert_eq!(get(&*store, "k").await.unwrap().value, "v");
    assert!(get(&*store, "kept").await.is_some());
}

#[tokio::test]
async fn any_other_failure_is_the_end() {
    for trouble in [BROKEN, FULL_AT_SYNC] {
        let disk = Arc::new(Brittle::default());
        let told = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let hear = told.clone();
        let on_death = Arc::new(move |why: &str| hear.lock().push(why.to_owned()));
        let options = Options {
            on_death,
            ..Options::default()
        };
        let store = EmbeddedStore::open_with_backend(disk.clone(), clock(), options).unwrap();
        commit(&*store, vec![put("a", "1")]).await;
        let mut watch = store.watch("", None).await.unwrap();
        disk.set(trouble);
        let error = store
            .txn(when(vec![], vec![put("a", "2")]))
            .await
            .unwrap_err();
        assert!(
            matches!(error, StoreError::Unavailable(_)),
            "outcome unknown: {error}"
        );
        let ended = outcome(&mut *watch).await.unwrap_err();
        assert!(ended.to_string().contains("the store is dead"), "{ended}");
        disk.set(0);
        let dead = |e: StoreError| assert!(matches!(e, StoreError::Unavailable(_)), "{e}");
        dead(store.get("a").await.unwrap_err());
        dead(store.range("", None, 1, None).await.unwrap_err());
        dead(store.txn(Txn::default()).await.unwrap_err());
        dead(store.grant(Duration::from_secs(1)).await.unwrap_err());
        dead(store.watch("", None).await.unwrap_err());
        dead(store.revision().await.unwrap_err());
        dead(store.wipe().await.unwrap_err());
        drop(store);
        assert_eq!(told.lock().len(), 1, "told once");
        // A sync that failed may have lost what was written since the last good one, no more.
        let store = EmbeddedStore::open_with_backend(disk, clock(), survivable()).unwrap();
        assert!(get(&*store, "a").await.is_some());
    }
}

//! A store whose watches go deaf, end and cannot be opened when told.

use async_trait::async_trait;
use neargate_base::Clock;
use neargate_store::memory::MemoryStore;
use neargate_store::{
    Batch, Entry, LeaseId, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::broadcast;

#[derive(Debug)]
pub struct Faulty {
    inner: Arc<MemoryStore>,
    /// Open watches that lose every batch.
    pub deaf: Arc<AtomicBool>,
    endings: broadcast::Sender<StoreError>,
    /// How many calls of `watch` are refused.
    pub refuse: AtomicU32,
    /// How many watches are opened only to end at once.
    pub break_at_once: AtomicU32,
    /// How often `watch` was called.
    pub opened: AtomicU32,
}

impl Faulty {
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Faulty> {
        Arc::new(Faulty {
            inner: MemoryStore::new(clock),
            deaf: Arc::default(),
            endings: broadcast::channel(16).0,
            refuse: AtomicU32::new(0),
            break_at_once: AtomicU32::new(0),
            opened: AtomicU32::new(0),
        })
    }

    pub fn inner(&self) -> Arc<MemoryStore> {
        self.inner.clone()
    }

    /// Every open watch ends with `why`; those opened later hear again.
    pub fn end_watches(&self, why: StoreError) {
        self.deaf.store(false, Ordering::SeqCst);
        let _ = self.endings.send(why);
    }
}

/// Takes one, if any is left.
fn take(counter: &AtomicU32) -> bool {
    counter
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

#[async_trait]
impl Store for Faulty {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.inner.get(key).await
    }

    async fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        self.inner.range(prefix, after, limit, at).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        self.inner.txn(txn).await
    }

    async fn watch(
        &self,
        prefix: &str,
        from: Option<Revision>,
    ) -> Result<Box<dyn Watch>, StoreError> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        if take(&self.refuse) {
            return Err(StoreError::Unavailable("refused".into()));
        }
        let endings = self.endings.subscribe();
        let broken = take(&self.break_at_once);
        let inner = self.inner.watch(prefix, from).await?;
        Ok(Box::new(FaultyWatch {
            inner,
            deaf: self.deaf.clone(),
            endings,
            broken,
        }))
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.inner.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.inner.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.inner.revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.inner.compact(revision).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.inner.revision().await
    }

    async fn wipe(&self) -> Result<(), StoreError> {
        self.inner.wipe().await
    }
}

#[derive(Debug)]
struct FaultyWatch {
    inner: Box<dyn Watch>,
    deaf: Arc<AtomicBool>,
    endings: broadcast::Receiver<StoreError>,
    broken: bool,
}

#[async_trait]
impl Watch for FaultyWatch {
    async fn next(&mut self) -> Result<Batch, StoreError> {
        if self.broken {
            return Err(StoreError::Compacted { compacted: 1 });
        }
        loop {
            tokio::select! {
                biased;
                why = self.endings.recv() => return Err(why.expect("the store lives")),
                batch = self.inner.next() => {
                    let batch = batch?;
                    if !self.deaf.load(Ordering::SeqCst) {
                        return Ok(batch);
                    }
                }
            }
        }
    }
}

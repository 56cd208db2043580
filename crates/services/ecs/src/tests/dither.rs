//! A store whose calls give way to others a seeded number of times: every interleaving of
//! concurrent calls can happen, and a seed repeats it.

use async_trait::async_trait;
use neargate_base::Rng;
use neargate_store::{LeaseId, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Dither {
    inner: Arc<dyn Store>,
    rng: Rng,
}

impl Dither {
    pub(super) fn over(inner: Arc<dyn Store>, seed: u64) -> Arc<dyn Store> {
        Arc::new(Dither {
            inner,
            rng: Rng::seeded(seed),
        })
    }

    async fn give_way(&self) {
        for _ in 0..self.rng.below(4) {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Store for Dither {
    async fn get(&self, key: &str) -> Result<Option<neargate_store::Entry>, StoreError> {
        self.give_way().await;
        self.inner.get(key).await
    }

    async fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        self.give_way().await;
        self.inner.range(prefix, after, limit, at).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        self.give_way().await;
        let outcome = self.inner.txn(txn).await;
        self.give_way().await;
        outcome
    }

    async fn watch(
        &self,
        prefix: &str,
        from: Option<Revision>,
    ) -> Result<Box<dyn Watch>, StoreError> {
        self.inner.watch(prefix, from).await
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

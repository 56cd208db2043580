//! The embedded store under simulated time: everything stands still while a transaction is on
//! its way to the disk, so that the seed decides a run here too.

use async_trait::async_trait;
use neargate_base::Clock;
use neargate_store::embedded::EmbeddedStore;
use neargate_store::{Entry, LeaseId, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

#[derive(Debug)]
pub struct Durable(Arc<EmbeddedStore>);

impl Durable {
    /// # Panics
    /// When no store can be opened in `dir`.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        let store = EmbeddedStore::open(&dir.join("state.redb"), clock);
        Arc::new(Durable(store.expect("a store")))
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The answer, waited for by the whole thread: tokio's clock jumps only when the thread is idle.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    // A task that has used up its turn would never see the answer.
    let mut future = pin!(tokio::task::unconstrained(future));
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

#[async_trait]
impl Store for Durable {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.0.get(key).await
    }

    async fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        self.0.range(prefix, after, limit, at).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        at_once(self.0.txn(txn))
    }

    async fn watch(
        &self,
        prefix: &str,
        from: Option<Revision>,
    ) -> Result<Box<dyn Watch>, StoreError> {
        self.0.watch(prefix, from).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        at_once(self.0.grant(ttl))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.0.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        at_once(self.0.revoke(lease))
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        at_once(self.0.compact(revision))
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.0.revision().await
    }

    async fn wipe(&self) -> Result<(), StoreError> {
        at_once(self.0.wipe())
    }
}

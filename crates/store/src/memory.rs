//! The store in memory: for tests and simulations.
//!
//! Everything is lost when it is dropped; otherwise it keeps the whole contract, limits and
//! automatic compaction included. It has no thread: leases that are due end at the next call,
//! or while a watcher waits.

use crate::mvcc::{Core, Inner, Leases, Retention, State, Watcher, limits};
use crate::{Batch, Entry, LeaseId, Page, Revision, Store, StoreError, Txn, TxnOutcome, Watch};
use async_trait::async_trait;
use neargate_base::Clock;
use std::sync::{Arc, Weak};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How often a waiting watcher looks for leases that are due.
const LEASE_POLL: Duration = Duration::from_millis(25);
/// While there is no lease.
const IDLE_POLL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct MemoryStore {
    core: Arc<Core>,
}

impl MemoryStore {
    /// An empty store at revision 0; leases live by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let core = Core::new(clock, State::default(), Leases::default());
        Arc::new(MemoryStore {
            core: Arc::new(core),
        })
    }
}

/// Ends the leases that are due, then runs `change`.
fn settled<T>(core: &Core, change: impl FnOnce(&mut Inner) -> T) -> Result<T, StoreError> {
    let now = core.clock.now();
    core.write(|inner| {
        if inner.leases.next_deadline().is_some_and(|at| at <= now) {
            let plan = inner.planner(now).finish();
            inner.apply(plan);
        }
        change(inner)
    })
}

fn compact_to(inner: &mut Inner, target: Revision) {
    if let Some(slice) = inner.state.next_slice(target, usize::MAX) {
        inner.compact(&slice);
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        settled(&self.core, |inner| inner.state.get(key))
    }

    async fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        settled(&self.core, |inner| {
            inner.state.range(prefix, after, limit, at)
        })?
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        limits::check(&txn)?;
        settled(&self.core, |inner| {
            let mut planner = inner.planner(self.core.clock.now());
            let outcome = planner.txn(txn);
            let plan = planner.finish();
            inner.apply(plan);
            if let Some(target) = inner.state.overdue(&Retention::default()) {
                compact_to(inner, target);
            }
            outcome
        })?
    }

    async fn watch(
        &self,
        prefix: &str,
        from: Option<Revision>,
    ) -> Result<Box<dyn Watch>, StoreError> {
        settled(&self.core, |_| ())?;
        let watcher = self.core.watch(prefix, from)?;
        Ok(Box::new(MemoryWatch {
            watcher,
            core: Arc::downgrade(&self.core),
        }))
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        let now = self.core.clock.now();
        settled(&self.core, |inner| inner.grant(ttl, now))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.core.keep_alive(lease)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        settled(&self.core, |inner| {
            let mut planner = inner.planner(self.core.clock.now());
            let outcome = planner.end_lease(lease);
            let plan = planner.finish();
            inner.apply(plan);
            outcome
        })?
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        settled(&self.core, |inner| {
            let now = inner.state.revision();
            if revision > now {
                return Err(StoreError::FutureRev {
                    asked: revision,
                    now,
                });
            }
            compact_to(inner, revision);
            Ok(())
        })?
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        settled(&self.core, |inner| inner.state.revision())
    }

    async fn wipe(&self) -> Result<(), StoreError> {
        let old = settled(&self.core, Inner::wipe)?;
        drop(old);
        Ok(())
    }
}

/// A watcher that lets leases run out while it waits.
#[derive(Debug)]
struct MemoryWatch {
    watcher: Watcher,
    core: Weak<Core>,
}

#[async_trait]
impl Watch for MemoryWatch {
    async fn next(&mut self) -> Result<Batch, StoreError> {
        let mut poll = LEASE_POLL;
        loop {
            if let Ok(next) = tokio::time::timeout(poll, self.watcher.next()).await {
                return next;
            }
            if let Some(core) = self.core.upgrade() {
                poll = settled(&core, |inner| match inner.leases.next_deadline() {
                    Some(_) => LEASE_POLL,
                    None => IDLE_POLL,
                })?;
            }
        }
    }
}

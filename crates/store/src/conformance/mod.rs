//! The contract of [`Store`](crate::Store) as a suite that every back end must pass.
//!
//! Each check panics with what was broken. Nothing here knows a back end; time moves by the
//! subject's [`ManualClock`] where it has one.

mod concurrency;
mod leases;
mod limits;
mod ranges;
mod transactions;
mod watches;

use crate::{Batch, Compare, Entry, Op, Revision, Store, StoreError, Txn, TxnOutcome, Watch};
use bytes::Bytes;
use neargate_base::time::ManualClock;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// A fresh, empty store to check.
#[derive(Debug, Clone)]
pub struct Subject {
    pub store: Arc<dyn Store>,
    /// The clock its leases live by; `None`: real time.
    pub clock: Option<Arc<ManualClock>>,
}

/// Runs the whole suite; `make` gives a fresh store each time.
///
/// # Panics
/// At the first broken promise.
pub async fn check<F, Fut>(make: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Subject>,
{
    let store = || async { make().await.store };
    transactions::reads_what_it_wrote(&*store().await).await;
    transactions::compares_guard(&*store().await).await;
    transactions::changes_nothing_takes_no_revision(&*store().await).await;
    transactions::is_all_or_nothing(&*store().await).await;
    ranges::pages_in_key_order(&*store().await).await;
    ranges::pages_see_one_snapshot(&*store().await).await;
    ranges::knows_past_and_future(&*store().await).await;
    watches::from_now(&*store().await).await;
    watches::from_the_past(&*store().await).await;
    watches::never_splits_or_repeats(store().await).await;
    watches::from_the_compacted_past_or_the_future(&*store().await).await;
    watches::drops_the_slow(&*store().await).await;
    watches::wipe_is_seen(&*store().await).await;
    watches::compaction_keeps_values(&*store().await).await;
    leases::revoke_deletes(&*store().await).await;
    leases::attachment_follows_the_last_put(&*store().await).await;
    leases::unknown_is_refused(&*store().await).await;
    leases::expire(&make().await).await;
    leases::keep_alive_prolongs(&make().await).await;
    limits::are_etcds(&*store().await).await;
    limits::bad_keys_are_refused(&*store().await).await;
    concurrency::counter_loses_nothing(store().await).await;
    concurrency::readers_see_whole_transactions(store().await).await;
}

pub(crate) fn put(key: &str, value: &str) -> Op {
    let value = Bytes::copy_from_slice(value.as_bytes());
    Op::Put {
        key: key.to_owned(),
        value,
        lease: None,
    }
}

pub(crate) fn put_leased(key: &str, lease: u64) -> Op {
    Op::Put {
        key: key.to_owned(),
        value: Bytes::from_static(b"leased"),
        lease: Some(lease),
    }
}

pub(crate) fn delete(key: &str) -> Op {
    Op::Delete {
        key: key.to_owned(),
    }
}

pub(crate) fn when(compares: Vec<Compare>, ops: Vec<Op>) -> Txn {
    Txn {
        compares,
        ops,
        within_reserve: false,
    }
}

pub(crate) async fn commit(store: &dyn Store, ops: Vec<Op>) -> Revision {
    match store.txn(when(vec![], ops)).await {
        Ok(TxnOutcome::Committed(revision)) => revision,
        other => panic!("an unconditional transaction came to {other:?}"),
    }
}

pub(crate) async fn get(store: &dyn Store, key: &str) -> Option<Entry> {
    store.get(key).await.expect("get works")
}

/// The next batch, or a panic when none comes.
pub(crate) async fn next(watch: &mut dyn Watch) -> Batch {
    outcome(watch).await.expect("the watch goes on")
}

pub(crate) async fn outcome(watch: &mut dyn Watch) -> Result<Batch, StoreError> {
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, watch.next())
        .await
        .expect("the watch brings something")
}

//! Floor 1: the revisioned key-value store that holds every resource.
//!
//! One contract ([`Store`]), several back ends: [`memory`] for tests and simulations, [`embedded`]
//! (redb, durable) for one host; etcd is the one to outgrow to, so every back end enforces etcd's
//! limits. The contract, checked by [`conformance`]:
//!
//! - revisions strictly increase; revision 0 means "absent"; nobody may count on +1;
//! - a transaction is atomic and durable once it answers; a reader sees all of it or none;
//! - a watch delivers every event of a revision in one batch, in revision order, none twice;
//! - lists are always paged; a watcher that falls behind is dropped with [`StoreError::Compacted`]
//!   or [`StoreError::Lagged`] and resumes from its last revision;
//! - [`StoreError::Unavailable`] means *outcome unknown*: read again before acting.

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

pub mod conformance;
pub mod embedded;
pub mod memory;
mod mvcc;

pub use embedded::EmbeddedStore;
pub use memory::MemoryStore;

/// A position in the store's history. 0 is "before anything" and "absent".
pub type Revision = u64;
/// Names a lease; keys attached to it vanish when it expires.
pub type LeaseId = u64;

/// Operations in one transaction, and compares besides (etcd's `--max-txn-ops`).
pub const MAX_TXN_OPS: usize = 128;
/// Keys plus values of one transaction, in bytes (etcd's `--max-request-bytes`).
pub const MAX_REQUEST_BYTES: usize = 1_572_864;
/// The most entries one [`Store::range`] call returns.
pub const MAX_PAGE: usize = 1_000;

/// A key with its current value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub value: Bytes,
    pub create_revision: Revision,
    pub mod_revision: Revision,
    pub lease: Option<LeaseId>,
}

/// One page of a range, in key order. `revision` is the snapshot it was read at; pass it on
/// to read the next page of the same snapshot, or to watch from `revision + 1` without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub revision: Revision,
    /// More keys follow the last one of `entries`.
    pub more: bool,
}

/// A precondition of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// The key's `mod_revision` equals this; 0 asks that the key be absent.
    ModRevision(String, Revision),
    /// The key exists, at whatever revision.
    Exists(String),
}

/// A change a transaction makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Put {
        key: String,
        value: Bytes,
        lease: Option<LeaseId>,
    },
    Delete {
        key: String,
    },
}

/// All `ops` happen, at one new revision, if all `compares` hold; else nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    pub compares: Vec<Compare>,
    pub ops: Vec<Op>,
    /// May it add keys where little of the disk is left? For what ends things, and needs a few.
    pub within_reserve: bool,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxnOutcome {
    /// Durable at this revision.
    Committed(Revision),
    /// A compare did not hold at this revision; nothing was written.
    Conflict(Revision),
}

/// One change as a watcher sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Put(Entry),
    Delete { key: String, mod_revision: Revision },
}

/// All events of one revision that fall under the watched prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub revision: Revision,
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// History before `compacted` is gone: list again, then watch from there.
    #[error("history up to revision {compacted} is compacted")]
    Compacted { compacted: Revision },
    /// The revision asked for has not happened yet.
    #[error("revision {asked} is in the future (now {now})")]
    FutureRev { asked: Revision, now: Revision },
    #[error("lease {0} does not exist or has expired")]
    LeaseNotFound(LeaseId),
    #[error("the transaction is too big: {0}")]
    TooBig(String),
    /// An empty key, or a key changed twice in one transaction (etcd: "duplicate key given in
    /// txn request"): a mistake of the caller.
    #[error("the transaction is not valid: {0}")]
    Invalid(String),
    /// The watcher fell behind and was dropped; watch again from `resume_from`.
    #[error("the watcher fell behind at revision {resume_from}")]
    Lagged { resume_from: Revision },
    /// Outcome unknown: read again before acting.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// It is whole, and another program's: a newer one wrote it.
    #[error("the store has format {found}, and this program reads {known}")]
    OtherFormat { found: u64, known: u64 },
}

impl StoreError {
    /// May the same call succeed later, unchanged?
    pub fn is_retryable(&self) -> bool {
        match self {
            StoreError::Unavailable(_) | StoreError::Lagged { .. } => true,
            StoreError::Compacted { .. }
            | StoreError::FutureRev { .. }
            | StoreError::LeaseNotFound(_)
            | StoreError::TooBig(_)
            | StoreError::Invalid(_)
            | StoreError::Corrupt(_)
            | StoreError::OtherFormat { .. } => false,
        }
    }
}

/// The store's contract; see the module for its invariants.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;

    /// Up to `limit` (at most [`MAX_PAGE`]) keys that start with `prefix` and are greater than
    /// `after`, in key order, at snapshot `at` (`None`: now).
    async fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        at: Option<Revision>,
    ) -> Result<Page, StoreError>;

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome, StoreError>;

    /// Every batch under `prefix` with revision >= `from`; `None`: only what comes after now.
    async fn watch(
        &self,
        prefix: &str,
        from: Option<Revision>,
    ) -> Result<Box<dyn Watch>, StoreError>;

    /// A lease that lives `ttl` beyond its last [`Store::keep_alive`].
    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError>;
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError>;
    /// Ends the lease and deletes its keys.
    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Forget history up to and including `revision`; current values stay.
    async fn compact(&self, revision: Revision) -> Result<(), StoreError>;

    /// The newest revision.
    async fn revision(&self) -> Result<Revision, StoreError>;

    /// Delete every key (history and leases too) quickly: the development-mode reset.
    /// Revisions go on rising. Watchers see the deletions.
    async fn wipe(&self) -> Result<(), StoreError>;

    /// The end: what was asked before is served, nothing is written afterwards, and the next start finds
    /// all in order. Reading goes on. A store that is not closed loses nothing.
    async fn close(&self) {}
}

/// A running watch; dropping it ends it.
#[async_trait]
pub trait Watch: std::fmt::Debug + Send {
    /// The next batch; waits for one. After an error the watch is over.
    async fn next(&mut self) -> Result<Batch, StoreError>;
}

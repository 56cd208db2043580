//! The multi-version state in memory that both single-host back ends stand on.
//!
//! Owns: what each key was at each revision ([`state::State`]), who is leased to what
//! ([`lease::Leases`]), which transactions may happen ([`plan::Planner`]), and who is told
//! ([`watch::Watchers`]). Knows nothing of disks, threads or durability: a back end plans
//! against the state, makes the plan durable in its own way, and only then applies it.
//!
//! Invariants: a revision is applied whole under one lock together with its notifications, so
//! no reader sees half of it and no watcher misses or repeats it; versions of a key and commits
//! of the log are in ascending revision order.

pub(crate) mod age;
pub(crate) mod core;
pub(crate) mod lease;
pub(crate) mod limits;
pub(crate) mod plan;
pub(crate) mod replay;
pub(crate) mod state;
pub(crate) mod watch;

#[cfg(test)]
mod tests;

pub(crate) use self::core::{Core, Inner};
pub(crate) use age::Ages;
pub(crate) use lease::Leases;
pub(crate) use plan::{Plan, Planner};
pub(crate) use replay::Replay;
pub(crate) use state::{Slice, State};
pub(crate) use watch::Watcher;

use crate::{Entry, Event, LeaseId, Revision};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Where a change sits in the log: its revision, and its position within that revision.
pub(crate) type Row = (Revision, u32);

/// What a key became at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub row: Row,
    /// The revision of the put that (re)created the key; 0 in a tombstone.
    pub create_revision: Revision,
    /// `None`: a tombstone, the key was deleted here.
    pub value: Option<Bytes>,
    pub lease: Option<LeaseId>,
}

/// One key's change within a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub key: Arc<str>,
    pub version: Version,
}

/// All changes of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    pub revision: Revision,
    pub changes: Vec<Change>,
}

impl Version {
    pub(crate) fn entry(&self, key: &str) -> Option<Entry> {
        self.value.as_ref().map(|value| Entry {
            key: key.to_owned(),
            value: value.clone(),
            create_revision: self.create_revision,
            mod_revision: self.row.0,
            lease: self.lease,
        })
    }
}

impl Change {
    pub(crate) fn event(&self) -> Event {
        match self.version.entry(&self.key) {
            Some(entry) => Event::Put(entry),
            None => Event::Delete {
                key: self.key.to_string(),
                mod_revision: self.version.row.0,
            },
        }
    }
}

impl Commit {
    /// About how much memory (and disk) this commit's history holds.
    pub(crate) fn size_bytes(&self) -> usize {
        let size = |c: &Change| {
            PER_CHANGE_BYTES + c.key.len() + c.version.value.as_ref().map_or(0, Bytes::len)
        };
        self.changes.iter().map(size).sum()
    }
}

/// About what a change costs beside its key and value.
pub(crate) const PER_CHANGE_BYTES: usize = 96;

/// How much history to keep beyond the current values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub revisions: usize,
    pub bytes: usize,
    /// However little there is of it, history older than this goes: nobody is that far behind.
    pub age: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            revisions: 10_000,
            bytes: 16 << 20,
            age: Duration::from_secs(60),
        }
    }
}

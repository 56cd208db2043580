//! Every key's versions and the log of recent commits.
//!
//! Compaction walks the log upwards and at each change forgets what that change superseded
//! (and the change itself when it is a tombstone). A back end that deletes the same rows from
//! its disk in the same order can stop at any revision and still replay to the same values:
//! a tombstone never goes before what it hides.

use super::{Change, Commit, PER_CHANGE_BYTES, Retention, Row, Version};
use crate::{Entry, LeaseId, MAX_PAGE, Page, Revision, StoreError};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// Compaction starts once the log exceeds its retention by this many revisions, so that it
/// does not nibble at every commit.
const SLACK_REVISIONS: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct State {
    keys: BTreeMap<Arc<str>, Vec<Version>>,
    log: VecDeque<Arc<Commit>>,
    log_bytes: usize,
    revision: Revision,
    compacted: Revision,
}

/// A piece of compaction: after forgetting `rows`, history begins after `upto`.
#[derive(Debug)]
pub(crate) struct Slice {
    pub upto: Revision,
    pub rows: Vec<Row>,
}

impl State {
    /// An empty state whose history up to `compacted` is gone.
    pub(crate) fn starting_at(compacted: Revision) -> Self {
        State {
            revision: compacted,
            compacted,
            ..State::default()
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn compacted(&self) -> Revision {
        self.compacted
    }

    /// The key's live version, if it exists now.
    pub(crate) fn current(&self, key: &str) -> Option<&Version> {
        self.keys
            .get(key)
            .and_then(|v| v.last())
            .filter(|v| v.value.is_some())
    }

    /// The stored form of the key's name, to share its memory.
    pub(crate) fn interned(&self, key: &str) -> Arc<str> {
        self.keys
            .get_key_value(key)
            .map_or_else(|| Arc::from(key), |(k, _)| k.clone())
    }

    pub(crate) fn get(&self, key: &str) -> Option<Entry> {
        self.current(key).and_then(|v| v.entry(key))
    }

    /// See [`crate::Store::range`]. Costs O(log keys + page), plus the tombstones passed over.
    pub(crate) fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        let at = at.unwrap_or(self.revision);
        if at > self.revision {
            return Err(StoreError::FutureRev {
                asked: at,
                now: self.revision,
            });
        }
        if at < self.compacted {
            return Err(StoreError::Compacted {
                compacted: self.compacted,
            });
        }
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let limit = limit.min(MAX_PAGE);
        let mut page = Page {
            entries: Vec::new(),
            revision: at,
            more: false,
        };
        for (key, versions) in self.keys.range::<str, _>((from, Bound::Unbounded)) {
            if !key.starts_with(prefix) {
                break;
            }
            let visible = versions.iter().rev().find(|v| v.row.0 <= at);
            let Some(entry) = visible.and_then(|v| v.entry(key)) else {
                continue;
            };
            if page.entries.len() == limit {
                page.more = true;
                break;
            }
            page.entries.push(entry);
        }
        Ok(page)
    }

    /// The commits from `from` on that the log still holds.
    pub(crate) fn history(&self, from: Revision) -> Result<VecDeque<Arc<Commit>>, StoreError> {
        if from <= self.compacted && self.compacted > 0 {
            return Err(StoreError::Compacted {
                compacted: self.compacted,
            });
        }
        if from > self.revision + 1 {
            return Err(StoreError::FutureRev {
                asked: from,
                now: self.revision,
            });
        }
        let start = self.log.partition_point(|c| c.revision < from);
        Ok(self.log.range(start..).cloned().collect())
    }

    /// Adds a commit newer than every one before it.
    pub(crate) fn apply(&mut self, commit: Arc<Commit>) {
        debug_assert!(
            commit.revision > self.revision,
            "revisions strictly increase"
        );
        for Change { key, version } in &commit.changes {
            match self.keys.get_mut(key) {
                Some(versions) => versions.push(version.clone()),
                // Most have one and no more.
                None => {
                    self.keys.insert(key.clone(), vec![version.clone()]);
                }
            }
        }
        self.log(commit);
    }

    /// Adds a commit to the log alone.
    pub(super) fn log(&mut self, commit: Arc<Commit>) {
        self.revision = commit.revision;
        self.log_bytes += commit.size_bytes();
        self.log.push_back(commit);
    }

    /// With these keys and their versions in place of its own.
    pub(super) fn with(self, keys: impl IntoIterator<Item = (Arc<str>, Vec<Version>)>) -> State {
        let keys = keys.into_iter().collect();
        State { keys, ..self }
    }

    /// Is there anything to compact?
    pub(crate) fn has_history(&self) -> bool {
        self.compacted < self.revision
    }

    /// About what the current values take on disk. Costs a walk over all keys.
    pub(crate) fn live_bytes(&self) -> usize {
        let sizes = self.keys.iter().filter_map(|(key, versions)| {
            let value = versions.last()?.value.as_ref()?;
            Some(PER_CHANGE_BYTES + key.len() + value.len())
        });
        sizes.sum()
    }

    /// Every key that hangs on a lease now.
    pub(crate) fn leased(&self) -> impl Iterator<Item = (&Arc<str>, LeaseId)> {
        let live = self
            .keys
            .iter()
            .filter_map(|(key, v)| Some((key, v.last()?)));
        live.filter_map(|(key, v)| Some((key, v.lease?)))
    }

    /// How far automatic compaction should go, if it should run at all.
    pub(crate) fn overdue(&self, keep: &Retention) -> Option<Revision> {
        let over = self.log.len().saturating_sub(keep.revisions);
        if over > SLACK_REVISIONS.min(keep.revisions) {
            return self.log.get(over - 1).map(|c| c.revision);
        }
        if self.log_bytes > keep.bytes {
            return self.log.get(self.log.len() / 2).map(|c| c.revision);
        }
        None
    }

    /// The next piece of compaction towards `target`: about `max_changes` changes, whole
    /// revisions. `None`: nothing is left to do.
    pub(crate) fn next_slice(&self, target: Revision, max_changes: usize) -> Option<Slice> {
        let target = target.min(self.revision);
        if target <= self.compacted {
            return None;
        }
        let mut slice = Slice {
            upto: self.compacted,
            rows: Vec::new(),
        };
        let mut changes = 0;
        for commit in self.log.iter().take_while(|c| c.revision <= target) {
            if changes >= max_changes {
                return Some(slice);
            }
            for change in &commit.changes {
                slice.rows.extend(self.superseded_by(change));
                if change.version.value.is_none() {
                    slice.rows.push(change.version.row);
                }
            }
            changes += commit.changes.len();
            slice.upto = commit.revision;
        }
        slice.upto = target;
        Some(slice)
    }

    /// The row of the live version that `change` replaced. A replaced tombstone's row went
    /// when the tombstone itself was passed.
    fn superseded_by(&self, change: &Change) -> Option<Row> {
        let versions = self.keys.get(&change.key)?;
        let at = versions.partition_point(|v| v.row.0 < change.version.row.0);
        let before = versions.get(at.checked_sub(1)?)?;
        before.value.is_some().then_some(before.row)
    }

    /// Forgets history up to and including `upto`.
    pub(crate) fn compact(&mut self, upto: Revision) {
        while let Some(commit) = self.log.pop_front_if(|c| c.revision <= upto) {
            self.log_bytes -= commit.size_bytes();
            for change in &commit.changes {
                let Some(versions) = self.keys.get_mut(&change.key) else {
                    continue;
                };
                let tombstone = change.version.value.is_none();
                let revision = commit.revision;
                versions.retain(|v| v.row.0 > revision || (v.row.0 == revision && !tombstone));
                if versions.is_empty() {
                    self.keys.remove(&change.key);
                } else {
                    versions.shrink_to_fit();
                }
            }
        }
        if self.log.len() < self.log.capacity() / 4 {
            self.log.shrink_to(2 * self.log.len());
        }
        self.compacted = self.compacted.max(upto);
    }

    /// Deletions of every live key, as a commit at `revision`; changes nothing.
    pub(crate) fn wiping(&self, revision: Revision) -> Commit {
        let live = self
            .keys
            .iter()
            .filter(|(_, v)| v.last().is_some_and(|v| v.value.is_some()));
        let changes = live.zip(0..).map(|((key, _), sub)| Change {
            key: key.clone(),
            version: Version {
                row: (revision, sub),
                create_revision: 0,
                value: None,
                lease: None,
            },
        });
        Commit {
            revision,
            changes: changes.collect(),
        }
    }
}

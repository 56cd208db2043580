//! A state out of the rows of a log.
//!
//! Keys come in the order of their changes. They are found by their hashes until all are known, and
//! put in order once: a tree that grows by each would compare them far more often.

use super::{Change, Commit, State, Version};
use crate::Revision;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Replay {
    state: State,
    keys: HashMap<Arc<str>, Vec<Version>>,
    /// What was taken in of the newest revision.
    open: Vec<Change>,
}

impl Replay {
    /// Of a log of about so many rows, whose history up to `compacted` is gone.
    pub(crate) fn after(compacted: Revision, rows: usize) -> Replay {
        Replay {
            state: State::starting_at(compacted),
            keys: HashMap::with_capacity(rows),
            open: Vec::new(),
        }
    }

    /// The next row, in the order of rows.
    pub(crate) fn take(&mut self, change: Change) {
        let revision = change.version.row.0;
        let is_history = revision > self.state.compacted();
        if self
            .open
            .first()
            .is_some_and(|of| of.version.row.0 != revision)
        {
            self.close();
        }
        let Change { key, version } = change;
        let known = self.keys.entry(key);
        if is_history {
            let (key, version) = (known.key().clone(), version.clone());
            self.open.push(Change { key, version });
        }
        match known {
            Entry::Occupied(mut known) if is_history => known.get_mut().push(version),
            Entry::Occupied(mut known) => *known.get_mut() = vec![version],
            // Most have one and no more.
            Entry::Vacant(new) => {
                new.insert(vec![version]);
            }
        }
    }

    fn close(&mut self) {
        let changes = std::mem::take(&mut self.open);
        if let Some(newest) = changes.first() {
            let revision = newest.version.row.0;
            self.state.log(Arc::new(Commit { revision, changes }));
        }
    }

    pub(crate) fn finish(mut self) -> State {
        self.close();
        self.state.with(self.keys)
    }
}

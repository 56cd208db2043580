//! Finds the best instance for a request without looking at all of them.
//!
//! Requests that are equal (the tasks of one service, of one RunTask) share an [`Index`]. What
//! changes on an instance goes into one journal; an index reads what it has missed when it is
//! asked next, so that an idle one costs nothing. An instance that comes, goes or changes its
//! attributes makes all of them be built anew. The least recently used are dropped.
//!
//! An index is only a faster way to the answer of a look at every instance: dropping all of
//! them at any time changes nothing.

mod class;
mod tree;

use super::capacity::Slots;
use super::request::Request;
use class::Index;
use std::collections::{HashMap, VecDeque};

/// Changes kept for indexes that lag; one that lags more is built anew. (Tests are to meet
/// both limits with a handful of instances.)
const MAX_JOURNAL: usize = if cfg!(test) { 5 } else { 4096 };
/// How many instances all indexes together may list, at about 60 bytes each.
const MAX_LISTED: usize = if cfg!(test) { 20 } else { 1 << 19 };

/// The indexes of one cluster.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    by_request: HashMap<Request, Entry>,
    /// Rises when an instance comes, goes or registers anew.
    registrations: u64,
    /// The numbers of the instances that changed, the oldest first.
    journal: VecDeque<u32>,
    /// The changes ever, of which the journal holds the last.
    changes: u64,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    index: Index,
    registrations: u64,
    changes: u64,
    used: u64,
}

impl Indexes {
    /// What the instance has free, or its connection, has changed.
    pub(super) fn changed(&mut self, slot: u32) {
        self.changes += 1;
        if self.journal.len() == MAX_JOURNAL {
            self.journal.pop_front();
        }
        self.journal.push_back(slot);
    }

    /// An instance has come, gone or has other attributes.
    pub(super) fn registered(&mut self) {
        self.registrations += 1;
    }

    /// The best instance that passes all filters.
    pub(super) fn best(&mut self, slots: &Slots, request: &Request, seed: u64) -> Option<u32> {
        self.uses += 1;
        if !self.by_request.contains_key(request) {
            self.make_room(slots.len());
            let entry = Entry {
                index: Index::new(slots, request),
                registrations: self.registrations,
                changes: self.changes,
                used: self.uses,
            };
            self.by_request.insert(request.clone(), entry);
        }
        let entry = self.by_request.get_mut(request).expect("there now");
        let missed = usize::try_from(self.changes - entry.changes).unwrap_or(usize::MAX);
        if entry.registrations != self.registrations || missed > self.journal.len().min(slots.len())
        {
            entry.index = Index::new(slots, request);
        } else {
            let seen = self.journal.len() - missed;
            for slot in self.journal.range(seen..) {
                entry.index.update(slots, request, *slot);
            }
        }
        entry.registrations = self.registrations;
        entry.changes = self.changes;
        entry.used = self.uses;
        entry.index.best(seed)
    }

    fn make_room(&mut self, instances: usize) {
        while (self.by_request.len() + 1) * instances > MAX_LISTED {
            let oldest = self.by_request.iter().min_by_key(|(_, e)| e.used);
            let Some(request) = oldest.map(|(r, _)| r.clone()) else {
                return;
            };
            self.by_request.remove(&request);
        }
    }
}

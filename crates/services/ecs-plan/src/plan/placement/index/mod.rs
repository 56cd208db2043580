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
mod partition;
mod tree;

use super::filter::passes_fixed;
use super::request::Request;
use super::slots::Slots;
use class::{Index, Order};
use partition::Partition;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Changes kept for indexes that lag; one that lags more is built anew. (Tests are to meet
/// both limits with a handful of instances.)
const MAX_JOURNAL: usize = if cfg!(test) { 5 } else { 4096 };
/// How many instances all indexes together may list, at about 24 bytes each.
const MAX_LISTED: usize = if cfg!(test) { 20 } else { 1 << 21 };
/// How many partitions, and answers of filters, are kept for indexes yet to be built.
const MAX_SHARED: usize = if cfg!(test) { 2 } else { 64 };

/// The indexes of one cluster.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    by_request: HashMap<Request, Entry>,
    shared: Shared,
    /// Rises when an instance comes, goes or registers anew.
    registrations: u64,
    /// What changed, the oldest first.
    journal: VecDeque<Change>,
    /// The changes ever, of which the journal holds the last.
    changes: u64,
    uses: u64,
}

/// Something is different on an instance.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// The instance's number.
    slot: u32,
    /// The [`hash`] of the group that may have more or fewer tasks there.
    group: Option<u32>,
}

#[derive(Debug)]
struct Entry {
    index: Index,
    registrations: u64,
    changes: u64,
    used: u64,
}

/// What depends on registrations only, as of one count of them.
#[derive(Debug, Default)]
struct Shared {
    registrations: u64,
    /// By the attributes that are spread over.
    partitions: HashMap<Vec<String>, Arc<Partition>>,
    /// By [`Request::fixed`].
    passes: HashMap<Request, Arc<[bool]>>,
}

impl Indexes {
    /// What the instance has free, or its connection, has changed; and perhaps how many tasks
    /// of this group it has.
    pub(super) fn changed(&mut self, slot: u32, group: Option<&str>) {
        self.changes += 1;
        if self.journal.len() == MAX_JOURNAL {
            self.journal.pop_front();
        }
        let group = group.map(hash);
        self.journal.push_back(Change { slot, group });
    }

    /// An instance has come, gone or has other attributes.
    pub(super) fn registered(&mut self) {
        self.registrations += 1;
    }

    /// The best instance that passes all filters.
    pub(super) fn best(&mut self, slots: &Slots, request: &Request, seed: u64) -> Option<u32> {
        self.uses += 1;
        let current = self.by_request.get_mut(request).filter(|entry| {
            let missed = self.changes - entry.changes;
            let kept = self.journal.len().min(slots.len()) as u64;
            entry.registrations == self.registrations && missed <= kept
        });
        let Some(entry) = current else {
            let index = self.build(slots, request);
            let best = index.best(seed);
            let entry = Entry {
                index,
                registrations: self.registrations,
                changes: self.changes,
                used: self.uses,
            };
            self.by_request.insert(request.clone(), entry);
            return best;
        };
        let missed = (self.changes - entry.changes) as usize;
        for change in self.journal.range(self.journal.len() - missed..) {
            entry.index.update(slots, request, *change);
        }
        entry.changes = self.changes;
        entry.used = self.uses;
        entry.index.best(seed)
    }

    fn build(&mut self, slots: &Slots, request: &Request) -> Index {
        self.by_request.remove(request);
        self.make_room(slots.len());
        self.shared.keep_current(self.registrations);
        let order = Order::of(&request.strategies);
        let partition = self.shared.partition(slots, &order.attributes);
        let passes = self.shared.passes(slots, request);
        Index::new(slots, request, order, partition, passes)
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

impl Shared {
    fn keep_current(&mut self, registrations: u64) {
        let full = self.partitions.len() >= MAX_SHARED || self.passes.len() >= MAX_SHARED;
        if self.registrations != registrations || full {
            *self = Shared {
                registrations,
                ..Shared::default()
            };
        }
    }

    fn partition(&mut self, slots: &Slots, attributes: &[String]) -> Arc<Partition> {
        if let Some(partition) = self.partitions.get(attributes) {
            return Arc::clone(partition);
        }
        let partition = Arc::new(Partition::new(slots, attributes));
        self.partitions
            .insert(attributes.to_vec(), Arc::clone(&partition));
        partition
    }

    fn passes(&mut self, slots: &Slots, request: &Request) -> Arc<[bool]> {
        let fixed = request.fixed();
        if let Some(passes) = self.passes.get(&fixed) {
            return Arc::clone(passes);
        }
        let passes: Arc<[bool]> = slots.all().map(|held| passes_fixed(&fixed, held)).collect();
        self.passes.insert(fixed, Arc::clone(&passes));
        passes
    }
}

/// Tells most groups apart; those it does not are only looked at in vain.
fn hash(group: &str) -> u32 {
    group.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

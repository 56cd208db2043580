//! Leases: who must stay alive for which keys to stay.
//!
//! A deadline is a reading of the back end's clock; this module reads none. A lease that a
//! planner has begun to end can no longer be renewed, even before its end is durable.

use super::{Change, Commit};
use crate::{LeaseId, StoreError};
use neargate_base::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Leases {
    live: BTreeMap<LeaseId, Lease>,
    /// The highest id ever given out; ids are never used twice.
    last_id: LeaseId,
}

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    deadline: Timestamp,
    keys: BTreeSet<Arc<str>>,
    ending: bool,
}

impl Leases {
    pub(crate) fn starting_after(last_id: LeaseId) -> Self {
        Leases {
            live: BTreeMap::new(),
            last_id,
        }
    }

    pub(crate) fn last_id(&self) -> LeaseId {
        self.last_id
    }

    pub(crate) fn add(&mut self, id: LeaseId, ttl: Duration, now: Timestamp) {
        self.last_id = self.last_id.max(id);
        let lease = Lease {
            ttl,
            deadline: now + ttl,
            keys: BTreeSet::new(),
            ending: false,
        };
        self.live.insert(id, lease);
    }

    pub(crate) fn is_live(&self, id: LeaseId) -> bool {
        self.live.get(&id).is_some_and(|l| !l.ending)
    }

    /// Pushes the deadline to `now + ttl`, unless it has passed.
    pub(crate) fn keep_alive(&mut self, id: LeaseId, now: Timestamp) -> Result<(), StoreError> {
        match self.live.get_mut(&id) {
            Some(lease) if !lease.ending && lease.deadline > now => {
                lease.deadline = now + lease.ttl;
                Ok(())
            }
            _ => Err(StoreError::LeaseNotFound(id)),
        }
    }

    /// The leases whose deadline has passed.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<LeaseId> {
        self.live
            .iter()
            .filter(|(_, l)| l.deadline <= now)
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.live.values().map(|l| l.deadline).min()
    }

    pub(crate) fn keys(&self, id: LeaseId) -> impl Iterator<Item = &Arc<str>> {
        self.live.get(&id).into_iter().flat_map(|l| &l.keys)
    }

    /// From here on `ids` are as good as gone.
    pub(crate) fn begin_end(&mut self, ids: &BTreeSet<LeaseId>) {
        for id in ids {
            if let Some(lease) = self.live.get_mut(id) {
                lease.ending = true;
            }
        }
    }

    pub(crate) fn end(&mut self, ids: &BTreeSet<LeaseId>) {
        for id in ids {
            self.live.remove(id);
        }
    }

    /// Forgets the leases, but not which ids were used.
    pub(crate) fn clear(&mut self) {
        self.live.clear();
    }

    /// Keeps the attachments right: call before the state takes the commit in.
    /// `lease_of` tells the lease a key hangs on until now.
    pub(crate) fn follow(&mut self, commit: &Commit, lease_of: impl Fn(&str) -> Option<LeaseId>) {
        for Change { key, version } in &commit.changes {
            let before = lease_of(key);
            if before == version.lease {
                continue;
            }
            if let Some(lease) = before.and_then(|id| self.live.get_mut(&id)) {
                lease.keys.remove(key);
            }
            if let Some(lease) = version.lease {
                self.attach(key, lease);
            }
        }
    }

    pub(crate) fn attach(&mut self, key: &Arc<str>, lease: LeaseId) {
        if let Some(lease) = self.live.get_mut(&lease) {
            lease.keys.insert(key.clone());
        }
    }

    /// Takes over the deadlines of the leases that `earlier` knew too.
    pub(crate) fn keep_deadlines_of(&mut self, earlier: &Leases) {
        for (id, lease) in &mut self.live {
            if let Some(known) = earlier.live.get(id) {
                lease.deadline = known.deadline;
            }
        }
        self.last_id = self.last_id.max(earlier.last_id);
    }
}

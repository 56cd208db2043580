//! The state behind its lock: everything a back end does but the durability of changes.

use super::watch::Watchers;
use super::{Leases, Plan, Planner, Slice, State, Watcher};
use crate::{Entry, LeaseId, Page, Revision, StoreError};
use neargate_base::Clock;
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Core {
    pub clock: Arc<dyn Clock>,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub state: State,
    pub leases: Leases,
    pub watchers: Watchers,
    /// Set once and for all when the back end can no longer write.
    pub dead: Option<StoreError>,
}

impl Core {
    pub(crate) fn new(clock: Arc<dyn Clock>, state: State, leases: Leases) -> Self {
        let inner = Inner {
            state,
            leases,
            ..Inner::default()
        };
        Core {
            clock,
            inner: RwLock::new(inner),
        }
    }

    /// Runs `read` on a live store's state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Inner) -> T) -> Result<T, StoreError> {
        let inner = self.inner.read();
        match &inner.dead {
            Some(why) => Err(why.clone()),
            None => Ok(read(&inner)),
        }
    }

    /// Runs `change` on a live store's state.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> Result<T, StoreError> {
        let mut inner = self.inner.write();
        match &inner.dead {
            Some(why) => Err(why.clone()),
            None => Ok(change(&mut inner)),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.read(|inner| inner.state.get(key))
    }

    pub(crate) fn range(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        self.read(|inner| inner.state.range(prefix, after, limit, at))?
    }

    pub(crate) fn revision(&self) -> Result<Revision, StoreError> {
        self.read(|inner| inner.state.revision())
    }

    pub(crate) fn watch(
        &self,
        prefix: &str,
        from: Option<Revision>,
    ) -> Result<Watcher, StoreError> {
        self.write(|inner| {
            let from = from.unwrap_or(inner.state.revision() + 1);
            let backlog = inner.state.history(from)?;
            Ok(inner.watchers.add(prefix, backlog))
        })?
    }

    pub(crate) fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.write(|inner| inner.leases.keep_alive(lease, now))?
    }

    /// No call succeeds from here on, and every watch ends.
    pub(crate) fn die(&self, why: StoreError) {
        let mut inner = self.inner.write();
        inner.watchers.end_all(&why);
        inner.dead.get_or_insert(why);
    }
}

impl Inner {
    /// Plans a batch at `now`: leases that are due end before anything else happens.
    pub(crate) fn planner(&self, now: neargate_base::Timestamp) -> Planner<'_> {
        let mut planner = Planner::new(&self.state, &self.leases);
        for id in self.leases.due(now) {
            // A lease that is already ending is not there to be ended again.
            let _ = planner.end_lease(id);
        }
        planner
    }

    /// Takes a plan in and tells the watchers.
    pub(crate) fn apply(&mut self, plan: Plan) {
        for commit in plan.commits {
            let state = &self.state;
            self.leases
                .follow(&commit, |key| state.current(key).and_then(|v| v.lease));
            self.watchers.publish(&commit);
            self.state.apply(commit);
        }
        self.leases.end(&plan.ended);
    }

    pub(crate) fn grant(&mut self, ttl: Duration, now: neargate_base::Timestamp) -> LeaseId {
        let id = self.leases.last_id() + 1;
        self.leases.add(id, ttl, now);
        id
    }

    pub(crate) fn compact(&mut self, slice: &Slice) {
        self.state.compact(slice.upto);
    }

    /// Forgets everything at the next revision; returns the old state, to be dropped outside
    /// the lock. History up to that revision is gone: only running watches see the deletions.
    pub(crate) fn wipe(&mut self) -> State {
        let commit = self.state.wiping(self.state.revision() + 1);
        self.watchers.publish(&commit);
        self.leases.clear();
        std::mem::replace(&mut self.state, State::starting_at(commit.revision))
    }

    /// Takes over what a disk says after an unknown outcome: the same state, or one that is
    /// some commits further.
    ///
    /// # Errors
    /// When the disk is behind: something acknowledged is missing.
    pub(crate) fn catch_up(&mut self, state: State, mut leases: Leases) -> Result<(), StoreError> {
        let (had, has) = (self.state.revision(), state.revision());
        if has < had {
            let text = format!("the disk is at revision {has}, but {had} was acknowledged");
            return Err(StoreError::Corrupt(text));
        }
        match state.history(had + 1) {
            Ok(missed) => missed
                .iter()
                .for_each(|commit| self.watchers.publish(commit)),
            Err(_) => self.watchers.end_all(&super::watch::lagged(had + 1)),
        }
        leases.keep_deadlines_of(&self.leases);
        self.state = state;
        self.leases = leases;
        Ok(())
    }
}

//! Decides, in order, what a batch of transactions does, without doing it.
//!
//! Each transaction sees the state plus everything planned before it in the same batch, so a
//! whole batch can be made durable by one commit and applied afterwards.

use super::{Change, Commit, Leases, State, Version};
use crate::{Compare, LeaseId, Op, Revision, StoreError, Txn, TxnOutcome};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Planner<'a> {
    state: &'a State,
    leases: &'a Leases,
    /// What the batch made of a key so far; `None`: deleted.
    overlay: HashMap<Arc<str>, Option<Version>>,
    revision: Revision,
    plan: Plan,
}

/// What a batch comes to.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub commits: Vec<Arc<Commit>>,
    /// Leases that end; the deletions of their keys are among `commits`.
    pub ended: BTreeSet<LeaseId>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(state: &'a State, leases: &'a Leases) -> Self {
        let revision = state.revision();
        Planner {
            state,
            leases,
            overlay: HashMap::new(),
            revision,
            plan: Plan::default(),
        }
    }

    /// The newest revision as the next transaction would see it.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn finish(self) -> Plan {
        self.plan
    }

    /// Plans one transaction that is within the limits. One that changes nothing (no
    /// operations, or only deletions of absent keys) takes no new revision, as in etcd.
    pub(crate) fn txn(&mut self, txn: Txn) -> Result<TxnOutcome, StoreError> {
        if !txn.compares.iter().all(|c| self.holds(c)) {
            return Ok(TxnOutcome::Conflict(self.revision));
        }
        for op in &txn.ops {
            if let Op::Put {
                lease: Some(id), ..
            } = op
            {
                self.require_lease(*id)?;
            }
        }
        self.commit(txn.ops);
        Ok(TxnOutcome::Committed(self.revision))
    }

    /// Would it bring keys that are not there yet?
    pub(crate) fn adds_keys(&self, txn: &Txn) -> bool {
        txn.ops
            .iter()
            .any(|op| matches!(op, Op::Put { key, .. } if self.current(key).is_none()))
    }

    /// Ends a lease and deletes its keys, at one revision.
    pub(crate) fn end_lease(&mut self, id: LeaseId) -> Result<(), StoreError> {
        self.require_lease(id)?;
        self.plan.ended.insert(id);
        let planned = self.overlay.keys();
        let candidates: BTreeSet<Arc<str>> = self.leases.keys(id).chain(planned).cloned().collect();
        let held = candidates
            .into_iter()
            .filter(|key| self.current(key).is_some_and(|v| v.lease == Some(id)));
        let ops = held
            .map(|key| Op::Delete {
                key: key.to_string(),
            })
            .collect();
        self.commit(ops);
        Ok(())
    }

    fn require_lease(&self, id: LeaseId) -> Result<(), StoreError> {
        if self.leases.is_live(id) && !self.plan.ended.contains(&id) {
            Ok(())
        } else {
            Err(StoreError::LeaseNotFound(id))
        }
    }

    fn current(&self, key: &str) -> Option<&Version> {
        match self.overlay.get(key) {
            Some(planned) => planned.as_ref(),
            None => self.state.current(key),
        }
    }

    fn holds(&self, compare: &Compare) -> bool {
        match compare {
            Compare::ModRevision(key, revision) => {
                self.current(key).map_or(0, |v| v.row.0) == *revision
            }
            Compare::Exists(key) => self.current(key).is_some(),
        }
    }

    fn commit(&mut self, ops: Vec<Op>) {
        let revision = self.revision + 1;
        let mut changes = Vec::with_capacity(ops.len());
        for op in ops {
            let row = (revision, changes.len() as u32);
            let (key, version) = match op {
                Op::Put { key, value, lease } => {
                    let created = self.current(&key).map_or(revision, |v| v.create_revision);
                    let version = Version {
                        row,
                        create_revision: created,
                        value: Some(value),
                        lease,
                    };
                    (key, version)
                }
                Op::Delete { key } if self.current(&key).is_none() => continue,
                Op::Delete { key } => (
                    key,
                    Version {
                        row,
                        create_revision: 0,
                        value: None,
                        lease: None,
                    },
                ),
            };
            changes.push(Change {
                key: self.state.interned(&key),
                version,
            });
        }
        if changes.is_empty() {
            return;
        }
        for Change { key, version } in &changes {
            let live = version.value.is_some().then(|| version.clone());
            self.overlay.insert(key.clone(), live);
        }
        self.revision = revision;
        self.plan
            .commits
            .push(Arc::new(Commit { revision, changes }));
    }
}

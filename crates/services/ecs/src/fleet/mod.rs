//! What runs where, in memory: the tasks, services and container instances of every cluster, indexed by
//! service, cluster and node, and fed by watching the store ([`follow`]).
//!
//! It is behind the store by a moment: whoever must see its own write waits for that revision
//! with [`Fleet::at`]. It holds nothing that the store does not have, but for placements whose
//! transaction is under way.

mod capacity;
mod follow;
mod state;
#[cfg(test)]
mod tests;

pub use follow::follow;
pub(crate) use follow::{place, service_of};
pub use neargate_ecs_plan::id::{ClusterId, ServiceId};
pub use neargate_ecs_plan::row::{Counts, Row, Turns};

use crate::model::{ContainerInstance, Service};
use neargate_service::{AwsError, Db, Scope, Stored};
use neargate_store::Revision;
use parking_lot::Mutex;
use state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The index.
#[derive(Debug)]
pub struct Fleet {
    state: Mutex<State>,
    /// Everything up to this revision is in `state`.
    seen: watch::Sender<Revision>,
    began: OnceLock<Began>,
}

/// Where this process came in: of a task that has not changed since, it has heard nothing yet.
#[derive(Debug, Clone, Copy)]
pub struct Began {
    pub at: Revision,
    since: Instant,
}

impl Began {
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Fleet {
            state: Mutex::default(),
            seen: watch::Sender::new(0),
            began: OnceLock::new(),
        }
    }
}

impl Fleet {
    /// Wait until everything up to `revision` is in.
    pub async fn at(&self, revision: Revision) {
        let mut seen = self.seen.subscribe();
        // The sender lives as long as `self`.
        let _ = seen.wait_for(|seen| *seen >= revision).await;
    }

    /// `None` before the first listing.
    pub fn began(&self) -> Option<Began> {
        self.began.get().copied()
    }

    /// Wait until everything committed before this call is in: what a read after a write needs.
    pub async fn current(&self, db: &Db) -> Result<(), AwsError> {
        let revision = db.store().revision().await?;
        self.at(revision).await;
        Ok(())
    }

    /// The service's tasks that the store still has, stopped ones too; oldest first.
    pub fn of_service(&self, service: &ServiceId) -> Vec<Arc<Row>> {
        self.state.lock().of_service(service)
    }

    /// The tasks of [`Fleet::of_service`] in an order that means nothing, but is the same each time:
    /// sorting ten thousand tasks costs more than looking at them.
    pub fn rows_of_service(&self, service: &ServiceId) -> Vec<Arc<Row>> {
        self.state.lock().rows_of_service(service)
    }

    /// The cluster's tasks that the store still has, stopped ones too, by id.
    pub fn of_cluster(&self, cluster: &ClusterId) -> Vec<Arc<Row>> {
        self.state.lock().of_cluster(cluster)
    }

    /// The cluster's tasks that wait for capacity, the oldest first.
    pub fn waiting(&self, cluster: &ClusterId) -> Vec<Arc<Row>> {
        self.state.lock().waiting(cluster)
    }

    /// The clusters in which tasks wait for capacity.
    pub fn with_waiting(&self) -> Vec<ClusterId> {
        self.state.lock().with_waiting()
    }

    /// The tasks of a node that have not stopped.
    pub fn of_node(&self, node: &str) -> Vec<Arc<Row>> {
        self.state.lock().of_node(node)
    }

    /// One task by its store key.
    pub fn task(&self, key: &str) -> Option<Arc<Row>> {
        self.state.lock().task(key)
    }

    /// One task by its id, whosever it is.
    pub fn find(&self, task_id: &str) -> Option<Arc<Row>> {
        self.state.lock().find(task_id)
    }

    /// Does a task that has not stopped run from this task definition?
    pub fn runs(&self, scope: &Scope, family: &str, revision: u32) -> bool {
        self.state.lock().runs(scope, family, revision)
    }

    /// How many tasks that have not stopped a node has.
    pub fn load(&self, node: &str) -> usize {
        self.state.lock().load(node)
    }

    /// The cluster's services by name, `INACTIVE` ones too.
    pub fn services(&self, cluster: &ClusterId) -> Vec<Arc<Stored<Service>>> {
        self.state.lock().services_of(cluster)
    }

    /// The store keys of every service there is.
    pub fn service_keys(&self) -> Vec<String> {
        self.state.lock().service_keys()
    }

    /// The cluster's container instances, by id.
    pub fn instances(&self, cluster: &ClusterId) -> Vec<Arc<Stored<ContainerInstance>>> {
        self.state.lock().instances_of(cluster)
    }

    /// How many tasks of the group, not asked to stop, each zone has.
    pub fn group_by_zone(&self, cluster: &ClusterId, group: &str) -> BTreeMap<String, usize> {
        self.state.lock().group_by_zone(cluster, group)
    }

    /// One container instance.
    pub fn instance(
        &self,
        cluster: &ClusterId,
        id: &str,
    ) -> Option<Arc<Stored<ContainerInstance>>> {
        self.state.lock().instance(cluster, id)
    }

    /// The cluster's container instances that take no new tasks: those that are not `ACTIVE`.
    pub fn closed_instances(&self, cluster: &ClusterId) -> BTreeSet<String> {
        self.state.lock().closed_instances(cluster)
    }

    /// The tasks of one container instance that have not stopped.
    pub fn of_instance(&self, cluster: &ClusterId, id: &str) -> Vec<Arc<Row>> {
        let state = self.state.lock();
        let node = state.instance(cluster, id).and_then(|i| i.node.clone());
        // Its node has few tasks, its cluster may have very many.
        let mut rows = match node {
            Some(node) => state.of_node(&node),
            None => state.of_cluster(cluster),
        };
        drop(state);
        rows.retain(|r| !r.is_stopped() && r.container_instance.as_deref() == Some(id));
        rows
    }
}

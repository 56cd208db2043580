//! The nodes connected now. Liveness is held in memory by whoever holds the node's stream,
//! never in the store.

use crate::ecs::plan::placement::Node;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who can run tasks.
#[derive(Debug, Default)]
pub struct Nodes {
    connected: Mutex<BTreeMap<String, usize>>,
    placed: AtomicU64,
}

impl Nodes {
    pub fn connect(&self, id: &str) {
        self.connected.lock().entry(id.to_owned()).or_default();
    }

    pub fn disconnect(&self, id: &str) {
        self.connected.lock().remove(id);
    }

    /// The connected nodes' ids.
    pub fn ids(&self) -> Vec<String> {
        self.connected.lock().keys().cloned().collect()
    }

    /// Count the tasks placed on a node, so that the next one goes elsewhere.
    pub(super) fn placed(&self, id: &str) {
        if let Some(tasks) = self.connected.lock().get_mut(id) {
            *tasks += 1;
        }
    }

    pub(super) fn snapshot(&self) -> Vec<Node> {
        let connected = self.connected.lock();
        connected
            .iter()
            .map(|(id, tasks)| Node {
                id: id.clone(),
                tasks: *tasks,
            })
            .collect()
    }

    /// Rises with every call: spreads tasks over subnets.
    pub(super) fn turn(&self) -> u64 {
        self.placed.fetch_add(1, Ordering::Relaxed)
    }
}

//! The nodes connected now. Liveness is held in memory by whoever holds the node's stream,
//! never in the store.

use neargate_domain::NodeKind;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// Who can run tasks.
#[derive(Debug)]
pub struct Nodes {
    connected: Mutex<BTreeMap<String, Connected>>,
    /// For each node that tells, connected or not, what it has free.
    free_memory: Mutex<BTreeMap<String, FreeMemory>>,
    changes: watch::Sender<u64>,
}

/// Tells how many MiB of memory a further task can have on a node now.
struct FreeMemory(Box<dyn Fn() -> u64 + Send + Sync>);

impl std::fmt::Debug for FreeMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FreeMemory")
    }
}

#[derive(Debug)]
struct Connected {
    kind: NodeKind,
    /// Streams open at the same time: a node that comes back may be here twice for a moment.
    streams: usize,
}

impl Default for Nodes {
    fn default() -> Self {
        Nodes {
            connected: Mutex::default(),
            free_memory: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Nodes {
    pub fn connect(&self, id: &str, kind: NodeKind) {
        let mut connected = self.connected.lock();
        let node = connected
            .entry(id.to_owned())
            .or_insert(Connected { kind, streams: 0 });
        node.kind = kind;
        node.streams += 1;
        drop(connected);
        self.changes.send_modify(|n| *n += 1);
    }

    pub fn disconnect(&self, id: &str) {
        let mut connected = self.connected.lock();
        if let Some(node) = connected.get_mut(id) {
            node.streams -= 1;
            if node.streams == 0 {
                connected.remove(id);
            }
        }
        drop(connected);
        self.changes.send_modify(|n| *n += 1);
    }

    pub fn is_connected(&self, id: &str) -> bool {
        self.connected.lock().contains_key(id)
    }

    /// The connected nodes' ids.
    pub fn ids(&self) -> Vec<String> {
        self.connected.lock().keys().cloned().collect()
    }

    /// The connected nodes that run Fargate's tasks.
    pub fn fargate(&self) -> Vec<String> {
        let connected = self.connected.lock();
        let fargate = connected
            .iter()
            .filter(|(_, n)| n.kind == NodeKind::Fargate);
        fargate.map(|(id, _)| id.clone()).collect()
    }

    /// From now on no Fargate task is placed on the node that asks for more memory than `free`
    /// answers, in MiB. It is asked at each placement.
    pub fn offer(&self, id: &str, free: impl Fn() -> u64 + Send + Sync + 'static) {
        self.free_memory
            .lock()
            .insert(id.to_owned(), FreeMemory(Box::new(free)));
    }

    /// What a further task can have on the node; `None`: it does not tell.
    pub fn free_mib(&self, id: &str) -> Option<u64> {
        self.free_memory.lock().get(id).map(|free| free.0())
    }

    /// Changes whenever a node comes or goes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

//! The open connections of nodes, and whose each certificate is: both follow the store.
//!
//! A node has few connections at a time, a newer one ending the oldest; one that was removed has
//! none. What all requests of a node hold in memory at once is bounded by its budget.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections of one node: the one it uses, and those whose end was not noticed yet.
const MAX_CONNECTIONS: usize = 8;
/// Request bodies of one node in memory at once, in KiB: four of the longest.
pub(super) const BUDGET_KIB: usize = 32 << 10;

#[derive(Debug, Default)]
pub(super) struct Connections(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The node of each certificate that is good, by hash.
    nodes: HashMap<String, String>,
    /// The connections of each node, keyed by its id.
    open: HashMap<String, OfNode>,
    opened: u64,
}

#[derive(Debug)]
struct OfNode {
    budget: Arc<Semaphore>,
    /// Oldest first.
    connections: VecDeque<(u64, CancellationToken)>,
}

/// A connection of a node, until it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    state: Arc<Mutex<State>>,
    node: String,
    number: u64,
    /// In KiB.
    pub(super) budget: Arc<Semaphore>,
    /// Cancelled when the connection is to end.
    pub(super) end: CancellationToken,
}

impl Connections {
    /// These are all nodes that joined and were not removed, by their certificates' hashes.
    /// Connections of others end.
    pub(super) fn know(&self, nodes: HashMap<String, String>) {
        let mut state = self.0.lock();
        let ids: std::collections::HashSet<&String> = nodes.values().collect();
        state.open.retain(|id, of| {
            let known = ids.contains(id);
            if !known {
                of.end();
            }
            known
        });
        drop(ids);
        state.nodes = nodes;
    }

    /// A connection of the node whose certificate this is, if it is known.
    pub(super) fn open(&self, certificate: &str) -> Option<Connection> {
        let mut state = self.0.lock();
        let node = state.nodes.get(certificate)?.clone();
        state.opened += 1;
        let (number, end) = (state.opened, CancellationToken::new());
        let of = state.open.entry(node.clone()).or_insert_with(|| OfNode {
            budget: Arc::new(Semaphore::new(BUDGET_KIB)),
            connections: VecDeque::new(),
        });
        of.connections.push_back((number, end.clone()));
        if of.connections.len() > MAX_CONNECTIONS
            && let Some((_, oldest)) = of.connections.pop_front()
        {
            tracing::warn!(node, "the oldest of too many connections is closed");
            oldest.cancel();
        }
        Some(Connection {
            budget: of.budget.clone(),
            state: self.0.clone(),
            node,
            number,
            end,
        })
    }

    /// The node was removed.
    pub(super) fn end(&self, node: &str) {
        let mut state = self.0.lock();
        state.nodes.retain(|_, id| id != node);
        if let Some(of) = state.open.remove(node) {
            of.end();
        }
    }
}

impl OfNode {
    fn end(&self) {
        for (_, end) in &self.connections {
            end.cancel();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        let Some(of) = state.open.get_mut(&self.node) else {
            return;
        };
        of.connections.retain(|(number, _)| *number != self.number);
        if of.connections.is_empty() {
            state.open.remove(&self.node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn a_newer_connection_ends_the_oldest_of_too_many() {
        let all = Connections::default();
        assert!(all.open("c").is_none(), "nobody's certificate");
        all.know(known(&[("c", "n"), ("c2", "n"), ("other", "m")]));
        let mut open: Vec<Connection> = (0..MAX_CONNECTIONS)
            .map(|n| all.open(["c", "c2"][n % 2]).expect("known"))
            .collect();
        let other = all.open("other").expect("known");
        assert!(!open.iter().any(|c| c.end.is_cancelled()));
        let one_more = all.open("c").expect("known");
        let ended: Vec<bool> = open.iter().map(|c| c.end.is_cancelled()).collect();
        assert_eq!((ended[0], ended[1..].contains(&true)), (true, false));
        drop(open.drain(..2));
        let again = all.open("c").expect("known");
        assert!(!open.iter().any(|c| c.end.is_cancelled()));
        assert!(Arc::ptr_eq(&one_more.budget, &again.budget), "one budget");
        assert!(!Arc::ptr_eq(&one_more.budget, &other.budget));
        drop((open, one_more, again, other));
        assert!(all.0.lock().open.is_empty(), "nothing is remembered");
    }

    #[test]
    fn a_removed_node_has_no_connection() {
        let all = Connections::default();
        all.know(known(&[("a", "a"), ("b", "b"), ("c", "c")]));
        let [a, b, c] = ["a", "b", "c"].map(|n| all.open(n).expect("known"));
        all.know(known(&[("b2", "b"), ("c", "c")]));
        assert!(a.end.is_cancelled() && all.open("a").is_none());
        assert!(!b.end.is_cancelled(), "it has another certificate now");
        all.end("c");
        assert!(c.end.is_cancelled() && all.open("c").is_none());
        drop((a, c));
        assert!(all.open("b2").is_some());
    }
}

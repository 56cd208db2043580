//! A tournament: the smallest of many keys, how many share it, and the nth of those.
//!
//! Changing one key costs the logarithm of their number.

/// The key of a leaf that takes no part.
pub(super) const NONE: u128 = u128::MAX;

/// A binary tree in an array: node `n` has the children `2n` and `2n + 1`, the leaves are the
/// last `leaves` nodes, the root is node 1.
#[derive(Debug)]
pub(super) struct Tree {
    leaves: usize,
    /// The smallest key under each node.
    keys: Vec<u128>,
    /// How many leaves under each node have that key.
    ties: Vec<u32>,
}

impl Tree {
    /// At least one key.
    pub(super) fn new(leaf_keys: &[u128]) -> Tree {
        let leaves = leaf_keys.len();
        let mut tree = Tree {
            leaves,
            keys: vec![NONE; 2 * leaves],
            ties: vec![1; 2 * leaves],
        };
        tree.keys[leaves..].copy_from_slice(leaf_keys);
        for node in (1..leaves).rev() {
            tree.join(node);
        }
        tree
    }

    pub(super) fn set(&mut self, leaf: usize, key: u128) {
        let mut node = self.leaves + leaf;
        if self.keys[node] == key {
            return;
        }
        self.keys[node] = key;
        while node > 1 {
            node /= 2;
            if !self.join(node) {
                break;
            }
        }
    }

    /// The smallest key and how many leaves have it; `None` when no leaf takes part.
    pub(super) fn least(&self) -> Option<(u128, u32)> {
        (self.keys[1] != NONE).then_some((self.keys[1], self.ties[1]))
    }

    /// The `nth` of the leaves with the smallest key, in an order of the tree's own.
    pub(super) fn nth(&self, mut nth: u32) -> usize {
        let mut node = 1;
        while node < self.leaves {
            let left = 2 * node;
            let ties = if self.keys[left] == self.keys[1] {
                self.ties[left]
            } else {
                0
            };
            if nth < ties {
                node = left;
            } else {
                nth -= ties;
                node = left + 1;
            }
        }
        node - self.leaves
    }

    /// Takes a node's answer from its children; false when it stays the same.
    fn join(&mut self, node: usize) -> bool {
        let (left, right) = (2 * node, 2 * node + 1);
        let (key, ties) = match self.keys[left].cmp(&self.keys[right]) {
            std::cmp::Ordering::Less => (self.keys[left], self.ties[left]),
            std::cmp::Ordering::Greater => (self.keys[right], self.ties[right]),
            std::cmp::Ordering::Equal => (self.keys[left], self.ties[left] + self.ties[right]),
        };
        let changed = (self.keys[node], self.ties[node]) != (key, ties);
        (self.keys[node], self.ties[node]) = (key, ties);
        changed
    }
}

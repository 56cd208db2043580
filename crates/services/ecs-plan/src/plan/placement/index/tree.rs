//! A tournament: the smallest of many keys, how many share it, and the nth of those.
//!
//! Changing one key costs the logarithm of their number.

/// The key of a leaf that takes no part.
pub(super) const NONE: u128 = u128::MAX;

/// How many meet at a node: more make fewer nodes to keep, and longer rows to look through.
const WIDTH: usize = 8;

/// The keys, and above them row upon row of winners until one is left.
#[derive(Debug)]
pub(super) struct Tree {
    leaves: Vec<u128>,
    rows: Vec<Vec<Winner>>,
}

/// The smallest key of a group, and how many leaves under it have that key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Winner {
    key: u128,
    ties: u32,
}

impl Winner {
    fn of(group: impl Iterator<Item = Winner>) -> Winner {
        let nobody = Winner { key: NONE, ties: 0 };
        group.fold(nobody, |best, next| match next.key.cmp(&best.key) {
            std::cmp::Ordering::Less => next,
            std::cmp::Ordering::Equal => Winner {
                key: best.key,
                ties: best.ties + next.ties,
            },
            std::cmp::Ordering::Greater => best,
        })
    }
}

fn leaf(key: &u128) -> Winner {
    Winner { key: *key, ties: 1 }
}

impl Tree {
    /// At least one key.
    pub(super) fn new(leaves: Vec<u128>) -> Tree {
        let mut row: Vec<_> = leaves
            .chunks(WIDTH)
            .map(|group| Winner::of(group.iter().map(leaf)))
            .collect();
        let mut rows = Vec::new();
        while row.len() > 1 {
            let above = row
                .chunks(WIDTH)
                .map(|group| Winner::of(group.iter().copied()))
                .collect();
            rows.push(std::mem::replace(&mut row, above));
        }
        rows.push(row);
        Tree { leaves, rows }
    }

    pub(super) fn set(&mut self, nth: usize, key: u128) {
        if self.leaves[nth] == key {
            return;
        }
        self.leaves[nth] = key;
        let mut node = nth / WIDTH;
        let mut winner = Winner::of(group(&self.leaves, node).iter().map(leaf));
        for row in 0..self.rows.len() {
            let changed = std::mem::replace(&mut self.rows[row][node], winner) != winner;
            if !changed {
                break;
            }
            node /= WIDTH;
            winner = Winner::of(group(&self.rows[row], node).iter().copied());
        }
    }

    /// The smallest key and how many leaves have it; `None` when no leaf takes part.
    pub(super) fn least(&self) -> Option<(u128, u32)> {
        let first = self.rows.last()?.first()?;
        (first.key != NONE).then_some((first.key, first.ties))
    }

    /// The `nth` of the leaves with the smallest key, in their order.
    pub(super) fn nth(&self, mut nth: u32) -> usize {
        let Some((least, _)) = self.least() else {
            return 0;
        };
        let mut node = 0;
        for row in self.rows.iter().rev().skip(1) {
            node = node * WIDTH + pick(group(row, node).iter().copied(), least, &mut nth);
        }
        node * WIDTH + pick(group(&self.leaves, node).iter().map(leaf), least, &mut nth)
    }
}

/// What meets at the `node`th of the row above.
fn group<T>(row: &[T], node: usize) -> &[T] {
    &row[node * WIDTH..row.len().min((node + 1) * WIDTH)]
}

/// Which of a group holds the `nth` of the least; `nth` is then counted within it.
fn pick(group: impl Iterator<Item = Winner>, least: u128, nth: &mut u32) -> usize {
    for (which, winner) in group.enumerate() {
        let ties = if winner.key == least { winner.ties } else { 0 };
        if *nth < ties {
            return which;
        }
        *nth -= ties;
    }
    unreachable!("a node has as many ties as its group")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_least_of_all_and_each_of_them(
            keys in prop::collection::vec(prop_oneof![0..4_u128, Just(NONE)], 1..600),
            changes in prop::collection::vec((any::<usize>(), prop_oneof![0..4_u128, Just(NONE)]), 0..50),
        ) {
            let (mut tree, mut keys) = (Tree::new(keys.clone()), keys);
            for (n, key) in changes {
                let n = n % keys.len();
                tree.set(n, key);
                keys[n] = key;
            }
            let least = *keys.iter().min().expect("one at least");
            let having: Vec<_> = (0..keys.len()).filter(|n| keys[*n] == least).collect();
            if least == NONE {
                prop_assert_eq!(tree.least(), None);
            } else {
                prop_assert_eq!(tree.least(), Some((least, having.len() as u32)));
                let found: Vec<_> = (0..having.len() as u32).map(|n| tree.nth(n)).collect();
                prop_assert_eq!(found, having);
            }
        }
    }
}

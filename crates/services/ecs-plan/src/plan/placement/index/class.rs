//! The index of one request.
//!
//! Within a cell of the [`Partition`] only what is particular to an instance decides (tasks of
//! the group, CPU or memory left), and a [`Tree`] knows its best one. Between cells the counts
//! of the values decide too; there are few cells, so all are compared.

use super::partition::Partition;
use super::tree::{NONE, Tree};
use super::{Change, hash};
use crate::plan::placement::filter::passes_moving;
use crate::plan::placement::request::{Request, Resource, SpreadBy, Strategy};
use crate::plan::placement::scale_in::mix;
use crate::plan::placement::slots::Slots;
use std::cmp::Ordering;
use std::sync::Arc;

/// What decides, in order.
#[derive(Debug)]
pub(super) struct Order {
    steps: Vec<Step>,
    /// The attributes that are spread over, by level.
    pub(super) attributes: Vec<String>,
    /// What an instance's key is made of: 32 bits each, the first highest.
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The tasks of the group on the instances with the cell's values up to this level.
    Level(usize),
    /// This part of the instance's key.
    Part(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Group,
    Cpu,
    Memory,
}

/// About 24 bytes for each instance of the cluster.
#[derive(Debug)]
pub(super) struct Index {
    order: Order,
    partition: Arc<Partition>,
    /// By the instance's number: passes the filters that only a registration can change.
    passes: Arc<[bool]>,
    /// By cell: the keys of its members.
    trees: Vec<Tree>,
    /// By level and value: tasks of the group.
    counts: Vec<Vec<u32>>,
    /// By the instance's number: the tasks that were counted for it.
    counted: Vec<u32>,
    /// The group's [`hash`].
    group: u32,
}

impl Index {
    pub(super) fn new(
        slots: &Slots,
        request: &Request,
        order: Order,
        partition: Arc<Partition>,
        passes: Arc<[bool]>,
    ) -> Index {
        let mut counts: Vec<_> = partition.sizes.iter().map(|n| vec![0; *n]).collect();
        let mut counted = vec![0; slots.len()];
        for (slot, count) in slots.of_group(&request.claim.group) {
            if let Some((cell, _)) = partition.place(slot) {
                counted[slot as usize] = count;
                for (counts, value) in counts.iter_mut().zip(&partition.values[cell]) {
                    counts[*value as usize] += count;
                }
            }
        }
        let keys = |members: &Vec<u32>| {
            let key = |slot: &u32| {
                let nth = *slot as usize;
                order.key(request, slots, *slot, counted[nth], passes[nth])
            };
            Tree::new(members.iter().map(key).collect())
        };
        Index {
            trees: partition.members.iter().map(keys).collect(),
            order,
            partition,
            passes,
            counts,
            counted,
            group: hash(&request.claim.group),
        }
    }

    /// The instance may have changed in what it has free.
    pub(super) fn update(&mut self, slots: &Slots, request: &Request, change: Change) {
        let slot = change.slot;
        // An instance that came later has no place here: its registration makes a new index.
        let Some((cell, member)) = self.partition.place(slot) else {
            return;
        };
        let counted = &mut self.counted[slot as usize];
        if change.group == Some(self.group) {
            let count = slots.get(slot).of_group(&request.claim.group);
            let before = std::mem::replace(counted, count);
            let values = &self.partition.values[cell];
            for (counts, value) in self.counts.iter_mut().zip(values) {
                let total = &mut counts[*value as usize];
                *total = *total - before + count;
            }
        }
        let passes = self.passes[slot as usize];
        let key = self.order.key(request, slots, slot, *counted, passes);
        self.trees[cell].set(member, key);
    }

    /// The best instance; the seed decides between those that are equally good.
    pub(super) fn best(&self, seed: u64) -> Option<u32> {
        let mut best: Option<(usize, u128)> = None;
        let mut ties: u64 = 0;
        for (cell, key, tied) in self.leaders() {
            let order = best.map_or(Ordering::Less, |than| self.compare((cell, key), than));
            match order {
                Ordering::Less => {
                    best = Some((cell, key));
                    ties = u64::from(tied);
                }
                Ordering::Equal => ties += u64::from(tied),
                Ordering::Greater => {}
            }
        }
        let best = best?;
        let mut nth = below(seed, ties);
        for (cell, key, tied) in self.leaders() {
            if self.compare((cell, key), best) != Ordering::Equal {
                continue;
            }
            match u32::try_from(nth) {
                Ok(nth) if nth < tied => {
                    return Some(self.partition.members[cell][self.trees[cell].nth(nth)]);
                }
                _ => nth -= u64::from(tied),
            }
        }
        unreachable!("nth is below the number of ties")
    }

    fn leaders(&self) -> impl Iterator<Item = (usize, u128, u32)> {
        let trees = self.trees.iter().enumerate();
        trees.filter_map(|(cell, tree)| tree.least().map(|(key, ties)| (cell, key, ties)))
    }

    fn compare(&self, left: (usize, u128), right: (usize, u128)) -> Ordering {
        for step in &self.order.steps {
            let order = match *step {
                Step::Level(level) => {
                    let count = |cell: usize| {
                        let value = self.partition.values[cell][level];
                        self.counts[level][value as usize]
                    };
                    count(left.0).cmp(&count(right.0))
                }
                Step::Part(part) => Order::part(left.1, part).cmp(&Order::part(right.1, part)),
            };
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}

impl Order {
    pub(super) fn of(strategies: &[Strategy]) -> Order {
        let mut order = Order {
            steps: Vec::new(),
            attributes: Vec::new(),
            parts: Vec::new(),
        };
        for strategy in strategies {
            let part = match strategy {
                // Nothing is equal after it.
                Strategy::Random => break,
                Strategy::Spread(SpreadBy::Attribute(name)) => {
                    if !order.attributes.contains(name) {
                        order.steps.push(Step::Level(order.attributes.len()));
                        order.attributes.push(name.clone());
                    }
                    continue;
                }
                Strategy::Spread(SpreadBy::Instance) => Part::Group,
                Strategy::Binpack(Resource::Cpu) => Part::Cpu,
                Strategy::Binpack(Resource::Memory) => Part::Memory,
            };
            // Said a second time it decides nothing: there are three parts at most.
            if !order.parts.contains(&part) {
                order.steps.push(Step::Part(order.parts.len()));
                order.parts.push(part);
            }
        }
        order
    }

    fn key(
        &self,
        request: &Request,
        slots: &Slots,
        slot: u32,
        of_group: u32,
        passes: bool,
    ) -> u128 {
        let free = slots.free(slot);
        if !passes || !passes_moving(request, slots.get(slot), free, of_group) {
            return NONE;
        }
        let amount = |amount: i64| u32::try_from(amount.max(0)).unwrap_or(u32::MAX);
        let mut key = 0;
        for (nth, part) in self.parts.iter().enumerate() {
            let value = match part {
                Part::Group => of_group,
                Part::Cpu => amount(free.cpu_units),
                Part::Memory => amount(free.memory_mib),
            };
            key |= u128::from(value) << (96 - 32 * nth);
        }
        key
    }

    fn part(key: u128, nth: usize) -> u32 {
        (key >> (96 - 32 * nth)) as u32
    }
}

/// A number below `below`, decided by the seed.
fn below(seed: u64, below: u64) -> u64 {
    ((u128::from(mix(seed)) * u128::from(below)) >> 64) as u64
}

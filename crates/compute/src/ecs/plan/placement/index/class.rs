//! The index of one request.
//!
//! The instances are divided into *cells*: those with the same values of all attributes the
//! strategies spread over. Within a cell only what is particular to an instance decides (tasks
//! of the group, CPU or memory left), and a [`Tree`] knows its best one. Between cells the
//! counts of the values decide too; there are few cells, so all are compared.

use super::tree::{NONE, Tree};
use crate::ecs::plan::placement::capacity::{Held, Slots};
use crate::ecs::plan::placement::filter::{passes_fixed, passes_moving};
use crate::ecs::plan::placement::request::{Request, Resource, SpreadBy, Strategy};
use std::cmp::Ordering;
use std::collections::HashMap;

/// What decides, in order.
#[derive(Debug)]
struct Order {
    steps: Vec<Step>,
    /// The attributes that are spread over, by level.
    attributes: Vec<String>,
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

#[derive(Debug)]
pub(super) struct Index {
    order: Order,
    cells: Vec<Cell>,
    /// By level and value: tasks of the group.
    counts: Vec<Vec<u32>>,
    /// By the instance's number; `None` for those that are only known by their tasks.
    listed: Vec<Option<Listed>>,
}

#[derive(Debug)]
struct Cell {
    /// Which value it has at each level.
    values: Vec<u32>,
    members: Vec<u32>,
    tree: Tree,
}

#[derive(Debug)]
struct Listed {
    cell: u32,
    leaf: u32,
    /// Tasks of the group that were counted for it.
    counted: u32,
    /// Passes the filters that only a registration can change.
    passes: bool,
}

impl Index {
    pub(super) fn new(slots: &Slots, request: &Request) -> Index {
        let order = Order::of(&request.strategies);
        let mut index = Index {
            counts: vec![Vec::new(); order.attributes.len()],
            listed: Vec::new(),
            cells: Vec::new(),
            order,
        };
        index.listed.resize_with(slots.len(), || None);
        let mut cells = Cells::default();
        for slot in slots.numbers() {
            let held = slots.get(slot);
            if held.instance.is_none() {
                continue;
            }
            let values = cells.values(held, &index.order.attributes);
            let counted = held.of_group(&request.claim.group);
            for (counts, value) in index.counts.iter_mut().zip(&values) {
                let value = *value as usize;
                counts.resize(counts.len().max(value + 1), 0);
                counts[value] += counted;
            }
            let passes = passes_fixed(request, held);
            let key = index.order.key(request, held, counted, passes);
            let (cell, leaf) = cells.add(values, slot, key);
            index.listed[slot as usize] = Some(Listed {
                cell,
                leaf,
                counted,
                passes,
            });
        }
        index.cells = cells.finish();
        index
    }

    /// The instance may have changed in what it has free.
    pub(super) fn update(&mut self, slots: &Slots, request: &Request, slot: u32) {
        // One that came later has a registration of its own and makes a new index.
        let Some(Some(listed)) = self.listed.get_mut(slot as usize) else {
            return;
        };
        let held = slots.get(slot);
        let count = held.of_group(&request.claim.group);
        let cell = &mut self.cells[listed.cell as usize];
        for (counts, value) in self.counts.iter_mut().zip(&cell.values) {
            let total = &mut counts[*value as usize];
            *total = *total - listed.counted + count;
        }
        listed.counted = count;
        let key = self.order.key(request, held, count, listed.passes);
        cell.tree.set(listed.leaf as usize, key);
    }

    /// The best instance; the seed decides between those that are equally good.
    pub(super) fn best(&self, seed: u64) -> Option<u32> {
        let mut best: Option<(&Cell, u128)> = None;
        let mut ties: u64 = 0;
        for (cell, key, tied) in self.leaders() {
            let order = best.map_or(Ordering::Less, |(than, least)| {
                self.compare((cell, key), (than, least))
            });
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
                Ok(nth) if nth < tied => return Some(cell.members[cell.tree.nth(nth)]),
                _ => nth -= u64::from(tied),
            }
        }
        unreachable!("nth is below the number of ties")
    }

    fn leaders(&self) -> impl Iterator<Item = (&Cell, u128, u32)> {
        self.cells
            .iter()
            .filter_map(|cell| cell.tree.least().map(|(key, ties)| (cell, key, ties)))
    }

    fn compare(&self, left: (&Cell, u128), right: (&Cell, u128)) -> Ordering {
        for step in &self.order.steps {
            let order = match *step {
                Step::Level(level) => {
                    let count = |cell: &Cell| self.counts[level][cell.values[level] as usize];
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
    fn of(strategies: &[Strategy]) -> Order {
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

    fn key(&self, request: &Request, held: &Held, of_group: u32, passes: bool) -> u128 {
        if !passes || !passes_moving(request, held) {
            return NONE;
        }
        let free = held.free();
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

/// Cells while they are found.
#[derive(Default)]
struct Cells<'a> {
    /// The number of each value at its level, under the value of the level before.
    numbers: HashMap<(usize, u32, Option<&'a str>), u32>,
    /// How many values each level has.
    sizes: Vec<u32>,
    cells: HashMap<Vec<u32>, usize>,
    found: Vec<(Vec<u32>, Vec<u32>, Vec<u128>)>,
}

impl<'a> Cells<'a> {
    fn values(&mut self, held: &'a Held, attributes: &[String]) -> Vec<u32> {
        self.sizes.resize(attributes.len(), 0);
        let own = held.instance.as_ref().map(|i| &i.attributes);
        let mut values = Vec::with_capacity(attributes.len());
        let mut above = 0;
        for (level, name) in attributes.iter().enumerate() {
            let value = own.and_then(|own| own.get(name));
            let value = value.map(|v| v.as_deref().unwrap_or_default());
            let size = &mut self.sizes[level];
            above = *self
                .numbers
                .entry((level, above, value))
                .or_insert_with(|| {
                    *size += 1;
                    *size - 1
                });
            values.push(above);
        }
        values
    }

    fn add(&mut self, values: Vec<u32>, slot: u32, key: u128) -> (u32, u32) {
        let found = &mut self.found;
        let cell = *self.cells.entry(values).or_insert_with_key(|values| {
            found.push((values.clone(), Vec::new(), Vec::new()));
            found.len() - 1
        });
        let (_, members, keys) = &mut found[cell];
        members.push(slot);
        keys.push(key);
        let number = |n: usize| u32::try_from(n).expect("fewer than 4 billion instances");
        (number(cell), number(members.len() - 1))
    }

    fn finish(self) -> Vec<Cell> {
        let cells = self.found.into_iter();
        cells
            .map(|(values, members, keys)| Cell {
                values,
                members,
                tree: Tree::new(&keys),
            })
            .collect()
    }
}

/// A number below `below`, decided by the seed (SplitMix64's finaliser).
fn below(seed: u64, below: u64) -> u64 {
    let mixed = crate::ecs::plan::placement::scale_in::mix(seed);
    ((u128::from(mixed) * u128::from(below)) >> 64) as u64
}

//! Which tasks stop when there are too many.
//!
//! "When you scale down the task count, Amazon ECS must determine which tasks to terminate"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-strategies.html>):
//! with `spread` from where most of them run, so that the balance stays; with `binpack` from
//! the instance that has the most left afterwards, so that it empties; else at random.
//! Protected tasks, and those that should go first because they are unhealthy or not running
//! yet, are the caller's to leave out.

use super::capacity::Capacity;
use super::request::{Resource, SpreadBy, Strategy};
use std::collections::{BTreeMap, BTreeSet};

/// One step of SplitMix64: spreads the bits of a seed.
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number of a task's own, under a seed.
fn lot(seed: u64, task_id: &str) -> u64 {
    let bytes = task_id.bytes();
    bytes.fold(mix(seed), |lot, byte| mix(lot ^ u64::from(byte)))
}

/// The attribute values an instance has, in the order they are spread over.
type Path<'a> = Vec<Option<&'a str>>;

/// The tasks of one instance, the next to go last.
struct Host<'a> {
    tasks: Vec<(u64, &'a str)>,
    free_cpu: i64,
    free_memory: i64,
}

/// How much an instance asks to lose a task: what the strategies say, then the task's lot.
type Urge = (Vec<i64>, u64);

impl Capacity {
    /// `count` of the tasks, in the order to stop them. Those without a place go first.
    pub fn surplus(
        &self,
        tasks: &[&str],
        strategies: &[Strategy],
        count: usize,
        seed: u64,
    ) -> Vec<String> {
        let mut gone: Vec<String> = Vec::new();
        let mut cells: BTreeMap<Path<'_>, BTreeMap<&str, Host<'_>>> = BTreeMap::new();
        let attributes = attributes(strategies);
        for task in tasks {
            let Some(instance) = self.instance_of(task) else {
                gone.push((*task).to_owned());
                continue;
            };
            let path = attributes.iter().map(|name| self.value(instance, name));
            let hosts = cells.entry(path.collect()).or_default();
            let host = hosts.entry(instance).or_insert_with(|| {
                let free = self.remaining(instance).unwrap_or_default();
                Host {
                    tasks: Vec::new(),
                    free_cpu: free.cpu_units,
                    free_memory: free.memory_mib,
                }
            });
            host.tasks.push((lot(seed, task), task));
        }
        let mut cells: Vec<Cell<'_>> = cells
            .into_iter()
            .map(|(path, hosts)| Cell::new(self, path, hosts, strategies))
            .collect();
        while gone.len() < count {
            let Some(task) = next(self, &mut cells, strategies) else {
                break;
            };
            gone.push(task);
        }
        gone.truncate(count);
        gone
    }

    fn value(&self, instance: &str, attribute: &str) -> Option<&str> {
        let value = self.instance(instance)?.attributes.get(attribute)?;
        Some(value.as_deref().unwrap_or_default())
    }
}

/// The hosts with the same values, those with the greatest urge last.
struct Cell<'a> {
    path: Path<'a>,
    tasks: i64,
    hosts: Vec<Host<'a>>,
    by_urge: BTreeSet<(Urge, usize)>,
}

impl<'a> Cell<'a> {
    fn new(
        capacity: &Capacity,
        path: Path<'a>,
        hosts: BTreeMap<&'a str, Host<'a>>,
        strategies: &[Strategy],
    ) -> Cell<'a> {
        let mut cell = Cell {
            path,
            tasks: 0,
            hosts: hosts.into_values().collect(),
            by_urge: BTreeSet::new(),
        };
        for (nth, host) in cell.hosts.iter_mut().enumerate() {
            host.tasks.sort_unstable();
            cell.tasks += count(host);
            if let Some(urge) = urge(capacity, host, strategies) {
                cell.by_urge.insert((urge, nth));
            }
        }
        cell
    }

    /// Takes the task that goes next.
    fn pop(&mut self, capacity: &Capacity, strategies: &[Strategy]) -> Option<String> {
        let (_, nth) = self.by_urge.pop_last()?;
        let host = &mut self.hosts[nth];
        let (_, task) = host.tasks.pop()?;
        self.tasks -= 1;
        if let Some(claim) = capacity.claim_of(task) {
            host.free_cpu += i64::from(claim.cpu_units);
            host.free_memory += i64::from(claim.memory_mib);
        }
        if let Some(urge) = urge(capacity, host, strategies) {
            self.by_urge.insert((urge, nth));
        }
        Some(task.to_owned())
    }
}

fn next(capacity: &Capacity, cells: &mut [Cell<'_>], strategies: &[Strategy]) -> Option<String> {
    let mut best: Option<(Urge, usize)> = None;
    for (nth, cell) in cells.iter().enumerate() {
        let Some(((own, lot), _)) = cell.by_urge.last() else {
            continue;
        };
        let urge = (between(cells, cell, own, strategies), *lot);
        if best.as_ref().is_none_or(|(than, _)| urge > *than) {
            best = Some((urge, nth));
        }
    }
    cells[best?.1].pop(capacity, strategies)
}

/// The urge of a cell's first host among all: each attribute's count put in its place.
fn between(cells: &[Cell<'_>], cell: &Cell<'_>, own: &[i64], strategies: &[Strategy]) -> Vec<i64> {
    let mut level = 0;
    let mut own = own.iter();
    deciding(strategies)
        .filter_map(|strategy| match strategy {
            Strategy::Spread(SpreadBy::Attribute(_)) => {
                level += 1;
                let same = cells
                    .iter()
                    .filter(|c| c.path[..level] == cell.path[..level]);
                Some(same.map(|c| c.tasks).sum())
            }
            _ => own.next().copied(),
        })
        .collect()
}

/// What decides between the hosts of one cell.
fn urge(capacity: &Capacity, host: &Host<'_>, strategies: &[Strategy]) -> Option<Urge> {
    let (lot, task) = host.tasks.last()?;
    let claim = capacity.claim_of(task);
    let parts = deciding(strategies).filter_map(|strategy| match strategy {
        Strategy::Spread(SpreadBy::Instance) => Some(count(host)),
        Strategy::Binpack(Resource::Cpu) => {
            Some(host.free_cpu + claim.map_or(0, |c| i64::from(c.cpu_units)))
        }
        Strategy::Binpack(Resource::Memory) => {
            Some(host.free_memory + claim.map_or(0, |c| i64::from(c.memory_mib)))
        }
        Strategy::Spread(SpreadBy::Attribute(_)) | Strategy::Random => None,
    });
    Some((parts.collect(), *lot))
}

fn count(host: &Host<'_>) -> i64 {
    i64::try_from(host.tasks.len()).unwrap_or(i64::MAX)
}

/// Nothing is equal after `random`.
fn deciding(strategies: &[Strategy]) -> impl Iterator<Item = &Strategy> {
    strategies.iter().take_while(|s| **s != Strategy::Random)
}

fn attributes(strategies: &[Strategy]) -> Vec<&str> {
    deciding(strategies)
        .filter_map(|s| match s {
            Strategy::Spread(SpreadBy::Attribute(name)) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

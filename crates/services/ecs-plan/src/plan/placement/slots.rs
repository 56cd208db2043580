//! The instances and what is in use on each, by number.
//!
//! A number stays an instance's until it is removed and has no tasks; then another gets it.
//! Knows nothing of requests; [`super::Capacity`] tells the indexes what changed.

use super::instance::{Instance, InstanceId, Port};
use super::request::Claim;
use crate::plan::query::Queried;
use neargate_base::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// The instances by number, and the numbers by id.
#[derive(Debug, Default)]
pub(super) struct Slots {
    held: Vec<Held>,
    /// [`Held::free`] of each, side by side: what an index reads over and over.
    free: Vec<Free>,
    by_id: BTreeMap<InstanceId, u32>,
    /// For each group, how many of its tasks are where; those that are to stop left out.
    groups: HashMap<Box<str>, HashMap<u32, u32>>,
    /// Numbers to be given again.
    unused: Vec<u32>,
}

/// One instance and what is in use on it.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) id: InstanceId,
    /// `None` while only its tasks are known, and after its removal until they are gone.
    pub(super) instance: Option<Instance>,
    used: Free,
    /// With how many tasks use each: more than one only when overdrawn.
    pub(super) ports: BTreeMap<Port, u32>,
    pub(super) tasks: u32,
    pub(super) running: u32,
    /// Tasks by group, those that are to stop left out.
    groups: BTreeMap<Box<str>, u32>,
}

/// What an instance has left (or has in use), and whether it takes tasks at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Free {
    pub(super) cpu_units: i64,
    pub(super) memory_mib: i64,
    pub(super) gpus: i64,
    pub(super) enis: i64,
    pub(super) placeable: bool,
}

/// What is known of a task besides its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) running: bool,
    pub(super) stopping: bool,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn get(&self, slot: u32) -> &Held {
        &self.held[slot as usize]
    }

    pub(super) fn in_order(&self) -> impl Iterator<Item = &Held> {
        self.by_id.values().map(|slot| self.get(*slot))
    }

    /// By number.
    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.iter()
    }

    pub(super) fn free(&self, slot: u32) -> &Free {
        &self.free[slot as usize]
    }

    /// Where tasks of the group are, and how many.
    pub(super) fn of_group(&self, group: &str) -> impl Iterator<Item = (u32, u32)> {
        let of = self.groups.get(group).into_iter().flatten();
        of.map(|(slot, count)| (*slot, *count))
    }

    /// The numbers in order of the ids.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.by_id.values().copied()
    }

    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    pub(super) fn of(&mut self, id: &str) -> u32 {
        if let Some(slot) = self.find(id) {
            return slot;
        }
        let slot = self.unused.pop().unwrap_or_else(|| {
            self.held.push(Held::default());
            self.free.push(Free::default());
            u32::try_from(self.held.len() - 1).expect("fewer than 4 billion instances")
        });
        self.held[slot as usize] = Held {
            id: id.to_owned(),
            ..Held::default()
        };
        self.by_id.insert(id.to_owned(), slot);
        slot
    }

    pub(super) fn change(&mut self, slot: u32, change: impl FnOnce(&mut Held)) {
        let held = &mut self.held[slot as usize];
        change(held);
        self.free[slot as usize] = held.free();
    }

    pub(super) fn add(&mut self, slot: u32, claim: &Claim, phase: Phase) {
        self.change(slot, |held| held.add(claim, phase));
        if phase.stopping {
            return;
        }
        match self.groups.get_mut(claim.group.as_str()) {
            Some(of) => *of.entry(slot).or_default() += 1,
            None => {
                let of = HashMap::from([(slot, 1)]);
                self.groups.insert(claim.group.as_str().into(), of);
            }
        }
    }

    pub(super) fn subtract(&mut self, slot: u32, claim: &Claim, phase: Phase) {
        self.change(slot, |held| held.subtract(claim, phase));
        let of = self.groups.get_mut(claim.group.as_str());
        let Some(of) = of.filter(|_| !phase.stopping) else {
            return;
        };
        if let Some(count) = of.get_mut(&slot) {
            *count -= 1;
            if *count == 0 {
                of.remove(&slot);
            }
        }
        if of.is_empty() {
            self.groups.remove(claim.group.as_str());
        }
    }

    /// Forgets an instance that is removed and has no tasks.
    pub(super) fn release(&mut self, slot: u32) {
        let held = &mut self.held[slot as usize];
        if held.instance.is_none() && held.tasks == 0 {
            self.by_id.remove(&held.id);
            *held = Held::default();
            self.unused.push(slot);
        }
    }
}

impl Held {
    /// What is left of what it registered.
    pub(super) fn free(&self) -> Free {
        let Some(i) = &self.instance else {
            return Free::default();
        };
        Free {
            cpu_units: i.registered.cpu_units - self.used.cpu_units,
            memory_mib: i.registered.memory_mib - self.used.memory_mib,
            gpus: i.registered.gpus - self.used.gpus,
            enis: i64::from(i.eni_slots) - self.used.enis,
            placeable: i.placeable(),
        }
    }

    pub(super) fn of_group(&self, group: &str) -> u32 {
        self.groups.get(group).copied().unwrap_or(0)
    }

    pub(super) fn port_in_use(&self, port: &Port) -> bool {
        let registered = self.instance.as_ref();
        self.ports.contains_key(port)
            || registered.is_some_and(|i| i.registered.ports.contains(port))
    }

    pub(super) fn ports_in_use(&self) -> usize {
        let registered = self.instance.as_ref();
        self.ports.len() + registered.map_or(0, |i| i.registered.ports.len())
    }

    fn add(&mut self, claim: &Claim, phase: Phase) {
        self.count(claim, 1);
        for port in &claim.ports {
            *self.ports.entry(*port).or_default() += 1;
        }
        self.tasks += 1;
        self.running += u32::from(phase.running);
        if phase.stopping {
            return;
        }
        match self.groups.get_mut(claim.group.as_str()) {
            Some(count) => *count += 1,
            None => {
                self.groups.insert(claim.group.as_str().into(), 1);
            }
        }
    }

    fn subtract(&mut self, claim: &Claim, phase: Phase) {
        self.count(claim, -1);
        for port in &claim.ports {
            if let Some(users) = self.ports.get_mut(port) {
                *users -= 1;
                if *users == 0 {
                    self.ports.remove(port);
                }
            }
        }
        self.tasks -= 1;
        self.running -= u32::from(phase.running);
        if phase.stopping {
            return;
        }
        if let Some(count) = self.groups.get_mut(claim.group.as_str()) {
            *count -= 1;
            if *count == 0 {
                self.groups.remove(claim.group.as_str());
            }
        }
    }

    fn count(&mut self, claim: &Claim, sign: i64) {
        self.used.cpu_units += sign * i64::from(claim.cpu_units);
        self.used.memory_mib += sign * i64::from(claim.memory_mib);
        self.used.gpus += sign * i64::from(claim.gpus);
        self.used.enis += sign * i64::from(claim.eni);
    }
}

impl Queried for Held {
    fn attribute(&self, name: &str) -> Option<&str> {
        let value = self.instance.as_ref()?.attributes.get(name)?;
        Some(value.as_deref().unwrap_or_default())
    }

    fn agent_connected(&self) -> bool {
        self.instance.as_ref().is_some_and(|i| i.agent_connected)
    }

    fn agent_version(&self) -> &str {
        self.instance.as_ref().map_or("", |i| &i.agent_version)
    }

    fn ec2_instance_id(&self) -> Option<&str> {
        self.instance.as_ref()?.ec2_instance_id.as_deref()
    }

    fn registered_at(&self) -> Timestamp {
        self.instance
            .as_ref()
            .map_or_else(Timestamp::default, |i| i.registered_at)
    }

    fn running_tasks(&self) -> u32 {
        self.running
    }

    fn any_group(&self, is: &mut dyn FnMut(&str) -> bool) -> bool {
        self.groups.keys().any(|group| is(group))
    }
}

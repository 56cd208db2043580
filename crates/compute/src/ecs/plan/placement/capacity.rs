//! What the container instances of one cluster have free.
//!
//! RAM only, rebuilt from the instances and tasks that are stored; whoever watches them calls
//! [`Capacity::upsert`], [`Capacity::remove`], [`Capacity::take`] and [`Capacity::give_back`],
//! in any order: a task may be known before its instance. A placement depends only on what is
//! held, the request and the seed, never on the order in which it was told.
//!
//! Invariants: what an instance has in use is the sum of its tasks' claims; a task has a place
//! on one instance at most; [`Capacity::place`] never overdraws, [`Capacity::take`] may (the
//! task is there already, or the caller of StartTask said so).

use super::filter::{self, Lack};
use super::index::Indexes;
use super::instance::{Instance, InstanceId, Port, Resources};
use super::refusal::Refusal;
use super::request::{Claim, Request};
use crate::ecs::plan::query::Queried;
use neargate_base::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The container instances of one cluster and the tasks that have their place on them.
#[derive(Debug, Default)]
pub struct Capacity {
    slots: Slots,
    tasks: HashMap<Box<str>, Taken>,
    indexes: Indexes,
}

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

/// One task's place.
#[derive(Debug)]
struct Taken {
    slot: u32,
    phase: Phase,
    claim: Arc<Claim>,
}

/// What is known of a task besides its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Phase {
    running: bool,
    stopping: bool,
}

/// One instance and what is in use on it.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) id: InstanceId,
    /// `None` while only its tasks are known, and after its removal until they are gone.
    pub(super) instance: Option<Instance>,
    used: Free,
    /// With how many tasks use each: more than one only when overdrawn.
    ports: BTreeMap<Port, u32>,
    tasks: u32,
    running: u32,
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

/// How many tasks an instance has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// RUNNING, as told by [`Capacity::set_running`].
    pub running: u32,
    /// The others that have a place.
    pub pending: u32,
}

impl Capacity {
    pub fn new() -> Capacity {
        Capacity::default()
    }

    /// A new or changed instance; the places on it are kept.
    pub fn upsert(&mut self, instance: Instance) {
        let slot = self.slots.of(&instance.id);
        match &self.slots.get(slot).instance {
            Some(old) if *old == instance => return,
            Some(old) if old.same_registration(&instance) => self.indexes.changed(slot, None),
            Some(_) | None => self.indexes.registered(),
        }
        self.slots
            .change(slot, |held| held.instance = Some(instance));
    }

    /// The instance is gone. Its tasks keep their places until they are given back, but take
    /// part in nothing.
    pub fn remove(&mut self, id: &str) {
        let Some(slot) = self.slots.find(id) else {
            return;
        };
        self.slots.change(slot, |held| held.instance = None);
        self.indexes.registered();
        self.slots.release(slot);
    }

    /// The task has its place on the instance: known already, or decided elsewhere. Said again
    /// it changes nothing; said of another instance or claim it moves. May overdraw.
    pub fn take(&mut self, instance: &str, task_id: &str, claim: Arc<Claim>) {
        let slot = self.slots.of(instance);
        let phase = match self.tasks.get(task_id) {
            Some(taken) if taken.slot == slot && taken.claim == claim => return,
            Some(taken) => {
                let phase = taken.phase;
                // The slot just found may be empty but for this task: it must not be released.
                self.drop_place(task_id, Some(slot));
                phase
            }
            None => Phase::default(),
        };
        self.put(slot, task_id, claim, phase);
    }

    /// The task needs its place no longer; nothing happens when it has none.
    pub fn give_back(&mut self, task_id: &str) {
        self.drop_place(task_id, None);
    }

    /// The task is RUNNING now, or no longer: for `runningTasksCount` and the counts shown.
    pub fn set_running(&mut self, task_id: &str, running: bool) {
        self.set_phase(task_id, |phase| phase.running = running);
    }

    /// The task is to stop. It uses what it uses until it is given back, but is one of its
    /// group no longer: "Amazon ECS looks at the desired status of the tasks for the task
    /// placement"
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-constraints.html>).
    pub fn set_stopping(&mut self, task_id: &str) {
        self.set_phase(task_id, |phase| phase.stopping = true);
    }

    fn set_phase(&mut self, task_id: &str, change: impl FnOnce(&mut Phase)) {
        let Some(taken) = self.tasks.get_mut(task_id) else {
            return;
        };
        let before = taken.phase;
        change(&mut taken.phase);
        if taken.phase != before {
            self.slots.subtract(taken.slot, &taken.claim, before);
            self.slots.add(taken.slot, &taken.claim, taken.phase);
            self.indexes.changed(taken.slot, Some(&taken.claim.group));
        }
    }

    /// Chooses an instance and takes a place there. A task that has one keeps it. `seed`
    /// decides between instances that are equally good.
    pub fn place(
        &mut self,
        request: &Request,
        task_id: &str,
        seed: u64,
    ) -> Result<InstanceId, Refusal> {
        if let Some(taken) = self.tasks.get(task_id) {
            return Ok(self.slots.held[taken.slot as usize].id.clone());
        }
        let Some(slot) = self.indexes.best(&self.slots, request, seed) else {
            return Err(Refusal::of(request, self.slots.in_order()));
        };
        self.put(slot, task_id, Arc::clone(&request.claim), Phase::default());
        Ok(self.slots.held[slot as usize].id.clone())
    }

    /// Takes a place on this instance, if it passes the filters (DAEMON and StartTask; neither
    /// asks for a launch type or provider). `Err` says all it lacks.
    pub fn place_on(
        &mut self,
        instance: &str,
        request: &Request,
        task_id: &str,
    ) -> Result<(), Vec<Lack>> {
        if self.instance_of(task_id) == Some(instance) {
            return Ok(());
        }
        let lacks = self.lacks(instance, request);
        if lacks.is_empty() {
            self.take(instance, task_id, Arc::clone(&request.claim));
            return Ok(());
        }
        Err(lacks)
    }

    /// What this instance lacks for one more such task, in ECS's order; empty when it would
    /// be accepted.
    pub fn lacks(&self, instance: &str, request: &Request) -> Vec<Lack> {
        let Some(slot) = self.slots.find(instance) else {
            return vec![Lack::Inactive];
        };
        let mut all = Vec::new();
        filter::lacks(request, &self.slots.held[slot as usize], &mut |lack| {
            all.push(lack);
            true
        });
        all
    }

    /// The instances on which one more such task would fit and is allowed, by id.
    pub fn matching(&self, request: &Request) -> Vec<InstanceId> {
        let held = self.slots.in_order();
        held.filter(|h| filter::passes_fixed(request, h))
            .filter(|h| {
                let of_group = h.of_group(&request.claim.group);
                filter::passes_moving(request, h, &h.free(), of_group)
            })
            .map(|h| h.id.clone())
            .collect()
    }

    /// The instances on which such a task is allowed, whatever is free there: those that a
    /// DAEMON service wants a task on, by id.
    pub fn allowed(&self, request: &Request) -> Vec<InstanceId> {
        let held = self.slots.in_order();
        held.filter(|h| filter::concerns(request, h) && filter::allows(request, h))
            .map(|h| h.id.clone())
            .collect()
    }

    /// The instances that an expression selects, by id, whatever their status.
    pub fn selected(&self, expression: &crate::ecs::plan::query::Expression) -> Vec<InstanceId> {
        let held = self.slots.in_order().filter(|h| h.instance.is_some());
        held.filter(|h| expression.selects(*h))
            .map(|h| h.id.clone())
            .collect()
    }

    /// What an instance has left; less than nothing where it is overdrawn.
    pub fn remaining(&self, instance: &str) -> Option<Resources> {
        let held = self.held(instance)?;
        let (free, registered) = (held.free(), &held.instance.as_ref()?.registered);
        Some(Resources {
            cpu_units: free.cpu_units,
            memory_mib: free.memory_mib,
            gpus: free.gpus,
            ports: registered
                .ports
                .iter()
                .chain(held.ports.keys())
                .copied()
                .collect(),
        })
    }

    /// How many tasks an instance has.
    pub fn counts(&self, instance: &str) -> Option<Counts> {
        let held = self.held(instance)?;
        held.instance.as_ref()?;
        Some(Counts {
            running: held.running,
            pending: held.tasks - held.running,
        })
    }

    /// The instance as it was last told.
    pub fn instance(&self, id: &str) -> Option<&Instance> {
        self.held(id)?.instance.as_ref()
    }

    /// All instances, by id.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.slots.in_order().filter_map(|h| h.instance.as_ref())
    }

    /// Where a task has its place.
    pub fn instance_of(&self, task_id: &str) -> Option<&str> {
        let taken = self.tasks.get(task_id)?;
        Some(&self.slots.held[taken.slot as usize].id)
    }

    /// What a task takes.
    pub fn claim_of(&self, task_id: &str) -> Option<&Arc<Claim>> {
        self.tasks.get(task_id).map(|t| &t.claim)
    }

    fn held(&self, id: &str) -> Option<&Held> {
        Some(&self.slots.held[self.slots.find(id)? as usize])
    }

    fn put(&mut self, slot: u32, task_id: &str, claim: Arc<Claim>, phase: Phase) {
        self.slots.add(slot, &claim, phase);
        self.indexes.changed(slot, Some(&claim.group));
        let taken = Taken { slot, phase, claim };
        self.tasks.insert(task_id.into(), taken);
    }

    fn drop_place(&mut self, task_id: &str, keep: Option<u32>) {
        let Some(taken) = self.tasks.remove(task_id) else {
            return;
        };
        self.slots.subtract(taken.slot, &taken.claim, taken.phase);
        self.indexes.changed(taken.slot, Some(&taken.claim.group));
        if keep != Some(taken.slot) {
            self.slots.release(taken.slot);
        }
    }
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

    fn find(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    fn of(&mut self, id: &str) -> u32 {
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

    fn change(&mut self, slot: u32, change: impl FnOnce(&mut Held)) {
        let held = &mut self.held[slot as usize];
        change(held);
        self.free[slot as usize] = held.free();
    }

    fn add(&mut self, slot: u32, claim: &Claim, phase: Phase) {
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

    fn subtract(&mut self, slot: u32, claim: &Claim, phase: Phase) {
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
    fn release(&mut self, slot: u32) {
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

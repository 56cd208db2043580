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
use super::instance::{Instance, InstanceId, Resources};
use super::refusal::Refusal;
use super::request::{Claim, Request};
use super::slots::{Held, Phase, Slots};
use crate::plan::query::Expression;
use std::collections::HashMap;
use std::sync::Arc;

/// The container instances of one cluster and the tasks that have their place on them.
#[derive(Debug, Default)]
pub struct Capacity {
    slots: Slots,
    tasks: HashMap<Box<str>, Place>,
    indexes: Indexes,
}

/// One task's place.
#[derive(Debug)]
struct Place {
    slot: u32,
    phase: Phase,
    claim: Arc<Claim>,
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
            Some(place) if place.slot == slot && place.claim == claim => return,
            Some(place) => {
                let phase = place.phase;
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
        let Some(place) = self.tasks.get_mut(task_id) else {
            return;
        };
        let before = place.phase;
        change(&mut place.phase);
        if place.phase != before {
            self.slots.subtract(place.slot, &place.claim, before);
            self.slots.add(place.slot, &place.claim, place.phase);
            self.indexes.changed(place.slot, Some(&place.claim.group));
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
        if let Some(place) = self.tasks.get(task_id) {
            return Ok(self.slots.get(place.slot).id.clone());
        }
        let Some(slot) = self.indexes.best(&self.slots, request, seed) else {
            return Err(Refusal::of(request, self.slots.in_order()));
        };
        self.put(slot, task_id, Arc::clone(&request.claim), Phase::default());
        Ok(self.slots.get(slot).id.clone())
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
        filter::lacks(request, self.slots.get(slot), |lack| all.push(lack));
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
    pub fn selected(&self, expression: &Expression) -> Vec<InstanceId> {
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
        let place = self.tasks.get(task_id)?;
        Some(&self.slots.get(place.slot).id)
    }

    /// What a task takes.
    pub fn claim_of(&self, task_id: &str) -> Option<&Arc<Claim>> {
        self.tasks.get(task_id).map(|t| &t.claim)
    }

    fn held(&self, id: &str) -> Option<&Held> {
        Some(self.slots.get(self.slots.find(id)?))
    }

    fn put(&mut self, slot: u32, task_id: &str, claim: Arc<Claim>, phase: Phase) {
        self.slots.add(slot, &claim, phase);
        self.indexes.changed(slot, Some(&claim.group));
        let place = Place { slot, phase, claim };
        self.tasks.insert(task_id.into(), place);
    }

    fn drop_place(&mut self, task_id: &str, keep: Option<u32>) {
        let Some(place) = self.tasks.remove(task_id) else {
            return;
        };
        self.slots.subtract(place.slot, &place.claim, place.phase);
        self.indexes.changed(place.slot, Some(&place.claim.group));
        if keep != Some(place.slot) {
            self.slots.release(place.slot);
        }
    }
}

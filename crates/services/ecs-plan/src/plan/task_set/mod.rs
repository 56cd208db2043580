//! What happens next to the task sets of one service: pure.
//!
//! A task set is kept at its share of the service's desired count
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-external.html>)
//! as a deployment is kept at the whole of it: the same choice of tasks to start and to stop, the
//! same throttle. Which set is to have how many tasks is the caller's to say, so no set ever
//! replaces another here.

#[cfg(test)]
mod tests;

use crate::id::ServiceId;
use crate::model::{Service, ServiceStatus, Stability, State, TaskSet};
use crate::plan::service::replica::{self, Inputs, Limits, ScaleIn};
use crate::plan::service::{Settling, Starting, Stopping, sentence, stopping, tally};
use crate::row::{Counts, Row};
use neargate_base::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the planner sees.
#[derive(Debug)]
pub struct View {
    pub id: ServiceId,
    pub service: Service,
    pub sets: Vec<TaskSet>,
    /// Every task of the service that the store still has.
    pub rows: Vec<Arc<Row>>,
    /// Which of them do not count as healthy yet.
    pub settling: Settling,
    /// Container instances that are being emptied, or are gone.
    pub draining: BTreeSet<String>,
    /// See `service::View::look_at`.
    pub look_at: Option<Timestamp>,
}

/// What to do, in this order.
#[derive(Debug, Default)]
pub struct Step {
    /// The service's whole new status, if it changes.
    pub status: Option<ServiceStatus>,
    pub events: Vec<String>,
    /// Task sets that change.
    pub sets: Vec<TaskSet>,
    /// By task set.
    pub stop: Vec<(String, Vec<Stopping>)>,
    pub start: Vec<Starting>,
    /// Ids of task sets that are over.
    pub forget: Vec<String>,
    pub wake_at: Option<Timestamp>,
}

impl Step {
    pub fn is_idle(&self) -> bool {
        self.status.is_none()
            && self.events.is_empty()
            && self.sets.is_empty()
            && self.stop.is_empty()
            && self.start.is_empty()
            && self.forget.is_empty()
    }

    fn wake(&mut self, at: Option<Timestamp>) {
        self.wake_at = self.wake_at.into_iter().chain(at).min();
    }
}

/// How the events name a task set of a service.
pub fn name(service: &str, set: &str) -> String {
    format!("{service}, taskSet {set}")
}

/// The next step.
pub fn plan(view: &View, now: Timestamp, scale_in: ScaleIn<'_>) -> Step {
    let mut step = Step::default();
    if view.service.state() != State::Active {
        // The service's own controller stops its tasks.
        step.forget = view.sets.iter().map(|set| set.id.clone()).collect();
        return step;
    }
    for set in &view.sets {
        match set.deleted_at {
            Some(_) => drain(view, set, &mut step),
            None => keep(view, set, now, scale_in, &mut step),
        }
    }
    orphans(view, &mut step);
    step.wake(view.settling.look_at(now));
    step.wake(view.look_at.filter(|at| *at > now));
    let blocked = view.service.status.blocked.as_ref();
    if blocked.is_some() && step.start.is_empty() {
        let status = ServiceStatus {
            blocked: None,
            ..view.service.status.clone()
        };
        step.status = Some(status);
    }
    if !step.start.is_empty() {
        step.wake(blocked.map(|b| b.retry_at).filter(|at| *at > now));
    }
    step
}

/// A deleted set: its tasks stop, then it is forgotten.
fn drain(view: &View, set: &TaskSet, step: &mut Step) {
    let rows = || tally::of(&view.rows, &set.id);
    let stop: Vec<Stopping> = rows().filter(|r| r.is_live()).map(stopping).collect();
    if !stop.is_empty() {
        step.stop.push((set.id.clone(), stop));
    }
    if rows().all(|row| row.is_stopped()) {
        step.forget.push(set.id.clone());
    }
}

/// A set that is not deleted: it is kept at its share.
fn keep(view: &View, set: &TaskSet, now: Timestamp, scale_in: ScaleIn<'_>, step: &mut Step) {
    let spec = &view.service.spec;
    let desired = set.desired(spec.desired_count);
    let rows: Vec<Arc<Row>> = tally::of(&view.rows, &set.id).cloned().collect();
    let mut changed = set.clone();
    throttle(view, &mut changed, &rows, now, step);
    let misplaced = BTreeSet::new();
    let inputs = Inputs {
        primary: &set.id,
        failed: false,
        draining: &view.draining,
        misplaced: &misplaced,
        unplaced: view.service.status.blocked.is_some(),
        settling: &view.settling,
        now,
    };
    let limits = Limits::of(&spec.deployment, desired);
    let choice = replica::choose(&rows, limits, &inputs, scale_in);
    settle(view, &mut changed, &rows, desired, now, step);
    if changed != *set {
        step.sets.push(changed.clone());
    }
    if !choice.stop.is_empty() {
        let stop = choice.stop.iter().map(stopping).collect();
        step.stop.push((set.id.clone(), stop));
    }
    let protected = rows.iter().filter(|row| row.is_live());
    let ends = protected.filter_map(|row| row.protection.map(|p| p.until));
    step.wake(ends.filter(|at| *at > now).min());
    if choice.start == 0 {
        return;
    }
    match tally::held_until(&changed.status.progress, now) {
        Some(at) => step.wake(Some(at)),
        None => step.start.push(Starting {
            deployment: set.id.clone(),
            revision: set.revision.clone(),
            count: choice.start,
            on: Vec::new(),
        }),
    }
}

/// Count what became of tasks; say so when the throttle begins.
fn throttle(view: &View, set: &mut TaskSet, rows: &[Arc<Row>], now: Timestamp, step: &mut Step) {
    let progress = &mut set.status.progress;
    let before = tally::is_throttled(progress);
    tally::tally(progress, rows, &view.settling, true, now);
    if tally::is_throttled(progress) && !before {
        let name = name(&view.id.name, &set.id);
        step.events.push(sentence::impaired(&name));
    }
}

/// `STEADY_STATE`: as many tasks as are to be, all of them counting as healthy, none on an
/// instance that is being emptied.
fn settle(
    view: &View,
    set: &mut TaskSet,
    rows: &[Arc<Row>],
    desired: usize,
    now: Timestamp,
    step: &mut Step,
) {
    if view.settling.is_unsure() {
        return;
    }
    let mut counts = Counts::default();
    rows.iter().for_each(|row| counts.add(row));
    let in_place = |row: &Arc<Row>| {
        let on = row.container_instance.as_ref();
        view.settling.counts(row) && !on.is_some_and(|id| view.draining.contains(id))
    };
    let steady = counts.running == desired
        && counts.pending == 0
        && rows.iter().filter(|row| row.is_live()).all(in_place);
    let stability = match steady {
        true => Stability::SteadyState,
        false => Stability::Stabilizing,
    };
    if stability == set.status.stability {
        return;
    }
    set.status.stability = stability;
    set.status.stability_at = now;
    if steady {
        let name = name(&view.id.name, &set.id);
        step.events.push(sentence::steady(&name));
    }
}

/// Tasks of sets that are forgotten: started while their set was being deleted.
fn orphans(view: &View, step: &mut Step) {
    let known: BTreeSet<&String> = view.sets.iter().map(|set| &set.id).collect();
    for row in view.rows.iter().filter(|row| row.is_live()) {
        let Some(link) = row.service.as_ref() else {
            continue;
        };
        if known.contains(&link.deployment) {
            continue;
        }
        let of = step.stop.iter_mut().find(|(id, _)| *id == link.deployment);
        match of {
            Some((_, stop)) => stop.push(stopping(row)),
            None => step
                .stop
                .push((link.deployment.clone(), vec![stopping(row)])),
        }
    }
}

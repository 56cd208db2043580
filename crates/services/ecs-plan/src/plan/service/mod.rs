//! What a service's controller does next: pure.
//!
//! A step takes up what the API asked for ([`rollout`]), counts what became of tasks
//! ([`tally`]), moves the deployments on ([`failure`]), and chooses tasks to start and to stop ([`replica`],
//! [`daemon`]). Steps repeat until nothing is left to do: a step of the state that a step has
//! led to is empty.

pub mod alarms;
mod blocked;
pub mod daemon;
mod failure;
pub mod history;
pub mod replica;
mod rollout;
pub mod sentence;
mod settling;
mod shift;
pub mod tally;
mod zones;

#[cfg(test)]
mod tests;

use crate::id::ServiceId;
use crate::model::{Deployment, Rollout, Scheduling, Service, ServiceDeployment, ServiceStatus};
use crate::row::Row;
use alarms::Heard;
pub use blocked::blocked;
use neargate_base::Timestamp;
pub use rollout::adopted;
pub use settling::{Known, SETTLE, Settling};

use replica::{Choice, Inputs, Limits, ScaleIn};
use rollout::Draft;
pub use shift::Traffic;
use shift::{Course, Tasks};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A steady state is said again after this
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages.html>).
const SAID_AGAIN: Duration = Duration::from_secs(6 * 3_600);
/// How long an `INACTIVE` service can still be described.
pub const KEPT: Duration = Duration::from_secs(3_600);

/// What the planner sees.
#[derive(Debug)]
pub struct View {
    pub id: ServiceId,
    pub service: Service,
    /// Every task of the service that the store still has.
    pub rows: Vec<Arc<Row>>,
    /// Which of them do not count as healthy yet.
    pub settling: Settling,
    /// The service deployments of the target and of the primary; before a target is taken up, all
    /// that have not ended.
    pub records: Vec<ServiceDeployment>,
    /// Container instances that are being emptied, or are gone.
    pub draining: BTreeSet<String>,
    /// The draining instances that still have tasks of other services.
    pub busy: BTreeSet<String>,
    /// DAEMON: the instances that are to have a task.
    pub seats: BTreeSet<String>,
    /// The zones tasks can be in.
    pub zones: BTreeSet<String>,
    /// What is known of the primary's alarms, if they are watched.
    pub alarms: Option<Heard>,
    /// When the grace of a task ends, which its load balancers judge from then on.
    pub look_at: Option<Timestamp>,
}

/// What to do, in this order.
#[derive(Debug, Default)]
pub struct Step {
    /// The whole new status, if it changes.
    pub status: Option<ServiceStatus>,
    /// Whole messages, oldest first.
    pub events: Vec<String>,
    /// The events announce a steady state.
    pub steady: bool,
    /// The service deployments that change.
    pub records: Vec<ServiceDeployment>,
    /// What load balancers are told, before any task stops or starts.
    pub traffic: Option<Traffic>,
    pub stop: Vec<Stopping>,
    pub start: Option<Starting>,
    /// Stopped tasks that are too many.
    pub forget: Vec<Arc<Row>>,
    /// Forget the service and everything of it.
    pub purge: bool,
    pub wake_at: Option<Timestamp>,
    pub reason: &'static str,
}

/// A task to stop.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopping {
    pub row: Arc<Row>,
    /// Its `stoppedReason`.
    pub reason: String,
    pub unhealthy: bool,
}

/// Tasks to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starting {
    /// `ecs-svc/…`
    pub deployment: String,
    pub revision: String,
    pub count: usize,
    /// DAEMON: on these instances, one each.
    pub on: Vec<String>,
}

impl Step {
    /// Nothing is to be done now.
    pub fn is_idle(&self) -> bool {
        self.status.is_none()
            && self.events.is_empty()
            && self.records.is_empty()
            && self.traffic.is_none()
            && self.stop.is_empty()
            && self.start.is_none()
            && self.forget.is_empty()
            && !self.purge
    }

    fn wake(&mut self, at: Option<Timestamp>) {
        self.wake_at = match (self.wake_at, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// The next step.
pub fn plan(view: &View, now: Timestamp, scale_in: ScaleIn<'_>) -> Step {
    let mut step = step(view, now, scale_in);
    step.forget = history::forgotten(&view.rows, now);
    step
}

fn step(view: &View, now: Timestamp, scale_in: ScaleIn<'_>) -> Step {
    let spec = &view.service.spec;
    if let Some(at) = view.service.status.inactive_at {
        let forget_at = at + KEPT;
        return Step {
            purge: forget_at <= now,
            wake_at: Some(forget_at).filter(|at| *at > now),
            reason: "inactive",
            ..Step::default()
        };
    }
    if spec.deleted_at.is_some() {
        return leave(view, now);
    }
    if spec.controller.has_task_sets() {
        return Step {
            reason: "task sets are not the scheduler's",
            ..Step::default()
        };
    }
    let mut draft = Draft::of(view, now);
    draft.adopt();
    if draft.status.deployments.is_empty() {
        return draft.step("no deployment");
    }
    let desired = desired(view);
    if spec.scheduling == Scheduling::Daemon {
        draft.status.seats = u32::try_from(desired).ok();
    }
    draft.count(desired);
    draft.judge(desired);
    let primary = draft.status.deployments[0].clone();
    let mut step = Step::default();
    let limits = Limits::of(&spec.deployment, desired);
    let Course { tasks, traffic } = draft.course(desired);
    match (spec.scheduling, tasks) {
        _ if traffic.is_some() => {}
        (_, Tasks::Wait) => {}
        (Scheduling::Daemon, _) => seat(view, &primary, limits, now, &mut step),
        (Scheduling::Replica, Tasks::Replace) => {
            fill(view, &mut draft, &primary, limits, scale_in, &mut step);
        }
        (
            Scheduling::Replica,
            Tasks::Beside {
                blue,
                green,
                reconcile,
            },
        ) => {
            let both = (&primary, green, &*blue);
            beside(view, &mut draft, both, reconcile, scale_in, &mut step);
        }
    }
    step.traffic = traffic;
    hold_back(&primary, now, &mut step);
    if let Some(blocked) = draft
        .status
        .blocked
        .as_ref()
        .filter(|_| step.start.is_some())
    {
        step.wake(Some(blocked.retry_at.min(now + blocked::LAST_RETRY)).filter(|at| *at > now));
    }
    draft.settle(desired, &step);
    step.wake(draft.wake_at);
    step.wake(view.settling.look_at(now));
    step.wake(view.look_at.filter(|at| *at > now));
    draft.into_step(step, "reconciled")
}

/// How many tasks there are to be.
pub fn desired(view: &View) -> usize {
    match view.service.spec.scheduling {
        Scheduling::Daemon => view.seats.len(),
        Scheduling::Replica => usize::try_from(view.service.spec.desired_count).unwrap_or(0),
    }
}

/// A deleted service: its tasks stop, then it is `INACTIVE`.
fn leave(view: &View, now: Timestamp) -> Step {
    let mut draft = Draft::of(view, now);
    draft.end_records();
    let unstopped = view.rows.iter().filter(|row| !row.is_stopped());
    let live = view.rows.iter().filter(|row| row.is_live());
    let stop: Vec<Stopping> = live.map(scaling).collect();
    if unstopped.count() == 0 {
        draft.status.inactive_at = Some(now);
        draft.status.deployments.clear();
    }
    let step = Step {
        stop,
        ..Step::default()
    };
    draft.into_step(step, "deleted")
}

fn scaling(row: &Arc<Row>) -> Stopping {
    let deployment = row.service.as_ref().map(|link| link.deployment.as_str());
    Stopping {
        row: row.clone(),
        reason: sentence::scaling(deployment.unwrap_or_default()),
        unhealthy: false,
    }
}

pub fn stopping(row: &Arc<Row>) -> Stopping {
    if row.is_unhealthy() {
        let failing = row.failing.as_ref();
        let reason = failing.map(|f| sentence::unhealthy_target(&f.target_group_arn));
        return Stopping {
            row: row.clone(),
            reason: reason.unwrap_or_else(|| sentence::UNHEALTHY.into()),
            unhealthy: true,
        };
    }
    scaling(row)
}

fn fill(
    view: &View,
    draft: &mut Draft<'_>,
    primary: &Deployment,
    limits: Limits,
    scale_in: ScaleIn<'_>,
    step: &mut Step,
) {
    let misplaced = zones::misplaced(view, primary, limits, draft.now);
    let inputs = Inputs {
        primary: &primary.id,
        failed: primary.rollout == Rollout::Failed,
        draining: &view.draining,
        misplaced: &misplaced.tasks,
        unplaced: draft.status.blocked.is_some(),
        settling: &view.settling,
        now: draft.now,
    };
    let choice = replica::choose(&view.rows, limits, &inputs, scale_in);
    if let Some(zones) = misplaced.begins.filter(|_| choice.start > 0) {
        draft.rebalance(&zones);
    }
    step.wake(misplaced.look_at);
    draft.stuck(choice.stuck);
    step.stop = choice.stop.iter().map(stopping).collect();
    step.start = (choice.start > 0).then(|| Starting {
        deployment: primary.id.clone(),
        revision: primary.revision.clone(),
        count: choice.start,
        on: Vec::new(),
    });
    let protected = view.rows.iter().filter(|row| row.is_live());
    let ends = protected.filter_map(|row| row.protection.map(|p| p.until));
    step.wake(ends.filter(|at| *at > draft.now).min());
}

/// Both deployments are kept whole, each as if it were alone.
fn beside(
    view: &View,
    draft: &mut Draft<'_>,
    (green, count, blue): (&Deployment, usize, &Deployment),
    reconcile: bool,
    scale_in: ScaleIn<'_>,
    step: &mut Step,
) {
    let desired = desired(view);
    for (deployment, count) in [(green, count), (blue, desired)] {
        let rows: Vec<Arc<Row>> = tally::of(&view.rows, &deployment.id).cloned().collect();
        let inputs = Inputs {
            primary: &deployment.id,
            failed: false,
            draining: &view.draining,
            misplaced: &BTreeSet::new(),
            unplaced: draft.status.blocked.is_some(),
            settling: &view.settling,
            now: draft.now,
        };
        let limits = Limits::of(&view.service.spec.deployment, count);
        let Choice { start, stop, .. } = replica::choose(&rows, limits, &inputs, scale_in);
        step.stop.extend(stop.iter().map(stopping));
        if start > 0 && step.start.is_none() {
            step.start = Some(Starting {
                deployment: deployment.id.clone(),
                revision: deployment.revision.clone(),
                count: start,
                on: Vec::new(),
            });
        }
    }
    if reconcile {
        let of_either = |row: &Arc<Row>| {
            let link = row.service.as_ref();
            link.is_some_and(|l| l.deployment == green.id || l.deployment == blue.id)
        };
        let strangers = view
            .rows
            .iter()
            .filter(|row| row.is_live() && !of_either(row));
        step.stop.extend(strangers.map(stopping));
    }
}

fn seat(view: &View, primary: &Deployment, limits: Limits, now: Timestamp, step: &mut Step) {
    let inputs = daemon::Inputs {
        seats: &view.seats,
        busy: &view.busy,
        primary: &primary.id,
        failed: primary.rollout == Rollout::Failed,
        settling: &view.settling,
        now,
    };
    let choice = daemon::choose(&view.rows, limits, &inputs);
    step.stop = choice.stop.iter().map(stopping).collect();
    step.start = (!choice.start.is_empty()).then(|| Starting {
        deployment: primary.id.clone(),
        revision: primary.revision.clone(),
        count: choice.start.len(),
        on: choice.start,
    });
}

/// The throttle: no start before it is over.
fn hold_back(primary: &Deployment, now: Timestamp, step: &mut Step) {
    if let Some(at) = tally::held_until(primary, now)
        && step.start.take().is_some()
    {
        step.wake(Some(at));
    }
}

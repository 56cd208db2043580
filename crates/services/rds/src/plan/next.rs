//! What is next for the volume of an instance, or of a snapshot: pure.
//!
//! A volume has one task at a time, whatever it is for: an engine, a copy, an erasure. The next one begins
//! only when ECS says that the last one has stopped, so that no two engines ever have the same files.

use crate::model::{Instance, Purpose, Snapshot, SnapshotStatus, Status, TaskSlot, Wanted};
use crate::plan::window;
use neargate_base::Timestamp;
use std::time::Duration;

/// So many tasks in a row that fail before an instance was ever available make it `failed`.
pub const FAILURES: u32 = 5;
/// Between two looks at a task, beside those that its changes cause.
const LOOK: Duration = Duration::from_secs(5);

/// What is seen of the task in the slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub last_status: String,
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`.
    pub health: String,
    /// The container's, once it ended.
    pub exit_code: Option<i32>,
    /// Why it stopped.
    pub reason: String,
    pub private_ipv4: Option<String>,
    pub interface_id: Option<String>,
    pub availability_zone: String,
}

impl Seen {
    /// ECS does not know the task any more.
    pub fn forgotten() -> Seen {
        Seen {
            last_status: "STOPPED".into(),
            reason: "the task is forgotten".into(),
            ..Seen::default()
        }
    }

    fn is_stopped(&self) -> bool {
        self.last_status == "STOPPED"
    }
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until something changes or this time.
    Wait(Option<Timestamp>),
    /// Give the slot to a task for this.
    Take(Purpose),
    /// Register the slot's definition.
    Define,
    /// Run the slot's task.
    Run,
    /// Ask the slot's task to stop.
    Stop(&'static str),
    /// The slot's task has stopped as it should.
    Done,
    /// The slot's task ended though nobody asked it to, or did not do what it was for.
    Failed(String),
    /// The engine answers.
    Available,
    /// The maintenance window is open: what waited for it is done.
    Maintain,
    /// There is no task, and there is to be none.
    Rest,
    /// Everything of it is gone but its record.
    Forget,
}

/// What the volume is wanted for.
fn purpose(instance: &Instance) -> Option<Purpose> {
    let backup = instance.backups.first().cloned().map(Purpose::Backup);
    if instance.wanted == Wanted::Deleted {
        // What it was to be restored from does not matter any more.
        return Some(backup.unwrap_or(Purpose::Erase));
    }
    let restore = instance.restore_from.clone().map(Purpose::Restore);
    let engine = (instance.wanted == Wanted::Running).then_some(Purpose::Engine);
    restore.or(backup).or(engine)
}

/// The next step of an instance.
pub fn instance(instance: &Instance, seen: Option<&Seen>, now: Timestamp) -> Step {
    let wanted = purpose(instance);
    let Some(slot) = &instance.task else {
        let Some(wanted) = wanted else {
            return Step::Rest;
        };
        let is_deleted = instance.wanted == Wanted::Deleted;
        if is_deleted && !instance.touched && instance.backups.is_empty() {
            return Step::Forget;
        }
        if instance.status == Status::Failed {
            return Step::Wait(None);
        }
        return match instance.retry_at.filter(|at| *at > now) {
            Some(at) => Step::Wait(Some(at)),
            None => Step::Take(wanted),
        };
    };
    let is_over = instance.restart && slot.purpose == Purpose::Engine;
    let fits = wanted.as_ref() == Some(&slot.purpose) && !is_over;
    if let Some(step) = begin(slot, fits) {
        return step;
    }
    let Some(seen) = seen else {
        return Step::Wait(Some(now + LOOK));
    };
    if seen.is_stopped() {
        return ended(slot, seen, fits);
    }
    if slot.stopping {
        return Step::Wait(Some(now + LOOK));
    }
    if !fits {
        return Step::Stop("Neargate's RDS needs its volume for something else.");
    }
    let may_begin = || window::is_open(&instance.asked.maintenance_window, now);
    if instance.status == Status::Available && instance.pending.is_some() && may_begin() {
        return Step::Maintain;
    }
    match (&slot.purpose, seen.health.as_str()) {
        (Purpose::Engine, "UNHEALTHY") => Step::Stop("The engine does not answer any more."),
        (Purpose::Engine, "HEALTHY") if seen.last_status == "RUNNING" => {
            let shown = instance.place.as_ref().map(|place| &place.private_ipv4);
            match instance.status == Status::Available && shown == seen.private_ipv4.as_ref() {
                true => Step::Wait(Some(now + LOOK)),
                false => Step::Available,
            }
        }
        _ => Step::Wait(Some(now + LOOK)),
    }
}

/// The next step of a snapshot that is copied or deleted.
pub fn snapshot(snapshot: &Snapshot, seen: Option<&Seen>, now: Timestamp) -> Step {
    let wanted = match (&snapshot.status, &snapshot.copy_of) {
        (SnapshotStatus::Deleting, _) => Purpose::Erase,
        (SnapshotStatus::Copying, Some(of)) => Purpose::Restore(of.file_system.clone()),
        _ => return Step::Wait(None),
    };
    let Some(slot) = &snapshot.task else {
        return match snapshot.retry_at.filter(|at| *at > now) {
            Some(at) => Step::Wait(Some(at)),
            None => Step::Take(wanted),
        };
    };
    let fits = slot.purpose == wanted;
    if let Some(step) = begin(slot, fits) {
        return step;
    }
    match seen {
        Some(seen) if seen.is_stopped() => ended(slot, seen, fits),
        Some(_) if !fits && !slot.stopping => Step::Stop("The snapshot is deleted."),
        _ => Step::Wait(Some(now + LOOK)),
    }
}

/// A slot whose task does not run yet.
fn begin(slot: &TaskSlot, fits: bool) -> Option<Step> {
    match (&slot.definition, &slot.arn) {
        // It may have been run by a step that nobody saw the end of: the token finds it.
        (Some(_), None) => Some(Step::Run),
        (None, None) if fits => Some(Step::Define),
        (None, None) => Some(Step::Done),
        _ => None,
    }
}

fn ended(slot: &TaskSlot, seen: &Seen, fits: bool) -> Step {
    match &slot.purpose {
        Purpose::Engine if slot.stopping || !fits => Step::Done,
        Purpose::Engine => Step::Failed(seen.reason.clone()),
        // What a copy does not end with nobody may use.
        _ if seen.exit_code == Some(0) => match (fits, &slot.purpose) {
            (true, Purpose::Erase) => Step::Forget,
            _ => Step::Done,
        },
        _ if !fits => Step::Done,
        _ => Step::Failed(seen.reason.clone()),
    }
}

/// How long nothing is tried after so many failures.
pub fn pause(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::from_secs(1),
        2 => Duration::from_secs(3),
        3 => Duration::from_secs(10),
        _ => Duration::from_secs(30),
    }
}

//! Which tasks count as healthy: "If a task has no essential containers with a health check
//! defined, the service scheduler will wait for 40 seconds after a task reaches a `RUNNING` state
//! before the task is counted towards the minimum healthy percent total"; with one, once it is
//! `HEALTHY`
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>).
//!
//! A task that has not counted yet is worth nothing to whoever wants to stop another: a program
//! that is about to crash runs, too.

use crate::row::Row;
use neargate_base::Timestamp;
use neargate_store::Revision;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// AWS's time until a task without health checks counts.
pub const SETTLE: Duration = Duration::from_secs(40);

/// What the control plane knows of the tasks that run.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What has not changed after this revision, it has not heard of since its start.
    pub began_at: Revision,
    /// How long ago that was.
    pub up: Duration,
}

/// The tasks that run but do not count yet.
#[derive(Debug, Clone, Default)]
pub struct Settling {
    /// How long a task without health checks runs before it counts.
    pub settle: Duration,
    /// By store key: how long until it counts.
    left: BTreeMap<String, Duration>,
    unheard: bool,
}

impl Settling {
    /// `ran`: for how long a task has been running.
    pub fn of(
        rows: &[Arc<Row>],
        settle: Duration,
        known: Known,
        ran: impl Fn(&Row) -> Duration,
    ) -> Self {
        let mut settling = Settling {
            settle,
            ..Settling::default()
        };
        for row in rows.iter().filter(|row| row.is_well()) {
            let mut left = match row.checked {
                true => Duration::ZERO,
                false => settle.saturating_sub(ran(row)),
            };
            // Its node says in a moment what became of it while nobody listened. One whose word
            // was not lost has nothing new to say.
            let silence = settle.saturating_sub(known.up);
            if row.revision <= known.began_at && !silence.is_zero() {
                left = left.max(silence);
                settling.unheard = true;
            }
            if !left.is_zero() {
                settling.left.insert(row.key.clone(), left);
            }
        }
        settling
    }

    /// Does the task count as healthy?
    pub fn counts(&self, row: &Row) -> bool {
        row.is_well() && !self.left.contains_key(&row.key)
    }

    /// Does it run, with nothing but time missing until it counts?
    pub fn has(&self, row: &Row) -> bool {
        self.left.contains_key(&row.key)
    }

    /// Right after a start: how some of the tasks are is not known yet.
    pub fn is_unsure(&self) -> bool {
        self.unheard
    }

    /// When the next of them counts.
    pub fn look_at(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.left.values().min()?;
        Some(now + (*next).max(Duration::from_millis(1)))
    }
}

//! Instance refreshes as they are kept
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-instance-refresh.html>).

use crate::model::{Group, Source};
use neargate_api_autoscaling as api;
use neargate_base::Timestamp;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How many refreshes of a group are kept.
pub const KEPT: usize = 30;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refresh {
    pub id: String,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    pub preferences: Json<api::RefreshPreferences>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Json<api::DesiredConfiguration>>,
    /// What new instances are started from meanwhile, and the group's from its success on; `None`:
    /// the group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Instances that are still to be replaced.
    pub left: BTreeSet<String>,
    /// How many there were to replace.
    pub total: u32,
    /// Until then it waits at a checkpoint, or bakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<Timestamp>,
    /// The checkpoints behind it.
    #[serde(default)]
    pub checkpoints: usize,
    /// It goes back since then, for a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    pub reason: String,
    pub at: Timestamp,
    pub percentage: i32,
    pub left: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Pending,
    InProgress,
    Baking,
    Successful,
    Failed,
    Cancelling,
    Cancelled,
    RollbackInProgress,
    RollbackSuccessful,
    RollbackFailed,
}

impl Status {
    pub fn shown(self) -> &'static str {
        match self {
            Status::Pending => "Pending",
            Status::InProgress => "InProgress",
            Status::Baking => "Baking",
            Status::Successful => "Successful",
            Status::Failed => "Failed",
            Status::Cancelling => "Cancelling",
            Status::Cancelled => "Cancelled",
            Status::RollbackInProgress => "RollbackInProgress",
            Status::RollbackSuccessful => "RollbackSuccessful",
            Status::RollbackFailed => "RollbackFailed",
        }
    }

    pub fn is_active(self) -> bool {
        matches!(
            self,
            Status::Pending
                | Status::InProgress
                | Status::Baking
                | Status::Cancelling
                | Status::RollbackInProgress
        )
    }
}

impl Refresh {
    pub fn percentage(&self) -> i32 {
        let total = usize::try_from(self.total).unwrap_or(0);
        if total == 0 {
            return match self.status {
                Status::Pending => 0,
                _ => 100,
            };
        }
        let done = total.saturating_sub(self.left.len());
        i32::try_from(done * 100 / total).unwrap_or(100)
    }

    pub fn left_count(&self) -> i32 {
        i32::try_from(self.left.len()).unwrap_or(i32::MAX)
    }
}

impl Group {
    /// The refresh that goes on.
    pub fn active_refresh(&self) -> Option<&Refresh> {
        self.refreshes.last().filter(|r| r.status.is_active())
    }

    pub fn active_refresh_mut(&mut self) -> Option<&mut Refresh> {
        self.refreshes.last_mut().filter(|r| r.status.is_active())
    }

    /// What new instances are started from.
    pub fn source_now(&self) -> &Source {
        let refreshed = self
            .active_refresh()
            .filter(|r| r.status != Status::RollbackInProgress)
            .and_then(|r| r.source.as_ref());
        refreshed.unwrap_or(&self.source)
    }
}

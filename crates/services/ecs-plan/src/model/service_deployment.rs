//! The record of one deployment: what it replaced, how it went
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html>).

use super::{DeploymentRules, HookAnswer, ShiftStatus};
use neargate_base::Timestamp;
use neargate_service::Resource;
use serde::{Deserialize, Serialize};

/// `ecs/service-deployment/…/<cluster>/<service>/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceDeployment {
    /// 21 letters, digits, hyphens and underscores.
    pub id: String,
    pub arn: String,
    pub service_arn: String,
    pub cluster_arn: String,
    pub created_at: Timestamp,
    /// `ecs-svc/…`: the entry of `deployments` it drives.
    pub deployment: String,
    /// Ids of the service revisions that ran before.
    pub sources: Vec<String>,
    /// The id of the service revision it brings.
    pub target: String,
    pub rules: DeploymentRules,
    /// Written by `StopServiceDeployment`, once.
    pub stop: Option<Stop>,
    /// Written by `ContinueServiceDeployment`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<HookAnswer>,
    /// Written by `ecs::service::Scheduler`.
    pub status: DeploymentStatus,
}

impl Resource for ServiceDeployment {
    const KIND: &'static str = "ecs/service-deployment";
    const VERSION: u32 = 2;

    /// Version 1 had no alarms to watch.
    fn upgrade(_: u32, value: serde_json::Value) -> Result<serde_json::Value, String> {
        Ok(value)
    }
}

/// A caller wants it to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    pub at: Timestamp,
    /// Back to the revision before; else it just ends.
    pub rollback: bool,
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentStatus {
    pub phase: Phase,
    pub reason: Option<String>,
    pub started_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub rollback: Option<Rollback>,
    /// The circuit breaker's: at the end, or when it tripped.
    pub failures: u32,
    pub tripped: bool,
    #[serde(default)]
    pub alarms: AlarmWatch,
    /// Names of the alarms that ended it.
    pub triggered_alarms: Vec<String>,
    /// By service revision, once it has ended: running and pending tasks.
    pub counts: Vec<Counted>,
    /// How far it is in shifting traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<ShiftStatus>,
}

/// What its alarms are to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmWatch {
    /// Nothing is known of them.
    #[default]
    Unasked,
    /// None was in the state ALARM when it began.
    Watched,
    /// One of them was, so they say nothing of the deployment.
    Ignored,
}

/// What ran of a revision when the deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub revision: String,
    pub requested: u32,
    pub running: u32,
    pub pending: u32,
}

/// The way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    pub reason: String,
    pub started_at: Timestamp,
    /// The id of the service revision it goes back to.
    pub revision: String,
}

/// A service deployment's `status`
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html>).
///
/// ```text
/// PENDING -> IN_PROGRESS -> SUCCESSFUL
///    |            +-> STOP_REQUESTED -> STOPPED
///    |            +-> ROLLBACK_REQUESTED -> ROLLBACK_IN_PROGRESS -> ROLLBACK_SUCCESSFUL
///    +-> (either)                                        +-> ROLLBACK_FAILED
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    #[default]
    Pending,
    InProgress,
    StopRequested,
    RollbackRequested,
    RollbackInProgress,
    Successful,
    Stopped,
    RollbackSuccessful,
    RollbackFailed,
}

impl Phase {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "PENDING",
            Phase::InProgress => "IN_PROGRESS",
            Phase::StopRequested => "STOP_REQUESTED",
            Phase::RollbackRequested => "ROLLBACK_REQUESTED",
            Phase::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Phase::Successful => "SUCCESSFUL",
            Phase::Stopped => "STOPPED",
            Phase::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
            Phase::RollbackFailed => "ROLLBACK_FAILED",
        }
    }

    /// Nothing changes any more.
    pub fn is_final(self) -> bool {
        self >= Phase::Successful
    }
}

impl ServiceDeployment {
    /// The phase as shown: what a caller asked for counts before the controller has seen it.
    pub fn phase(&self) -> Phase {
        match (&self.stop, self.status.phase) {
            (Some(stop), Phase::Pending | Phase::InProgress) if stop.rollback => {
                Phase::RollbackRequested
            }
            (Some(_), Phase::Pending | Phase::InProgress) => Phase::StopRequested,
            (_, phase) => phase,
        }
    }
}

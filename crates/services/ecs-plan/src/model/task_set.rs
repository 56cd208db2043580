//! A task set: a part of a service whose deployments a caller controls (`EXTERNAL`)
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskSet.html>).

use super::Deployment;
use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};

/// `ecs/task-set/…/<cluster>/<service>/<19 digits>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskSet {
    /// `ecs-svc/<19 digits>`: what its tasks carry as their deployment.
    pub id: String,
    pub arn: String,
    pub service_arn: String,
    pub cluster_arn: String,
    pub external_id: Option<String>,
    pub created_at: Timestamp,
    /// Written with every change of what follows.
    pub updated_at: Timestamp,
    /// The id of the [`super::ServiceRevision`] that its tasks run.
    pub revision: String,
    /// The call that made it, if it had a token.
    pub token: Option<Token>,
    /// The set's share of the service's desired count, from 0 to 100. Written by `UpdateTaskSet`.
    pub scale_percent: f64,
    /// At most one of the service's task sets is it. Written by `UpdateServicePrimaryTaskSet`.
    pub primary: bool,
    /// Asked to go: `DRAINING` from then on; forgotten with its last task. Written by
    /// `DeleteTaskSet`.
    pub deleted_at: Option<Timestamp>,
    pub tags: Tags,
    /// Written by `ecs::task_sets::TaskSets`.
    pub status: TaskSetStatus,
}

impl Resource for TaskSet {
    const KIND: &'static str = "ecs/task-set";
}

/// A `clientToken` and what it came with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub token: String,
    /// SHA-256 of the request.
    pub request: String,
}

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSetStatus {
    pub stability: Stability,
    pub stability_at: Timestamp,
    /// What became of its tasks: failures, strikes and the throttle, as of a deployment.
    pub progress: Deployment,
}

/// `stabilityStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stability {
    Stabilizing,
    SteadyState,
}

impl Stability {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Stability::Stabilizing => "STABILIZING",
            Stability::SteadyState => "STEADY_STATE",
        }
    }
}

impl TaskSet {
    /// The last part of its key: the digits of its id.
    pub fn key_id(&self) -> &str {
        key_id(&self.id)
    }

    /// `status`.
    pub fn state(&self) -> &'static str {
        match (self.deleted_at, self.primary) {
            (Some(_), _) => "DRAINING",
            (None, true) => "PRIMARY",
            (None, false) => "ACTIVE",
        }
    }

    /// `computedDesiredCount`: rounded up.
    pub fn desired(&self, of_service: i32) -> usize {
        if self.deleted_at.is_some() {
            return 0;
        }
        let exact = f64::from(of_service.max(0)) * self.scale_percent / 100.0;
        // A product that misses a whole number by its last bits only is that number.
        (exact - 1e-9).ceil().max(0.0) as usize
    }
}

/// The last part of a task set's id, which its store key ends in.
pub fn key_id(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

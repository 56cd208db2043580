//! What ECS stores. Cluster, family and task definition specs are written by the API only;
//! of a task the API writes `desired` and `stop`, and [`crate::ecs::observe`] all status.

use neargate_api::ecs as api;
use neargate_base::Timestamp;
use neargate_domain::{Assignment, TaskReport, TaskStatus};
use neargate_service::Resource;
use neargate_service::tags::Tags;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

/// `ecs/cluster/…/<name>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    pub name: String,
    pub arn: String,
    /// Deleted clusters stay discoverable for a while, as `INACTIVE`.
    pub active: bool,
    pub settings: Vec<Json<api::ClusterSetting>>,
    pub configuration: Option<Json<api::ClusterConfiguration>>,
    pub capacity_providers: Vec<String>,
    pub default_strategy: Vec<Json<api::CapacityProviderStrategyItem>>,
    pub service_connect_namespace: Option<String>,
    pub tags: Tags,
    pub created_at: Timestamp,
}

impl Resource for Cluster {
    const KIND: &'static str = "ecs/cluster";
}

/// `ecs/arrivals/…/<cluster>`: rewritten by whatever starts a task in the cluster, so that a
/// deletion of the cluster that crosses it conflicts, while starts do not conflict with each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Arrivals {
    pub last_at: Timestamp,
}

impl Resource for Arrivals {
    const KIND: &'static str = "ecs/arrivals";
}

/// `ecs/family/…/<family>`: hands out revision numbers, which are never used twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Family {
    pub name: String,
    pub last_revision: i32,
    /// Highest first.
    pub active: Vec<i32>,
}

impl Resource for Family {
    const KIND: &'static str = "ecs/family";
}

/// `ecs/task-definition/…/<family>:<revision, ten digits>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// As described to callers, `status` included.
    pub definition: Json<api::TaskDefinition>,
    pub tags: Tags,
}

impl Resource for TaskDefinition {
    const KIND: &'static str = "ecs/task-definition";
}

impl TaskDefinition {
    /// The id within its key: revisions sort by number.
    pub fn id(family: &str, revision: i32) -> String {
        format!("{family}:{revision:010}")
    }
}

/// `ecs/task/…/<cluster>/<task id>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub spec: TaskSpec,
    pub status: Status,
}

impl Resource for Task {
    const KIND: &'static str = "ecs/task";
}

impl Task {
    /// The id within its key.
    pub fn id(cluster: &str, task_id: &str) -> String {
        format!("{cluster}/{task_id}")
    }
}

/// What was asked for. Written by `RunTask`; `StopTask` changes `assignment.desired`,
/// `assignment.generation` and `stop`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskSpec {
    pub arn: String,
    pub cluster_arn: String,
    pub task_definition_arn: String,
    pub group: String,
    pub started_by: Option<String>,
    pub platform_version: String,
    pub cpu: String,
    pub memory: String,
    pub ephemeral_storage_gib: i32,
    pub enable_execute_command: bool,
    pub overrides: Json<api::TaskOverride>,
    pub containers: Vec<ContainerSpec>,
    pub attachment_id: String,
    pub tags: Tags,
    pub created_at: Timestamp,
    /// The node that runs it.
    pub node: String,
    pub assignment: Assignment,
    pub stop: Option<StopRequest>,
}

/// A container's side of the task that no node needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub arn: String,
    pub name: String,
    pub image: String,
    pub cpu: i32,
    pub memory: Option<i32>,
    pub memory_reservation: Option<i32>,
}

/// Why a task was asked to stop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StopRequest {
    pub code: String,
    pub reason: String,
    pub at: Timestamp,
}

/// What was observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub last_status: TaskStatus,
    /// Rises with every change, as the `version` of ECS events.
    pub version: i64,
    pub connectivity_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub stopping_at: Option<Timestamp>,
    pub execution_stopped_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    pub stop_code: Option<String>,
    pub stopped_reason: Option<String>,
    /// The newest report of the node, whole.
    pub report: Option<TaskReport>,
}

impl Status {
    /// A task that no node has seen yet.
    pub fn provisioning() -> Self {
        Status {
            last_status: TaskStatus::Provisioning,
            version: 1,
            connectivity_at: None,
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            stop_code: None,
            stopped_reason: None,
            report: None,
        }
    }
}

/// `ecs/client-token/…/<operation>/<cluster>/<token>`: what an idempotent call made the first
/// time. Written by `RunTask`, deleted by [`crate::ecs::ForgetTokens`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientToken {
    /// SHA-256 of the request: the same token with another request is a conflict.
    pub request: String,
    /// Their ids ([`Task::id`]).
    pub tasks: Vec<String>,
    pub at: Timestamp,
}

impl Resource for ClientToken {
    const KIND: &'static str = "ecs/client-token";
}

//! What a node observed of a task. Reports replace each other whole; a stale one (lower
//! `sequence`) is dropped.

use crate::network::NetworkBinding;
use neargate_base::Timestamp;
use serde::{Deserialize, Serialize};

/// The node's whole view of one task. Written by the node's driver of that task only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    pub task_id: String,
    /// Rises by one with every report of the task.
    pub sequence: u64,
    /// The assignment's generation this report answers.
    pub observed_generation: u64,
    /// The interface exists in the task's network namespace.
    pub network_ready: bool,
    pub pull_started_at: Option<Timestamp>,
    pub pull_stopped_at: Option<Timestamp>,
    pub containers: Vec<ContainerReport>,
    /// Set once the task cannot run or has ended, with AWS's words.
    pub stopped: Option<TaskStopped>,
    /// Every container is gone and the network is taken down: nothing of it is left on the node.
    pub released: bool,
}

/// Why the node ended the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStopped {
    /// `TaskFailedToStart`, `EssentialContainerExited`, `UserInitiated` ...
    pub stop_code: String,
    pub reason: String,
    /// When the first cause was observed.
    pub at: Timestamp,
}

/// A container's `lastStatus` in ECS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContainerStatus {
    Pending,
    Running,
    Stopped,
}

/// What is known of one container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerReport {
    pub name: String,
    pub status: ContainerStatus,
    /// Docker-like runtime id: the task id, a dash and ten digits.
    pub runtime_id: Option<String>,
    /// `sha256:…` of the manifest that was run.
    pub image_digest: Option<String>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Absent when the container never ran, or its shim was killed before it could be read.
    pub exit_code: Option<i32>,
    /// AWS's words, such as `CannotPullContainerError: …` or `OutOfMemoryError: …`.
    pub reason: Option<String>,
    /// Ports published on the instance (bridge and host mode).
    #[serde(default)]
    pub network_bindings: Vec<NetworkBinding>,
    #[serde(default)]
    pub health: Health,
}

/// A container's `healthStatus`
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/healthcheck.html>).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Health {
    /// No health check is defined, or none has told yet.
    #[default]
    Unknown,
    Healthy,
    Unhealthy,
}

impl Health {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "UNKNOWN",
            Health::Healthy => "HEALTHY",
            Health::Unhealthy => "UNHEALTHY",
        }
    }
}

//! A task. The API writes its spec; [`crate::plan::stop`] writes the spec's `stop` and
//! `assignment.desired`, and what a stop means for the status, of which [`crate::plan::observe`]
//! writes the rest.

use super::{ServiceRegistry, TargetLink, TaskConnect, TaskInstance, TaskTarget};
use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_domain::{Assignment, Health, Protocol, TaskReport, TaskStatus};
use neargate_service::Resource;
use neargate_service::tags::Tags;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

/// `ecs/task/…/<cluster>/<task id>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub spec: TaskSpec,
    pub status: Status,
}

impl Resource for Task {
    const KIND: &'static str = "ecs/task";
    const VERSION: u32 = 2;

    /// Version 1 knew Fargate's stand-alone tasks only: what it lacks has that for a default.
    fn upgrade(_: u32, value: serde_json::Value) -> Result<serde_json::Value, String> {
        Ok(value)
    }
}

impl Task {
    /// The id within its key.
    pub fn id(cluster: &str, task_id: &str) -> String {
        format!("{cluster}/{task_id}")
    }
}

/// What was asked for. Written by `ecs::launch`; stopping changes `assignment.desired`,
/// `assignment.generation` and `stop`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskSpec {
    pub arn: String,
    pub cluster_arn: String,
    pub task_definition_arn: String,
    pub group: String,
    pub started_by: Option<String>,
    /// Fargate's.
    pub platform_version: Option<String>,
    /// CPU units, as described.
    pub cpu: String,
    /// MiB, as described.
    pub memory: String,
    /// Fargate's.
    pub ephemeral_storage_gib: Option<i32>,
    pub enable_execute_command: bool,
    pub overrides: Json<api::TaskOverride>,
    pub containers: Vec<ContainerSpec>,
    /// The id of the network interface's attachment (awsvpc).
    pub attachment_id: Option<String>,
    pub tags: Tags,
    pub created_at: Timestamp,
    /// The node that runs it.
    pub node: String,
    pub assignment: Assignment,
    pub stop: Option<StopRequest>,
    #[serde(default)]
    pub availability_zone: String,
    #[serde(default)]
    pub capacity_provider: Option<String>,
    /// The id of the container instance; `None` on Fargate.
    #[serde(default)]
    pub container_instance: Option<String>,
    /// What it takes of its container instance.
    #[serde(default)]
    pub demand: Demand,
    /// The service it belongs to.
    #[serde(default)]
    pub service: Option<ServiceLink>,
    /// Written by `UpdateTaskProtection`.
    #[serde(default)]
    pub protection: Option<Protection>,
    /// The target groups that it is to be a target of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_groups: Vec<TargetLink>,
    /// The services of Cloud Map that it is to be an instance of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<ServiceRegistry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Box<TaskConnect>>,
    /// It has no node yet: it waits for its capacity provider to have room. Taken away when it is
    /// placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
}

/// What is needed to place a task that waits, besides what the task has anyway
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/managed-scaling-behavior.html>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waits {
    /// Of a task with an interface of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Json<api::AwsVpcConfiguration>>,
    /// The definition's and the caller's.
    pub constraints: Vec<Json<api::PlacementConstraint>>,
    pub strategies: Vec<Json<api::PlacementStrategy>>,
}

/// What a task takes of its container instance while it has not stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    pub cpu_units: u32,
    pub memory_mib: u32,
    /// Fixed host ports.
    pub ports: Vec<(Protocol, u16)>,
    pub gpus: u32,
    /// It has a network interface of its own.
    pub eni: bool,
}

/// Which part of which service a task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLink {
    /// The service's name; its cluster is the task's.
    pub service: String,
    /// `ecs-svc/…`: the deployment (or the task set) that started it.
    pub deployment: String,
    /// The service revision's id.
    pub revision: String,
}

/// Scale-in and deployments leave the task alone until then
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    pub until: Timestamp,
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
    /// When the control plane first saw it `RUNNING`: `started_at` is by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_at: Option<Timestamp>,
    /// When its health checks first found it healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_at: Option<Timestamp>,
    pub stopping_at: Option<Timestamp>,
    pub execution_stopped_at: Option<Timestamp>,
    pub stopped_at: Option<Timestamp>,
    pub stop_code: Option<String>,
    pub stopped_reason: Option<String>,
    /// The newest report of the node, whole.
    pub report: Option<TaskReport>,
    /// Where it is registered. Written by [`crate::plan::balancing`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TaskTarget>,
    /// The services of Cloud Map that it is an instance of. Written by [`crate::plan::registries`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<TaskInstance>,
}

impl Status {
    /// A task that no node has seen yet.
    pub fn provisioning() -> Self {
        Status {
            last_status: TaskStatus::Provisioning,
            version: 1,
            connectivity_at: None,
            started_at: None,
            running_at: None,
            healthy_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            stop_code: None,
            stopped_reason: None,
            report: None,
            targets: Vec::new(),
            instances: Vec::new(),
        }
    }

    /// As [`Status::provisioning`], where no network interface has to be made first.
    pub fn pending() -> Self {
        Status {
            last_status: TaskStatus::Pending,
            ..Status::provisioning()
        }
    }
}

impl Task {
    /// The task's `healthStatus`: unhealthy when an essential container is, healthy when all
    /// essential ones with a health check are
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/healthcheck.html>).
    pub fn health(&self) -> Health {
        match &self.status.report {
            Some(report) => self.health_in(report),
            None => Health::Unknown,
        }
    }

    /// The health that a report makes the task's.
    pub fn health_in(&self, report: &TaskReport) -> Health {
        let checked = self.spec.assignment.containers.iter();
        let checked = checked.filter(|c| c.essential && c.health_check.is_some());
        let of = |name: &str| report.containers.iter().find(|c| c.name == name);
        let seen: Vec<Health> = checked
            .map(|c| of(&c.name).map_or(Health::Unknown, |c| c.health))
            .collect();
        if seen.contains(&Health::Unhealthy) {
            Health::Unhealthy
        } else if seen.is_empty() || seen.contains(&Health::Unknown) {
            Health::Unknown
        } else {
            Health::Healthy
        }
    }
}

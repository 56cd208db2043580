//! What ECS stores, one module per noun. Cluster, family and task definition specs are written
//! by the API only.

mod capacity_provider;
mod connect;
mod event;
mod express;
mod instance;
mod node;
mod registered;
mod registry;
mod service;
mod service_deployment;
mod service_revision;
mod setting;
mod slice;
mod target;
mod task;
mod task_set;
mod traffic_shift;

#[cfg(test)]
mod tests;

pub use crate::id::ServiceId;
pub use capacity_provider::CapacityProvider;
pub use connect::{
    AppProtocol, CONTAINER as CONNECT_CONTAINER, Connect, ConnectAlias, ConnectEndpoint,
    INGRESS_PORT as CONNECT_INGRESS_PORT, Speech, TaskConnect,
};
pub use event::{Agent, EventCursor};
pub use express::{
    ExpressConfiguration, ExpressLoadBalancer, ExpressMade, ExpressService, MAX_MEMBERS,
};
pub use instance::{ContainerInstance, InstanceStatus};
pub use node::KnownNode;
pub use registered::Registered;
pub use registry::{ServiceRegistry, TaskInstance};
pub use service::{
    Alarms, Blocked, CircuitBreaker, Completed, Deployment, DeploymentController, DeploymentRules,
    EVENTS, PropagateTags, Rollout, Scheduling, Service, ServiceEvent, ServiceSpec, ServiceStatus,
    State, Target, Threshold,
};
pub use service_deployment::{
    AlarmWatch, Counted, DeploymentStatus, Phase, Rollback, ServiceDeployment, Stop,
};
pub use service_revision::ServiceRevision;
pub use setting::AccountSetting;
pub use slice::InstanceSlice;
pub use target::{LoadBalancer, Registration, TargetLink, TaskTarget};
pub use task::{
    ContainerSpec, Demand, Protection, ServiceLink, Status, StopRequest, Task, TaskSpec, Waits,
};
pub use task_set::{
    Stability, TaskSet, TaskSetStatus, Token as TaskSetToken, key_id as task_set_key,
};
pub use traffic_shift::{
    ALL, HookAction, HookAnswer, HookEnd, HookRun, HookStage, PauseHook, ShiftRules, ShiftStatus,
    Stage, Steps,
};

use neargate_api_ecs as api;
use neargate_base::Timestamp;
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
    /// What callers are shown, `status` included.
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

/// `ecs/client-token/…/<operation>/<cluster>/<token>`: what an idempotent call made the first
/// time. Written by `RunTask`, deleted by `ecs::ForgetTokens`.
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

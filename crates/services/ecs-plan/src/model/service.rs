//! A service: what the API asks for ([`ServiceSpec`]) and where its controller stands
//! ([`ServiceStatus`]). How many tasks run is not stored: `ecs::Fleet` counts them.
//! The newest events are [`ServiceEvent`]s of their own.

use super::{ServiceId, ShiftRules};
use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use neargate_store::Revision;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

/// `ecs/service/…/<cluster>/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Written by the API.
    pub spec: ServiceSpec,
    /// Written by `ecs::service::Scheduler` (and by the task sets' controller).
    pub status: ServiceStatus,
}

impl Resource for Service {
    const KIND: &'static str = "ecs/service";
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceSpec {
    pub name: String,
    pub arn: String,
    /// The cluster's name.
    pub cluster: String,
    pub cluster_arn: String,
    pub created_at: Timestamp,
    pub created_by: Option<String>,
    /// Asked to go: `DRAINING` from then on, `INACTIVE` with the last task.
    pub deleted_at: Option<Timestamp>,
    /// SHA-256 of the creating request: the same request again answers with the service.
    pub request: String,
    /// REPLICA only.
    pub desired_count: i32,
    pub scheduling: Scheduling,
    pub controller: DeploymentController,
    /// What the newest deployment brings; `None` for EXTERNAL without a task definition.
    pub target: Option<Target>,
    pub deployment: DeploymentRules,
    pub placement_constraints: Vec<Json<api::PlacementConstraint>>,
    pub placement_strategy: Vec<Json<api::PlacementStrategy>>,
    pub health_check_grace_period_seconds: Option<i32>,
    pub az_rebalancing: bool,
    pub enable_ecs_managed_tags: bool,
    pub propagate_tags: PropagateTags,
    pub enable_execute_command: bool,
    /// The role that was given for its load balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    pub tags: Tags,
}

/// `schedulingStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Scheduling {
    Replica,
    Daemon,
}

impl Scheduling {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheduling::Replica => "REPLICA",
            Scheduling::Daemon => "DAEMON",
        }
    }
}

/// Who rolls deployments out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeploymentController {
    Ecs,
    /// The caller does, with task sets.
    External,
    /// CodeDeploy does, with task sets; the first one comes with the service.
    CodeDeploy,
}

impl DeploymentController {
    pub fn as_str(self) -> &'static str {
        match self {
            DeploymentController::Ecs => "ECS",
            DeploymentController::External => "EXTERNAL",
            DeploymentController::CodeDeploy => "CODE_DEPLOY",
        }
    }

    /// Are the service's tasks those of task sets?
    pub fn has_task_sets(self) -> bool {
        matches!(
            self,
            DeploymentController::External | DeploymentController::CodeDeploy
        )
    }
}

/// Whose tags a task of the service gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PropagateTags {
    None,
    Service,
    TaskDefinition,
}

impl PropagateTags {
    pub fn as_str(self) -> &'static str {
        match self {
            PropagateTags::None => "NONE",
            PropagateTags::Service => "SERVICE",
            PropagateTags::TaskDefinition => "TASK_DEFINITION",
        }
    }
}

/// A deployment as the API asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `ecs-svc/<19 digits>`.
    pub deployment: String,
    /// The id of the [`super::ServiceRevision`].
    pub revision: String,
    /// The id of the [`super::ServiceDeployment`].
    pub service_deployment: String,
    pub at: Timestamp,
}

/// `deploymentConfiguration`, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentRules {
    pub minimum_healthy_percent: u32,
    pub maximum_percent: u32,
    pub circuit_breaker: Option<CircuitBreaker>,
    pub alarms: Option<Alarms>,
    /// ROLLING, BLUE_GREEN, LINEAR or CANARY.
    pub strategy: String,
    /// `None`: not given, which means what the alarms ask for.
    pub bake_time_minutes: Option<u32>,
    /// What the strategies other than ROLLING ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<ShiftRules>,
}

/// An enabled `deploymentCircuitBreaker`, or a disabled one that is only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitBreaker {
    pub enable: bool,
    pub rollback: bool,
    /// `None`: not given, which means true.
    pub reset_on_healthy_task: Option<bool>,
    pub threshold: Option<Threshold>,
}

/// How many failures trip the breaker
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ThresholdConfiguration.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Threshold {
    Count(u32),
    /// Percent of the desired count, within 3 and 200.
    BoundedPercent(u32),
    UnboundedPercent(u32),
}

/// CloudWatch alarms that fail a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarms {
    pub names: Vec<String>,
    pub enable: bool,
    pub rollback: bool,
}

/// Where the controller stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// The primary first, then those it replaces, newest first.
    pub deployments: Vec<Deployment>,
    /// [`Target::deployment`] of the target it took up last: a rollback leaves the target, but
    /// not this, behind.
    pub adopted: Option<String>,
    /// What a rollback goes back to.
    pub last_completed: Option<Completed>,
    /// When "has reached a steady state." was said last, while that is so.
    pub steady_at: Option<Timestamp>,
    /// Why tasks find no place, if they do not.
    pub blocked: Option<Blocked>,
    /// When it was said last that the deployment configuration allows no step, while that is so.
    pub stuck_at: Option<Timestamp>,
    /// When it was said last that tasks do not start, while that is so.
    pub impaired_at: Option<Timestamp>,
    /// The last attempt to balance the zones.
    pub rebalanced_at: Option<Timestamp>,
    /// The number of the next event.
    pub next_event: u64,
    /// The last task of a deleted service stopped: `INACTIVE`.
    pub inactive_at: Option<Timestamp>,
    /// DAEMON: how many tasks there are to be, as the scheduler computed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<u32>,
}

/// One entry of `deployments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// `ecs-svc/<19 digits>`.
    pub id: String,
    pub revision: String,
    /// The [`super::ServiceDeployment`] that it belongs to.
    pub service_deployment: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub rollout: Rollout,
    pub reason: String,
    /// It was made to go back from a deployment that failed.
    pub rollback: bool,
    /// Failures in a row: `failedTasks`.
    pub failures: u32,
    /// Task changes up to this revision of the store are in `failures`.
    pub counted_to: Revision,
    /// How many of its tasks counted as healthy when they were looked at last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub healthy: u32,
    /// Launches in a row of which no task came to count as healthy.
    pub strikes: u32,
    /// Tasks created before this belong to the launch of the last strike.
    pub struck_at: Option<Timestamp>,
    /// No task is started before.
    pub retry_at: Option<Timestamp>,
    /// When it had every task running and no other left, while it bakes.
    pub baking_since: Option<Timestamp>,
    /// Its tasks are in the alternate target groups of their load balancers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alternate: bool,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// `rolloutState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rollout {
    InProgress,
    Completed,
    Failed,
}

impl Rollout {
    pub fn as_str(self) -> &'static str {
        match self {
            Rollout::InProgress => "IN_PROGRESS",
            Rollout::Completed => "COMPLETED",
            Rollout::Failed => "FAILED",
        }
    }
}

/// A deployment that reached a steady state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    pub deployment: String,
    pub revision: String,
    pub created_at: Timestamp,
    /// See [`Deployment::alternate`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alternate: bool,
}

/// Tasks that could not be placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The rest of the event's sentence.
    pub because: String,
    /// Attempts in a row.
    pub attempts: u32,
    /// When the event was written last.
    pub said_at: Timestamp,
    /// The next attempt, unless capacity changes before.
    pub retry_at: Timestamp,
}

/// How many events are kept
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html>).
pub const EVENTS: u64 = 100;

/// `ecs/service-event/…/<cluster>/<service>/<number modulo 100>`: the newest hundred, each
/// overwriting the one a hundred before. Written with the service's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// Counts up from 0.
    pub number: u64,
    /// A UUID.
    pub id: String,
    pub at: Timestamp,
    /// `(service web) has reached a steady state.`
    pub message: String,
    /// Names of the capacity providers it is about: for EventBridge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
}

impl Resource for ServiceEvent {
    const KIND: &'static str = "ecs/service-event";
}

impl Service {
    /// The id within its key.
    pub fn key_id(cluster: &str, name: &str) -> String {
        format!("{cluster}/{name}")
    }

    pub fn state(&self) -> State {
        match (self.spec.deleted_at, self.status.inactive_at) {
            (_, Some(_)) => State::Inactive,
            (Some(_), None) => State::Draining,
            (None, None) => State::Active,
        }
    }

    pub fn is_active(&self) -> bool {
        self.state() == State::Active
    }
}

/// A service's `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Active,
    Draining,
    Inactive,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "ACTIVE",
            State::Draining => "DRAINING",
            State::Inactive => "INACTIVE",
        }
    }
}

impl ServiceEvent {
    /// Where the event of that number is kept.
    pub fn key(service: &ServiceId, number: u64) -> String {
        format!("{}{:02}", Self::prefix(service), number % EVENTS)
    }

    /// The prefix of a service's events.
    pub fn prefix(service: &ServiceId) -> String {
        service.key::<ServiceEvent>("")
    }
}

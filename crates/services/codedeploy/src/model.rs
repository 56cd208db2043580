//! What CodeDeploy stores.
//!
//! The API writes applications, groups and configurations, and of a deployment what a caller asks for; the
//! controller writes where a deployment is, before and after each thing that it does.

use neargate_api_codedeploy as api;
use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

/// `codedeploy/application/…/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Application {
    pub id: String,
    pub name: String,
    pub created_at: Timestamp,
    #[serde(default)]
    pub tags: Tags,
}

impl Resource for Application {
    const KIND: &'static str = "codedeploy/application";
}

/// `codedeploy/group/…/<application>/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub info: Json<api::DeploymentGroupInfo>,
    #[serde(default)]
    pub tags: Tags,
    /// Its newest deployment, which may be under way, and its newest that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<String>,
}

impl Resource for Group {
    const KIND: &'static str = "codedeploy/group";
}

/// `codedeploy/config/…/<name>`: a customer's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub info: Json<api::DeploymentConfigInfo>,
}

impl Resource for Config {
    const KIND: &'static str = "codedeploy/config";
}

/// How traffic goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Routing {
    AllAtOnce,
    /// The first share, and the minutes until the rest.
    Canary(u8, u32),
    /// Each share, and the minutes between.
    Linear(u8, u32),
}

/// What an application specification says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub task_definition: String,
    pub container: String,
    pub port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_version: Option<String>,
    /// As ECS takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Created,
    InProgress,
    Ready,
    Succeeded,
    Failed,
    Stopped,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Created => "Created",
            Status::InProgress => "InProgress",
            Status::Ready => "Ready",
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::Stopped => "Stopped",
        }
    }

    pub fn is_over(self) -> bool {
        matches!(self, Status::Succeeded | Status::Failed | Status::Stopped)
    }
}

/// What a deployment does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Make the replacement task set.
    Install,
    /// It is becoming steady.
    Installing,
    TestTraffic,
    /// Somebody is to say that traffic may go over, or the time is to pass.
    Ready,
    /// Traffic goes over, share by share.
    Traffic,
    /// All traffic is there; the replacement becomes the primary.
    Primary,
    /// The original stays for a while.
    Wait,
    Terminate,
    /// Traffic goes back, and the replacement goes away.
    Back,
    Over,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    pub name: String,
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
}

/// A target group and the task set behind it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The task set's id.
    pub set: String,
    pub target_group: String,
    pub target_group_name: String,
}

/// `codedeploy/deployment/…/<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    pub id: String,
    pub application: String,
    pub group: String,
    /// The group as it was when the deployment was made.
    pub of: Json<api::DeploymentGroupInfo>,
    pub config: String,
    pub routing: Routing,
    pub revision: Json<api::RevisionLocation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Json<api::RevisionLocation>>,
    pub spec: Spec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub creator: String,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub status: Status,
    pub stage: Stage,
    #[serde(default)]
    pub events: Vec<Lifecycle>,
    #[serde(default)]
    pub blue: Side,
    #[serde(default)]
    pub green: Side,
    /// The replacement's share of the traffic.
    #[serde(default)]
    pub weight: u8,
    /// When the stage goes on by itself, or gives up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// Somebody said that it may go on.
    #[serde(default)]
    pub goes_on: bool,
    /// What it is to become once traffic has gone back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_as: Option<Status>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<(String, String)>,
    /// The deployment that this one rolled back, or that rolled this one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_by: Option<String>,
}

impl Resource for Deployment {
    const KIND: &'static str = "codedeploy/deployment";
}

impl Deployment {
    pub fn group_id(application: &str, group: &str) -> String {
        format!("{application}/{group}")
    }

    pub fn role(&self) -> &str {
        self.of.service_role_arn.as_deref().unwrap_or_default()
    }

    /// Cluster and service.
    pub fn service(&self) -> (&str, &str) {
        let services = self.of.ecs_services.as_deref().unwrap_or_default();
        let Some(service) = services.first() else {
            return ("", "");
        };
        let cluster = service.cluster_name.as_deref().unwrap_or("default");
        (cluster, service.service_name.as_deref().unwrap_or_default())
    }

    fn pair(&self) -> Option<&api::TargetGroupPairInfo> {
        let info = self.of.load_balancer_info.as_ref()?;
        info.target_group_pair_info_list.as_ref()?.first()
    }

    /// The names of the two target groups.
    pub fn target_groups(&self) -> Vec<String> {
        let groups = self.pair().and_then(|pair| pair.target_groups.as_ref());
        let groups = groups.into_iter().flatten();
        groups.filter_map(|group| group.name.clone()).collect()
    }

    pub fn listener(&self) -> Option<&str> {
        let route = self.pair()?.prod_traffic_route.as_ref()?;
        route.listener_arns.as_ref()?.first().map(String::as_str)
    }

    pub fn test_listener(&self) -> Option<&str> {
        let route = self.pair()?.test_traffic_route.as_ref()?;
        route.listener_arns.as_ref()?.first().map(String::as_str)
    }

    /// The minutes that somebody has to say that traffic may go over; `None`: it goes over at once.
    pub fn ready_minutes(&self) -> Option<u32> {
        let options = self.of.blue_green_deployment_configuration.as_ref()?;
        let ready = options.deployment_ready_option.as_ref()?;
        let stops = ready.action_on_timeout.as_deref() == Some("STOP_DEPLOYMENT");
        let minutes = u32::try_from(ready.wait_time_in_minutes.unwrap_or(0)).ok();
        minutes.filter(|_| stops)
    }

    pub fn termination_minutes(&self) -> u32 {
        let options = self.of.blue_green_deployment_configuration.as_ref();
        let options =
            options.and_then(|o| o.terminate_blue_instances_on_deployment_success.as_ref());
        let minutes = options.and_then(|o| o.termination_wait_time_in_minutes);
        minutes.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
    }

    /// The alarms that end it.
    pub fn alarms(&self) -> Vec<String> {
        let Some(config) = &self.of.alarm_configuration else {
            return Vec::new();
        };
        if config.enabled != Some(true) {
            return Vec::new();
        }
        let alarms = config.alarms.as_deref().unwrap_or_default();
        alarms.iter().filter_map(|a| a.name.clone()).collect()
    }

    /// Is it told as rolled back when it ends for this reason?
    pub fn rolls_back_on(&self, event: &str) -> bool {
        let config = self.of.auto_rollback_configuration.as_ref();
        config.is_some_and(|config| {
            let events = config.events.as_deref().unwrap_or_default();
            config.enabled == Some(true) && events.iter().any(|e| e == event)
        })
    }
}

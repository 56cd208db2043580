//! A task as a target of load balancers: where it is to be registered, and where it is.

use neargate_api_ecs as api;
use neargate_domain::load_balancer::TargetKey;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

/// One of a service's `loadBalancers`, checked when its revision was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancer {
    pub target_group_arn: String,
    pub container_name: String,
    pub container_port: u16,
    /// The group's targets are instances and host ports, else addresses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_instance: bool,
    /// For deployments that shift traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advanced: Option<Json<api::AdvancedConfiguration>>,
}

impl LoadBalancer {
    /// As it was given.
    pub fn shown(&self) -> api::LoadBalancer {
        api::LoadBalancer {
            target_group_arn: Some(self.target_group_arn.clone()),
            container_name: Some(self.container_name.clone()),
            container_port: Some(self.container_port.into()),
            advanced_configuration: self.advanced.as_ref().map(|a| a.0.clone()),
            ..Default::default()
        }
    }
}

/// A target group of which a task is a target while its container's port is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetLink {
    pub target_group_arn: String,
    pub container_name: String,
    pub container_port: u16,
    /// See [`LoadBalancer::by_instance`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_instance: bool,
}

/// A [`TargetLink`] that was acted on. It is there from before the target is registered until after
/// its deregistration is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTarget {
    pub target_group_arn: String,
    pub container_name: String,
    pub container_port: u16,
    #[serde(flatten)]
    pub key: TargetKey,
    pub state: Registration,
}

impl TaskTarget {
    pub fn is_of(&self, link: &TargetLink) -> bool {
        self.target_group_arn == link.target_group_arn
            && self.container_name == link.container_name
            && self.container_port == link.container_port
    }
}

/// Whether a target group knows a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// It may or may not, and is to.
    Asked,
    Registered,
    /// It finishes what it has.
    Draining,
}

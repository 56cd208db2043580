//! A task as an instance of services of Cloud Map: where it is to be registered, and where it is.

use neargate_api_ecs as api;
use serde::{Deserialize, Serialize};

/// One of a service's `serviceRegistries`, checked when its revision was made
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceRegistry.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRegistry {
    pub registry_arn: String,
    /// The port that SRV records say, where no container's is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_port: Option<u16>,
    /// The registry takes what ECS says of its instances' health.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_health: bool,
}

impl ServiceRegistry {
    /// As it was given.
    pub fn shown(&self) -> api::ServiceRegistry {
        api::ServiceRegistry {
            registry_arn: Some(self.registry_arn.clone()),
            port: self.port.map(i32::from),
            container_name: self.container_name.clone(),
            container_port: self.container_port.map(i32::from),
        }
    }
}

/// A registry that was acted on. It is there from before the task is registered until after it is
/// deregistered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInstance {
    pub registry_arn: String,
    /// `false`: the registry may know it or not, and is to.
    pub registered: bool,
    /// What the registry was told last.
    pub healthy: bool,
}

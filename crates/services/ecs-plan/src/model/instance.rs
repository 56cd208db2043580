//! A container instance: a node registered into a cluster
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerInstance.html>).
//! Whether its agent is connected is not stored: `ecs::Nodes` knows.

use neargate_base::Timestamp;
use neargate_domain::{LaunchType, Resources};
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `ecs/container-instance/…/<cluster>/<id>`. Written by registration and by the operations on
/// container instances and attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerInstance {
    /// 32 hexadecimal digits: the last part of its ARN.
    pub id: String,
    pub arn: String,
    pub cluster: String,
    /// The node that runs its tasks; `None` when registered by an agent that is not ours.
    pub node: Option<String>,
    /// `i-…`, or `mi-…` for an external instance.
    pub ec2_instance_id: String,
    /// EC2 or EXTERNAL.
    pub launch_type: LaunchType,
    pub status: InstanceStatus,
    pub status_reason: Option<String>,
    pub registered: Resources,
    /// Built-in, capabilities and custom; some have no value.
    pub attributes: BTreeMap<String, Option<String>>,
    pub agent_version: String,
    pub agent_hash: String,
    pub docker_version: String,
    pub capacity_provider: Option<String>,
    /// Rises with every change, as the `version` of ECS events.
    pub version: i64,
    pub tags: Tags,
    pub registered_at: Timestamp,
    /// When it became `INACTIVE`.
    #[serde(default)]
    pub left_at: Option<Timestamp>,
    /// `PENDING`, `STAGING`, `STAGED`, `UPDATING`, `UPDATED` or `FAILED`.
    pub agent_update_status: Option<String>,
}

/// May tasks be placed on it?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceStatus {
    Active,
    Draining,
    /// Deregistered by force while its tasks ran; it goes with the last of them.
    Deregistering,
    Inactive,
}

impl InstanceStatus {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            InstanceStatus::Active => "ACTIVE",
            InstanceStatus::Draining => "DRAINING",
            InstanceStatus::Deregistering => "DEREGISTERING",
            InstanceStatus::Inactive => "INACTIVE",
        }
    }
}

impl Resource for ContainerInstance {
    const KIND: &'static str = "ecs/container-instance";
}

impl ContainerInstance {
    /// The id within its key.
    pub fn key_id(cluster: &str, id: &str) -> String {
        format!("{cluster}/{id}")
    }

    /// The attribute's value, if it has one.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.as_deref()
    }
}

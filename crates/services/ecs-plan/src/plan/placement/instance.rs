//! A container instance, as placement sees it.

use neargate_base::Timestamp;
use neargate_domain::Protocol;
use std::collections::{BTreeMap, BTreeSet};

/// The id of a container instance: the last part of its ARN.
pub type InstanceId = String;

/// A port of the host.
pub type Port = (Protocol, u16);

/// What an instance has, or has left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// 1024 to a vCPU. Negative in what is left when more runs there than fits.
    pub cpu_units: i64,
    pub memory_mib: i64,
    pub gpus: i64,
    /// Host ports that are in use or reserved (ECS shows both as PORTS and PORTS_UDP).
    pub ports: BTreeSet<Port>,
}

/// Whether the cluster counts on an instance
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerInstance.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceStatus {
    Active,
    /// Keeps its tasks for now, takes no new ones.
    Draining,
    /// Deregistered, or not registered yet.
    Inactive,
}

/// One container instance of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: InstanceId,
    /// `None` for an external instance.
    pub ec2_instance_id: Option<String>,
    /// Built-in (`ecs.availability-zone` ...), capabilities and custom ones.
    pub attributes: BTreeMap<String, Option<String>>,
    /// What it registered; `ports` are those reserved for the host.
    pub registered: Resources,
    /// How many tasks may have a network interface of their own.
    pub eni_slots: u32,
    pub agent_version: String,
    pub registered_at: Timestamp,
    pub status: InstanceStatus,
    pub agent_connected: bool,
    /// The capacity provider it was registered with.
    pub capacity_provider: Option<String>,
    /// Launch type EXTERNAL rather than EC2.
    pub external: bool,
}

impl Instance {
    /// Whether new tasks may be placed at all.
    pub fn placeable(&self) -> bool {
        self.status == InstanceStatus::Active && self.agent_connected
    }

    /// Whether everything a request asks of an instance apart from its load, its connection
    /// and its status is the same as in `other`.
    pub(super) fn same_registration(&self, other: &Instance) -> bool {
        self.ec2_instance_id == other.ec2_instance_id
            && self.attributes == other.attributes
            && self.agent_version == other.agent_version
            && self.registered_at == other.registered_at
            && self.capacity_provider == other.capacity_provider
            && self.external == other.external
    }
}

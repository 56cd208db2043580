//! What a node says of itself when it connects.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a machine, or a slice of one, offers tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// 1024 are one vCPU.
    pub cpu_units: u32,
    pub memory_mib: u32,
    /// Host ports taken by others than tasks; ECS reserves 22, 2375, 2376, 51678 to 51680
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html>).
    pub reserved_tcp_ports: Vec<u16>,
    pub reserved_udp_ports: Vec<u16>,
    /// The ids of its GPUs.
    pub gpus: Vec<String>,
    /// How many tasks with an interface of their own it can run besides.
    pub eni_slots: u32,
}

/// What a node may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NodeKind {
    /// Tasks of the launch type FARGATE, of every cluster.
    Fargate,
    /// Tasks of the launch type EC2, of the cluster it is registered into.
    Ec2,
    /// Tasks of the launch type EXTERNAL, of the cluster it is registered into.
    External,
}

/// A node's description of itself. Written by the node at each connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAbout {
    /// Unique among the nodes of a control plane, and the same after a restart.
    pub id: String,
    pub kind: NodeKind,
    pub resources: Resources,
    /// Such as `ecs.os-type`, `ecs.cpu-architecture`, `ecs.instance-type`.
    pub attributes: BTreeMap<String, String>,
    /// Neargate's version.
    pub version: String,
    /// The address under which tasks' ports are reached.
    pub address: Option<std::net::IpAddr>,
    pub hostname: String,
}

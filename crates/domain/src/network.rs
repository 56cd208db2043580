//! How a task reaches the network: by an interface of its own as EC2 hands it out, or by its
//! instance's.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// An elastic network interface with everything a node needs to build it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// `eni-` and 17 hexadecimal digits.
    pub id: String,
    /// Six octets, colon separated, locally administered.
    pub mac: String,
    pub private_ipv4: Ipv4Addr,
    /// Length of the subnet's prefix, 20 in the default VPC.
    pub prefix_len: u8,
    /// The subnet's first address after the network's own: the VPC's router.
    pub gateway: Ipv4Addr,
    pub vpc_cidr: String,
    pub subnet_id: String,
    pub vpc_id: String,
    pub security_groups: Vec<String>,
    /// `ip-172-31-0-5.ec2.internal` or `ip-….<region>.compute.internal`.
    pub private_dns_name: String,
    /// The domain of its VPC's own DHCP options, which its `resolv.conf` searches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<String>,
    pub availability_zone: String,
    /// In a default VPC, whose interfaces the host reaches by their private addresses. Those that
    /// were stored before this was noted are.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub in_default_vpc: bool,
    /// The public address it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ipv4: Option<Ipv4Addr>,
}

impl NetworkInterface {
    /// What its hosts complete a name by: what the VPC's DHCP options say, else the domain of private names.
    pub fn search_domain(&self) -> Option<&str> {
        let private = self.private_dns_name.split_once('.');
        let private = private.map(|(_, domain)| domain);
        self.domain_name.as_deref().or(private)
    }
}

fn yes() -> bool {
    true
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_true(value: &bool) -> bool {
    *value
}

/// A task definition's `networkMode`, with what a node needs to build it
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-networking.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(
    clippy::large_enum_variant,
    reason = "almost every task has an interface"
)]
pub enum TaskNetwork {
    /// `awsvpc`: the task's containers share an interface of their own.
    Awsvpc(NetworkInterface),
    /// `bridge`, `host` or `none`.
    Instance(InstanceNetwork),
}

/// The network modes that use the container instance's own network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceNetwork {
    /// Each container has an address on the instance's bridge; ports are published on the instance.
    Bridge,
    /// The containers are in the instance's own network namespace.
    Host,
    /// Each container has a loopback interface only.
    None,
}

impl TaskNetwork {
    /// The task's own interface, in `awsvpc`.
    pub fn interface(&self) -> Option<&NetworkInterface> {
        match self {
            TaskNetwork::Awsvpc(interface) => Some(interface),
            TaskNetwork::Instance(_) => None,
        }
    }

    /// AWS's spelling of the mode.
    pub fn mode(&self) -> &'static str {
        match self {
            TaskNetwork::Awsvpc(_) => "awsvpc",
            TaskNetwork::Instance(InstanceNetwork::Bridge) => "bridge",
            TaskNetwork::Instance(InstanceNetwork::Host) => "host",
            TaskNetwork::Instance(InstanceNetwork::None) => "none",
        }
    }
}

/// The transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// A container port that the container's definition names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    pub container_port: u16,
    /// `None`: the node picks one of its ephemeral ports (bridge mode).
    pub host_port: Option<u16>,
    pub protocol: Protocol,
}

/// Container ports in a row that the container's definition names (`containerPortRange`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
    pub protocol: Protocol,
    /// The first of as many host ports in a row; `None`: the node picks them (bridge mode).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_first: Option<u16>,
}

/// What a container's definition says of its network besides single ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerNetwork {
    /// In place of its network's own; none: those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search_domains: Vec<String>,
    /// Containers of the task whose address it finds under a name: (container, alias).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(String, String)>,
    /// It has a loopback interface only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub port_ranges: Vec<PortRange>,
}

impl ContainerNetwork {
    pub fn says_nothing(&self) -> bool {
        *self == ContainerNetwork::default()
    }
}

/// App Mesh's proxy: whose traffic the task's goes through
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ProxyConfiguration.html>).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Proxy {
    /// Where the proxy takes what comes from outside.
    pub ingress_port: u16,
    /// Where it takes what the task's containers send.
    pub egress_port: u16,
    /// The ports from whose traffic the proxy is fed.
    pub app_ports: Vec<u16>,
    /// What leaves by these goes past the proxy.
    pub egress_ignored_ports: Vec<u16>,
    /// Addresses and ranges: what leaves for them goes past the proxy.
    pub egress_ignored_ips: Vec<String>,
    /// Whose traffic goes past the proxy: its own.
    pub ignored_uid: Option<u32>,
    pub ignored_gid: Option<u32>,
}

/// A port as the node has published it: `networkBindings` of a described container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkBinding {
    /// `0.0.0.0`: every address of the instance.
    pub bind_ip: String,
    pub container_port: u16,
    pub host_port: u16,
    pub protocol: Protocol,
    /// How many ports in a row these are the first of; `None`: it is a single port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u16>,
}

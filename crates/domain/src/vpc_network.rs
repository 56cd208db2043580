//! What a host must know to carry the traffic of VPCs as AWS would: who is where, which way leads
//! out, and whom the security groups let through. The control plane compiles it from EC2's records;
//! nodes enforce it. It is always told in whole parts, so that the last word holds.
//!
//! What a host has not been told of lets nothing through.

use crate::cidr::Cidr;
use neargate_base::Region;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// One VPC with its subnets, ways and security groups, without who is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcNetwork {
    pub vpc_id: String,
    /// Its own range first, then the secondary ones.
    pub ranges: Vec<Cidr>,
    /// A default VPC. The host reaches its interfaces by their private addresses, and counts there
    /// as a member of [`VpcNetwork::default_group`].
    pub is_default: bool,
    pub default_group: String,
    pub subnets: Vec<SubnetNetwork>,
    pub groups: Vec<GroupNetwork>,
    /// The VPCs at the other ends of its active peering connections, each once. Those two are joined
    /// that name each other.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub peers: BTreeSet<String>,
    /// There is a flow log of it, or of something in it: what is counted stays while this holds, also of
    /// interfaces that are gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_logged: bool,
    #[serde(default)]
    pub dns: VpcDns,
}

/// What tells VPCs apart between hosts (RFC 7348's VNI): 24 bits of a hash of the id. Two VPCs may have the
/// same number: then the one of the lesser id has it, and the other is not carried between hosts.
pub fn vni(vpc_id: &str) -> u32 {
    let hash = Sha256::digest(vpc_id);
    u32::from_be_bytes([0, hash[0], hash[1], hash[2]])
}

/// What names mean in a VPC (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcDns {
    /// `enableDnsSupport`: somebody answers at the address after the router's.
    pub support: bool,
    /// `enableDnsHostnames`: public addresses have names.
    pub hostnames: bool,
    /// Private and public names say it.
    pub region: Region,
}

impl Default for VpcDns {
    fn default() -> VpcDns {
        VpcDns {
            support: true,
            hostnames: true,
            region: Region::default(),
        }
    }
}

impl VpcNetwork {
    /// The address of AmazonProvidedDNS: the first of the VPC's own range, plus two
    /// (<https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html>).
    pub fn resolver(&self) -> Option<Ipv4Addr> {
        self.ranges.first().map(|range| range.nth(2))
    }
}

/// One subnet and the ways out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetNetwork {
    pub subnet_id: String,
    pub range: Cidr,
    /// What its route table says beyond the VPC's own ranges, in any order: the longest prefix
    /// wins. What no route names has no way.
    pub routes: Vec<Route>,
    /// Its network ACL; `None` where everything may enter and leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<AclNetwork>,
}

/// A route of a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub to: Cidr,
    pub by: Target,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An internet gateway: for interfaces that have a public address, as that address.
    InternetGateway,
    /// A NAT gateway: as its public address, for flows that begin inside.
    NatGateway { id: String, public: Ipv4Addr },
    /// A peering connection, by the id of the VPC at its other end, one of [`VpcNetwork::peers`].
    Peering { vpc_id: String },
    /// What the route named is gone: packets are dropped.
    Blackhole,
}

/// A network ACL: in each direction the first rule that fits decides, and what none fits is denied.
/// It has no memory of flows, and sees only what crosses the border of a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclNetwork {
    pub inbound: Vec<AclRule>,
    pub outbound: Vec<AclRule>,
}

/// A rule of a network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclRule {
    pub allow: bool,
    pub traffic: Traffic,
    pub peer: Cidr,
}

/// A security group: what its members may be sent, and what they may send, as far as flows begin
/// that way. What no rule allows is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNetwork {
    pub group_id: String,
    pub ingress: Vec<GroupRule>,
    pub egress: Vec<GroupRule>,
}

/// A rule of a security group; it allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRule {
    pub traffic: Traffic,
    pub peer: GroupPeer,
}

/// Whom a rule of a security group is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupPeer {
    Range(Cidr),
    /// The members of a group of this VPC or of one that it is peered with, by their private
    /// addresses.
    Group(String),
}

/// What kind of packets a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    Any,
    /// Destination ports, first and last.
    Tcp(u16, u16),
    /// Destination ports, first and last.
    Udp(u16, u16),
    /// A type and a code; `None`: every one.
    Icmp(Option<u8>, Option<u8>),
    /// Any other protocol, by its number; all of it.
    Protocol(u8),
}

/// An interface in a VPC, on whichever host it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceNetwork {
    /// `eni-…`.
    pub interface_id: String,
    pub vpc_id: String,
    pub private_ipv4: Ipv4Addr,
    pub security_groups: Vec<String>,
    /// Packets that reach this address are its own, and what it sends by an internet gateway comes
    /// from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ipv4: Option<Ipv4Addr>,
    /// Somebody wants a flow log of it: its host counts its flows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_logged: bool,
}

/// What changed, for a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkChange {
    /// All there is: what is not in it is gone.
    Snapshot {
        vpcs: Vec<VpcNetwork>,
        interfaces: Vec<InterfaceNetwork>,
    },
    /// A new VPC, or one that changed.
    Vpc(VpcNetwork),
    VpcGone(String),
    /// A new interface, or one that changed.
    Interface(InterfaceNetwork),
    InterfaceGone {
        vpc_id: String,
        interface_id: String,
    },
}

//! What is known of one VPC at one moment, here: what was told of it, and which of its interfaces
//! are on this host. Rules and routes are pure functions of it.

use neargate_domain::Cidr;
use neargate_domain::vpc_network::{InterfaceNetwork, VpcNetwork};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// One VPC as this host sees it.
#[derive(Debug, Clone, Default)]
pub(in crate::net) struct View {
    /// `None`: nobody has told of it, or it is gone; nothing passes.
    pub(in crate::net) vpc: Option<Arc<VpcNetwork>>,
    /// The VPCs that it is peered with and that are on this host, with their ranges.
    pub(in crate::net) peers: BTreeMap<String, Vec<Cidr>>,
    /// Everybody whose groups its rules may name, wherever they are.
    pub(in crate::net) members: Vec<Member>,
    /// The interfaces on this host.
    pub(in crate::net) ports: Vec<Port>,
    /// As whom this host asks the others for interfaces that they have; `None` where there are none,
    /// and where another VPC has its number between hosts.
    pub(in crate::net) across: Option<Ipv4Addr>,
    /// The ports at which the API answers where names are asked for.
    pub(in crate::net) api: Vec<u16>,
}

/// Who is in which groups.
#[derive(Debug, Clone)]
pub(in crate::net) struct Member {
    pub(in crate::net) address: Ipv4Addr,
    pub(in crate::net) groups: Vec<String>,
}

/// An interface on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::net) struct Port {
    /// The router's end of it.
    pub(in crate::net) veth: String,
    pub(in crate::net) mac: String,
    pub(in crate::net) address: Ipv4Addr,
    /// The router's address in its subnet.
    pub(in crate::net) gateway: Ipv4Addr,
    /// None: nothing reaches it.
    pub(in crate::net) groups: BTreeSet<String>,
    pub(in crate::net) public: Option<Ipv4Addr>,
    /// It is an instance's own.
    pub(in crate::net) is_instance: bool,
    /// Its flows are counted.
    pub(in crate::net) is_logged: bool,
}

impl From<&InterfaceNetwork> for Member {
    fn from(interface: &InterfaceNetwork) -> Member {
        Member {
            address: interface.private_ipv4,
            groups: interface.security_groups.clone(),
        }
    }
}

impl View {
    pub(in crate::net) fn ranges(&self) -> &[Cidr] {
        self.vpc.as_ref().map_or(&[], |vpc| &vpc.ranges)
    }

    /// Is the address of this VPC?
    pub(in crate::net) fn contains(&self, address: Ipv4Addr) -> bool {
        self.ranges().iter().any(|range| range.contains(address))
    }

    /// Does anybody want to know of flows here?
    pub(in crate::net) fn is_logged(&self) -> bool {
        self.vpc.as_ref().is_some_and(|vpc| vpc.is_logged)
    }

    /// The interfaces whose flows the router may remember: those here, and those of peers.
    pub(in crate::net) fn known(&self) -> BTreeSet<Ipv4Addr> {
        let peers = self.members.iter().map(|member| member.address);
        let peers = peers.filter(|address| !self.contains(*address));
        let here = self.ports.iter().map(|port| port.address);
        here.chain(peers).collect()
    }

    /// The host's address in the VPC, if it has one there: after those of the router and the
    /// resolver (<https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>).
    pub(in crate::net) fn host(&self) -> Option<Ipv4Addr> {
        let vpc = self.vpc.as_ref().filter(|vpc| vpc.is_default)?;
        vpc.ranges.first().map(|range| range.nth(3))
    }

    /// Where AmazonProvidedDNS is
    /// (<https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html>).
    pub(in crate::net) fn resolvers(&self) -> BTreeSet<Ipv4Addr> {
        let own = self.vpc.as_ref().and_then(|vpc| vpc.resolver());
        own.into_iter().chain([super::RESOLVER]).collect()
    }

    /// The router's own addresses: a gateway in each subnet, the resolver's, and where tasks ask their
    /// node.
    pub(in crate::net) fn addresses(&self) -> BTreeSet<Ipv4Addr> {
        let subnets = self.vpc.iter().flat_map(|vpc| &vpc.subnets);
        let gateways = subnets.map(|subnet| subnet.range.nth(1));
        gateways
            .chain(self.resolvers())
            .chain([super::TASK_ENDPOINT])
            .collect()
    }
}

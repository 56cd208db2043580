//! From records to networks: pure.

use super::records::Records;
use crate::model::LoggedKind;
use neargate_domain::Cidr;
use neargate_domain::vpc_network::{
    AclNetwork, AclRule, GroupNetwork, GroupPeer, GroupRule, InterfaceNetwork, Route,
    SubnetNetwork, Target, Traffic, VpcDns, VpcNetwork,
};
use neargate_service::vpc::{
    AclEntry, NetworkAcl, PeeringSide, RouteTable, RouteTarget, RulePeer, SecurityGroup,
    SecurityGroupRule,
};
use std::collections::BTreeMap;

/// The network of a VPC; `None`: there is no such VPC.
pub(super) fn vpc(records: &Records, id: &str) -> Option<VpcNetwork> {
    let vpc = records.vpcs.get(id)?;
    let subnets = records.subnets.iter().filter(|(_, s)| s.vpc_id == id);
    let subnets = subnets.map(|(subnet_id, subnet)| SubnetNetwork {
        subnet_id: subnet_id.clone(),
        range: subnet.range,
        routes: table_of(records, id, subnet_id).map_or_else(Vec::new, |t| routes(records, id, t)),
        acl: records.acls.get(&subnet.acl.acl_id).and_then(acl),
    });
    let groups = records.groups.iter().filter(|(_, g)| g.vpc_id == id);
    let in_vpc = |vpc_id: Option<&String>| vpc_id.is_some_and(|vpc_id| vpc_id == id);
    Some(VpcNetwork {
        vpc_id: id.to_owned(),
        ranges: vpc.ranges().collect(),
        is_default: vpc.is_default,
        default_group: vpc.default_group_id.clone(),
        is_logged: records.flow_logs.values().any(|log| match log.of {
            LoggedKind::Vpc => log.resource_id == id,
            LoggedKind::Subnet => in_vpc(records.subnets.get(&log.resource_id).map(|s| &s.vpc_id)),
            LoggedKind::Interface => {
                let interface = records.interfaces.get(&log.resource_id);
                in_vpc(interface.map(|i| &i.interface.vpc_id))
            }
        }),
        peers: peers(records, id).map(|side| side.vpc_id.clone()).collect(),
        subnets: subnets.collect(),
        groups: groups
            .map(|(id, group)| self::group(records, id, group))
            .collect(),
        dns: VpcDns {
            support: vpc.enable_dns_support,
            hostnames: vpc.enable_dns_hostnames,
            region: records.regions.get(id).cloned().unwrap_or_default(),
        },
    })
}

/// The interface, if hosts have something to do with it: that of a NAT gateway is nobody's.
pub(super) fn interface(records: &Records, (_, id): &(String, String)) -> Option<InterfaceNetwork> {
    let stored = records.interfaces.get(id)?;
    let of = &stored.interface;
    (!stored.task_arn.starts_with("nat-")).then(|| InterfaceNetwork {
        interface_id: of.id.clone(),
        vpc_id: of.vpc_id.clone(),
        private_ipv4: of.private_ipv4,
        security_groups: of.security_groups.clone(),
        public_ipv4: stored.public.as_ref().map(|p| p.ipv4),
        is_logged: records.flow_logs.values().any(|log| log.is_of(of)),
    })
}

/// The other ends of a VPC's active peering connections.
fn peers<'a>(records: &'a Records, vpc_id: &'a str) -> impl Iterator<Item = &'a PeeringSide> {
    let active = records.peerings.values().filter(|p| p.is_active());
    active.filter_map(move |p| p.side_of(vpc_id).map(|(_, far)| far))
}

/// The route table that a subnet is associated with, or the VPC's main one.
fn table_of<'a>(records: &'a Records, vpc_id: &str, subnet_id: &str) -> Option<&'a RouteTable> {
    let of_vpc = || records.route_tables.values().filter(|t| t.vpc_id == vpc_id);
    let own = of_vpc().find(|t| t.subnets.values().any(|s| s == subnet_id));
    own.or_else(|| of_vpc().find(|t| t.main_association_id.is_some()))
}

fn routes(records: &Records, vpc_id: &str, table: &RouteTable) -> Vec<Route> {
    let by = |target: &RouteTarget| match target {
        RouteTarget::InternetGateway(id) => {
            let gateway = records.internet_gateways.get(id)?;
            (gateway.vpc_id.as_deref() == Some(vpc_id)).then_some(Target::InternetGateway)
        }
        RouteTarget::NatGateway(id) => {
            let gateway = records.nat_gateways.get(id)?;
            let public = gateway
                .public_ipv4
                .filter(|_| gateway.deleted_at.is_none())?;
            Some(Target::NatGateway {
                id: id.clone(),
                public,
            })
        }
        RouteTarget::PeeringConnection(id) => {
            let peering = records.peerings.get(id).filter(|p| p.is_active())?;
            let (_, far) = peering.side_of(vpc_id)?;
            Some(Target::Peering {
                vpc_id: far.vpc_id.clone(),
            })
        }
    };
    let route = |route: &neargate_service::vpc::StoredRoute| Route {
        to: route.to,
        by: by(&route.by).unwrap_or(Target::Blackhole),
    };
    table.routes.iter().map(route).collect()
}

fn group(records: &Records, id: &str, group: &SecurityGroup) -> GroupNetwork {
    let rules = |is_egress: bool| {
        let those = group.rules.values().filter(|r| r.is_egress == is_egress);
        those.flat_map(|r| group_rules(records, r)).collect()
    };
    GroupNetwork {
        group_id: id.to_owned(),
        ingress: rules(false),
        egress: rules(true),
    }
}

/// One for each peer: a prefix list stands for all its ranges. What is of IPv6 concerns nobody here.
fn group_rules(records: &Records, rule: &SecurityGroupRule) -> Vec<GroupRule> {
    let Some(traffic) = traffic(rule) else {
        return Vec::new();
    };
    let peers = match &rule.peer {
        RulePeer::Ipv4(range) => vec![GroupPeer::Range(*range)],
        RulePeer::Group { group_id, .. } => vec![GroupPeer::Group(group_id.clone())],
        RulePeer::PrefixList(list) => {
            let entries = records.prefix_lists.get(list).into_iter();
            let ranges = entries.flat_map(|l| l.entries.keys());
            let ranges = ranges.filter_map(|range| range.parse().ok());
            ranges.map(GroupPeer::Range).collect()
        }
        RulePeer::Ipv6(_) => Vec::new(),
    };
    let rule = |peer| GroupRule { traffic, peer };
    peers.into_iter().map(rule).collect()
}

/// `None`: it concerns nobody here, as IPv6 does.
fn traffic(rule: &SecurityGroupRule) -> Option<Traffic> {
    let (from, to) = (rule.from_port, rule.to_port);
    match rule.protocol.as_str() {
        "tcp" => Some(Traffic::Tcp(first(from), last(to))),
        "udp" => Some(Traffic::Udp(first(from), last(to))),
        "icmp" => {
            let (kind, code) = (u8::try_from(from).ok(), u8::try_from(to).ok());
            Some(Traffic::Icmp(kind, code))
        }
        other => by_number(other),
    }
}

/// `-1` or a protocol's number; ICMP of IPv6 is none of IPv4's.
fn by_number(protocol: &str) -> Option<Traffic> {
    match protocol {
        "-1" => Some(Traffic::Any),
        "icmpv6" | "58" => None,
        number => number.parse().ok().map(Traffic::Protocol),
    }
}

fn first(port: i32) -> u16 {
    u16::try_from(port).unwrap_or(0)
}

fn last(port: i32) -> u16 {
    u16::try_from(port).unwrap_or(u16::MAX)
}

/// `None`: everything may pass both ways, as by a VPC's first ACL.
fn acl(acl: &NetworkAcl) -> Option<AclNetwork> {
    let rules = |entries: &BTreeMap<u16, AclEntry>| -> Vec<AclRule> {
        entries.values().filter_map(acl_rule).collect()
    };
    let (inbound, outbound) = (rules(&acl.entries.inbound), rules(&acl.entries.outbound));
    let all = |rules: &[AclRule]| {
        rules.first().is_some_and(|first| {
            first.allow && first.traffic == Traffic::Any && first.peer == Cidr::ANY
        })
    };
    (!(all(&inbound) && all(&outbound))).then_some(AclNetwork { inbound, outbound })
}

fn acl_rule(entry: &AclEntry) -> Option<AclRule> {
    let peer = entry.range.parse().ok()?;
    let ports = entry.ports.unwrap_or((0, u16::MAX));
    let code = |n: i32| u8::try_from(n).ok();
    let traffic = match entry.protocol.as_str() {
        "6" => Traffic::Tcp(ports.0, ports.1),
        "17" => Traffic::Udp(ports.0, ports.1),
        "1" => {
            let (kind, of_kind) = entry.icmp.unwrap_or((-1, -1));
            Traffic::Icmp(code(kind), code(of_kind))
        }
        other => by_number(other)?,
    };
    Some(AclRule {
        allow: entry.allow,
        traffic,
        peer,
    })
}

//! A VPC's firewall, in the namespace that is its router: pure. What reaches the namespace passes,
//! in this order, the guard (nobody sends as somebody else), the public addresses (a packet for one
//! is the interface's), the security groups and the network ACL of who sends, the ACL and the groups of
//! who receives, the counting of what somebody wants flow logs of,
//! and the public addresses again (what leaves by a gateway comes from there). What no rule lets
//! through is dropped, IPv6 with it.
//!
//! Security groups remember flows: what belongs to one that was let through passes, also when the
//! rule is gone
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/security-group-connection-tracking.html>).

use super::super::names::{self, PEERING_PREFIX, VETH_PREFIX};
use super::super::table::{Kind, Tables};
use super::super::{INSTANCE_METADATA_PORT, TASK_ENDPOINT};
use super::view::View;
use super::{HOST, HOSTS, IGW, INSTANCE_METADATA, OVERLAY, UPLINK, acl, flows, groups};
use neargate_domain::Cidr;
use neargate_domain::vpc_network::Target;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The tables, which are in the VPC's namespace alone.
pub(in crate::net) const TABLES: [&str; 2] = ["inet neargate", "arp neargate"];

const SENDERS: Kind = Kind::Set("ifname . ether_addr . ipv4_addr");
/// The chain of an address's combination of groups.
const CHAIN_OF: Kind = Kind::Map("ipv4_addr", "verdict");
const ADDRESS_OF: Kind = Kind::Map("ipv4_addr", "ipv4_addr");

pub(in crate::net) fn plan(view: &View) -> Tables {
    let mut tables = Tables::default();
    let t = &mut tables;
    for family in ["inet", "arp"] {
        t.set(format!("{family} neargate senders"), SENDERS);
    }
    for (name, kind) in [
        ("egress_of", CHAIN_OF),
        ("ingress_of", CHAIN_OF),
        ("private_of", ADDRESS_OF),
        ("public_of", ADDRESS_OF),
        ("with_public", Kind::Set("ipv4_addr")),
        ("here", Kind::Set("ipv4_addr")),
        ("instances", Kind::Set("ipv4_addr")),
    ] {
        t.set(inet(name), kind);
    }
    t.hooked(
        "arp neargate guard",
        "type filter hook input priority 0; policy drop;",
        vec![
            "iifname . arp saddr ether . arp saddr ip @senders accept".into(),
            format!("iifname \"{OVERLAY}\" accept"),
        ],
    );
    t.hooked(
        inet("guard"),
        "type filter hook prerouting priority -300; policy drop;",
        guard(view),
    );
    t.hooked(
        inet("input"),
        "type filter hook input priority 0; policy drop;",
        input(view),
    );
    t.hooked(
        inet("to_private"),
        "type nat hook prerouting priority -100; policy accept;",
        vec![
            format!("iifname \"{UPLINK}\" dnat ip to ip daddr map @private_of"),
            format!(
                "iifname \"{VETH_PREFIX}*\" ip saddr @instances ip daddr {INSTANCE_METADATA} tcp \
                 dport 80 dnat ip to {TASK_ENDPOINT}:{INSTANCE_METADATA_PORT}"
            ),
        ],
    );
    t.hooked(
        inet("egress"),
        "type filter hook forward priority 0; policy drop;",
        egress(view),
    );
    t.hooked(
        inet("ingress"),
        "type filter hook forward priority 2; policy drop;",
        ingress(view),
    );
    t.hooked(
        inet("to_public"),
        "type nat hook postrouting priority 100; policy accept;",
        to_public(view),
    );
    flows::plan(view, t);
    acl::plan(view, t);
    groups::plan(view, t);
    for port in &view.ports {
        let sender = format!("\"{}\" . {} . {}", port.veth, port.mac, port.address);
        t.element("arp neargate senders", sender.clone());
        t.element("inet neargate senders", sender);
        t.element(&inet("here"), port.address.to_string());
        if port.is_instance {
            t.element(&inet("instances"), port.address.to_string());
        }
        if let Some(public) = port.public {
            let private = port.address.to_string();
            t.value(&inet("private_of"), public.to_string(), private.clone());
            t.value(&inet("public_of"), private.clone(), public.to_string());
            t.element(&inet("with_public"), private);
        }
    }
    tables
}

pub(super) fn inet(name: &str) -> String {
    format!("inet neargate {name}")
}

/// Who may send as whom. From outside nobody is in the VPC but the host, where it is a member.
fn guard(view: &View) -> Vec<String> {
    let mut rules = vec![
        "iifname \"lo\" accept".to_owned(),
        "iifname . ether saddr . ip saddr @senders accept".to_owned(),
    ];
    if view.vpc.is_none() {
        return rules;
    }
    rules.extend(from_peers(view));
    let host = view.host();
    rules.extend(host.map(|host| format!("iifname \"{UPLINK}\" ip saddr {host} accept")));
    if host.is_some() {
        rules.push(format!("iifname \"{OVERLAY}\" ip saddr {HOSTS} accept"));
    }
    for range in view.ranges() {
        rules.push(format!("iifname \"{UPLINK}\" ip saddr {range} drop"));
        rules.push(format!("iifname \"{OVERLAY}\" ip saddr {range} accept"));
    }
    rules.push(format!("iifname \"{UPLINK}\" meta nfproto ipv4 accept"));
    rules
}

/// From a peer come its own addresses, from no other side, and from other hosts what a peer has there.
/// What passes on to another host is not tracked: its answers come by the other VPC, so that a flow
/// would look broken here.
fn from_peers(view: &View) -> Vec<String> {
    let mut rules = Vec::new();
    if view.across.is_some() && !view.peers.is_empty() {
        rules.push(format!(
            "iifname \"{PEERING_PREFIX}*\" ip daddr != @here notrack"
        ));
    }
    for (peer, ranges) in &view.peers {
        let link = names::peering(peer);
        let is_own = |range: &Cidr| view.ranges().iter().any(|own| own.overlaps(*range));
        for range in ranges.iter().filter(|range| !is_own(range)) {
            rules.push(format!("iifname \"{link}\" ip saddr {range} accept"));
            rules.push(format!("iifname \"{UPLINK}\" ip saddr {range} drop"));
            rules.push(format!("iifname \"{OVERLAY}\" ip saddr {range} accept"));
        }
    }
    rules
}

/// What the router itself is asked: whether it is there, names, the API, and what tasks are told of
/// themselves.
fn input(view: &View) -> Vec<String> {
    let resolvers: Vec<String> = view.resolvers().iter().map(Ipv4Addr::to_string).collect();
    let resolvers = resolvers.join(", ");
    let mut rules = vec![
        "iifname \"lo\" accept".to_owned(),
        format!("iifname \"{PEERING_PREFIX}*\" drop"),
        "ct state established,related accept".into(),
        "icmp type echo-request accept".into(),
        format!("ip daddr {{ {resolvers} }} meta l4proto {{ tcp, udp }} th dport 53 accept"),
    ];
    let accept = |port: &u16| format!("ip daddr {{ {resolvers} }} tcp dport {port} accept");
    rules.extend(view.api.iter().map(accept));
    rules.push(format!(
        "iifname \"{VETH_PREFIX}*\" ip daddr {TASK_ENDPOINT} tcp dport 80 accept"
    ));
    rules.push(format!(
        "iifname \"{VETH_PREFIX}*\" ip saddr @instances ip daddr {TASK_ENDPOINT} tcp dport \
         {INSTANCE_METADATA_PORT} accept"
    ));
    rules.push("meta l4proto { tcp, udp } reject with icmp type admin-prohibited".into());
    rules
}

/// The groups of who sends. Before them: a packet that belongs to no flow would leave with a
/// private address; who has no public address has no way by an internet gateway
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html>); the link-local
/// services of the cloud that this host is in hold its credentials, except DNS, which some clouds
/// serve there. A peer reaches interfaces of this VPC and nothing beyond, and is reached by them alone
/// (<https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-limitations>).
fn egress(view: &View) -> Vec<String> {
    vec![
        "ct state invalid drop".into(),
        format!("iifname \"{UPLINK}\" oifname \"{UPLINK}\" drop"),
        format!("iifname \"{PEERING_PREFIX}*\" oifname \"{UPLINK}\" drop"),
        format!("oifname \"{PEERING_PREFIX}*\" iifname != \"{VETH_PREFIX}*\" drop"),
        format!("oifname \"{UPLINK}\" rt ip nexthop {IGW} ip saddr != @with_public drop"),
        "ip daddr 169.254.0.0/16 meta l4proto { tcp, udp } th dport 53 accept".into(),
        "ip daddr 169.254.0.0/16 reject with icmp type admin-prohibited".into(),
        "ct state established,related accept".into(),
        format!("iifname {{ \"{UPLINK}\", \"{OVERLAY}\" }} accept"),
        format!("iifname \"{PEERING_PREFIX}*\" accept"),
        "ip saddr vmap @egress_of".into(),
        flows::refused(view, "egress").into(),
    ]
}

/// The groups of who receives.
fn ingress(view: &View) -> Vec<String> {
    vec![
        "ct state established,related accept".into(),
        format!("oifname {{ \"{UPLINK}\", \"{OVERLAY}\" }} accept"),
        format!("oifname \"{PEERING_PREFIX}*\" accept"),
        "ip daddr vmap @ingress_of".into(),
        flows::refused(view, "ingress").into(),
    ]
}

/// Which way a packet took tells its next hop: a NAT gateway's is its public address.
fn to_public(view: &View) -> Vec<String> {
    let mut rules = vec![format!(
        "oifname \"{UPLINK}\" rt ip nexthop {IGW} snat ip to ip saddr map @public_of"
    )];
    // Every host has the same address in a default VPC: to others it says which one it is.
    if let (Some(host), Some(own)) = (view.host(), view.across) {
        rules.push(format!(
            "oifname \"{OVERLAY}\" ip saddr {host} snat ip to {own}"
        ));
    }
    rules.extend(
        nat_gateways(view).iter().map(|public| {
            format!("oifname \"{UPLINK}\" rt ip nexthop {public} snat ip to {public}")
        }),
    );
    rules
}

/// The public addresses of the NAT gateways that some route names.
pub(super) fn nat_gateways(view: &View) -> BTreeSet<Ipv4Addr> {
    let subnets = view.vpc.iter().flat_map(|vpc| &vpc.subnets);
    let targets = subnets.flat_map(|s| &s.routes).map(|route| &route.by);
    let public = targets.filter_map(|target| match target {
        Target::NatGateway { public, .. } => Some(*public),
        _ => None,
    });
    public
        .filter(|public| *public != HOST && *public != IGW)
        .collect()
}

/// `direction` is `saddr` or `daddr`; the range of everybody needs no word.
pub(super) fn within(direction: &str, range: Cidr) -> String {
    match range.prefix_len() {
        0 => String::new(),
        _ => format!("ip {direction} {range} "),
    }
}

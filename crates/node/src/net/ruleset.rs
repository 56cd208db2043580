//! The host's own firewall, and that of a container instance, as nftables text (nft(8)): pure, a
//! function of names and addresses. A VPC's is in its namespace ([`super::vpc`]).
//!
//! The host routes for VPCs: what their public addresses send leaves behind its own address, unless
//! they are of its LAN; from outside in, public addresses are reached and nothing else; VPCs reach each
//! other by public addresses only, and nobody the link-local services of the host's cloud (its instance
//! metadata holds credentials) but DNS, which some clouds serve there. Where the host is a container
//! instance itself, its containers and the VPCs reach each other.
//!
//! Loading it again changes nothing, so running tasks notice nothing.

use super::TASK_ENDPOINT;
use super::instance::ENDPOINT_PORT;
use super::names::{INSTANCE_BRIDGE, UPLINK_PREFIX};
use neargate_domain::{Cidr, Protocol};
use std::net::Ipv4Addr;

/// What one port may send as, and what is sent on to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) veth: String,
    pub(super) mac: String,
    pub(super) address: Ipv4Addr,
    /// Ports of the instance that lead to it; none in the VPC.
    pub(super) published: Vec<Published>,
}

/// A port of the instance that leads to one of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Published {
    pub(super) protocol: Protocol,
    pub(super) host_port: u16,
    pub(super) container_port: u16,
}

/// The `bridge` table: who may send as whom, on ports of this prefix.
fn guard(table: &str, veth_prefix: &str) -> String {
    format!(
        r#"add table bridge {table}
add set bridge {table} senders {{ type ifname . ether_addr . ipv4_addr; }}
add chain bridge {table} ingress {{ type filter hook prerouting priority -300; policy accept; }}
flush table bridge {table}
add rule bridge {table} ingress iifname != "{veth_prefix}*" accept
add rule bridge {table} ingress ether type ip iifname . ether saddr . ip saddr @senders accept
add rule bridge {table} ingress ether type arp iifname . arp saddr ether . arp saddr ip != @senders drop
add rule bridge {table} ingress ether type arp iifname . ether saddr . arp saddr ip @senders accept
add rule bridge {table} ingress drop
"#
    )
}

/// A container instance's own table: outbound NAT, and published ports, which are reached by any
/// of the instance's addresses, from outside, from its containers and from itself (127.0.0.1
/// too: hence `route_localnet` on the bridge, and nobody on it may ask for 127.0.0.0/8). What
/// belongs to no flow is not translated either, and would leave with a container's address.
/// `in_vpc`: it is a slice, whose link-local services are its VPC's.
pub(super) fn instance(
    table: &str,
    bridge: &str,
    cidr: &str,
    veth_prefix: &str,
    in_vpc: bool,
) -> String {
    let services = match in_vpc {
        true => format!(
            r#"add rule inet {table} forward iifname "{bridge}" ip daddr 169.254.169.253 accept
add rule inet {table} forward iifname "{bridge}" ip daddr 169.254.169.254 tcp dport 80 accept
"#
        ),
        false => String::new(),
    };
    guard(table, veth_prefix)
        + &format!(
            r#"add table inet {table}
add map inet {table} published {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
add chain inet {table} raw {{ type filter hook prerouting priority -300; policy accept; }}
add chain inet {table} prerouting {{ type nat hook prerouting priority -100; policy accept; }}
add chain inet {table} output {{ type nat hook output priority -100; policy accept; }}
add chain inet {table} input {{ type filter hook input priority 0; policy accept; }}
add chain inet {table} forward {{ type filter hook forward priority 0; policy accept; }}
add chain inet {table} postrouting {{ type nat hook postrouting priority 100; policy accept; }}
flush table inet {table}
add rule inet {table} raw iifname "{bridge}" ip daddr 127.0.0.0/8 drop
add rule inet {table} prerouting ip daddr {TASK_ENDPOINT} tcp dport 80 dnat ip to {TASK_ENDPOINT}:{ENDPOINT_PORT}
add rule inet {table} output ip daddr {TASK_ENDPOINT} tcp dport 80 dnat ip to {TASK_ENDPOINT}:{ENDPOINT_PORT}
add rule inet {table} prerouting ip daddr {TASK_ENDPOINT} accept
add rule inet {table} output ip daddr {TASK_ENDPOINT} accept
add rule inet {table} input iifname != {{ "lo", "{bridge}" }} ip daddr {TASK_ENDPOINT} drop
add rule inet {table} prerouting fib daddr type local dnat ip to meta l4proto . th dport map @published
add rule inet {table} output fib daddr type local dnat ip to meta l4proto . th dport map @published
add rule inet {table} input iifname "{bridge}" ip daddr 169.254.169.254 meta l4proto {{ tcp, udp }} th dport != 53 reject with icmp type admin-prohibited
add rule inet {table} forward iifname "{bridge}" ip daddr 169.254.0.0/16 meta l4proto {{ tcp, udp }} th dport 53 accept
{services}add rule inet {table} forward iifname "{bridge}" ip daddr 169.254.0.0/16 reject with icmp type admin-prohibited
add rule inet {table} forward iifname "{bridge}" oifname != "{bridge}" ct state invalid drop
add rule inet {table} forward iifname "{bridge}" accept
add rule inet {table} forward oifname "{bridge}" ct state established,related accept
add rule inet {table} forward oifname "{bridge}" ct status dnat accept
add rule inet {table} forward oifname "{bridge}" drop
add rule inet {table} postrouting ip saddr {cidr} oifname != "{bridge}" masquerade
add rule inet {table} postrouting ip saddr {cidr} oifname "{bridge}" ct status dnat masquerade
add rule inet {table} postrouting ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade
"#
        )
}

/// What the host is to its tasks.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    /// It routes for them only: it did not route before they came.
    pub(super) closed: bool,
    /// Its own ports that they reach besides DNS; `None`: all, as those of an EC2 instance.
    pub(super) reachable: Option<Vec<u16>>,
}

impl Guard {
    /// What tasks ask the host itself. ICMP tells them whether it is there.
    fn input(&self, table: &str) -> String {
        let Some(ports) = &self.reachable else {
            return String::new();
        };
        let ports: Vec<String> = ports.iter().map(|port| format!(", {port}")).collect();
        let ports = format!("{{ 53{} }}", ports.concat());
        format!(
            r#"add rule inet {table} input iifname "{UPLINK_PREFIX}*" ct state established,related accept
add rule inet {table} input iifname "{UPLINK_PREFIX}*" meta l4proto {{ tcp, udp }} th dport {ports} accept
add rule inet {table} input iifname "{UPLINK_PREFIX}*" icmp type echo-request accept
add rule inet {table} input iifname "{UPLINK_PREFIX}*" reject with icmp type admin-prohibited
"#
        )
    }

    /// What is neither from nor to a task, of IPv4, whose routing alone we switched on. Container
    /// engines that come later count on the routing that they find switched on, and guard their own
    /// bridges. What a bridge of the host hands from port to port is no routing, but comes by here
    /// where `br_netfilter` is loaded.
    fn forward(&self, table: &str) -> String {
        if !self.closed {
            return String::new();
        }
        let rules = [INSTANCE_BRIDGE].into_iter().chain(ENGINES).map(|name| {
            format!(
                r#"add rule inet {table} forward iifname "{name}" accept
add rule inet {table} forward oifname "{name}" accept
"#
            )
        });
        rules.collect::<String>()
            + &format!(
                r#"add rule inet {table} forward meta iifkind "bridge" meta oifkind "bridge" accept
add rule inet {table} forward meta nfproto ipv4 drop
"#
            )
    }
}

/// Bridges of Docker, libvirt, CNI plug-ins, Podman, LXC and LXD.
const ENGINES: [&str; 7] = [
    "docker*", "br-*", "virbr*", "cni*", "podman*", "lxcbr*", "lxdbr*",
];

/// What the host's table is made from.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) table: String,
    /// The public addresses.
    pub(super) pool: Cidr,
    /// They are of a network of the host: they are known there.
    pub(super) lan: bool,
    pub(super) guard: Guard,
}

pub(super) fn host(host: &Host) -> String {
    let Host { table, pool, .. } = host;
    let (input, forward) = (host.guard.input(table), host.guard.forward(table));
    let masquerade = match host.lan {
        true => String::new(),
        false => format!(
            "add rule inet {table} postrouting ip saddr {pool} oifname != \"{UPLINK_PREFIX}*\" masquerade\n"
        ),
    };
    format!(
        r#"add table inet {table}
add chain inet {table} input {{ type filter hook input priority 0; policy accept; }}
add chain inet {table} output {{ type filter hook output priority 0; policy accept; }}
add chain inet {table} forward {{ type filter hook forward priority 0; policy accept; }}
add chain inet {table} postrouting {{ type nat hook postrouting priority 100; policy accept; }}
flush table inet {table}
add rule inet {table} input iifname "{UPLINK_PREFIX}*" ip daddr 127.0.0.0/8 drop
add rule inet {table} input iifname "{UPLINK_PREFIX}*" ip daddr 169.254.0.0/16 meta l4proto {{ tcp, udp }} th dport != 53 reject with icmp type admin-prohibited
{input}add rule inet {table} output oifname "{UPLINK_PREFIX}*" icmp type redirect drop
add rule inet {table} forward iifname "{UPLINK_PREFIX}*" ip daddr 169.254.0.0/16 meta l4proto {{ tcp, udp }} th dport 53 accept
add rule inet {table} forward iifname "{UPLINK_PREFIX}*" ip daddr 169.254.0.0/16 reject with icmp type admin-prohibited
add rule inet {table} forward oifname "{UPLINK_PREFIX}*" ct state established,related accept
add rule inet {table} forward oifname "{UPLINK_PREFIX}*" ip daddr {pool} accept
add rule inet {table} forward iifname "{INSTANCE_BRIDGE}" oifname "{UPLINK_PREFIX}*" accept
add rule inet {table} forward oifname "{UPLINK_PREFIX}*" drop
add rule inet {table} forward iifname "{UPLINK_PREFIX}*" accept
{forward}{masquerade}"#
    )
}

/// Removes the table in these families; fine if it is gone already.
pub(super) fn remove(families: &[&str], table: &str) -> String {
    let one = |f: &&str| format!("add table {f} {table}\ndelete table {f} {table}\n");
    families.iter().map(one).collect()
}

pub(super) fn add(table: &str, s: &Sender) -> String {
    let sender = format!("add element bridge {table} senders {{ {} }}\n", element(s));
    let ports = s.published.iter().map(|p| {
        let to = format!("{} : {} . {}", key(p), s.address, p.container_port);
        format!("add element inet {table} published {{ {to} }}\n")
    });
    sender + &ports.collect::<String>()
}

/// Adding first makes it fine if the element is gone already.
pub(super) fn delete(table: &str, s: &Sender) -> String {
    let sender = format!(
        "delete element bridge {table} senders {{ {} }}\n",
        element(s)
    );
    let ports = s
        .published
        .iter()
        .map(|p| format!("delete element inet {table} published {{ {} }}\n", key(p)));
    add(table, s) + &sender + &ports.collect::<String>()
}

fn element(s: &Sender) -> String {
    format!("\"{}\" . {} . {}", s.veth, s.mac, s.address)
}

fn key(p: &Published) -> String {
    format!("{} . {}", p.protocol.as_str(), p.host_port)
}

/// The elements in what `nft list set` or `nft list map` prints.
fn elements(listing: &str) -> impl Iterator<Item = &str> {
    let inside = listing.split_once("elements = {").map(|(_, e)| e);
    let inside = inside.and_then(|e| e.split('}').next());
    inside.into_iter().flat_map(|e| e.split(','))
}

/// The senders in what `nft list set` prints.
pub(super) fn parse(listing: &str) -> Vec<Sender> {
    let sender = |e: &str| {
        let mut parts = e.split(" . ").map(str::trim);
        let veth = parts.next()?.trim_matches('"').to_owned();
        let mac = parts.next()?.to_owned();
        let address = parts.next()?.parse().ok()?;
        Some(Sender {
            veth,
            mac,
            address,
            published: Vec::new(),
        })
    };
    elements(listing).filter_map(sender).collect()
}

/// The published ports, each with the address it leads to, in what `nft list map` prints.
pub(super) fn parse_published(listing: &str) -> Vec<(Ipv4Addr, Published)> {
    let published = |e: &str| {
        let (from, to) = e.split_once(" : ")?;
        let (protocol, host_port) = from.split_once(" . ")?;
        let (address, container_port) = to.split_once(" . ")?;
        let protocol = match protocol.trim() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return None,
        };
        let port = Published {
            protocol,
            host_port: host_port.trim().parse().ok()?,
            container_port: container_port.trim().parse().ok()?,
        };
        Some((address.trim().parse().ok()?, port))
    };
    elements(listing).filter_map(published).collect()
}

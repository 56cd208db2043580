//! VPCs span hosts: the namespace of a VPC has a VXLAN device (RFC 7348), and the list of the other
//! hosts that what has no known place is sent to. What goes by it is routed, on both sides: each host
//! answers there for its own interfaces and for nobody else, and asks by an address that no VPC has.
//! Who sends is asked at the sender's host whether he may, who receives at the receiver's.
//!
//! Tasks of different hosts reach each other. A host's own programs, and a container instance's
//! containers, reach the tasks of default VPCs on other hosts as that host, which counts as a member of
//! the default group there as it does here.
//!
//! VXLAN has no proof of who sent a packet: it is taken from the peers' addresses only, at the
//! address by which they know this host and no other of its own, and neither tasks nor other
//! programs of the host can send one. The wire between the hosts is trusted.

use super::names::{INSTANCE_BRIDGE, UPLINK_PREFIX};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// Ours, so that another VXLAN on the host (4789, 8472) is left alone.
pub(super) const PORT: u16 = 14789;
/// Ethernet, IPv4, UDP and VXLAN headers around a frame.
pub(super) const OVERHEAD: u32 = 50;

/// How hosts are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OverlayConfig {
    /// What other hosts know this one by; `None`: whatever the routing table says.
    pub local: Option<Ipv4Addr>,
}

/// To be loaded behind [`super::ruleset::host`]; loading it again keeps the peers.
pub(super) fn rules(table: &str) -> String {
    format!(
        r#"add set inet {table} peers {{ type ipv4_addr; }}
add set inet {table} own {{ type ipv4_addr; }}
add chain inet {table} vxlan_input {{ type filter hook input priority -1; policy accept; }}
add chain inet {table} vxlan_forward {{ type filter hook forward priority -1; policy accept; }}
add chain inet {table} vxlan_output {{ type filter hook output priority -1; policy accept; }}
flush chain inet {table} vxlan_input
flush chain inet {table} vxlan_forward
flush chain inet {table} vxlan_output
add rule inet {table} vxlan_input udp dport {PORT} ip saddr != @peers drop
add rule inet {table} vxlan_input udp dport {PORT} ip daddr != @own drop
add rule inet {table} vxlan_input meta nfproto ipv6 udp dport {PORT} drop
add rule inet {table} vxlan_forward iifname {{ "{UPLINK_PREFIX}*", "{INSTANCE_BRIDGE}" }} udp dport {PORT} drop
add rule inet {table} vxlan_output udp dport {PORT} meta skuid 0-4294967295 drop
"#
    )
}

/// Who the peers are, to be loaded behind [`rules`].
pub(super) fn peers(table: &str, local: Option<Ipv4Addr>, peers: &BTreeSet<Ipv4Addr>) -> String {
    address_set(table, "peers", peers) + &address_set(table, "own", &own(local, peers))
}

/// This host's addresses as the peers know them: what it sends to them from, unless it was told.
/// What they send elsewhere is not meant for the device.
fn own(local: Option<Ipv4Addr>, peers: &BTreeSet<Ipv4Addr>) -> BTreeSet<Ipv4Addr> {
    if let Some(local) = local {
        return [local].into();
    }
    peers.iter().copied().filter_map(source_towards).collect()
}

/// The address that this host sends to another from, by its routing table.
pub(super) fn source_towards(other: Ipv4Addr) -> Option<Ipv4Addr> {
    // Connecting sends nothing.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((other, PORT)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(own) => Some(own),
        IpAddr::V6(_) => None,
    }
}

/// The set has these addresses and no others.
fn address_set(table: &str, set: &str, addresses: &BTreeSet<Ipv4Addr>) -> String {
    let addresses: Vec<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
    let elements = match addresses.is_empty() {
        true => String::new(),
        false => format!(
            "add element inet {table} {set} {{ {} }}\n",
            addresses.join(", ")
        ),
    };
    format!("flush set inet {table} {set}\n{elements}")
}

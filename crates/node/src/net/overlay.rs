//! The part of the task network that spans hosts: a VXLAN device (RFC 7348) on the bridge, and
//! the list of the other hosts that what has no known place is sent to.
//!
//! Every host's bridge is the router of its own tasks, so the routers' addresses are everywhere:
//! no ARP for or about them crosses. A router that looks for a task of another host asks as a
//! prober does, without an address of its own (RFC 5227), so that nobody takes it for his own
//! router. Tasks of different hosts reach each other; a host's own programs reach only the tasks
//! on it.
//!
//! VXLAN has no proof of who sent a packet: it is taken from the peers' addresses only, at the
//! address by which they know this host and no other of its own, and neither tasks nor other
//! programs of the host can send one. The wire between the hosts is trusted.

use super::error::NetworkError;
use super::names::INSTANCE_BRIDGE;
use super::netlink::Netlink;
use super::{blocking, firewall, link, names};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// Ours, so that another VXLAN on the host (4789, 8472) is left alone.
pub(super) const PORT: u16 = 14789;
/// One is enough: a host belongs to one network, and its peers are known by address.
const VNI: u32 = 0x4e47;
/// Ethernet, IPv4, UDP and VXLAN headers around a frame.
pub(super) const OVERHEAD: u32 = 50;

/// How hosts are joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OverlayConfig {
    /// What other hosts know this one by; `None`: whatever the routing table says.
    pub local: Option<Ipv4Addr>,
}

/// The device, on its bridge.
#[derive(Debug)]
pub(super) struct Overlay {
    name: String,
    index: u32,
    table: String,
    local: Option<Ipv4Addr>,
}

impl Overlay {
    /// Ensures the device. `mtu` is the bridge's: longer packets than fit the wire are sent in
    /// fragments, and tasks are told a smaller one.
    pub(super) fn ensure(
        bridge: (&str, u32),
        table: &str,
        mtu: u32,
        config: OverlayConfig,
        gateways: &[Ipv4Addr],
    ) -> Result<Overlay, NetworkError> {
        let name = names::vxlan(bridge.0);
        let act = |what: &str| NetworkError::link(format!("{what} {name}"));
        // Before the device: nothing ever crosses unguarded.
        firewall::run(&rules(table, bridge.0, gateways))?;
        let mut nl = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
        match link::add_vxlan(&mut nl, &name, VNI, PORT, config.local, mtu) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(act("create")(e)),
            _ => {}
        }
        let found = link::find(&mut nl, &name).map_err(act("find"))?;
        let index = found.map(|l| l.index);
        let index = index.ok_or_else(|| act("find")(io::ErrorKind::NotFound.into()))?;
        // Those of an earlier process, by whose rules they were not told apart.
        let peers = link::flooded(&mut nl, index).map_err(act("list the peers of"))?;
        firewall::run(&address_set(table, "own", &own(config.local, &peers)))?;
        link::set_up(&mut nl, index, Some(bridge.1)).map_err(act("start"))?;
        Ok(Overlay {
            name,
            index,
            table: table.to_owned(),
            local: config.local,
        })
    }

    /// These are the other hosts now.
    pub(super) async fn set_peers(&self, peers: BTreeSet<Ipv4Addr>) -> Result<(), NetworkError> {
        let (index, table, name) = (self.index, self.table.clone(), self.name.clone());
        let local = self.local;
        blocking(move || {
            let mut nl = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
            let here = link::addresses(&mut nl).map_err(NetworkError::link("list addresses"))?;
            let mut peers = peers;
            // A device that sends to its own host would hand frames back to its own bridge.
            peers.retain(|p| !p.is_loopback() && !here.contains(p));
            // Taken from before sent to.
            let own = address_set(&table, "own", &self::own(local, &peers));
            firewall::run(&(address_set(&table, "peers", &peers) + &own))?;
            let act = || NetworkError::link(format!("change the peers of {name}"));
            let known = link::flooded(&mut nl, index).map_err(act())?;
            for gone in known.difference(&peers) {
                link::flood(&mut nl, index, *gone, false).map_err(act())?;
            }
            for new in peers.difference(&known) {
                link::flood(&mut nl, index, *new, true).map_err(act())?;
            }
            Ok(())
        })
        .await
    }
}

/// Removes the device, if there is one; its rules go with the bridge's tables.
pub(super) fn remove(bridge: &str) -> Result<(), NetworkError> {
    let name = names::vxlan(bridge);
    let act = || NetworkError::link(format!("delete {name}"));
    let mut nl = Netlink::open().map_err(act())?;
    link::delete(&mut nl, &name).map_err(act())
}

/// To be loaded behind [`super::ruleset::base`]; loading it again keeps the peers.
pub(super) fn rules(table: &str, bridge: &str, gateways: &[Ipv4Addr]) -> String {
    let vxlan = names::vxlan(bridge);
    let gateways: Vec<String> = gateways.iter().map(Ipv4Addr::to_string).collect();
    let gateways = format!("{{ {} }}", gateways.join(", "));
    format!(
        r#"add chain bridge {table} vxlan_in {{ type filter hook prerouting priority -290; policy accept; }}
add chain bridge {table} vxlan_out {{ type filter hook postrouting priority 0; policy accept; }}
flush chain bridge {table} vxlan_in
flush chain bridge {table} vxlan_out
add rule bridge {table} vxlan_in iifname "{vxlan}" ether type arp arp saddr ip {gateways} drop
add rule bridge {table} vxlan_in iifname "{vxlan}" ether type arp arp daddr ip {gateways} drop
add rule bridge {table} vxlan_in iifname "{vxlan}" ether type != {{ ip, arp }} drop
add rule bridge {table} vxlan_out oifname "{vxlan}" ether type arp arp daddr ip {gateways} drop
add rule bridge {table} vxlan_out oifname "{vxlan}" ether type arp arp operation request arp saddr ip {gateways} arp saddr ip set 0.0.0.0 accept
add rule bridge {table} vxlan_out oifname "{vxlan}" ether type arp arp saddr ip {gateways} drop
add rule bridge {table} vxlan_out oifname "{vxlan}" ether type != {{ ip, arp }} drop
add set inet {table} peers {{ type ipv4_addr; }}
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
add rule inet {table} vxlan_forward iifname {{ "{bridge}", "{INSTANCE_BRIDGE}" }} udp dport {PORT} drop
add rule inet {table} vxlan_output udp dport {PORT} meta skuid 0-4294967295 drop
"#
    )
}

/// This host's addresses as the peers know them: what it sends to them from, unless it was told.
/// What they send elsewhere is not meant for the device.
fn own(local: Option<Ipv4Addr>, peers: &BTreeSet<Ipv4Addr>) -> BTreeSet<Ipv4Addr> {
    if let Some(local) = local {
        return [local].into();
    }
    // Connecting sends nothing: it only asks the routing table.
    let source = |peer: &Ipv4Addr| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((*peer, PORT)).ok()?;
        match socket.local_addr().ok()?.ip() {
            IpAddr::V4(own) => Some(own),
            IpAddr::V6(_) => None,
        }
    };
    peers.iter().filter_map(source).collect()
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

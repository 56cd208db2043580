//! Links, addresses and routes, each as one request to the kernel. It knows no task and no policy.

use super::netlink::{Netlink, is_absent};
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth,
    InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

/// What this node reads of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) mac: Vec<u8>,
    pub(super) mtu: u32,
    /// The bridge it is a port of.
    pub(super) controller: Option<u32>,
    /// Somebody has switched it on; whether it carries anything is another matter.
    pub(super) up: bool,
}

/// A main-table IPv4 route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) destination: Ipv4Addr,
    pub(super) prefix_len: u8,
    pub(super) interface: u32,
}

/// The two ends of a task's interface.
#[derive(Debug)]
pub(super) struct Veth<'a> {
    /// The end in this namespace, and its address unless any will do.
    pub(super) name: &'a str,
    pub(super) mac: Option<[u8; 6]>,
    /// The bridge that it is a port of.
    pub(super) controller: Option<u32>,
    /// The other end, made right inside `peer_namespace`.
    pub(super) peer_name: &'a str,
    pub(super) peer_mac: [u8; 6],
    pub(super) peer_namespace: BorrowedFd<'a>,
    pub(super) mtu: u32,
}

pub(super) fn find(nl: &mut Netlink, name: &str) -> io::Result<Option<Link>> {
    let answer = nl.get(RouteNetlinkMessage::GetLink(named(name)))?;
    Ok(answer.and_then(read_link))
}

/// Waits until a link whose ends have just been started carries packets: the kernel switches it on a
/// little later, and loses what is sent before. Newer kernels do so when they are asked.
pub(super) fn settle(nl: &mut Netlink, name: &str) -> io::Result<()> {
    for _ in 0..200 {
        let answer = nl.get(RouteNetlinkMessage::GetLink(named(name)))?;
        let Some(RouteNetlinkMessage::NewLink(m)) = answer else {
            return Ok(());
        };
        if m.attributes.contains(&LinkAttribute::OperState(State::Up)) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(())
}

/// The index of a link that is there.
pub(super) fn index(nl: &mut Netlink, name: &str) -> io::Result<u32> {
    let found = find(nl, name)?.ok_or(io::ErrorKind::NotFound)?;
    Ok(found.index)
}

pub(super) fn list(nl: &mut Netlink) -> io::Result<Vec<Link>> {
    let all = nl.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    Ok(all.into_iter().filter_map(read_link).collect())
}

/// A bridge without spanning tree delay or multicast snooping, down.
pub(super) fn add_bridge(nl: &mut Netlink, name: &str, mac: [u8; 6], mtu: u32) -> io::Result<()> {
    let mut m = named(name);
    m.attributes.push(LinkAttribute::Address(mac.to_vec()));
    m.attributes.push(LinkAttribute::Mtu(mtu));
    let settings = vec![
        InfoBridge::ForwardDelay(0),
        InfoBridge::MulticastSnooping(false),
    ];
    m.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Bridge),
        LinkInfo::Data(InfoData::Bridge(settings)),
    ]));
    nl.change(RouteNetlinkMessage::NewLink(m), NLM_F_CREATE | NLM_F_EXCL)
}

/// A VXLAN device that learns where frames come from.
#[derive(Debug)]
pub(super) struct Vxlan<'a> {
    pub(super) name: &'a str,
    /// Where it is made. What it sends goes by the network of who asks for it.
    pub(super) namespace: BorrowedFd<'a>,
    pub(super) vni: u32,
    pub(super) port: u16,
    pub(super) local: Option<Ipv4Addr>,
    pub(super) mtu: u32,
}

/// Makes it, down.
pub(super) fn add_vxlan(nl: &mut Netlink, vxlan: &Vxlan<'_>) -> io::Result<()> {
    let mut m = named(vxlan.name);
    m.attributes.push(LinkAttribute::Mtu(vxlan.mtu));
    m.attributes
        .push(LinkAttribute::NetNsFd(vxlan.namespace.as_raw_fd()));
    let mut settings = vec![
        InfoVxlan::Id(vxlan.vni),
        InfoVxlan::Port(vxlan.port),
        InfoVxlan::Learning(true),
    ];
    settings.extend(vxlan.local.map(InfoVxlan::Local));
    m.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Vxlan),
        LinkInfo::Data(InfoData::Vxlan(settings)),
    ]));
    nl.change(RouteNetlinkMessage::NewLink(m), NLM_F_CREATE | NLM_F_EXCL)
}

/// What a VXLAN device does with frames for which it knows no place.
const ANYWHERE: [u8; 6] = [0; 6];

/// Whether a VXLAN device sends what has no known place to `peer`, too.
pub(super) fn flood(nl: &mut Netlink, index: u32, peer: Ipv4Addr, on: bool) -> io::Result<()> {
    let mut m = NeighbourMessage::default();
    m.header.family = AddressFamily::Bridge;
    m.header.ifindex = index;
    m.header.state = NeighbourState::Permanent;
    m.header.flags = NeighbourFlags::Own;
    m.attributes = vec![
        NeighbourAttribute::LinkLayerAddress(ANYWHERE.to_vec()),
        NeighbourAttribute::Destination(peer.into()),
    ];
    if on {
        return nl.change(
            RouteNetlinkMessage::NewNeighbour(m),
            NLM_F_CREATE | NLM_F_APPEND,
        );
    }
    match nl.change(RouteNetlinkMessage::DelNeighbour(m), 0) {
        Err(e) if !is_absent(&e) => Err(e),
        _ => Ok(()),
    }
}

/// Where a VXLAN device sends what has no known place.
pub(super) fn flooded(nl: &mut Netlink, index: u32) -> io::Result<BTreeSet<Ipv4Addr>> {
    let mut m = NeighbourMessage::default();
    m.header.family = AddressFamily::Bridge;
    m.header.ifindex = index;
    let all = nl.dump(RouteNetlinkMessage::GetNeighbour(m))?;
    let peer = |m: RouteNetlinkMessage| {
        let RouteNetlinkMessage::NewNeighbour(m) = m else {
            return None;
        };
        let anywhere = NeighbourAttribute::LinkLayerAddress(ANYWHERE.to_vec());
        if m.header.ifindex != index || !m.attributes.contains(&anywhere) {
            return None;
        }
        m.attributes.into_iter().find_map(|a| match a {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(peer)) => Some(peer),
            // The family of the entry is the bridge's, not the address's.
            NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => {
                <[u8; 4]>::try_from(bytes.as_slice()).ok().map(Into::into)
            }
            _ => None,
        })
    };
    Ok(all.into_iter().filter_map(peer).collect())
}

/// Both ends in one request; this one up. (The kernel refuses to start the other here: ENOTCONN.)
pub(super) fn add_veth(nl: &mut Netlink, veth: &Veth<'_>) -> io::Result<()> {
    let mut peer = named(veth.peer_name);
    peer.attributes
        .push(LinkAttribute::Address(veth.peer_mac.to_vec()));
    peer.attributes.push(LinkAttribute::Mtu(veth.mtu));
    peer.attributes
        .push(LinkAttribute::NetNsFd(veth.peer_namespace.as_raw_fd()));

    let mut m = named(veth.name);
    m.header.flags = LinkFlags::Up;
    m.header.change_mask = LinkFlags::Up;
    m.attributes
        .extend(veth.controller.map(LinkAttribute::Controller));
    m.attributes
        .extend(veth.mac.map(|mac| LinkAttribute::Address(mac.to_vec())));
    m.attributes.push(LinkAttribute::Mtu(veth.mtu));
    m.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    nl.change(RouteNetlinkMessage::NewLink(m), NLM_F_CREATE | NLM_F_EXCL)
}

/// Up, and a port of `controller` if one is given.
pub(super) fn set_up(nl: &mut Netlink, index: u32, controller: Option<u32>) -> io::Result<()> {
    let mut m = LinkMessage::default();
    m.header.index = index;
    m.header.flags = LinkFlags::Up;
    m.header.change_mask = LinkFlags::Up;
    m.attributes
        .extend(controller.map(LinkAttribute::Controller));
    nl.change(RouteNetlinkMessage::SetLink(m), 0)
}

/// The bridge sends what came from this port back to it, where that is its way.
pub(super) fn set_hairpin(nl: &mut Netlink, index: u32) -> io::Result<()> {
    let mut m = LinkMessage::default();
    m.header.index = index;
    m.attributes = vec![LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(
            true,
        )])),
    ])];
    nl.change(RouteNetlinkMessage::NewLink(m), 0)
}

/// Deletes the link, and with a veth its other end; fine if it is gone already.
pub(super) fn delete(nl: &mut Netlink, name: &str) -> io::Result<()> {
    match nl.change(RouteNetlinkMessage::DelLink(named(name)), 0) {
        Err(e) if !is_absent(&e) => Err(e),
        _ => Ok(()),
    }
}

/// Adds the address, or does nothing if the link has it.
pub(super) fn add_address(
    nl: &mut Netlink,
    index: u32,
    address: Ipv4Addr,
    prefix_len: u8,
) -> io::Result<()> {
    let mut m = address_message(index, address, prefix_len);
    let broadcast = Ipv4Addr::from(u32::from(address) | host_mask(prefix_len));
    m.attributes.push(AddressAttribute::Broadcast(broadcast));
    nl.change(
        RouteNetlinkMessage::NewAddress(m),
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

/// Removes the address; fine if it is gone already.
pub(super) fn remove_address(
    nl: &mut Netlink,
    index: u32,
    address: Ipv4Addr,
    prefix_len: u8,
) -> io::Result<()> {
    let m = address_message(index, address, prefix_len);
    match nl.change(RouteNetlinkMessage::DelAddress(m), 0) {
        Err(e) if e.kind() != io::ErrorKind::AddrNotAvailable && !is_absent(&e) => Err(e),
        _ => Ok(()),
    }
}

fn address_message(index: u32, address: Ipv4Addr, prefix_len: u8) -> AddressMessage {
    let mut m = AddressMessage::default();
    m.header.family = AddressFamily::Inet;
    m.header.prefix_len = prefix_len;
    m.header.index = index;
    m.attributes = vec![
        AddressAttribute::Local(IpAddr::V4(address)),
        AddressAttribute::Address(IpAddr::V4(address)),
    ];
    m
}

/// The IPv4 addresses of every interface.
pub(super) fn addresses(nl: &mut Netlink) -> io::Result<BTreeSet<Ipv4Addr>> {
    Ok(list_addresses(nl)?.into_iter().map(|(_, a)| a).collect())
}

/// The IPv4 addresses of one interface, without 127.0.0.0/8.
pub(super) fn addresses_of(nl: &mut Netlink, index: u32) -> io::Result<BTreeSet<Ipv4Addr>> {
    let all = list_addresses(nl)?.into_iter();
    let own = all.filter(|(of, address)| *of == index && !address.is_loopback());
    Ok(own.map(|(_, address)| address).collect())
}

fn list_addresses(nl: &mut Netlink) -> io::Result<Vec<(u32, Ipv4Addr)>> {
    let mut m = AddressMessage::default();
    m.header.family = AddressFamily::Inet;
    let all = nl.dump(RouteNetlinkMessage::GetAddress(m))?;
    let each = all.into_iter().filter_map(|m| match m {
        RouteNetlinkMessage::NewAddress(m) => {
            let local = m.attributes.into_iter().find_map(|a| match a {
                AddressAttribute::Local(IpAddr::V4(address)) => Some(address),
                _ => None,
            });
            Some((m.header.index, local?))
        }
        _ => None,
    });
    Ok(each.collect())
}

pub(super) fn set_default_route(nl: &mut Netlink, index: u32, gateway: Ipv4Addr) -> io::Result<()> {
    let mut m = RouteMessage::default();
    m.header.address_family = AddressFamily::Inet;
    m.header.table = RouteHeader::RT_TABLE_MAIN;
    m.header.protocol = RouteProtocol::Boot;
    m.header.scope = RouteScope::Universe;
    m.header.kind = RouteType::Unicast;
    m.attributes = vec![
        RouteAttribute::Gateway(RouteAddress::Inet(gateway)),
        RouteAttribute::Oif(index),
    ];
    nl.change(
        RouteNetlinkMessage::NewRoute(m),
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

/// The IPv4 routes of the main table that lead out of an interface.
pub(super) fn routes(nl: &mut Netlink) -> io::Result<Vec<Route>> {
    let mut m = RouteMessage::default();
    m.header.address_family = AddressFamily::Inet;
    let all = nl.dump(RouteNetlinkMessage::GetRoute(m))?;
    Ok(all.into_iter().filter_map(read_route).collect())
}

/// The bits of an address behind a prefix of this length.
pub(super) fn host_mask(prefix_len: u8) -> u32 {
    u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0)
}

fn named(name: &str) -> LinkMessage {
    let mut m = LinkMessage::default();
    m.attributes.push(LinkAttribute::IfName(name.into()));
    m
}

fn read_link(m: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(m) = m else {
        return None;
    };
    let mut link = Link {
        index: m.header.index,
        name: String::new(),
        mac: vec![],
        mtu: 0,
        controller: None,
        up: m.header.flags.contains(LinkFlags::Up),
    };
    for a in m.attributes {
        match a {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(mac) => link.mac = mac,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Controller(index) => link.controller = Some(index),
            _ => {}
        }
    }
    Some(link)
}

fn read_route(m: RouteNetlinkMessage) -> Option<Route> {
    let RouteNetlinkMessage::NewRoute(m) = m else {
        return None;
    };
    if m.header.table != RouteHeader::RT_TABLE_MAIN || m.header.kind != RouteType::Unicast {
        return None;
    }
    let mut route = Route {
        destination: Ipv4Addr::UNSPECIFIED,
        prefix_len: m.header.destination_prefix_length,
        interface: 0,
    };
    for a in m.attributes {
        match a {
            RouteAttribute::Destination(RouteAddress::Inet(d)) => route.destination = d,
            RouteAttribute::Oif(index) => route.interface = index,
            _ => {}
        }
    }
    (route.interface != 0).then_some(route)
}

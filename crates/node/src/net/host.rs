//! The host's side: the bridge that is every subnet's router, and whether there is room for it.

use super::error::NetworkError;
use super::link::{self, Link, Route, host_mask};
use super::netlink::Netlink;
use super::{firewall, names, overlay, ruleset, sysctl};
use neargate_domain::vpc::VpcRange;
use std::io;
use std::net::Ipv4Addr;

/// Ethernet's, for a host that has no way out to learn another from.
const DEFAULT_MTU: u32 = 1500;

/// The bridge as made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bridge {
    pub(super) index: u32,
    /// That of the host's way out, so that tasks' packets fit it.
    pub(super) mtu: u32,
}

/// An IPv4 range in CIDR form.
pub(super) fn parse_cidr(s: &str) -> Result<(Ipv4Addr, u8), NetworkError> {
    let parse = |s: &str| {
        let (address, len) = s.split_once('/')?;
        let len: u8 = len.parse().ok().filter(|len| *len <= 32)?;
        Some((address.parse().ok()?, len))
    };
    parse(s).ok_or_else(|| NetworkError::Invalid(s.into()))
}

/// Refuses where another network of the host, or another installation's tasks, are in the way; tells
/// the MTU of the host's way out.
pub(super) fn survey(name: &str, vpc_cidr: &str) -> Result<u32, NetworkError> {
    let vpc = parse_cidr(vpc_cidr)?;
    let mut nl = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
    let read = || NetworkError::link("read the host's network");
    remove_stale(&mut nl, name)?;
    let links = link::list(&mut nl).map_err(read())?;
    let routes = link::routes(&mut nl).map_err(read())?;
    match overlap(vpc, &routes, &links) {
        Some((route, link)) => Err(NetworkError::Overlap {
            route: format!("{}/{}", route.destination, route.prefix_len),
            interface: link.name.clone(),
            vpc_cidr: vpc_cidr.into(),
        }),
        None => Ok(uplink_mtu(&routes, &links)),
    }
}

/// The first of these ranges that no other network of the host overlaps.
pub(super) fn first_free(ranges: &[VpcRange]) -> Result<Option<VpcRange>, NetworkError> {
    let mut nl = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
    let read = || NetworkError::link("read the host's network");
    let links = link::list(&mut nl).map_err(read())?;
    let routes = link::routes(&mut nl).map_err(read())?;
    for range in ranges {
        let vpc = parse_cidr(&range.to_string())?;
        if overlap(vpc, &routes, &links).is_none() {
            return Ok(Some(*range));
        }
    }
    Ok(None)
}

/// Ensures the bridge with the subnets' gateway addresses, and the host's settings.
pub(super) fn ensure(
    name: &str,
    mtu: u32,
    gateways: &[(Ipv4Addr, u8)],
) -> Result<Bridge, NetworkError> {
    let mut nl = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
    let act = |what: &str| NetworkError::link(format!("{what} bridge {name}"));
    match link::add_bridge(&mut nl, name, names::bridge_mac(name), mtu) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Err(NetworkError::NotRoot),
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(act("create")(e)),
        _ => {}
    }
    let index = link::find(&mut nl, name)
        .and_then(|l| {
            l.map(|l| l.index)
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        })
        .map_err(act("find"))?;
    sysctl::for_host(name)?;
    link::set_up(&mut nl, index, None).map_err(act("start"))?;
    for (gateway, prefix_len) in gateways {
        link::add_address(&mut nl, index, *gateway, *prefix_len)
            .map_err(act("add an address to"))?;
    }
    Ok(Bridge { index, mtu })
}

/// Only one installation runs (see [`super::owner`]), so other bridges are left over. One without
/// ports goes; one with ports has containers of one that may come back for them.
fn remove_stale(nl: &mut Netlink, own: &str) -> Result<(), NetworkError> {
    let links = link::list(nl).map_err(NetworkError::link("list the host's interfaces"))?;
    let stale = |l: &&Link| l.name.starts_with(names::BRIDGE_PREFIX) && l.name != own;
    for bridge in links.iter().filter(stale) {
        let port = |l: &&Link| {
            l.controller == Some(bridge.index) && !l.name.starts_with(names::VXLAN_PREFIX)
        };
        let tasks = links.iter().filter(port).count();
        if tasks > 0 {
            return Err(NetworkError::OtherInstance {
                bridge: bridge.name.clone(),
                tasks,
            });
        }
        firewall::run(&ruleset::remove(&names::table(&bridge.name)))?;
        overlay::remove(&bridge.name)?;
        link::delete(nl, &bridge.name)
            .map_err(NetworkError::link(format!("delete bridge {}", bridge.name)))?;
    }
    Ok(())
}

/// The first route that leads somewhere else with an address of the VPC.
pub(super) fn overlap<'a>(
    (vpc, vpc_len): (Ipv4Addr, u8),
    routes: &'a [Route],
    links: &'a [Link],
) -> Option<(&'a Route, &'a Link)> {
    let within =
        |a: Ipv4Addr, b: Ipv4Addr, len: u8| (u32::from(a) ^ u32::from(b)) & !host_mask(len) == 0;
    routes.iter().filter(|r| r.prefix_len > 1).find_map(|r| {
        let link = links.iter().find(|l| l.index == r.interface)?;
        let ours = link.name.starts_with(names::BRIDGE_PREFIX);
        let meets = within(r.destination, vpc, r.prefix_len.min(vpc_len));
        (meets && !ours).then_some((r, link))
    })
}

pub(super) fn uplink_mtu(routes: &[Route], links: &[Link]) -> u32 {
    let out = routes
        .iter()
        .find(|r| r.prefix_len == 0)
        .map(|r| r.interface);
    let link = links.iter().find(|l| Some(l.index) == out);
    link.map_or(DEFAULT_MTU, |l| l.mtu)
}

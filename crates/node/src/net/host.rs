//! The host's side: what is in the way of VPCs, and what an earlier one left.

use super::error::NetworkError;
use super::link::{self, Link, Route};
use super::netlink::Netlink;
use super::route::{self, By};
use super::{firewall, names, ruleset};
use neargate_domain::Cidr;
use neargate_domain::vpc::VpcRange;

/// Ethernet's, for a host that has no way out to learn another from.
const DEFAULT_MTU: u32 = 1500;

/// Refuses where another network of the host, or another installation's tasks, are in the way; tells
/// the MTU of the host's way out.
pub(super) fn survey(installation: &str, vpc_cidr: Cidr) -> Result<u32, NetworkError> {
    let mut nl = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
    let read = || NetworkError::link("read the host's network");
    remove_stale(&mut nl, installation)?;
    let links = link::list(&mut nl).map_err(read())?;
    let routes = link::routes(&mut nl).map_err(read())?;
    match overlap(vpc_cidr, &routes, &links) {
        Some((route, link)) => Err(NetworkError::Overlap {
            route: range(route).to_string(),
            interface: link.name.clone(),
            vpc_cidr: vpc_cidr.to_string(),
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
        let vpc = cidr(&range.to_string())?;
        if overlap(vpc, &routes, &links).is_none() {
            return Ok(Some(*range));
        }
    }
    Ok(None)
}

fn cidr(text: &str) -> Result<Cidr, NetworkError> {
    let parsed = text.parse();
    parsed.map_err(|_| NetworkError::Invalid(text.to_owned()))
}

/// The link of the host whose own network has the public addresses, if they are of one.
pub(super) fn lan(nl: &mut Netlink, pool: Cidr) -> Result<Option<u32>, NetworkError> {
    let ways = route::list(nl).map_err(NetworkError::link("read the host's routes"))?;
    Ok(ways.iter().find_map(|way| match way.by {
        By::Link {
            index,
            next_hop: None,
            ..
        } if way.table == route::MAIN && way.to.prefix_len() > 0 && way.to.covers(pool) => {
            Some(index)
        }
        _ => None,
    }))
}

/// Only one installation runs (see [`super::owner`]), so what others have is left over: uplinks are
/// of tasks that their installation may come back for, rules alone are of nobody. A bridge is of an
/// earlier version, which had all tasks on one.
fn remove_stale(nl: &mut Netlink, installation: &str) -> Result<(), NetworkError> {
    let links = link::list(nl).map_err(NetworkError::link("list the host's interfaces"))?;
    let own = names::uplinks(installation);
    let others = links
        .iter()
        .map(|l| l.name.as_str())
        .filter(|n| n.starts_with(names::UPLINK_PREFIX) && !n.starts_with(&own));
    let others: Vec<&str> = others.collect();
    if !others.is_empty() {
        let links = others.join(" ");
        return Err(NetworkError::OtherInstance { links });
    }
    let is_bridge = |l: &&Link| l.name.starts_with(names::BRIDGE_PREFIX);
    for bridge in links.iter().filter(is_bridge) {
        let port = |l: &&Link| {
            l.controller == Some(bridge.index) && !l.name.starts_with(names::VXLAN_PREFIX)
        };
        let tasks = links.iter().filter(port).count();
        if tasks > 0 {
            return Err(NetworkError::EarlierVersion {
                bridge: bridge.name.clone(),
                tasks,
            });
        }
        let vxlan = bridge
            .name
            .replacen(names::BRIDGE_PREFIX, names::VXLAN_PREFIX, 1);
        for name in [&vxlan, &bridge.name] {
            link::delete(nl, name).map_err(NetworkError::link(format!("delete {name}")))?;
        }
    }
    let own = names::table(installation);
    for (family, table) in firewall::tables()? {
        let is_ours = family == "inet" && table == own;
        if table.starts_with(names::TABLE_PREFIX) && !is_ours {
            firewall::run(&ruleset::remove(&[&family], &table))?;
        }
    }
    Ok(())
}

/// The first route that leads somewhere else with an address of the VPC.
pub(super) fn overlap<'a>(
    vpc: Cidr,
    routes: &'a [Route],
    links: &'a [Link],
) -> Option<(&'a Route, &'a Link)> {
    routes.iter().filter(|r| r.prefix_len > 1).find_map(|r| {
        let link = links.iter().find(|l| l.index == r.interface)?;
        let prefixes = [names::BRIDGE_PREFIX, names::UPLINK_PREFIX];
        let ours = prefixes.iter().any(|p| link.name.starts_with(p));
        (range(r).overlaps(vpc) && !ours).then_some((r, link))
    })
}

fn range(route: &Route) -> Cidr {
    Cidr::around(route.destination, route.prefix_len)
}

pub(super) fn uplink_mtu(routes: &[Route], links: &[Link]) -> u32 {
    let out = routes
        .iter()
        .find(|r| r.prefix_len == 0)
        .map(|r| r.interface);
    let link = links.iter().find(|l| Some(l.index) == out);
    link.map_or(DEFAULT_MTU, |l| l.mtu)
}

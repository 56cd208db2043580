//! Routes of every table, the rules that choose a table, and neighbours that need no asking, each
//! as one request to the kernel. It knows no VPC and no policy.

use super::netlink::{Netlink, is_absent};
use neargate_domain::Cidr;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
    RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

/// The table that is asked first.
pub(super) const MAIN: u32 = 254;
const LOCAL: u32 = 255;
/// The metric of what counts only where no other route leads to the same range.
const LAST: u32 = u32::MAX;
/// Our rules come after the main table's (32766).
const PRIORITY: u32 = 40_000;

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub(super) table: u32,
    pub(super) to: Cidr,
    pub(super) by: By,
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    /// Nowhere, and no other table is asked.
    Blackhole,
    /// The same once every other route to this very range is gone, as with its link: what was meant
    /// for it takes no wider way.
    Fallback,
    /// Who has the address is on this link, or behind this next hop on it. What this host sends
    /// itself is sent from `source`.
    Link {
        index: u32,
        next_hop: Option<Ipv4Addr>,
        source: Option<Ipv4Addr>,
    },
}

/// Adds the route, in the place of another to the same range.
pub(super) fn set(nl: &mut Netlink, way: &Way) -> io::Result<()> {
    let mut m = message(way);
    m.header.protocol = RouteProtocol::Boot;
    m.header.kind = RouteType::BlackHole;
    if let By::Link {
        index,
        next_hop,
        source,
    } = way.by
    {
        m.header.kind = RouteType::Unicast;
        m.attributes.push(RouteAttribute::Oif(index));
        if let Some(next_hop) = next_hop {
            // It need not be an address of the link's own network.
            m.header.flags = RouteFlags::Onlink;
            let next_hop = RouteAddress::Inet(next_hop);
            m.attributes.push(RouteAttribute::Gateway(next_hop));
        } else {
            m.header.scope = RouteScope::Link;
        }
        let source = source.map(|s| RouteAttribute::PrefSource(RouteAddress::Inet(s)));
        m.attributes.extend(source);
    }
    nl.change(
        RouteNetlinkMessage::NewRoute(m),
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

/// Removes the route to a range; fine if it is gone already.
pub(super) fn unset(nl: &mut Netlink, way: &Way) -> io::Result<()> {
    let mut m = message(way);
    m.header.scope = RouteScope::NoWhere;
    if let By::Link { index, .. } = way.by {
        m.attributes.push(RouteAttribute::Oif(index));
    }
    absent_is_fine(nl.change(RouteNetlinkMessage::DelRoute(m), 0))
}

/// Every route but those to addresses of this host.
pub(super) fn list(nl: &mut Netlink) -> io::Result<Vec<Way>> {
    let mut m = RouteMessage::default();
    m.header.address_family = AddressFamily::Inet;
    let all = nl.dump(RouteNetlinkMessage::GetRoute(m))?;
    Ok(all.into_iter().filter_map(read).collect())
}

/// What comes from `from` looks in `table` once the main table had no answer.
pub(super) fn add_rule(nl: &mut Netlink, from: Cidr, table: u32) -> io::Result<()> {
    let added = nl.change(
        RouteNetlinkMessage::NewRule(rule(from, table)),
        NLM_F_CREATE | NLM_F_EXCL,
    );
    match added {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Fine if it is gone already.
pub(super) fn remove_rule(nl: &mut Netlink, from: Cidr, table: u32) -> io::Result<()> {
    absent_is_fine(nl.change(RouteNetlinkMessage::DelRule(rule(from, table)), 0))
}

/// The rules of [`add_rule`].
pub(super) fn rules(nl: &mut Netlink) -> io::Result<BTreeSet<(Cidr, u32)>> {
    let mut m = RuleMessage::default();
    m.header.family = AddressFamily::Inet;
    let all = nl.dump(RouteNetlinkMessage::GetRule(m))?;
    let ours = all.into_iter().filter_map(|m| {
        let RouteNetlinkMessage::NewRule(m) = m else {
            return None;
        };
        let (mut from, mut table, mut ours) = (None, None, false);
        for a in m.attributes {
            match a {
                RuleAttribute::Source(IpAddr::V4(a)) => {
                    from = Some(Cidr::around(a, m.header.src_len));
                }
                RuleAttribute::Table(id) => table = Some(id),
                RuleAttribute::Priority(PRIORITY) => ours = true,
                _ => {}
            }
        }
        ours.then_some((from?, table?))
    });
    Ok(ours.collect())
}

/// Who has `address` on a link is known, for good.
pub(super) fn set_neighbour(
    nl: &mut Netlink,
    index: u32,
    address: Ipv4Addr,
    mac: [u8; 6],
) -> io::Result<()> {
    let mut m = neighbour(index, address);
    m.header.state = NeighbourState::Permanent;
    m.attributes
        .push(NeighbourAttribute::LinkLayerAddress(mac.to_vec()));
    nl.change(
        RouteNetlinkMessage::NewNeighbour(m),
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

/// Fine if it is gone already.
pub(super) fn unset_neighbour(nl: &mut Netlink, index: u32, address: Ipv4Addr) -> io::Result<()> {
    let m = neighbour(index, address);
    absent_is_fine(nl.change(RouteNetlinkMessage::DelNeighbour(m), 0))
}

/// The addresses that [`set_neighbour`] made known, each with its link.
pub(super) fn all_neighbours(nl: &mut Netlink) -> io::Result<BTreeSet<(u32, Ipv4Addr)>> {
    list_neighbours(nl, NeighbourFlags::empty(), |m| {
        m.header.state == NeighbourState::Permanent
    })
}

/// Those on one link.
pub(super) fn neighbours(nl: &mut Netlink, index: u32) -> io::Result<BTreeSet<Ipv4Addr>> {
    Ok(of(all_neighbours(nl)?, index))
}

/// Whether this host answers on a link for `address`, which it reaches by another.
pub(super) fn set_proxy(
    nl: &mut Netlink,
    index: u32,
    address: Ipv4Addr,
    on: bool,
) -> io::Result<()> {
    let mut m = neighbour(index, address);
    m.header.flags = NeighbourFlags::Proxy;
    match on {
        true => nl.change(
            RouteNetlinkMessage::NewNeighbour(m),
            NLM_F_CREATE | NLM_F_REPLACE,
        ),
        false => absent_is_fine(nl.change(RouteNetlinkMessage::DelNeighbour(m), 0)),
    }
}

/// The addresses of [`set_proxy`] on a link.
pub(super) fn proxied(nl: &mut Netlink, index: u32) -> io::Result<BTreeSet<Ipv4Addr>> {
    Ok(of(
        list_neighbours(nl, NeighbourFlags::Proxy, |_| true)?,
        index,
    ))
}

fn of(all: BTreeSet<(u32, Ipv4Addr)>, index: u32) -> BTreeSet<Ipv4Addr> {
    let those = all.into_iter().filter(|(of, _)| *of == index);
    those.map(|(_, address)| address).collect()
}

fn list_neighbours(
    nl: &mut Netlink,
    flags: NeighbourFlags,
    wanted: impl Fn(&NeighbourMessage) -> bool,
) -> io::Result<BTreeSet<(u32, Ipv4Addr)>> {
    let mut m = NeighbourMessage::default();
    m.header.family = AddressFamily::Inet;
    m.header.flags = flags;
    let all = nl.dump(RouteNetlinkMessage::GetNeighbour(m))?;
    let known = |m: RouteNetlinkMessage| {
        let RouteNetlinkMessage::NewNeighbour(m) = m else {
            return None;
        };
        if !wanted(&m) {
            return None;
        }
        let index = m.header.ifindex;
        m.attributes.into_iter().find_map(|a| match a {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(a)) => Some((index, a)),
            _ => None,
        })
    };
    Ok(all.into_iter().filter_map(known).collect())
}

fn message(way: &Way) -> RouteMessage {
    let mut m = RouteMessage::default();
    m.header.address_family = AddressFamily::Inet;
    m.header.scope = RouteScope::Universe;
    m.header.destination_prefix_length = way.to.prefix_len();
    // A table whose number has more than eight bits is told by the attribute alone.
    m.header.table = u8::try_from(way.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    m.attributes.push(RouteAttribute::Table(way.table));
    if way.to.prefix_len() > 0 {
        let to = RouteAddress::Inet(way.to.base());
        m.attributes.push(RouteAttribute::Destination(to));
    }
    if way.by == By::Fallback {
        m.attributes.push(RouteAttribute::Priority(LAST));
    }
    m
}

fn read(m: RouteNetlinkMessage) -> Option<Way> {
    let RouteNetlinkMessage::NewRoute(m) = m else {
        return None;
    };
    let mut table = u32::from(m.header.table);
    let (mut to, mut index, mut next_hop, mut source) = (Ipv4Addr::UNSPECIFIED, None, None, None);
    let mut metric = None;
    for a in m.attributes {
        match a {
            RouteAttribute::Table(id) => table = id,
            RouteAttribute::Destination(RouteAddress::Inet(a)) => to = a,
            RouteAttribute::Oif(i) => index = Some(i),
            RouteAttribute::Gateway(RouteAddress::Inet(a)) => next_hop = Some(a),
            RouteAttribute::PrefSource(RouteAddress::Inet(a)) => source = Some(a),
            RouteAttribute::Priority(m) => metric = Some(m),
            _ => {}
        }
    }
    let by = match m.header.kind {
        RouteType::BlackHole if metric == Some(LAST) => By::Fallback,
        RouteType::BlackHole => By::Blackhole,
        RouteType::Unicast => By::Link {
            index: index?,
            next_hop,
            source,
        },
        _ => return None,
    };
    let to = Cidr::around(to, m.header.destination_prefix_length);
    (table != LOCAL).then_some(Way { table, to, by })
}

fn rule(from: Cidr, table: u32) -> RuleMessage {
    let mut m = RuleMessage::default();
    m.header.family = AddressFamily::Inet;
    m.header.src_len = from.prefix_len();
    m.header.action = RuleAction::ToTable;
    m.attributes = vec![
        RuleAttribute::Source(IpAddr::V4(from.base())),
        RuleAttribute::Priority(PRIORITY),
        RuleAttribute::Table(table),
    ];
    m
}

fn neighbour(index: u32, address: Ipv4Addr) -> NeighbourMessage {
    let mut m = NeighbourMessage::default();
    m.header.family = AddressFamily::Inet;
    m.header.ifindex = index;
    m.attributes
        .push(NeighbourAttribute::Destination(address.into()));
    m
}

/// ESRCH is the kernel's word for a route that is not there.
fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if !is_absent(&e) && e.raw_os_error() != Some(libc::ESRCH) => Err(e),
        _ => Ok(()),
    }
}

//! A VPC's routing: which addresses the router has, which way leads where, and how the host finds
//! into the VPC. What is wanted is pure; it is compared with what was made before, or with what the
//! kernel has, and the difference is made.
//!
//! The main table holds the VPC itself: a route to each interface here, which its own plan makes, and
//! for the rest of the VPC's ranges the other hosts, or nothing. Each subnet has a table of its own for
//! what its route table says beyond that, so that the longest prefix wins there and what is in the VPC
//! stays in it.

use super::super::error::NetworkError;
use super::super::link;
use super::super::netlink::Netlink;
use super::super::route::{self, By, MAIN, Way};
use super::view::View;
use super::{HOST, HOSTS, IGW, ROUTER, rules};
use neargate_domain::Cidr;
use neargate_domain::vpc_network::Target;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What is wanted, or what there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The router's own, on its loopback.
    addresses: BTreeSet<Ipv4Addr>,
    /// What is sent by the uplink goes to the host, whatever its next hop is called.
    next_hops: BTreeSet<Ipv4Addr>,
    /// By table and range.
    ways: BTreeMap<(u32, Cidr), Leads>,
    /// What was to go to a peer goes nowhere, should the link to it be gone.
    fallbacks: BTreeSet<(u32, Cidr)>,
    /// Which table is asked for whom.
    rules: BTreeSet<(Cidr, u32)>,
    /// The host's own address in the VPC, on its end of the uplink.
    host: BTreeSet<Ipv4Addr>,
    /// What the host sends by the uplink, and as whom.
    of_host: BTreeMap<Ipv4Addr, Option<Ipv4Addr>>,
    /// For whom the host answers on the LAN that the public addresses are of.
    on_lan: BTreeSet<Ipv4Addr>,
    /// The other hosts to which what has no known place is sent.
    flooded: BTreeSet<Ipv4Addr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Leads {
    Nowhere,
    /// To the host, by this next hop.
    Out(Ipv4Addr),
    /// To the other hosts.
    Across,
    /// To a peered VPC.
    Peer(String),
}

/// The links that routes use, by index.
#[derive(Debug, Clone)]
pub(super) struct Links {
    pub(super) lo: u32,
    pub(super) uplink: u32,
    pub(super) overlay: Option<u32>,
    /// The host's end of the uplink.
    pub(super) of_host: u32,
    pub(super) lan: Option<u32>,
    /// By the VPC at the other end.
    pub(super) peers: BTreeMap<String, u32>,
}

/// What of the host matters to routes.
#[derive(Debug, Clone, Default)]
pub(super) struct Outside {
    /// What the host sends to anywhere else from.
    pub(super) source: Option<Ipv4Addr>,
    /// The first address of the pool of public addresses, which nobody is given.
    pub(super) router: Option<Ipv4Addr>,
    /// The host's link to the LAN that the public addresses are of, if they are.
    pub(super) lan: Option<u32>,
    /// The other hosts; `None`: not told yet, those there are stay.
    pub(super) peers: Option<BTreeSet<Ipv4Addr>>,
}

impl Layout {
    pub(super) fn plan(view: &View, outside: &Outside) -> Layout {
        let mut layout = Layout {
            addresses: view.addresses(),
            next_hops: [HOST, IGW].into(),
            host: view.host().into_iter().collect(),
            flooded: match view.across {
                Some(_) => outside.peers.clone().unwrap_or_default(),
                None => BTreeSet::new(),
            },
            ..Layout::default()
        };
        let local = match view.across {
            Some(_) => Leads::Across,
            None => Leads::Nowhere,
        };
        for range in view.ranges() {
            layout.ways.insert((MAIN, *range), local.clone());
        }
        if let Some(host) = view.host() {
            layout
                .ways
                .insert((MAIN, Cidr::host(host)), Leads::Out(HOST));
            let mut reached: Vec<Ipv4Addr> = view.ports.iter().map(|port| port.address).collect();
            if view.across.is_some() {
                layout.ways.insert((MAIN, HOSTS), Leads::Across);
                let elsewhere = view.members.iter().map(|member| member.address);
                reached.extend(elsewhere.filter(|address| view.contains(*address)));
            }
            let as_host = reached.into_iter().map(|address| (address, Some(host)));
            layout.of_host.extend(as_host);
        }
        for subnet in view.vpc.iter().flat_map(|vpc| &vpc.subnets) {
            let table = table(&subnet.subnet_id);
            layout.rules.insert((subnet.range, table));
            for route in &subnet.routes {
                let leads = match &route.by {
                    Target::InternetGateway => Leads::Out(IGW),
                    Target::NatGateway { public, .. } => Leads::Out(*public),
                    Target::Peering { vpc_id } if view.peers.contains_key(vpc_id) => {
                        layout.fallbacks.insert((table, route.to));
                        Leads::Peer(vpc_id.clone())
                    }
                    Target::Peering { .. } | Target::Blackhole => Leads::Nowhere,
                };
                layout.ways.insert((table, route.to), leads);
            }
        }
        let nat = rules::nat_gateways(view);
        layout.next_hops.extend(&nat);
        let public = view.ports.iter().filter_map(|port| port.public);
        let public: BTreeSet<Ipv4Addr> = public.chain(nat).collect();
        // A host that is on no network sends as the pool's own router.
        let source = outside.source.or(outside.router);
        if outside.source.is_none() && !public.is_empty() {
            layout.host.extend(outside.router);
        }
        let as_itself = public.iter().map(|public| (*public, source));
        layout.of_host.extend(as_itself);
        if outside.lan.is_some() {
            layout.on_lan = public;
        }
        layout
    }

    /// Has it all the addresses that the other has? Routes go with the address that they send from.
    pub(super) fn keeps_addresses(&self, before: &Layout) -> bool {
        before.addresses.is_subset(&self.addresses)
    }

    /// What the kernel has. `nl` is of the VPC's namespace.
    pub(super) fn read(
        host: &mut Netlink,
        nl: &mut Netlink,
        links: &Links,
        outside: &Outside,
    ) -> std::io::Result<Layout> {
        let mut layout = Layout {
            addresses: link::addresses_of(nl, links.lo)?,
            next_hops: route::neighbours(nl, links.uplink)?,
            rules: route::rules(nl)?,
            host: link::addresses_of(host, links.of_host)?,
            ..Layout::default()
        };
        for way in route::list(nl)? {
            let leads = match way.by {
                By::Fallback => {
                    layout.fallbacks.insert((way.table, way.to));
                    continue;
                }
                By::Blackhole => Leads::Nowhere,
                By::Link {
                    index, next_hop, ..
                } if index == links.uplink => Leads::Out(next_hop.unwrap_or(ROUTER)),
                By::Link { index, .. } if Some(index) == links.overlay => Leads::Across,
                By::Link { index, .. } => {
                    let mut peers = links.peers.iter();
                    let Some((peer, _)) = peers.find(|(_, of)| **of == index) else {
                        continue;
                    };
                    Leads::Peer(peer.clone())
                }
            };
            layout.ways.insert((way.table, way.to), leads);
        }
        for way in route::list(host)? {
            if let By::Link { index, source, .. } = way.by
                && index == links.of_host
            {
                layout.of_host.insert(way.to.base(), source);
            }
        }
        if let Some(lan) = links.lan {
            // Those of other VPCs are there, too: what is not ours is not taken away.
            layout.on_lan = route::proxied(host, lan)?;
        }
        if let (Some(overlay), Some(_)) = (links.overlay, &outside.peers) {
            layout.flooded = link::flooded(nl, overlay)?;
        }
        Ok(layout)
    }

    /// Makes this of `before`.
    pub(super) fn apply(
        &self,
        before: &Layout,
        host: &mut Netlink,
        nl: &mut Netlink,
        links: &Links,
    ) -> Result<(), NetworkError> {
        let act = || NetworkError::link("set the routes of a VPC");
        let (to_come, to_go) = (differences(before, self), differences(self, before));
        // First what others stand on.
        for address in &to_come.addresses {
            link::add_address(nl, links.lo, *address, 32).map_err(act())?;
        }
        for next_hop in &to_come.next_hops {
            route::set_neighbour(nl, links.uplink, *next_hop, super::MAC_OF_HOST).map_err(act())?;
        }
        for address in &to_come.host {
            link::add_address(host, links.of_host, *address, 32).map_err(act())?;
        }
        for at in &to_come.fallbacks {
            route::set(nl, &fallback(*at)).map_err(act())?;
        }
        for (to, leads) in &to_come.ways {
            if let Some(way) = way(*to, leads, links) {
                route::set(nl, &way).map_err(act())?;
            }
        }
        for (from, table) in &to_come.rules {
            route::add_rule(nl, *from, *table).map_err(act())?;
        }
        for (to, source) in &to_come.of_host {
            route::set(host, &of_host(*to, *source, links)).map_err(act())?;
        }
        for peer in &to_come.flooded {
            let overlay = links.overlay.unwrap_or_default();
            link::flood(nl, overlay, *peer, true).map_err(act())?;
        }
        // Routes that only changed have been replaced.
        let gone = to_go
            .ways
            .iter()
            .filter(|(to, _)| !self.ways.contains_key(to));
        for (to, leads) in gone {
            if let Some(way) = way(*to, leads, links) {
                route::unset(nl, &way).map_err(act())?;
            }
        }
        for at in &to_go.fallbacks {
            route::unset(nl, &fallback(*at)).map_err(act())?;
        }
        for (from, table) in &to_go.rules {
            route::remove_rule(nl, *from, *table).map_err(act())?;
        }
        let gone = to_go.of_host.iter();
        for (to, source) in gone.filter(|(to, _)| !self.of_host.contains_key(to)) {
            route::unset(host, &of_host(*to, *source, links)).map_err(act())?;
        }
        for peer in &to_go.flooded {
            let overlay = links.overlay.unwrap_or_default();
            link::flood(nl, overlay, *peer, false).map_err(act())?;
        }
        for next_hop in &to_go.next_hops {
            route::unset_neighbour(nl, links.uplink, *next_hop).map_err(act())?;
        }
        for address in &to_go.addresses {
            link::remove_address(nl, links.lo, *address, 32).map_err(act())?;
        }
        for address in &to_go.host {
            link::remove_address(host, links.of_host, *address, 32).map_err(act())?;
        }
        if let Some(lan) = links.lan {
            for public in &to_come.on_lan {
                route::set_proxy(host, lan, *public, true).map_err(act())?;
            }
        }
        Ok(())
    }

    /// The public addresses that were here and are here no more are answered for no longer.
    pub(super) fn leave_lan(
        &self,
        after: &Layout,
        host: &mut Netlink,
        lan: Option<u32>,
    ) -> Result<(), NetworkError> {
        for public in self.on_lan.difference(&after.on_lan) {
            let act = NetworkError::link("stop answering for a public address");
            route::set_proxy(host, lan.unwrap_or_default(), *public, false).map_err(act)?;
        }
        Ok(())
    }
}

/// What of `after` is not in `before`.
fn differences(before: &Layout, after: &Layout) -> Layout {
    fn set<T: Ord + Copy>(before: &BTreeSet<T>, after: &BTreeSet<T>) -> BTreeSet<T> {
        after.difference(before).copied().collect()
    }
    fn map<K: Ord + Copy, V: PartialEq + Clone>(
        before: &BTreeMap<K, V>,
        after: &BTreeMap<K, V>,
    ) -> BTreeMap<K, V> {
        let new = after.iter().filter(|(k, v)| before.get(k) != Some(v));
        new.map(|(k, v)| (*k, v.clone())).collect()
    }
    Layout {
        addresses: set(&before.addresses, &after.addresses),
        next_hops: set(&before.next_hops, &after.next_hops),
        ways: map(&before.ways, &after.ways),
        fallbacks: set(&before.fallbacks, &after.fallbacks),
        rules: set(&before.rules, &after.rules),
        host: set(&before.host, &after.host),
        of_host: map(&before.of_host, &after.of_host),
        on_lan: set(&before.on_lan, &after.on_lan),
        flooded: set(&before.flooded, &after.flooded),
    }
}

/// `None` where there is no link that leads there.
fn way((table, to): (u32, Cidr), leads: &Leads, links: &Links) -> Option<Way> {
    let by = match leads {
        Leads::Nowhere => By::Blackhole,
        Leads::Out(next_hop) => By::Link {
            index: links.uplink,
            next_hop: Some(*next_hop),
            source: None,
        },
        Leads::Across => By::Link {
            index: links.overlay?,
            next_hop: None,
            source: None,
        },
        Leads::Peer(peer) => By::Link {
            index: *links.peers.get(peer)?,
            next_hop: Some(ROUTER),
            source: None,
        },
    };
    Some(Way { table, to, by })
}

fn fallback((table, to): (u32, Cidr)) -> Way {
    let by = By::Fallback;
    Way { table, to, by }
}

fn of_host(to: Ipv4Addr, source: Option<Ipv4Addr>, links: &Links) -> Way {
    Way {
        table: MAIN,
        to: Cidr::host(to),
        by: By::Link {
            index: links.of_host,
            next_hop: Some(ROUTER),
            source,
        },
    }
}

/// The routing table of a subnet: none of the numbers that have names.
fn table(subnet_id: &str) -> u32 {
    let hash = Sha256::digest(subnet_id);
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) | 0x1_0000
}

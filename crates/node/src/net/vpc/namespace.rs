//! A VPC's network namespace: the router of all its subnets, with a link to each interface here, the
//! uplink to the host, and where there are other hosts, one to those. Blocking work for a thread of
//! [`netns::on_own_thread`]; every step ensures rather than makes.

use super::super::error::NetworkError;
use super::super::generation;
use super::super::link::{self, Link, Veth, Vxlan};
use super::super::netlink::Netlink;
use super::super::route::{By, Way};
use super::super::table::Tables;
use super::super::{firewall, host, names, netns, overlay, route, sysctl};
use super::layout::{Layout, Links, Outside};
use super::view::View;
use super::{MAC_OF_HOST, MAC_OF_ROUTER, OVERLAY, ROUTER, UPLINK, peering, rules};
use neargate_domain::Cidr;
use neargate_domain::vpc_network::vni;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// What does not change while this process runs.
#[derive(Debug, Clone)]
pub(in crate::net) struct Site {
    /// The namespaces, by the VPCs' ids.
    pub(in crate::net) dir: PathBuf,
    pub(in crate::net) installation: String,
    pub(in crate::net) pool: Cidr,
    /// Of the host's way out, and of the interfaces.
    pub(in crate::net) mtu: u32,
    /// It is a container instance itself.
    pub(in crate::net) is_instance: bool,
    /// What other hosts know this one by, where VPCs span hosts.
    pub(in crate::net) overlay: Option<overlay::OverlayConfig>,
    /// The API's ports in every VPC.
    pub(in crate::net) api: Vec<u16>,
}

/// What was made of a VPC, as far as this process knows.
#[derive(Debug, Clone)]
pub(super) struct Made {
    tables: Tables,
    layout: Layout,
    links: Links,
    outside: Outside,
    /// nftables' number of what was loaded last; another one means that somebody came between.
    generation: Option<u32>,
}

/// What is to be made, of what.
pub(super) struct Work {
    pub(super) site: Site,
    pub(super) vpc_id: String,
    pub(super) view: View,
    pub(super) peers: Option<BTreeSet<Ipv4Addr>>,
    /// What was made until now, unless that is not known.
    pub(super) before: Option<Made>,
    /// Look at what there is, instead of counting on that.
    pub(super) look: bool,
}

/// What came of it.
pub(super) struct Done {
    pub(super) made: Made,
    /// The ports whose link is gone.
    pub(super) lost: Vec<String>,
    /// The peers that have something to do before the links to them carry packets.
    pub(super) ask: BTreeSet<String>,
}

pub(super) fn ensure(work: Work) -> Result<Done, NetworkError> {
    let Work {
        site,
        vpc_id,
        view,
        peers,
        before,
        look,
    } = work;
    let act = |what: &str| NetworkError::link(format!("{what} of {vpc_id}"));
    // Opened before this thread leaves the host's namespace.
    let mut host = Netlink::open().map_err(act("open a netlink socket"))?;
    let home = netns::Home::here()?;
    let outside = match &before {
        Some(before) if !look => before.outside.clone(),
        _ => outside(&mut host, &site)?,
    };
    let outside = Outside { peers, ..outside };
    let (handle, is_new) = netns::enter(&site.dir.join(&vpc_id))?;
    if is_new {
        sysctl::for_vpc()?;
    }
    let before = before.filter(|_| !is_new);
    let tables = rules::plan(&view);
    // Before any link: no port is ever unguarded.
    let generation = load(&tables, before.as_ref())?;
    let mut nl = Netlink::open().map_err(act("open a netlink socket"))?;
    let layout = Layout::plan(&view, &outside);
    // Routes go with the address that they send from.
    let is_kept = |before: &Made| layout.keeps_addresses(&before.layout);
    let is_joined = |before: &Made| view.peers.keys().eq(before.links.peers.keys());
    let counted_on = before.as_ref();
    let is_across = |before: &Made| view.across.is_some() == before.links.overlay.is_some();
    let counted_on = counted_on.filter(|b| !look && is_kept(b) && is_joined(b) && is_across(b));
    let (mut lost, mut ask) = (Vec::new(), BTreeSet::new());
    let links = if let Some(before) = counted_on {
        layout.apply(&before.layout, &mut host, &mut nl, &before.links)?;
        before.links.clone()
    } else {
        if is_new {
            link::set_up(&mut nl, LOOPBACK, None).map_err(act("start the loopback"))?;
        }
        let made = Ends {
            site: &site,
            vpc_id: &vpc_id,
            is_new,
            is_across: view.across.is_some(),
            handle: &handle,
            home: &home,
        };
        let peers = view.peers.keys().cloned().collect();
        let joined = peering::ensure(&site, &vpc_id, &peers, &mut nl)?;
        ask = joined.ask;
        let links = Links {
            peers: joined.links,
            ..made.links(&mut host, &mut nl, outside.lan)?
        };
        let read = Layout::read(&mut host, &mut nl, &links, &outside);
        layout.apply(
            &read.map_err(act("read the routes"))?,
            &mut host,
            &mut nl,
            &links,
        )?;
        lost = lost_ports(&view, &mut nl).map_err(act("look at the ports"))?;
        links
    };
    if let Some(before) = &before {
        before.layout.leave_lan(&layout, &mut host, outside.lan)?;
    }
    Ok(Done {
        made: Made {
            tables,
            layout,
            links,
            outside,
            generation,
        },
        lost,
        ask,
    })
}

/// Takes the namespace away, and the host's way into it.
pub(super) fn remove(site: &Site, vpc_id: &str, made: Option<&Made>) -> Result<(), NetworkError> {
    let uplink = names::uplink(&site.installation, vpc_id);
    let act = || NetworkError::link(format!("delete {uplink}"));
    let mut host = Netlink::open().map_err(act())?;
    if let Some(made) = made {
        let lan = host::lan(&mut host, site.pool)?;
        made.layout.leave_lan(&Layout::default(), &mut host, lan)?;
    }
    link::delete(&mut host, &uplink).map_err(act())?;
    netns::remove(&site.dir.join(vpc_id))
}

/// Loads the rules: the difference if the kernel has what was loaded before, else all of them. Gives
/// the number that says so next time, unless somebody came between.
fn load(tables: &Tables, before: Option<&Made>) -> Result<Option<u32>, NetworkError> {
    let number = || generation::now().map_err(NetworkError::link("ask for nftables' generation"));
    // What comes and goes with an interface needs no `nft`; and what it cannot do, `nft` explains.
    if let Some(before) = before
        && let Some(generation) = before.generation
        && let Some(batch) = tables.batch_since(&before.tables)
        && let Ok(next) = batch.send(generation)
    {
        return Ok(Some(next));
    }
    let now = number()?;
    let known = before.filter(|b| b.generation == Some(now));
    if let (Some(before), None) = (before, known)
        && before.generation.is_some()
    {
        tracing::warn!("somebody changed the rules of a VPC: they are loaded anew");
    }
    let text = match known {
        Some(before) => tables.since(&before.tables),
        None => tables.whole(&rules::TABLES),
    };
    if text.is_empty() {
        return Ok(Some(now));
    }
    firewall::run(&text)?;
    let after = number()?;
    Ok((after == now.wrapping_add(1)).then_some(after))
}

fn outside(host: &mut Netlink, site: &Site) -> Result<Outside, NetworkError> {
    Ok(Outside {
        // Which address is asked for does not matter: it is one of nobody's own networks.
        source: overlay::source_towards(Ipv4Addr::new(192, 0, 2, 1)),
        router: Some(site.pool.nth(1)),
        lan: host::lan(host, site.pool)?,
        peers: None,
    })
}

/// The first link of every namespace.
const LOOPBACK: u32 = 1;

/// The two links of a VPC's router that are no interface's.
struct Ends<'a> {
    site: &'a Site,
    vpc_id: &'a str,
    is_new: bool,
    /// It is carried between hosts.
    is_across: bool,
    handle: &'a std::fs::File,
    home: &'a netns::Home,
}

impl Ends<'_> {
    fn links(
        &self,
        host: &mut Netlink,
        nl: &mut Netlink,
        lan: Option<u32>,
    ) -> Result<Links, NetworkError> {
        let (uplink, of_host) = self.uplink(host, nl)?;
        Ok(Links {
            lo: LOOPBACK,
            uplink,
            overlay: self.overlay(host, nl)?,
            of_host,
            lan,
            peers: BTreeMap::new(),
        })
    }

    /// The link to the host: the indices of the VPC's end and of the host's. They know each other, so
    /// that nobody asks by ARP.
    fn uplink(&self, host: &mut Netlink, nl: &mut Netlink) -> Result<(u32, u32), NetworkError> {
        let name = &names::uplink(&self.site.installation, self.vpc_id);
        let act = |what: &str| NetworkError::link(format!("{what} {name}"));
        let inside = link::find(nl, UPLINK).map_err(act("find"))?;
        let outside = link::find(host, name).map_err(act("find"))?;
        if let (Some(inside), Some(outside), false) = (&inside, &outside, self.is_new) {
            if !inside.up {
                link::set_up(nl, inside.index, None).map_err(act("start"))?;
            }
            if !outside.up {
                link::set_up(host, outside.index, None).map_err(act("start"))?;
            }
            return Ok((inside.index, outside.index));
        }
        link::delete(nl, UPLINK).map_err(act("replace"))?;
        link::delete(host, name).map_err(act("replace"))?;
        let veth = Veth {
            name,
            mac: Some(MAC_OF_HOST),
            controller: None,
            peer_name: UPLINK,
            peer_mac: MAC_OF_ROUTER,
            peer_namespace: self.handle.as_fd(),
            mtu: self.site.mtu,
        };
        link::add_veth(host, &veth).map_err(act("create"))?;
        let inside = link::index(nl, UPLINK).map_err(act("find"))?;
        let outside = link::index(host, name).map_err(act("find"))?;
        self.home.within(|| sysctl::for_link(name))?;
        link::set_up(nl, inside, None).map_err(act("start"))?;
        route::set_neighbour(host, outside, ROUTER, MAC_OF_ROUTER).map_err(act("start"))?;
        link::settle(nl, UPLINK).map_err(act("start"))?;
        link::settle(host, name).map_err(act("start"))?;
        Ok((inside, outside))
    }

    /// The link to the other hosts' part of the VPC, where there are others.
    fn overlay(&self, host: &mut Netlink, nl: &mut Netlink) -> Result<Option<u32>, NetworkError> {
        let vpc_id = self.vpc_id;
        let act = |what: &str| NetworkError::link(format!("{what} the overlay of {vpc_id}"));
        let Some(config) = self.site.overlay.filter(|_| self.is_across) else {
            link::delete(nl, OVERLAY).map_err(act("delete"))?;
            return Ok(None);
        };
        if let Some(found) = link::find(nl, OVERLAY).map_err(act("find"))?
            && found.up
        {
            return Ok(Some(found.index));
        }
        let vxlan = Vxlan {
            name: OVERLAY,
            namespace: self.handle.as_fd(),
            vni: vni(vpc_id),
            port: overlay::PORT,
            local: config.local,
            mtu: self.site.mtu,
        };
        match link::add_vxlan(host, &vxlan) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(act("create")(e)),
            _ => {}
        }
        let index = link::index(nl, OVERLAY).map_err(act("find"))?;
        sysctl::answer_at_once(OVERLAY)?;
        // Others are asked for as this host, never as a router: that address they have themselves.
        let own = names::overlay_address(&self.site.installation);
        link::add_address(nl, index, own, 32).map_err(act("set the address of"))?;
        link::set_up(nl, index, None).map_err(act("start"))?;
        Ok(Some(index))
    }
}

/// Sees that each port is up, with its route and its neighbour; tells those that are not there.
fn lost_ports(view: &View, nl: &mut Netlink) -> io::Result<Vec<String>> {
    let there = link::list(nl)?;
    let there: HashMap<&str, &Link> = there.iter().map(|l| (l.name.as_str(), l)).collect();
    let (ways, neighbours) = (route::list(nl)?, route::all_neighbours(nl)?);
    let ways: BTreeSet<Way> = ways.into_iter().collect();
    let addresses = view.addresses();
    let mut lost = Vec::new();
    for port in &view.ports {
        let Some(found) = there.get(port.veth.as_str()) else {
            lost.push(port.veth.clone());
            continue;
        };
        if !found.up {
            link::set_up(nl, found.index, None)?;
        }
        let gateway = Some(port.gateway).filter(|gateway| addresses.contains(gateway));
        let neighbour = (found.index, port.address);
        if !(found.up
            && ways.contains(&way_to(found.index, port.address, gateway))
            && neighbours.contains(&neighbour))
        {
            let mac = super::super::parse_mac(&port.mac).unwrap_or_default();
            reach(nl, found.index, port.address, gateway, mac)?;
        }
    }
    Ok(lost)
}

/// The way to an interface here.
pub(in crate::net) fn reach(
    nl: &mut Netlink,
    index: u32,
    address: Ipv4Addr,
    gateway: Option<Ipv4Addr>,
    mac: [u8; 6],
) -> io::Result<()> {
    route::set(nl, &way_to(index, address, gateway))?;
    route::set_neighbour(nl, index, address, mac)
}

fn way_to(index: u32, address: Ipv4Addr, gateway: Option<Ipv4Addr>) -> Way {
    Way {
        table: route::MAIN,
        to: Cidr::host(address),
        by: By::Link {
            index,
            next_hop: None,
            // What the router says itself, it says as the gateway.
            source: gateway,
        },
    }
}

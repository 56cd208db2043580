//! A VPC's network namespace: the router of all its subnets, with a link to each interface here, the
//! uplink to the host, and where there are other hosts, one to those. Blocking work for a thread of
//! [`netns::on_own_thread`]; every step ensures rather than makes.

use super::super::error::NetworkError;
use super::super::generation;
use super::super::link::{self, Link, Veth, Vxlan};
use super::super::netlink::Netlink;
use super::super::table::Tables;
use super::super::{firewall, host, names, netns, overlay, route, sysctl};
use super::layout::{Layout, Links, Outside};
use super::view::View;
use super::{MAC_OF_HOST, MAC_OF_ROUTER, OVERLAY, ROUTER, UPLINK, rules};
use neargate_domain::Cidr;
use std::collections::{BTreeSet, HashMap};
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
    /// What other hosts know this one by, where VPCs span hosts.
    pub(in crate::net) overlay: Option<overlay::OverlayConfig>,
}

/// What was made of a VPC, as far as this process knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    tables: Tables,
    layout: Layout,
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
    // Everything of the host before this thread leaves it.
    let mut host = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
    let home = netns::Home::here()?;
    let outside = outside(&mut host, &site, peers)?;
    let (handle, is_new) = netns::enter(&site.dir.join(&vpc_id))?;
    if is_new {
        sysctl::for_vpc()?;
    }
    let before = before.filter(|_| !is_new);
    let look = look || before.is_none();
    let tables = rules::plan(&view);
    // Before any link: no port is ever unguarded.
    let generation = load(&tables, before.as_ref())?;
    let act = |what: &str| NetworkError::link(format!("{what} of {vpc_id}"));
    let mut nl = Netlink::open().map_err(act("open a netlink socket"))?;
    let layout = Layout::plan(&view, &outside.told);
    let lessens = |before: &Made| !layout.keeps_addresses(&before.layout);
    let look = look || before.as_ref().is_some_and(lessens);
    let mut lost = Vec::new();
    if look || before.as_ref().is_none_or(|b| b.layout != layout) {
        let there = link::list(&mut nl).map_err(act("list the links"))?;
        let at_host = names::uplink(&site.installation, &vpc_id);
        let end = Uplink {
            name: &at_host,
            mtu: site.mtu,
            is_fresh: is_new,
        };
        let (uplink, of_host) = end.ensure(&there, &mut host, &mut nl, &handle, &home)?;
        let overlay = match &site.overlay {
            Some(config) => Some(across(
                &site, *config, &vpc_id, &there, &mut host, &mut nl, &handle,
            )?),
            None => {
                link::delete(&mut nl, OVERLAY).map_err(act("delete the overlay"))?;
                None
            }
        };
        let links = Links {
            lo: 1,
            uplink,
            overlay,
            of_host,
            lan: outside.lan,
        };
        if is_new {
            link::set_up(&mut nl, links.lo, None).map_err(act("start the loopback"))?;
        }
        let old = match &before {
            Some(before) if !look => before.layout.clone(),
            _ => Layout::read(&mut host, &mut nl, &links, &outside.told)
                .map_err(act("read the routes"))?,
        };
        layout.apply(&old, &mut host, &mut nl, &links)?;
        if let Some(before) = &before {
            before.layout.leave_lan(&layout, &mut host, outside.lan)?;
        }
        if look {
            lost = lost_ports(&view, &mut nl).map_err(act("look at the ports"))?;
        }
    }
    Ok(Done {
        made: Made {
            tables,
            layout,
            generation,
        },
        lost,
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

struct Surroundings {
    told: Outside,
    lan: Option<u32>,
}

fn outside(
    host: &mut Netlink,
    site: &Site,
    peers: Option<BTreeSet<Ipv4Addr>>,
) -> Result<Surroundings, NetworkError> {
    let lan = host::lan(host, site.pool)?;
    let told = Outside {
        // Which address is asked for does not matter: it is one of nobody's own networks.
        source: overlay::source_towards(Ipv4Addr::new(192, 0, 2, 1)),
        lan: lan.is_some(),
        peers,
    };
    Ok(Surroundings { told, lan })
}

/// The link between the host and a VPC. Its two ends know each other: nobody asks by ARP.
struct Uplink<'a> {
    name: &'a str,
    mtu: u32,
    is_fresh: bool,
}

impl Uplink<'_> {
    /// The indices of the VPC's end and of the host's.
    fn ensure(
        &self,
        there: &[Link],
        host: &mut Netlink,
        nl: &mut Netlink,
        vpc: &std::fs::File,
        home: &netns::Home,
    ) -> Result<(u32, u32), NetworkError> {
        let act = |what: &str| NetworkError::link(format!("{what} {}", self.name));
        let inside = there.iter().find(|l| l.name == UPLINK);
        let outside = link::find(host, self.name).map_err(act("find"))?;
        if let (Some(inside), Some(outside), false) = (inside, &outside, self.is_fresh) {
            if !inside.up {
                link::set_up(nl, inside.index, None).map_err(act("start"))?;
            }
            if !outside.up {
                link::set_up(host, outside.index, None).map_err(act("start"))?;
            }
            return Ok((inside.index, outside.index));
        }
        link::delete(nl, UPLINK).map_err(act("replace"))?;
        link::delete(host, self.name).map_err(act("replace"))?;
        let veth = Veth {
            name: self.name,
            mac: Some(MAC_OF_HOST),
            controller: None,
            peer_name: UPLINK,
            peer_mac: MAC_OF_ROUTER,
            peer_namespace: vpc.as_fd(),
            mtu: self.mtu,
        };
        link::add_veth(host, &veth).map_err(act("create"))?;
        let index = |found: Option<Link>| {
            let found = found.ok_or(io::ErrorKind::NotFound);
            found.map(|l| l.index).map_err(io::Error::from)
        };
        let inside = link::find(nl, UPLINK).and_then(index);
        let inside = inside.map_err(act("find"))?;
        let outside = link::find(host, self.name).and_then(index);
        let outside = outside.map_err(act("find"))?;
        home.within(|| sysctl::for_link(self.name))?;
        link::set_up(nl, inside, None).map_err(act("start"))?;
        route::set_neighbour(host, outside, ROUTER, MAC_OF_ROUTER).map_err(act("start"))?;
        Ok((inside, outside))
    }
}

/// The link to the other hosts' part of the VPC.
fn across(
    site: &Site,
    config: overlay::OverlayConfig,
    vpc_id: &str,
    there: &[Link],
    host: &mut Netlink,
    nl: &mut Netlink,
    vpc: &std::fs::File,
) -> Result<u32, NetworkError> {
    let act = |what: &str| NetworkError::link(format!("{what} the overlay of {vpc_id}"));
    if let Some(found) = there.iter().find(|l| l.name == OVERLAY && l.up) {
        return Ok(found.index);
    }
    let vxlan = Vxlan {
        name: OVERLAY,
        namespace: vpc.as_fd(),
        vni: names::vni(vpc_id),
        port: overlay::PORT,
        local: config.local,
        mtu: site.mtu,
    };
    match link::add_vxlan(host, &vxlan) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(act("create")(e)),
        _ => {}
    }
    let found = link::find(nl, OVERLAY).map_err(act("find"))?;
    let index = found.map(|l| l.index);
    let index = index.ok_or_else(|| act("find")(io::ErrorKind::NotFound.into()))?;
    sysctl::answer_at_once(OVERLAY)?;
    // Others are asked for as this host, never as a router: that address they have themselves.
    let own = names::overlay_address(&site.installation);
    link::add_address(nl, index, own, 32).map_err(act("set the address of"))?;
    link::set_up(nl, index, None).map_err(act("start"))?;
    Ok(index)
}

/// Sees that each port is up, with its route and its neighbour; tells those that are not there.
fn lost_ports(view: &View, nl: &mut Netlink) -> io::Result<Vec<String>> {
    let there = link::list(nl)?;
    let there: HashMap<&str, &Link> = there.iter().map(|l| (l.name.as_str(), l)).collect();
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
        let mac = super::super::parse_mac(&port.mac).unwrap_or_default();
        let gateway = Some(port.gateway).filter(|gateway| addresses.contains(gateway));
        reach(nl, found.index, port.address, gateway, mac)?;
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
    let way = route::Way {
        table: route::MAIN,
        to: Cidr::host(address),
        by: route::By::Link {
            index,
            next_hop: None,
            // What the router says itself, it says as the gateway.
            source: gateway,
        },
    };
    route::set(nl, &way)?;
    route::set_neighbour(nl, index, address, mac)
}

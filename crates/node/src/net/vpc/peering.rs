//! The links between the routers of peered VPCs, where both are on this host: one for each two, with
//! an end in each namespace. The router of the lesser id makes it, the other one finds its end and
//! starts it; whichever misses the other has that looked at. Blocking work in the VPC's namespace.

use super::super::error::NetworkError;
use super::super::link::{self, Veth};
use super::super::netlink::Netlink;
use super::super::netns::Place;
use super::super::{is_no_namespace, names, route};
use super::namespace::Site;
use super::{MAC_OF_ROUTER, ROUTER};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::AsFd;

/// What there is of a VPC's links to its peers.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// The indices of its ends, by peer.
    pub(super) links: BTreeMap<String, u32>,
    /// Those whose routers have something to do before the link carries packets.
    pub(super) ask: BTreeSet<String>,
}

/// Ensures the links of a VPC, and removes those to others. `nl` is of its namespace.
pub(super) fn ensure(
    site: &Site,
    vpc_id: &str,
    peers: &BTreeSet<String>,
    nl: &mut Netlink,
) -> Result<Joined, NetworkError> {
    let act = |what: &str| NetworkError::link(format!("{what} the peers of {vpc_id}"));
    let wanted: BTreeSet<String> = peers.iter().map(|peer| names::peering(peer)).collect();
    for found in link::list(nl).map_err(act("list the links to"))? {
        if found.name.starts_with(names::PEERING_PREFIX) && !wanted.contains(&found.name) {
            link::delete(nl, &found.name).map_err(act("remove a link to"))?;
        }
    }
    let mut joined = Joined::default();
    for peer in peers {
        let is_maker = vpc_id < peer.as_str();
        let is_new = is_maker && make(site, vpc_id, peer, nl)?;
        let name = names::peering(peer);
        let Some(own) = link::find(nl, &name).map_err(act("find the link to"))? else {
            joined.ask.insert(peer.clone());
            continue;
        };
        if is_new {
            joined.ask.insert(peer.clone());
        }
        route::set_neighbour(nl, own.index, ROUTER, MAC_OF_ROUTER)
            .map_err(act("set the link to"))?;
        if !own.up {
            link::set_up(nl, own.index, None).map_err(act("start the link to"))?;
            link::settle(nl, &name).map_err(act("start the link to"))?;
            settle_there(site, vpc_id, peer)?;
        }
        joined.links.insert(peer.clone(), own.index);
    }
    Ok(joined)
}

/// The peer's end was up already, but carries packets only now that this one is.
fn settle_there(site: &Site, vpc_id: &str, peer: &str) -> Result<(), NetworkError> {
    let act = || NetworkError::link(format!("start the link of {peer} to {vpc_id}"));
    let settle = || {
        let mut there = Netlink::open().map_err(act())?;
        link::settle(&mut there, &names::peering(vpc_id)).map_err(act())
    };
    match Place::At(site.dir.join(peer)).visit(settle) {
        // It went meanwhile, and its link with it.
        Err(NetworkError::Path { source, .. }) if is_no_namespace(&source) => Ok(()),
        settled => settled,
    }
}

/// Makes the link unless both ends are there, if the peer's namespace is: an end alone leads to a
/// namespace that is gone but for somebody's sockets. Says whether it was made.
fn make(site: &Site, vpc_id: &str, peer: &str, nl: &mut Netlink) -> Result<bool, NetworkError> {
    let act = |what: &str| NetworkError::link(format!("{what} the link of {vpc_id} to {peer}"));
    let (near, far) = (names::peering(peer), names::peering(vpc_id));
    let path = site.dir.join(peer);
    let has_near = link::find(nl, &near).map_err(act("find"))?.is_some();
    let look = || {
        let mut there = Netlink::open().map_err(act("look for"))?;
        let found = link::find(&mut there, &far).map_err(act("look for"))?;
        if found.is_some() && !has_near {
            link::delete(&mut there, &far).map_err(act("replace"))?;
        }
        Ok(found.is_some())
    };
    match Place::At(path.clone()).visit(look) {
        // Its router makes the namespace, and then asks for the link.
        Err(NetworkError::Path { source, .. }) if is_no_namespace(&source) => return Ok(false),
        Ok(true) if has_near => return Ok(false),
        looked => looked?,
    };
    link::delete(nl, &near).map_err(act("replace"))?;
    let namespace = File::open(&path).map_err(NetworkError::path("open", &path))?;
    let veth = Veth {
        name: &near,
        mac: Some(MAC_OF_ROUTER),
        controller: None,
        peer_name: &far,
        peer_mac: MAC_OF_ROUTER,
        peer_namespace: namespace.as_fd(),
        mtu: site.mtu,
    };
    link::add_veth(nl, &veth).map_err(act("create"))?;
    Ok(true)
}

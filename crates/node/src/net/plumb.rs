//! Builds one task's network namespace and interface. Every step ensures rather than makes, so
//! the same path serves a new task, one half made by a node that was killed, and one that runs.

use super::error::NetworkError;
use super::link::{self, Veth};
use super::netlink::Netlink;
use super::{netns, sysctl, vpc};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// The interface's name inside the task.
pub(super) const INSIDE: &str = "eth0";

/// What a task's network is to be.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) namespace: PathBuf,
    pub(super) veth: String,
    pub(super) at: At,
    pub(super) mac: [u8; 6],
    pub(super) address: Ipv4Addr,
    pub(super) prefix_len: u8,
    pub(super) gateway: Ipv4Addr,
    pub(super) mtu: u32,
}

/// What the other end of its interface is connected to, in the namespace of who makes it.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    /// An instance's bridge, by its index. A container may be led back to itself there, by a published
    /// port. Where the kernel calls iptables for bridged frames (br_netfilter), the bridge sees that
    /// as a frame for the port it came from.
    Bridge(u32),
    /// A VPC's router.
    Router,
}

/// Makes it so. Must run on a thread of [`netns::on_own_thread`], which is where the other end is to
/// be. A namespace made by this very call is removed again when a later step fails.
pub(super) fn ensure(plan: &Plan) -> Result<(), NetworkError> {
    // Opened before this thread leaves that namespace.
    let home = netns::Home::here()?;
    let mut host = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
    let (handle, made) = netns::enter(&plan.namespace)?;
    let result = inside(plan, &mut host, &home, handle.as_fd());
    if made
        && result.is_err()
        && let Err(e) = netns::remove(&plan.namespace)
    {
        tracing::warn!(
            error = &e as &dyn std::error::Error,
            "a half-made namespace remains"
        );
    }
    result
}

impl At {
    fn bridge(self) -> Option<u32> {
        match self {
            At::Bridge(index) => Some(index),
            At::Router => None,
        }
    }
}

fn inside(
    plan: &Plan,
    host: &mut Netlink,
    home: &netns::Home,
    namespace: std::os::fd::BorrowedFd<'_>,
) -> Result<(), NetworkError> {
    sysctl::for_task()?;
    let mut nl = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
    let act = |what: &str| NetworkError::link(format!("{what} of {}", plan.veth));

    let lo = link::find(&mut nl, "lo").map_err(act("find the loopback"))?;
    link::set_up(&mut nl, lo.map_or(1, |l| l.index), None).map_err(act("start the loopback"))?;

    let index = interface(plan, host, &mut nl, namespace)?;
    let outside = link::find(host, &plan.veth).map_err(act("find the other end"))?;
    let outside = outside.map_or(0, |l| l.index);
    match plan.at {
        At::Bridge(_) => link::set_hairpin(host, outside).map_err(act("set the bridge port"))?,
        At::Router => {
            home.within(|| sysctl::answer_at_once(&plan.veth))?;
            vpc::reach(host, outside, plan.address, Some(plan.gateway), plan.mac)
                .map_err(act("set the route"))?;
        }
    }
    link::set_up(&mut nl, index, None).map_err(act("start the other end"))?;
    link::add_address(&mut nl, index, plan.address, plan.prefix_len)
        .map_err(act("set the address"))?;
    link::set_default_route(&mut nl, index, plan.gateway).map_err(act("set the default route"))?;
    link::settle(&mut nl, INSIDE).map_err(act("start the link"))?;
    link::settle(host, &plan.veth).map_err(act("start the link"))
}

/// The index of the task's interface, which exists with the right MAC address and is connected.
fn interface(
    plan: &Plan,
    host: &mut Netlink,
    nl: &mut Netlink,
    namespace: std::os::fd::BorrowedFd<'_>,
) -> Result<u32, NetworkError> {
    let act = |what: &str| NetworkError::link(format!("{what} {}", plan.veth));
    if let Some(found) = link::find(nl, INSIDE).map_err(act("find"))? {
        let outside = link::find(host, &plan.veth).map_err(act("find"))?;
        if let (Some(outside), true) = (outside, found.mac == plan.mac) {
            link::set_up(host, outside.index, plan.at.bridge()).map_err(act("connect"))?;
            return Ok(found.index);
        }
        link::delete(nl, INSIDE).map_err(act("replace"))?;
    }
    let veth = Veth {
        name: &plan.veth,
        mac: None,
        controller: plan.at.bridge(),
        peer_name: INSIDE,
        peer_mac: plan.mac,
        peer_namespace: namespace,
        mtu: plan.mtu,
    };
    match link::add_veth(host, &veth) {
        // Its namespace is gone, but the kernel has not cleaned up yet.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            link::delete(host, &plan.veth).map_err(act("replace"))?;
            link::add_veth(host, &veth).map_err(act("create"))?;
        }
        other => other.map_err(act("create"))?,
    }
    let made = link::find(nl, INSIDE).map_err(act("find"))?;
    made.map(|l| l.index)
        .ok_or_else(|| act("find")(io::ErrorKind::NotFound.into()))
}

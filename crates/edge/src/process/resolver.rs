//! The resolver's sockets in every VPC, which another process may take over.

use crate::dns::{Door, Resolver, Sockets};
use crate::load_balancer::HandedSockets;
use crate::place::{self, LINK_LOCAL_RESOLVER};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const PORT: u16 = 53;
/// Between two tries to have the host's address.
const AGAIN: Duration = Duration::from_millis(200);

/// All of them.
#[derive(Debug)]
pub(super) struct ResolverDoors {
    resolver: Arc<Resolver>,
    doors: Mutex<Doors>,
}

#[derive(Debug, Default)]
struct Doors {
    /// By VPC.
    open: BTreeMap<String, Open>,
    /// Sockets of a process before.
    taken: HandedSockets,
    /// They finish what they were asked.
    leaving: Vec<Door>,
}

#[derive(Debug)]
struct Open {
    /// `None` while another process is about to take the sockets.
    door: Option<Door>,
    /// The same sockets again.
    sockets: Sockets,
    names: Names,
}

/// The names under which sockets are handed over, in the order of [`Sockets`].
#[derive(Debug)]
struct Names {
    udp: Vec<String>,
    tcp: Vec<String>,
}

/// The sockets in one VPC; they are closed when this is dropped.
#[derive(Debug)]
pub(super) struct ResolverDoor {
    vpc: String,
    doors: Arc<ResolverDoors>,
}

impl Drop for ResolverDoor {
    fn drop(&mut self) {
        self.doors.doors.lock().open.remove(&self.vpc);
    }
}

impl ResolverDoors {
    pub(super) fn new(resolver: Resolver) -> ResolverDoors {
        ResolverDoors {
            resolver: Arc::new(resolver),
            doors: Mutex::default(),
        }
    }

    /// Answers in this VPC, with the sockets of a process before where there are some.
    pub(super) fn open(
        self: &Arc<Self>,
        vpc: &str,
        namespace: &Path,
        address: Ipv4Addr,
    ) -> io::Result<ResolverDoor> {
        let addresses = [address, LINK_LOCAL_RESOLVER];
        let names = Names::of(vpc, namespace, &addresses)?;
        let taken = self.doors.lock().take(&names);
        let sockets = match taken {
            Some(taken) => taken,
            None => {
                let (udp, tcp) = place::sockets(namespace, &addresses, PORT)?;
                Sockets { udp, tcp }
            }
        };
        let door = Door::open(&self.resolver, vpc, again(&sockets)?)?;
        let open = Open {
            door: Some(door),
            sockets,
            names,
        };
        self.doors.lock().open.insert(vpc.into(), open);
        Ok(ResolverDoor {
            vpc: vpc.into(),
            doors: Arc::clone(self),
        })
    }

    /// Answers the host's own programs at this address, as soon as nobody else does, until another process
    /// is to.
    pub(super) async fn answer_host(self: Arc<Self>, address: SocketAddr, left: CancellationToken) {
        let open = || {
            let udp = UdpSocket::bind(address)?;
            let tcp = TcpListener::bind(address)?;
            udp.set_nonblocking(true)?;
            tcp.set_nonblocking(true)?;
            let sockets = Sockets {
                udp: vec![udp],
                tcp: vec![tcp],
            };
            // It is in no VPC.
            Door::open(&self.resolver, "", sockets)
        };
        let door = loop {
            match open() {
                Ok(door) => break door,
                Err(error) => tracing::warn!(%error, %address, "the host has no resolver yet"),
            }
            tokio::select! {
                () = left.cancelled() => return,
                () = sleep(AGAIN) => {}
            }
        };
        left.cancelled().await;
        door.leave();
        while !door.has_left() {
            sleep(AGAIN).await;
        }
    }

    pub(super) fn take(&self, sockets: HandedSockets) {
        self.doors.lock().taken = sockets;
    }

    /// The sockets for another process. No question is taken any more; [`ResolverDoors::resume`]
    /// follows, or all of them are closed.
    pub(super) fn offer(&self) -> io::Result<HandedSockets> {
        let mut doors = self.doors.lock();
        let Doors { open, leaving, .. } = &mut *doors;
        let mut offered = HandedSockets::new();
        for open in open.values_mut() {
            let sockets = again(&open.sockets)?;
            let udp = sockets.udp.into_iter().map(OwnedFd::from);
            let tcp = sockets.tcp.into_iter().map(OwnedFd::from);
            offered.extend(open.names.udp.iter().cloned().zip(udp));
            offered.extend(open.names.tcp.iter().cloned().zip(tcp));
            if let Some(door) = open.door.take() {
                door.leave();
                leaving.push(door);
            }
        }
        Ok(offered)
    }

    /// Nobody took them.
    pub(super) fn resume(&self) {
        for (vpc, open) in &mut self.doors.lock().open {
            if open.door.is_none() {
                let sockets = again(&open.sockets);
                let door = sockets.and_then(|sockets| Door::open(&self.resolver, vpc, sockets));
                open.door = door
                    .inspect_err(|error| tracing::error!(%error, vpc, "a VPC has no resolver"))
                    .ok();
            }
        }
    }

    /// Everything that was asked before the sockets were handed over is answered.
    pub(super) fn have_left(&self) -> bool {
        let doors = self.doors.lock();
        doors.open.is_empty() && doors.leaving.iter().all(Door::has_left)
    }
}

impl Doors {
    /// All of them or none.
    fn take(&mut self, names: &Names) -> Option<Sockets> {
        let mut all = names.udp.iter().chain(&names.tcp);
        if !all.all(|name| self.taken.contains_key(name)) {
            return None;
        }
        let udp = names.udp.iter().filter_map(|name| self.taken.remove(name));
        let udp = udp.map(UdpSocket::from).collect();
        let tcp = names.tcp.iter().filter_map(|name| self.taken.remove(name));
        let tcp = tcp.map(TcpListener::from).collect();
        Some(Sockets { udp, tcp })
    }
}

impl Names {
    fn of(vpc: &str, namespace: &Path, addresses: &[Ipv4Addr]) -> io::Result<Names> {
        let identity = fs::metadata(namespace)?;
        let (device, inode) = (identity.dev(), identity.ino());
        let of = |kind: &str| {
            let name = |address| format!("resolver {vpc} {device}:{inode} {kind} {address}");
            addresses.iter().map(name).collect()
        };
        Ok(Names {
            udp: of("udp"),
            tcp: of("tcp"),
        })
    }
}

/// The same sockets under other numbers.
fn again(sockets: &Sockets) -> io::Result<Sockets> {
    let udp = sockets.udp.iter().map(UdpSocket::try_clone);
    let tcp = sockets.tcp.iter().map(TcpListener::try_clone);
    Ok(Sockets {
        udp: udp.collect::<io::Result<_>>()?,
        tcp: tcp.collect::<io::Result<_>>()?,
    })
}

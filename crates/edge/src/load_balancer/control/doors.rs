//! The ports of a load balancer on its nodes.

use super::{Control, Duty, Running, compiled};
use crate::load_balancer::listener::{Door, Front, accept};
use crate::load_balancer::place::Place;
use crate::load_balancer::worker::ToWorker;
use arc_swap::ArcSwapOption;
use neargate_domain::load_balancer::{LoadBalancer, Node, Protocol};
use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_local};
use tokio_util::sync::CancellationToken;

/// An open port of a node.
pub(super) struct Open {
    pub door: Arc<Door>,
    workers: Workers,
    /// The sockets again, to take from them anew or to hand them over; none once that was done.
    sockets: Sockets,
    accepting: Option<AbortHandle>,
    paused: CancellationToken,
}

type Workers = Arc<[mpsc::UnboundedSender<ToWorker>]>;

/// For connections, for datagrams or for both.
#[derive(Default)]
struct Sockets {
    tcp: Option<std::net::TcpListener>,
    udp: Option<std::net::UdpSocket>,
}

/// Does a listener of this protocol take connections, and does it take datagrams?
fn takes(protocol: Protocol) -> (bool, bool) {
    match protocol {
        Protocol::Http | Protocol::Https | Protocol::Tcp | Protocol::Tls => (true, false),
        Protocol::Udp => (false, true),
        Protocol::TcpUdp => (true, true),
    }
}

impl Open {
    fn new(door: Arc<Door>, sockets: Sockets, workers: Workers) -> io::Result<Open> {
        let mut open = Open {
            door,
            workers,
            sockets,
            accepting: None,
            paused: CancellationToken::new(),
        };
        open.take()?;
        Ok(open)
    }

    fn take(&mut self) -> io::Result<()> {
        self.paused = CancellationToken::new();
        if let Some(listener) = &self.sockets.tcp {
            let listener = TcpListener::from_std(listener.try_clone()?)?;
            let accepting = accept(listener, Arc::clone(&self.door), Arc::clone(&self.workers));
            self.accepting = Some(spawn_local(accepting).abort_handle());
        }
        if let Some(socket) = &self.sockets.udp {
            let datagrams = ToWorker::Datagrams {
                socket: socket.try_clone()?,
                door: Arc::clone(&self.door),
                paused: self.paused.clone(),
            };
            let worker = usize::from(self.door.port) % self.workers.len();
            // Workers end after this.
            let _ = self.workers[worker].send(datagrams);
        }
        Ok(())
    }

    /// Takes nothing for now: what comes waits.
    pub fn pause(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        self.paused.cancel();
    }

    pub fn resume(&mut self) {
        if let Err(error) = self.take() {
            tracing::error!(%error, "a port is not served any more");
        }
    }

    /// The sockets for another process, under the names by which that one asks for them.
    pub fn offered(&self) -> Vec<(String, OwnedFd)> {
        let Door {
            interface_id,
            place,
            port,
            ..
        } = &*self.door;
        let name = |kind| socket_name(interface_id, place, kind, *port);
        let tcp = self.sockets.tcp.iter().filter_map(|s| s.try_clone().ok());
        let udp = self.sockets.udp.iter().filter_map(|s| s.try_clone().ok());
        let tcp = tcp.map(|socket| (name("tcp"), socket.into()));
        tcp.chain(udp.map(|socket| (name("udp"), socket.into())))
            .collect()
    }

    /// Another process has the port.
    pub fn leave(&mut self) {
        self.pause();
        self.sockets = Sockets::default();
        self.door.leaving.cancel();
    }

    /// Can a listener of this protocol stand behind it?
    fn suits(&self, protocol: Protocol) -> bool {
        let has = (self.sockets.tcp.is_some(), self.sockets.udp.is_some());
        has == (false, false) || has == takes(protocol)
    }
}

fn socket_name(interface: &str, place: &Place, kind: &str, port: u16) -> String {
    let (device, inode) = place.identity();
    format!("load-balancer {interface} {device}:{inode} {kind} {port}")
}

impl Drop for Open {
    fn drop(&mut self) {
        self.pause();
        self.door.front.store(None);
        self.door.closed.cancel();
    }
}

impl Control {
    pub(super) fn open_doors(&mut self, running: &mut Running, told: &LoadBalancer) {
        let logs = self.watched.logs.as_ref();
        let fronts: Vec<Arc<Front>> = told
            .listeners
            .iter()
            .filter_map(
                |listener| match compiled::front(told, listener, &running.groups, logs) {
                    Ok(front) => Some(Arc::new(front)),
                    Err(trouble) => {
                        let port = listener.port;
                        running.not_built.push(format!("port {port}: {trouble}"));
                        None
                    }
                },
            )
            .collect();
        let ports: BTreeSet<u16> = told
            .listeners
            .iter()
            .map(|listener| listener.port)
            .collect();
        running.doors.retain(|(_, port), _| ports.contains(port));
        for node in &told.nodes {
            let Some(place) = running.places.get(&node.interface_id).cloned() else {
                continue;
            };
            for front in &fronts {
                let id = (node.interface_id.clone(), front.port);
                running
                    .doors
                    .retain(|at, open| *at != id || open.suits(front.protocol));
                if let Some(open) = running.doors.get(&id) {
                    open.door.front.store(Some(Arc::clone(front)));
                    continue;
                }
                if self.duty != Duty::Carries {
                    continue;
                }
                match self.open(node, &place, front) {
                    Ok(open) => {
                        running.doors.insert(id, open);
                    }
                    Err(error) => {
                        let trouble = format!("{} port {}: {error}", id.0, id.1);
                        running.troubles.push(trouble);
                    }
                }
            }
        }
    }

    fn open(&mut self, node: &Node, place: &Arc<Place>, front: &Arc<Front>) -> io::Result<Open> {
        // In a namespace of its own a node has every address there is.
        let address = match self.interfaces {
            Some(_) => Ipv4Addr::UNSPECIFIED,
            None => node.private_ipv4,
        };
        let at = SocketAddrV4::new(address, front.port);
        let name = |kind| socket_name(&node.interface_id, place, kind, front.port);
        let (connections, datagrams) = takes(front.protocol);
        let mut sockets = Sockets::default();
        if connections {
            sockets.tcp = Some(match self.taken.remove(&name("tcp")) {
                Some(taken) => taken.into(),
                None => place.listener(at)?,
            });
        }
        if datagrams {
            sockets.udp = Some(match self.taken.remove(&name("udp")) {
                Some(taken) => taken.into(),
                None => place.datagram_listener(at)?,
            });
        }
        let door = Arc::new(Door {
            zone: node.availability_zone.clone(),
            interface_id: node.interface_id.clone(),
            address: node.public_ipv4.unwrap_or(node.private_ipv4),
            port: front.port,
            place: Arc::clone(place),
            front: ArcSwapOption::new(Some(Arc::clone(front))),
            connections: self.watched.connections.clone(),
            counts: self
                .watched
                .table
                .of(&front.load_balancer_arn, None, &node.availability_zone),
            leaving: CancellationToken::new(),
            closed: CancellationToken::new(),
        });
        Open::new(door, sockets, Arc::clone(&self.workers))
    }
}

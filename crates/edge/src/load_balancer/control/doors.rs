//! The ports of a load balancer on its nodes.

use super::{Control, Duty, Running, compiled};
use crate::load_balancer::listener::{Door, Front, accept};
use crate::load_balancer::place::Place;
use crate::load_balancer::worker::ToWorker;
use arc_swap::ArcSwapOption;
use neargate_domain::load_balancer::{LoadBalancer, Node};
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
    accepting: AbortHandle,
    workers: Workers,
    /// The same socket again, to accept from it anew or to hand it over; `None` once that was done.
    listener: Option<std::net::TcpListener>,
}

type Workers = Arc<[mpsc::UnboundedSender<ToWorker>]>;

impl Open {
    fn new(door: Arc<Door>, listener: std::net::TcpListener, workers: Workers) -> io::Result<Open> {
        let accepting = accepting(&door, &listener, &workers)?;
        Ok(Open {
            door,
            accepting,
            workers,
            listener: Some(listener),
        })
    }

    /// Takes no connections for now: they wait.
    pub fn pause(&mut self) {
        self.accepting.abort();
    }

    pub fn resume(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        match accepting(&self.door, listener, &self.workers) {
            Ok(accepting) => self.accepting = accepting,
            Err(error) => tracing::error!(%error, "a port is not served any more"),
        }
    }

    /// The socket for another process, under the name by which that one asks for it.
    pub fn offered(&self) -> Option<(String, OwnedFd)> {
        let socket = self.listener.as_ref()?.try_clone().ok()?;
        let door = &self.door;
        let name = socket_name(&door.interface_id, &door.place, door.port);
        Some((name, socket.into()))
    }

    /// Another process has the port.
    pub fn leave(&mut self) {
        self.accepting.abort();
        self.listener = None;
        self.door.leaving.cancel();
    }
}

fn accepting(
    door: &Arc<Door>,
    listener: &std::net::TcpListener,
    workers: &Workers,
) -> io::Result<AbortHandle> {
    let listener = TcpListener::from_std(listener.try_clone()?)?;
    let accepting = accept(listener, Arc::clone(door), Arc::clone(workers));
    Ok(spawn_local(accepting).abort_handle())
}

fn socket_name(interface: &str, place: &Place, port: u16) -> String {
    let (device, inode) = place.identity();
    format!("load-balancer {interface} {device}:{inode} tcp {port}")
}

impl Drop for Open {
    fn drop(&mut self) {
        self.accepting.abort();
        self.door.front.store(None);
        self.door.closed.cancel();
    }
}

impl Control {
    pub(super) fn open_doors(&mut self, running: &mut Running, told: &LoadBalancer) {
        let fronts: Vec<Arc<Front>> = told
            .listeners
            .iter()
            .filter_map(
                |listener| match compiled::front(told, listener, &running.groups) {
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
        let name = socket_name(&node.interface_id, place, front.port);
        let listener = match self.taken.remove(&name) {
            Some(taken) => taken.into(),
            None => {
                // In a namespace of its own a node has every address there is.
                let address = match self.interfaces {
                    Some(_) => Ipv4Addr::UNSPECIFIED,
                    None => node.private_ipv4,
                };
                place.listener(SocketAddrV4::new(address, front.port))?
            }
        };
        let door = Arc::new(Door {
            zone: node.availability_zone.clone(),
            interface_id: node.interface_id.clone(),
            port: front.port,
            place: Arc::clone(place),
            front: ArcSwapOption::new(Some(Arc::clone(front))),
            connections: self.connections.clone(),
            leaving: CancellationToken::new(),
            closed: CancellationToken::new(),
        });
        Open::new(door, listener, Arc::clone(&self.workers))
    }
}

//! VPCs with rules: the tasks of these tests, who serve and ask.

use super::place::*;
use crate::net::{Network, NetworkConfig};
use neargate_domain::NetworkInterface;
use neargate_domain::vpc_network::*;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long nobody must answer to count as out of reach.
const SILENCE: Duration = Duration::from_millis(400);

/// Who answers each connection to port 80 with the address that it comes from.
pub(super) struct Server {
    listener: TcpListener,
}

impl Server {
    pub(super) async fn at(path: &Path, port: u16) -> Server {
        Server::of(within(path, move || listen_here(port)).await)
    }

    pub(super) fn here(port: u16) -> Server {
        Server::of(listen_here(port))
    }

    fn of(listener: TcpListener) -> Server {
        let accepts = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            while let Ok((mut stream, peer)) = accepts.accept() {
                std::thread::spawn(move || {
                    let _ = stream.write_all(format!("{:15}", peer.ip()).as_bytes());
                    // Whatever is said is said again, until the other end has gone.
                    let mut said = [0; 64];
                    while let Ok(n @ 1..) = stream.read(&mut said) {
                        if stream.write_all(&said[..n]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Server { listener }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(self.listener.as_fd(), rustix::net::Shutdown::Both);
    }
}

fn listen_here(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap()
}

/// A connection that the server has greeted.
pub(super) struct Flow {
    stream: TcpStream,
    /// The address that the server sees.
    pub(super) seen: Ipv4Addr,
}

impl Flow {
    /// Does what is said now come back?
    pub(super) fn goes_on(&mut self) -> bool {
        let mut said = [0; 5];
        self.stream
            .set_read_timeout(Some(Duration::from_secs(3)))
            .unwrap();
        let done = self
            .stream
            .write_all(b"still")
            .and_then(|()| self.stream.read_exact(&mut said));
        done.is_ok() && said == *b"still"
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Connects; `None` where nothing comes back.
pub(super) async fn flow(from: Option<&Path>, to: impl Into<SocketAddr>) -> Option<Flow> {
    let to = to.into();
    let connect = move || {
        let mut stream = TcpStream::connect_timeout(&to, SILENCE).ok()?;
        stream.set_read_timeout(Some(SILENCE)).ok()?;
        let mut seen = [0; 15];
        stream.read_exact(&mut seen).ok()?;
        let seen = String::from_utf8_lossy(&seen).trim().parse().ok()?;
        Some(Flow { stream, seen })
    };
    match from {
        Some(path) => within(path, connect).await,
        None => connect(),
    }
}

/// As whom `from` reaches it; `None` where it does not.
pub(super) async fn ask(from: Option<&Path>, to: impl Into<SocketAddr>) -> Option<Ipv4Addr> {
    flow(from, to).await.map(|flow| flow.seen)
}

/// A network, and the tasks in it.
pub(super) struct Lab {
    /// `None` for a moment, between two processes.
    network: Option<Arc<Network>>,
    tasks: HashMap<String, (PathBuf, NetworkInterface, Server)>,
}

impl Lab {
    pub(super) fn of(network: Arc<Network>) -> Lab {
        Lab {
            network: Some(network),
            tasks: HashMap::new(),
        }
    }

    pub(super) fn network(&self) -> &Arc<Network> {
        self.network.as_ref().unwrap()
    }

    /// Another process takes over, which nobody has told anything.
    pub(super) async fn restart(&mut self, config: NetworkConfig) {
        self.network = None;
        self.network = Some(Network::start(config).await.unwrap());
    }

    /// A task that serves port 80.
    pub(super) async fn task(&mut self, name: &str, interface: NetworkInterface) {
        let path = self.network().attach(name, &interface).await.unwrap();
        let server = Server::at(&path, 80).await;
        self.tasks.insert(name.into(), (path, interface, server));
    }

    pub(super) fn path(&self, name: &str) -> &Path {
        &self.tasks[name].0
    }

    pub(super) fn address(&self, name: &str) -> Ipv4Addr {
        self.tasks[name].1.private_ipv4
    }

    /// Does one reach the other by its private address?
    pub(super) async fn reaches(&self, from: &str, to: &str) -> bool {
        let seen = ask(Some(self.path(from)), (self.address(to), 80)).await;
        assert!(seen.is_none_or(|seen| seen == self.address(from)));
        seen.is_some()
    }

    pub(super) async fn flow(&self, from: &str, to: &str) -> Option<Flow> {
        flow(Some(self.path(from)), (self.address(to), 80)).await
    }

    pub(super) async fn tell(&self, changes: impl IntoIterator<Item = NetworkChange>) {
        self.network().apply(changes).await.unwrap();
    }

    pub(super) async fn end(self) {
        self.network().shutdown(false).await.unwrap();
    }
}

/// A group; rules as (traffic, peer).
pub(super) fn group(
    id: &str,
    ingress: Vec<(Traffic, GroupPeer)>,
    egress: Vec<(Traffic, GroupPeer)>,
) -> GroupNetwork {
    let rules = |all: Vec<(Traffic, GroupPeer)>| {
        let each = all.into_iter();
        each.map(|(traffic, peer)| GroupRule { traffic, peer })
            .collect()
    };
    GroupNetwork {
        group_id: id.into(),
        ingress: rules(ingress),
        egress: rules(egress),
    }
}

pub(super) fn everybody() -> Vec<(Traffic, GroupPeer)> {
    vec![(Traffic::Any, range("0.0.0.0/0"))]
}

pub(super) fn range(text: &str) -> GroupPeer {
    GroupPeer::Range(cidr(text))
}

pub(super) fn members(id: &str) -> GroupPeer {
    GroupPeer::Group(id.into())
}

/// An interface as the control plane tells of it.
pub(super) fn member(of: &NetworkInterface, groups: &[&str]) -> InterfaceNetwork {
    InterfaceNetwork {
        interface_id: of.id.clone(),
        vpc_id: of.vpc_id.clone(),
        private_ipv4: of.private_ipv4,
        security_groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        public_ipv4: None,
        is_logged: false,
    }
}

/// With these groups as the assignment says.
pub(super) fn in_groups(mut interface: NetworkInterface, groups: &[&str]) -> NetworkInterface {
    interface.security_groups = groups.iter().map(|g| (*g).to_owned()).collect();
    interface
}

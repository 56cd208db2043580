//! A container instance's own network, for the network modes that use it: a bridge like Docker's,
//! an interface on it for each container (not each task), ports of the instance that lead to
//! containers. It knows addresses and ports, not tasks' lives.
//!
//! The instance is a network namespace: this process's own on a real host, or that of a slice,
//! which has an interface in the VPC. Invariants as in [`super`]; besides: who has which address
//! and port is read back from the kernel's tables, so that nothing moves in a restart.
//!
//! Source: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/networking-networkmode-bridge.html>.

use super::error::NetworkError;
use super::firewall::{self, Firewall};
use super::link::{self, Link, Route};
use super::netlink::Netlink;
use super::netns::{self, Place};
use super::ports::{Denied, Lease, Leases};
use super::ruleset::{self, Published, Sender};
use super::{
    TASK_ENDPOINT, blocking, conntrack, format_mac, host, names, neighbours, plumb, sysctl,
};
use neargate_domain::{Cidr, NetworkBinding, PortMapping, PortRange, Protocol};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Docker's default is 172.17.0.0/16, and the next one where that is in use. The last of the
/// row, 172.31.0.0/16, is the VPC's.
const SECOND_OCTETS: std::ops::RangeInclusive<u8> = 17..=30;
const PREFIX_LEN: u8 = 16;
/// Where the node really listens for what containers ask: port 80 of an instance is its containers',
/// and these ports are the ECS agent's.
pub(super) const ENDPOINT_PORT: u16 = 51_679;
const INTROSPECTION_PORT: u16 = 51_678;

/// What an instance's network is made from.
#[derive(Debug, Clone)]
pub struct InstanceConfig {
    /// The instance's network namespace; `None`: this process's own.
    pub namespace: Option<PathBuf>,
    /// Volatile state; `netns/` under it holds the containers' namespaces.
    pub run_dir: PathBuf,
}

/// The running network of one container instance.
#[derive(Debug)]
pub struct Instance {
    place: Place,
    netns_dir: PathBuf,
    bridge: Bridge,
    gateway: Ipv4Addr,
    firewall: Firewall,
    leases: Arc<Mutex<Leases>>,
}

/// A container that is on the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    pub namespace: PathBuf,
    pub address: Ipv4Addr,
    /// In the mappings' order, then the ranges'.
    pub bindings: Vec<NetworkBinding>,
}

/// Why a container is not.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It asks for what it cannot have; the text is Docker's.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl Instance {
    /// Ensures bridge, addresses and rules. Containers of an earlier process stay connected.
    pub async fn start(config: InstanceConfig) -> Result<Arc<Instance>, NetworkError> {
        let place = config.namespace.map_or(Place::Own, Place::At);
        let netns_dir = config.run_dir.join("netns");
        let (dir, own) = (netns_dir.clone(), place == Place::Own);
        let set_up = move || {
            std::fs::create_dir_all(&dir).map_err(NetworkError::path("create", &dir))?;
            let (gateway, mtu) = survey()?;
            let cidr = format!("{gateway}/{PREFIX_LEN}");
            let (table, bridge) = (names::INSTANCE_TABLE, names::INSTANCE_BRIDGE);
            // Before the bridge: no port is ever unguarded.
            let rules = ruleset::instance(table, bridge, &cidr, names::CONTAINER_VETH_PREFIX, !own);
            firewall::run(&rules)?;
            let made = ensure_bridge(bridge, mtu, gateway)?;
            sysctl::forward(true)?;
            if own {
                neighbours::accept(bridge)?;
            }
            let mut leases = Leases::new(gateway, PREFIX_LEN, sysctl::ephemeral_ports());
            let senders = firewall::publishers(table)?;
            for endpoint in netns::list(&dir)? {
                let veth = names::container_veth(&endpoint);
                if let Some(sender) = senders.iter().find(|s| s.veth == veth) {
                    leases.restore(&endpoint, lease_of(sender));
                }
            }
            Ok((gateway, made, leases, senders))
        };
        let (gateway, bridge, leases, senders) = place.clone().run(set_up).await?;
        let table = names::INSTANCE_TABLE.to_owned();
        let firewall = Firewall::start(table, place.clone(), senders);
        Ok(Arc::new(Instance {
            place,
            netns_dir,
            bridge,
            gateway,
            firewall,
            leases: Arc::new(Mutex::new(leases)),
        }))
    }

    /// The container's namespace with its interface on the bridge, and its ports published;
    /// finishes a half-made one. After an error nothing new is left behind.
    pub async fn connect(
        &self,
        task_id: &str,
        container: &str,
        (ports, ranges): (&[PortMapping], &[PortRange]),
    ) -> Result<Connected, ConnectError> {
        if !names::is_task_id(task_id) {
            return Err(NetworkError::TaskId(task_id.into()).into());
        }
        let endpoint = names::endpoint(task_id, container);
        let namespace = self.netns_dir.join(&endpoint);
        let before = self.address_before(&endpoint, &namespace).await?;
        // Whatever belongs to no namespace's name is taken for left behind: so this is first.
        netns::reserve(&namespace)?;
        let asked = (ports.to_vec(), ranges.to_vec());
        let lease = self.lease(&endpoint, asked, before).await?;
        let lease = match lease {
            Ok(lease) => lease,
            Err(denied) => {
                self.drop_endpoint(&endpoint).await?;
                return Err(ConnectError::Refused(denied.to_string()));
            }
        };
        if let Err(e) = self.plumb(&endpoint, &namespace, &lease).await {
            if let Err(error) = self.drop_endpoint(&endpoint).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, endpoint, "a half-made container network remains");
            }
            return Err(e.into());
        }
        let (singles, mut rows) = lease
            .published
            .split_at(ports.len().min(lease.published.len()));
        let binding = |p: &Published, length| NetworkBinding {
            bind_ip: "0.0.0.0".into(),
            container_port: p.container_port,
            host_port: p.host_port,
            protocol: p.protocol,
            length,
        };
        let mut bindings: Vec<NetworkBinding> = singles.iter().map(|p| binding(p, None)).collect();
        for range in ranges {
            let length = range.last - range.first + 1;
            let row;
            (row, rows) = rows.split_at(usize::from(length).min(rows.len()));
            bindings.extend(row.first().map(|p| binding(p, Some(length))));
        }
        Ok(Connected {
            namespace,
            address: lease.address,
            bindings,
        })
    }

    /// The networks of the task's containers are gone, and their ports free. Idempotent.
    pub async fn disconnect(&self, task_id: &str) -> Result<(), NetworkError> {
        self.drop_unless(|id| id != task_id).await
    }

    /// Removes what belongs to any task but these.
    pub async fn sweep(&self, keep: &HashSet<String>) -> Result<(), NetworkError> {
        self.drop_unless(|id| keep.contains(id)).await?;
        // In this order: a port that is there now has had its namespace's name before.
        let senders = self.firewall.veths();
        let dir = self.netns_dir.clone();
        let strays = move || {
            let failed = || NetworkError::link("remove interfaces left behind");
            let mut nl = Netlink::open().map_err(failed())?;
            let links = link::list(&mut nl).map_err(failed())?;
            let files = netns::list(&dir)?;
            let known: HashSet<String> = files.iter().map(|f| names::container_veth(f)).collect();
            for name in links.into_iter().map(|l| l.name) {
                if name.starts_with(names::CONTAINER_VETH_PREFIX) && !known.contains(&name) {
                    link::delete(&mut nl, &name).map_err(failed())?;
                }
            }
            Ok(senders
                .into_iter()
                .filter(move |veth| !known.contains(veth)))
        };
        for veth in self.place.clone().run(strays).await? {
            self.firewall.deny(veth).await?;
        }
        Ok(())
    }

    /// Takes the network down at the end, containers' too unless `keep_tasks`. The bridge goes
    /// with the last container, and stays for a later start otherwise.
    pub async fn shutdown(&self, keep_tasks: bool) -> Result<(), NetworkError> {
        if !keep_tasks {
            self.sweep(&HashSet::new()).await?;
        }
        if !netns::list(&self.netns_dir)?.is_empty() {
            return Ok(());
        }
        let own = self.place == Place::Own;
        let remove = move || {
            let name = names::INSTANCE_BRIDGE;
            if own {
                neighbours::forget(name);
            }
            let failed = || NetworkError::link(format!("delete bridge {name}"));
            let mut nl = Netlink::open().map_err(failed())?;
            link::delete(&mut nl, name).map_err(failed())
        };
        self.place.clone().run(remove).await?;
        self.firewall.remove().await
    }

    /// A listener for what its containers ask of their node; it blocks nobody.
    ///
    /// # Errors
    /// Somebody else has its port.
    pub async fn listen(&self) -> Result<TcpListener, NetworkError> {
        let listen = || {
            let at = (TASK_ENDPOINT, ENDPOINT_PORT);
            let listener = TcpListener::bind(at).and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            listener.map_err(NetworkError::link("listen for what containers ask"))
        };
        self.place.clone().run(listen).await
    }

    /// Listens where whoever is in the instance, or on its bridge, asks the ECS agent about itself. It is
    /// no more than a convenience: where somebody else has the port, nobody answers.
    pub async fn listen_for_introspection(&self) -> Vec<TcpListener> {
        let gateway = self.gateway;
        let listen = move || {
            let bind = |address: Ipv4Addr| {
                let listener = TcpListener::bind((address, INTROSPECTION_PORT));
                listener.and_then(|listener| {
                    listener.set_nonblocking(true)?;
                    Ok(listener)
                })
            };
            let all = [Ipv4Addr::LOCALHOST, gateway].map(bind).into_iter();
            Ok(all.filter_map(Result::ok).collect())
        };
        self.place.clone().run(listen).await.unwrap_or_default()
    }

    /// The instance's network namespace, for containers in `host` mode.
    pub fn namespace(&self) -> PathBuf {
        match &self.place {
            Place::At(path) => path.clone(),
            // A shim is in the node's own namespace from the start.
            Place::Own => "/proc/self/ns/net".into(),
        }
    }

    /// The address of an interface made before, of which the firewall knows nothing: its tables
    /// may have been flushed by somebody.
    async fn address_before(
        &self,
        endpoint: &str,
        namespace: &Path,
    ) -> Result<Option<Ipv4Addr>, NetworkError> {
        if self.leases.lock().held(endpoint).is_some() || !namespace.exists() {
            return Ok(None);
        }
        let namespace = namespace.to_owned();
        netns::on_own_thread(move || {
            // A name without a namespace is left of a start that was killed.
            let Ok(()) = Place::At(namespace).join() else {
                return Ok(None);
            };
            let failed = || NetworkError::link("read a container's interface");
            let mut nl = Netlink::open().map_err(failed())?;
            let found = link::find(&mut nl, plumb::INSIDE).map_err(failed())?;
            Ok(found.and_then(|l| match *l.mac {
                [0x02, 0x42, a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d)),
                _ => None,
            }))
        })
        .await
    }

    async fn lease(
        &self,
        endpoint: &str,
        (mut ports, ranges): (Vec<PortMapping>, Vec<PortRange>),
        before: Option<Ipv4Addr>,
    ) -> Result<Result<Lease, Denied>, NetworkError> {
        let (leases, endpoint) = (Arc::clone(&self.leases), endpoint.to_owned());
        let take = move || {
            // An interface that is there already has its ports' listeners behind it.
            let free = |protocol, port| before.is_some() || is_free(protocol, port);
            let mut leases = leases.lock();
            let rows = match leases.in_rows(&endpoint, &ranges, free) {
                Ok(rows) => rows,
                Err(denied) => return Ok(Err(denied)),
            };
            ports.extend(rows);
            Ok(leases.take(&endpoint, &ports, before, free))
        };
        self.place.clone().run(take).await
    }

    async fn plumb(
        &self,
        endpoint: &str,
        namespace: &Path,
        lease: &Lease,
    ) -> Result<(), NetworkError> {
        let veth = names::container_veth(endpoint);
        let mac = names::container_mac(lease.address);
        let plan = plumb::Plan {
            namespace: namespace.to_owned(),
            veth: veth.clone(),
            at: plumb::At::Bridge(self.bridge.index),
            mac,
            address: lease.address,
            prefix_len: PREFIX_LEN,
            gateway: self.gateway,
            mtu: self.bridge.mtu,
        };
        let sender = Sender {
            veth,
            mac: format_mac(mac),
            address: lease.address,
            published: lease.published.clone(),
        };
        let place = self.place.clone();
        let ensure = move || {
            place.join()?;
            plumb::ensure(&plan)
        };
        let (plumbed, allowed) =
            tokio::join!(netns::on_own_thread(ensure), self.firewall.allow(sender));
        plumbed.and(allowed)
    }

    async fn drop_unless(&self, keeps: impl Fn(&str) -> bool) -> Result<(), NetworkError> {
        let dir = self.netns_dir.clone();
        for endpoint in blocking(move || netns::list(&dir)).await? {
            let task_id = endpoint.split('.').next().unwrap_or_default();
            if !keeps(task_id) {
                self.drop_endpoint(&endpoint).await?;
            }
        }
        Ok(())
    }

    /// The port goes first: nothing leads to an address that may soon be another's.
    async fn drop_endpoint(&self, endpoint: &str) -> Result<(), NetworkError> {
        self.firewall.deny(names::container_veth(endpoint)).await?;
        let namespace = self.netns_dir.join(endpoint);
        blocking(move || netns::remove(&namespace)).await?;
        let lease = self.leases.lock().held(endpoint).cloned();
        let is_udp = |p: &ruleset::Published| p.protocol == Protocol::Udp;
        if let Some(lease) = lease.filter(|l| l.published.iter().any(is_udp)) {
            let forget = move || {
                let failed = NetworkError::link("forget flows to a container");
                conntrack::forget_udp(lease.address).map_err(failed)
            };
            self.place.clone().run(forget).await?;
        }
        self.leases.lock().give_back(endpoint);
        Ok(())
    }
}

fn lease_of(sender: &Sender) -> Lease {
    Lease {
        address: sender.address,
        published: sender.published.clone(),
    }
}

/// Could a server on the calling thread's network listen there?
fn is_free(protocol: Protocol, port: u16) -> bool {
    let address = (Ipv4Addr::UNSPECIFIED, port);
    match protocol {
        Protocol::Tcp => TcpListener::bind(address).is_ok(),
        Protocol::Udp => UdpSocket::bind(address).is_ok(),
    }
}

/// The bridge as made.
#[derive(Debug, Clone, Copy)]
struct Bridge {
    index: u32,
    mtu: u32,
}

fn ensure_bridge(name: &str, mtu: u32, gateway: Ipv4Addr) -> Result<Bridge, NetworkError> {
    let mut nl = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
    let act = |what: &str| NetworkError::link(format!("{what} bridge {name}"));
    match link::add_bridge(&mut nl, name, names::bridge_mac(name), mtu) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Err(NetworkError::NotRoot),
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(act("create")(e)),
        _ => {}
    }
    let found = link::find(&mut nl, name).map_err(act("find"))?;
    let index = found.map(|l| l.index);
    let index = index.ok_or_else(|| act("find")(io::ErrorKind::NotFound.into()))?;
    sysctl::for_instance(name)?;
    sysctl::for_host();
    link::set_up(&mut nl, index, None).map_err(act("start"))?;
    for (address, prefix_len) in [(gateway, PREFIX_LEN), (TASK_ENDPOINT, 32)] {
        link::add_address(&mut nl, index, address, prefix_len).map_err(act("add an address to"))?;
    }
    Ok(Bridge { index, mtu })
}

/// The bridge's address, the one it has or one whose network the instance does not use
/// otherwise; and the MTU of the instance's way out.
fn survey() -> Result<(Ipv4Addr, u32), NetworkError> {
    let read = || NetworkError::link("read the instance's network");
    let mut nl = Netlink::open().map_err(read())?;
    let links = link::list(&mut nl).map_err(read())?;
    let routes = link::routes(&mut nl).map_err(read())?;
    let gateway = gateway(&routes, &links).ok_or(NetworkError::Full)?;
    Ok((gateway, host::uplink_mtu(&routes, &links)))
}

pub(super) fn gateway(routes: &[Route], links: &[Link]) -> Option<Ipv4Addr> {
    let own = links.iter().find(|l| l.name == names::INSTANCE_BRIDGE);
    let own = own.and_then(|own| routes.iter().find(|r| r.interface == own.index));
    if let Some(route) = own {
        return Some(Ipv4Addr::from(u32::from(route.destination) | 1));
    }
    SECOND_OCTETS
        .map(|second| Cidr::around(Ipv4Addr::new(172, second, 0, 0), PREFIX_LEN))
        .find(|network| host::overlap(*network, routes, links).is_none())
        .map(|network| network.nth(1))
}

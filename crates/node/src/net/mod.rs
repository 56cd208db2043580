//! The tasks' network on this host: one bridge that is the router of every subnet, one network
//! namespace with one interface per task, one firewall. It knows addresses, not tasks' lives.
//!
//! Invariants: every call is idempotent, and finds again what an earlier process of the same
//! installation made; a namespace outlives the node (a bind mount holds it) and goes with
//! [`Network::detach`] or [`Network::sweep`]; a task can send only as itself; one Neargate owns
//! the network of a host. Several agents may use it, each by a [`Share`] of its own: one removes
//! nothing of another's.
//!
//! A container instance's own network, with bridge and ports, is [`Instance`].

mod conntrack;
mod error;
mod firewall;
mod forwarding;
mod generation;
mod host;
mod instance;
mod link;
mod names;
mod neighbours;
mod netlink;
mod netns;
mod overlay;
mod owner;
mod plumb;
mod ports;
mod resolv;
mod ruleset;
mod share;
mod sysctl;
#[cfg(test)]
mod tests;
mod watch;

pub use error::NetworkError;
pub use instance::{ConnectError, Connected, Instance, InstanceConfig};
pub use overlay::OverlayConfig;
pub use share::Share;

use firewall::Firewall;
use neargate_base::task::spawn_blocking;
use neargate_domain::NetworkInterface;
use neargate_domain::vpc::VpcRange;
use netlink::Netlink;
use overlay::Overlay;
use owner::Owner;
use parking_lot::Mutex;
use ruleset::{Guard, Sender};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the network is made from.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// Names this installation; the same after a restart.
    pub installation: String,
    /// Volatile state; `netns/<task id>` under it are the tasks' namespaces.
    pub run_dir: PathBuf,
    /// Traffic from here to anywhere else is masqueraded.
    pub vpc_cidr: String,
    /// Each subnet's router address, with the subnet's prefix length.
    pub subnets: Vec<(Ipv4Addr, u8)>,
    /// Joins it with those of other hosts.
    pub overlay: Option<OverlayConfig>,
    /// The host's own ports that tasks reach besides DNS; `None`: all, for the host is a
    /// container instance.
    pub reachable: Option<Vec<u16>>,
}

/// The first of these ranges that no other network of this host overlaps.
///
/// # Errors
/// The host's routes cannot be read.
pub async fn first_free(ranges: Vec<VpcRange>) -> Result<Option<VpcRange>, NetworkError> {
    blocking(move || host::first_free(&ranges)).await
}

/// The running network of a host.
#[derive(Debug)]
pub struct Network {
    bridge_name: String,
    /// Its index, which changes should it be made again.
    bridge: AtomicU32,
    mtu: u32,
    subnets: Vec<(Ipv4Addr, u8)>,
    overlay_config: Option<OverlayConfig>,
    table: String,
    /// The firewall's rules without the senders.
    rules: String,
    /// nftables' own number of them when they were seen last.
    generation: AtomicU32,
    /// What is attached, by namespace.
    plans: Mutex<HashMap<PathBuf, plumb::Plan>>,
    /// Held while something is made again; true: the end has come.
    mending: tokio::sync::Mutex<bool>,
    run_dir: PathBuf,
    netns_dir: PathBuf,
    firewall: Firewall,
    overlay: Mutex<Option<Arc<Overlay>>>,
    /// The other hosts, as told last; held until they are set, so that the newest are set last.
    peers: tokio::sync::Mutex<BTreeSet<Ipv4Addr>>,
    /// The MTU of tasks' interfaces.
    task_mtu: u32,
    _owner: Owner,
}

impl Network {
    /// Ensures bridge and firewall. Tasks of an earlier process stay connected throughout.
    pub async fn start(config: NetworkConfig) -> Result<Arc<Network>, NetworkError> {
        blocking(move || {
            if !rustix::process::geteuid().is_root() {
                return Err(NetworkError::NotRoot);
            }
            let owner = Owner::claim()?;
            let netns_dir = config.run_dir.join("netns");
            std::fs::create_dir_all(&netns_dir)
                .map_err(NetworkError::path("create", &netns_dir))?;
            let bridge_name = names::bridge(&config.installation);
            let table = names::table(&bridge_name);
            let mtu = host::survey(&bridge_name, &config.vpc_cidr)?;
            let guard = Guard {
                closed: forwarding::is_ours(&config.run_dir)?,
                reachable: config.reachable,
            };
            let mut rules = ruleset::base(&table, &bridge_name, &config.vpc_cidr, &guard);
            // Before the bridge and the routing: no port is ever unguarded.
            firewall::run(&rules)?;
            sysctl::forward(true)?;
            let bridge = host::ensure(&bridge_name, mtu, &config.subnets)?;
            neighbours::accept(&bridge_name)?;
            let gateways: Vec<Ipv4Addr> = config.subnets.iter().map(|(g, _)| *g).collect();
            let overlay_config = config.overlay;
            let overlay = match config.overlay {
                Some(overlay) => {
                    let at = (bridge_name.as_str(), bridge.index);
                    rules += &overlay::rules(&table, &bridge_name, &gateways);
                    let overlay = Overlay::ensure(at, &table, mtu, overlay, &gateways)?;
                    Some(Arc::new(overlay))
                }
                None => {
                    overlay::remove(&bridge_name)?;
                    None
                }
            };
            let senders = firewall::senders(&table)?;
            let firewall = Firewall::start(table.clone(), netns::Place::Own, senders);
            let around = overlay.as_ref().map_or(0, |_| overlay::OVERHEAD);
            Ok(Network {
                task_mtu: bridge.mtu - around,
                bridge_name,
                bridge: AtomicU32::new(bridge.index),
                mtu: bridge.mtu,
                subnets: config.subnets,
                overlay_config,
                table,
                rules,
                generation: AtomicU32::new(0),
                plans: Mutex::default(),
                mending: tokio::sync::Mutex::new(false),
                run_dir: config.run_dir,
                netns_dir,
                firewall,
                overlay: Mutex::new(overlay),
                peers: tokio::sync::Mutex::default(),
                _owner: owner,
            })
        })
        .await
        .map(|network| {
            let network = Arc::new(network);
            watch::start(&network);
            network
        })
    }

    /// The other hosts of the task network. Nothing where there is no overlay.
    pub async fn set_peers(&self, peers: BTreeSet<Ipv4Addr>) -> Result<(), NetworkError> {
        let mut told = self.peers.lock().await;
        told.clone_from(&peers);
        self.apply_peers(&told).await
    }

    async fn apply_peers(&self, peers: &BTreeSet<Ipv4Addr>) -> Result<(), NetworkError> {
        let overlay = self.overlay.lock().clone();
        match overlay {
            Some(overlay) => overlay.set_peers(peers.clone()).await,
            None => Ok(()),
        }
    }

    /// The task's network namespace with its interface in it; finishes a half-made one. After an
    /// error nothing new is left behind.
    pub async fn attach(
        &self,
        task_id: &str,
        eni: &NetworkInterface,
    ) -> Result<PathBuf, NetworkError> {
        self.attach_for("", task_id, eni).await
    }

    /// Does what `try_attach` does. Should that fail because somebody has just broken what it
    /// needs, this is made again and it is tried once more.
    async fn attach_for(
        &self,
        owner: &str,
        task_id: &str,
        eni: &NetworkInterface,
    ) -> Result<PathBuf, NetworkError> {
        match self.try_attach(owner, task_id, eni).await {
            Err(NetworkError::Link { .. } | NetworkError::Nft(_)) => {
                self.mend().await?;
                self.try_attach(owner, task_id, eni).await
            }
            done => done,
        }
    }

    async fn try_attach(
        &self,
        owner: &str,
        task_id: &str,
        eni: &NetworkInterface,
    ) -> Result<PathBuf, NetworkError> {
        let namespace = self.namespace(owner, task_id)?;
        let mac = parse_mac(&eni.mac)?;
        // Whatever belongs to no namespace's name is taken for left behind: so this is first.
        netns::reserve(&namespace)?;
        let veth = names::veth(task_id);
        let plan = plumb::Plan {
            namespace: namespace.clone(),
            veth: veth.clone(),
            bridge: self.bridge.load(Ordering::Relaxed),
            mac,
            address: eni.private_ipv4,
            prefix_len: eni.prefix_len,
            gateway: eni.gateway,
            mtu: self.task_mtu,
            hairpin: false,
        };
        let sender = Sender {
            veth: veth.clone(),
            mac: format_mac(mac),
            address: eni.private_ipv4,
            published: Vec::new(),
        };
        let (plumbed, allowed) = tokio::join!(
            netns::on_own_thread({
                let plan = plan.clone();
                move || plumb::ensure(&plan)
            }),
            self.firewall.allow(sender)
        );
        if let Err(e) = plumbed {
            if let Err(e) = self.firewall.deny(veth).await {
                let error = &e as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    task_id,
                    "the firewall keeps the entry of a failed task"
                );
            }
            return Err(e);
        }
        allowed?;
        self.plans.lock().insert(namespace.clone(), plan);
        Ok(namespace)
    }

    /// The task's network is gone: its namespace goes when its last process has. Call it when
    /// the containers have ended, and again after an error.
    pub async fn detach(&self, task_id: &str) -> Result<(), NetworkError> {
        self.detach_for("", task_id).await
    }

    async fn detach_for(&self, owner: &str, task_id: &str) -> Result<(), NetworkError> {
        let namespace = self.namespace(owner, task_id)?;
        self.plans.lock().remove(&namespace);
        self.firewall.deny(names::veth(task_id)).await?;
        blocking(move || netns::remove(&namespace)).await
    }

    /// Removes what belongs to any task but these; not what was made through a [`Share`].
    pub async fn sweep(&self, keep: &HashSet<String>) -> Result<(), NetworkError> {
        self.sweep_unless(|owner, task| !owner.is_empty() || keep.contains(task))
            .await
    }

    /// Removes the tasks of every share whose owner is not among these.
    pub async fn sweep_owners(&self, keep: &HashSet<String>) -> Result<(), NetworkError> {
        self.sweep_unless(|owner, _| owner.is_empty() || keep.contains(owner))
            .await
    }

    /// Removes every namespace but those that `keeps` names by owner and task, and whatever
    /// belongs to no namespace.
    async fn sweep_unless(&self, keeps: impl Fn(&str, &str) -> bool) -> Result<(), NetworkError> {
        let dir = self.netns_dir.clone();
        let all = blocking(move || netns::list(&dir)).await?;
        for file in all {
            let (owner, task) = names::split_owned(&file);
            if !keeps(owner, task) {
                tracing::info!(task, owner, "removing a network namespace left behind");
                self.detach_for(owner, task).await?;
            }
        }
        // In this order: a port that is there now has had its namespace's name before.
        let senders = self.firewall.veths();
        let dir = self.netns_dir.clone();
        let strays = blocking(move || {
            let failed = || NetworkError::link("remove interfaces left behind");
            let mut nl = Netlink::open().map_err(failed())?;
            let links = link::list(&mut nl).map_err(failed())?;
            let known: HashSet<String> = netns::list(&dir)?
                .iter()
                .map(|file| names::veth(names::split_owned(file).1))
                .collect();
            let stray =
                |name: &String| name.starts_with(names::VETH_PREFIX) && !known.contains(name);
            for name in links.into_iter().map(|l| l.name).filter(stray) {
                link::delete(&mut nl, &name).map_err(failed())?;
            }
            Ok(senders
                .into_iter()
                .filter(move |veth| !known.contains(veth)))
        });
        for veth in strays.await? {
            self.firewall.deny(veth).await?;
        }
        Ok(())
    }

    /// Takes the network down at the end: tasks' too unless `keep_tasks`. Bridge and firewall
    /// go with the last task, and stay for a later start otherwise.
    pub async fn shutdown(&self, keep_tasks: bool) -> Result<(), NetworkError> {
        if !keep_tasks {
            self.sweep_unless(|_, _| false).await?;
        }
        // What is taken down here is not to be made again.
        *self.mending.lock().await = true;
        let (dir, name) = (self.netns_dir.clone(), self.bridge_name.clone());
        let run_dir = self.run_dir.clone();
        let removed = blocking(move || {
            if !netns::list(&dir)?.is_empty() {
                return Ok(false);
            }
            forwarding::put_back(&run_dir)?;
            neighbours::forget(&name);
            overlay::remove(&name)?;
            let failed = || NetworkError::link(format!("delete bridge {name}"));
            let mut nl = Netlink::open().map_err(failed())?;
            link::delete(&mut nl, &name).map_err(failed())?;
            Ok(true)
        });
        if removed.await? {
            self.firewall.remove().await
        } else {
            Ok(())
        }
    }

    /// Where a task's network namespace is, or will be.
    pub fn netns_path(&self, task_id: &str) -> PathBuf {
        self.netns_dir.join(task_id)
    }

    /// The resolv.conf for tasks, from the host's as it is now.
    pub fn resolv_conf(&self) -> String {
        resolv::read()
    }

    fn namespace(&self, owner: &str, task_id: &str) -> Result<PathBuf, NetworkError> {
        if names::is_task_id(task_id) {
            Ok(self.netns_dir.join(names::owned(owner, task_id)))
        } else {
            Err(NetworkError::TaskId(task_id.into()))
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NetworkError> + Send + 'static,
) -> Result<T, NetworkError> {
    spawn_blocking(work)
        .await
        .map_err(|_| NetworkError::Thread)?
}

/// Six octets in hexadecimal, colon separated; a multicast address is none an interface can have.
fn parse_mac(s: &str) -> Result<[u8; 6], NetworkError> {
    let octet = |o: &str| {
        if o.len() == 2 {
            u8::from_str_radix(o, 16).ok()
        } else {
            None
        }
    };
    let octets: Option<Vec<u8>> = s.split(':').map(octet).collect();
    octets
        .and_then(|o| <[u8; 6]>::try_from(o).ok())
        .filter(|o| o[0] & 1 == 0)
        .ok_or_else(|| NetworkError::Invalid(s.into()))
}

fn format_mac(mac: [u8; 6]) -> String {
    mac.map(|o| format!("{o:02x}")).join(":")
}

//! The tasks' network on this host: a network namespace for each VPC, which is the router of its
//! subnets and enforces what the control plane told of it, and one with one interface for each task.
//! It knows addresses, not tasks' lives.
//!
//! Invariants: every call is idempotent, and finds again what an earlier process of the same
//! installation made; a namespace outlives the node (a bind mount holds it) and goes with
//! [`Network::detach`] or [`Network::sweep`]; a task can send only as itself; one Neargate owns
//! the network of a host. Several agents may use it, each by a [`Share`] of its own: one removes
//! nothing of another's.
//!
//! A container instance's own network, with bridge and ports, is [`Instance`].

mod batch;
mod conntrack;
mod dial;
mod error;
pub mod fault;
mod firewall;
mod flow;
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
mod redirect;
mod resolv;
mod route;
mod ruleset;
mod share;
mod sysctl;
mod table;
#[cfg(test)]
mod tests;
mod vpc;
mod watch;

pub use dial::{dial_tcp, dial_udp};
pub use error::NetworkError;
pub use flow::FlowMeter;
pub use instance::{ConnectError, Connected, Instance, InstanceConfig};
pub use overlay::OverlayConfig;
pub use redirect::redirect;
pub use resolv::in_vpc as resolv_conf_in_vpc;
pub use share::Share;

use neargate_base::task::spawn_blocking;
use neargate_domain::vpc::VpcRange;
use neargate_domain::vpc_network::NetworkChange;
use neargate_domain::{Cidr, NetworkInterface};
use netlink::Netlink;
use owner::Owner;
use ruleset::Guard;
use std::collections::{BTreeSet, HashSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use vpc::{Attached, Site, Vpcs};

/// Where tasks ask their node
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html>).
pub const TASK_ENDPOINT: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);

/// Where the host answers what instances ask at 169.254.169.254: at this port of [`TASK_ENDPOINT`]. That
/// address itself stays the host's cloud's.
pub const INSTANCE_METADATA_PORT: u16 = 51_680;

/// What the network is made from.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// Names this installation; the same after a restart.
    pub installation: String,
    /// Volatile state: what was told of VPCs; their namespaces under `vpc/`, and the tasks' under
    /// `netns/`.
    pub run_dir: PathBuf,
    /// The default VPCs' range, which no network of the host may overlap.
    pub vpc_cidr: Cidr,
    /// Where public addresses are from. What has one is reached by it from this host and from who has
    /// a route to it here; where it is a part of a network of the host, from everybody there. What
    /// leaves the host from there is masqueraded otherwise.
    pub public_pool: Cidr,
    /// Joins it with those of other hosts.
    pub overlay: Option<OverlayConfig>,
    /// The host's own ports that tasks reach besides DNS; `None`: all, for the host is a
    /// container instance.
    pub reachable: Option<Vec<u16>>,
    /// Where the API answers in every VPC, at the addresses of its resolver; nowhere: not here.
    pub api: Vec<u16>,
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
    vpcs: Arc<Vpcs>,
    overlay: Option<OverlayConfig>,
    /// The host's own table and its rules, without those of the overlay.
    table: String,
    rules: String,
    /// nftables' own number of the host's rules when they were seen last.
    generation: AtomicU32,
    /// Held while something is made again; true: the end has come.
    mending: tokio::sync::Mutex<bool>,
    run_dir: PathBuf,
    netns_dir: PathBuf,
    /// The MTU of tasks' interfaces.
    task_mtu: u32,
    _owner: Owner,
}

impl Network {
    /// Ensures the host's rules and the VPCs that have interfaces. Tasks of an earlier process stay
    /// connected throughout.
    pub async fn start(config: NetworkConfig) -> Result<Arc<Network>, NetworkError> {
        let network = blocking(move || Network::prepare(config)).await?;
        let network = Arc::new(network);
        network.load_peers().await?;
        let lost = network.vpcs.restore().await?;
        network.reconnect(lost).await?;
        watch::start(&network);
        Ok(network)
    }

    fn prepare(config: NetworkConfig) -> Result<Network, NetworkError> {
        if !rustix::process::geteuid().is_root() {
            return Err(NetworkError::NotRoot);
        }
        let owner = Owner::claim()?;
        let is_instance = config.reachable.is_none();
        let netns_dir = netns_dir(&config.run_dir);
        std::fs::create_dir_all(&netns_dir).map_err(NetworkError::path("create", &netns_dir))?;
        let mtu = host::survey(&config.installation, config.vpc_cidr)?;
        let mut nl = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
        let table = names::table(&config.installation);
        let rules = ruleset::host(&ruleset::Host {
            table: table.clone(),
            pool: config.public_pool,
            lan: host::lan(&mut nl, config.public_pool)?.is_some(),
            guard: Guard {
                closed: forwarding::is_ours(&config.run_dir)?,
                reachable: config.reachable,
            },
        });
        // Before any uplink and the routing: nothing is ever unguarded.
        firewall::run(&rules)?;
        sysctl::forward(true)?;
        sysctl::for_host();
        neighbours::accept(neighbours::UPLINKS)?;
        let around = config.overlay.map_or(0, |_| overlay::OVERHEAD);
        let site = Site {
            dir: config.run_dir.join("vpc"),
            installation: config.installation,
            pool: config.public_pool,
            mtu,
            is_instance,
            overlay: config.overlay,
            api: config.api,
        };
        Ok(Network {
            vpcs: Arc::new(Vpcs::open(site, &config.run_dir, &netns_dir)?),
            overlay: config.overlay,
            table,
            rules,
            generation: AtomicU32::new(0),
            mending: tokio::sync::Mutex::new(false),
            run_dir: config.run_dir,
            netns_dir,
            task_mtu: mtu - around,
            _owner: owner,
        })
    }

    /// Takes in what the control plane says of VPCs, in this order. It is enforced when this returns,
    /// and by later processes until they are told otherwise.
    ///
    /// # Errors
    /// Some change names what cannot be, and does not hold, while the others do; or a VPC cannot be
    /// made as it should be, which is tried again by and by.
    pub async fn apply(
        &self,
        changes: impl IntoIterator<Item = NetworkChange>,
    ) -> Result<(), NetworkError> {
        self.vpcs.apply(changes.into_iter().collect()).await
    }

    /// Where a VPC's namespace is, while an interface of it is here: there the addresses of its
    /// router and of AmazonProvidedDNS are served.
    pub fn vpc_path(&self, vpc_id: &str) -> PathBuf {
        self.vpcs.namespace(vpc_id)
    }

    /// The other hosts of the task network. Nothing where there is no overlay.
    pub async fn set_peers(&self, peers: BTreeSet<Ipv4Addr>) -> Result<(), NetworkError> {
        if self.overlay.is_none() {
            return Ok(());
        }
        let others = blocking(move || {
            let mut nl = Netlink::open().map_err(NetworkError::link("open a netlink socket"))?;
            let here = link::addresses(&mut nl).map_err(NetworkError::link("list addresses"))?;
            let mut peers = peers;
            // A device that sends to its own host would hand packets back to where they are from.
            peers.retain(|p| !p.is_loopback() && !here.contains(p));
            Ok(peers)
        });
        // Taken from before sent to.
        let others = others.await?;
        self.load_overlay(Some(others.clone())).await?;
        self.vpcs.set_peers(others).await
    }

    /// Loads what the host's table has for the overlay, with the peers that are known.
    async fn load_peers(&self) -> Result<(), NetworkError> {
        self.load_overlay(self.vpcs.peers()).await
    }

    async fn load_overlay(&self, peers: Option<BTreeSet<Ipv4Addr>>) -> Result<(), NetworkError> {
        let Some(config) = self.overlay else {
            return Ok(());
        };
        let table = self.table.clone();
        blocking(move || {
            let peers = peers.map(|peers| overlay::peers(&table, config.local, &peers));
            firewall::run(&(overlay::rules(&table) + &peers.unwrap_or_default()))
        })
        .await
    }

    /// The task's network namespace with its interface in it; finishes a half-made one. After an
    /// error nothing new is left behind. Waits a while for the interface's VPC to be told of.
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
        let namespace = self.namespace(owner, task_id)?;
        parse_mac(&eni.mac)?;
        for id in [&eni.vpc_id, &eni.id] {
            if !names::is_task_id(id) {
                return Err(NetworkError::Invalid(id.clone()));
            }
        }
        self.vpcs.known(eni).await?;
        let file = names::owned(owner, task_id);
        match self.try_attach(&file, &namespace, eni).await {
            Err(
                NetworkError::Link { .. }
                | NetworkError::Nft(_)
                | NetworkError::Path { .. }
                | NetworkError::Vpc { .. },
            ) => {
                self.mend().await?;
                self.try_attach(&file, &namespace, eni).await?;
            }
            done => done?,
        }
        Ok(namespace)
    }

    async fn try_attach(
        &self,
        file: &str,
        namespace: &std::path::Path,
        eni: &NetworkInterface,
    ) -> Result<(), NetworkError> {
        // Whatever belongs to no namespace's name is taken for left behind: so this is first.
        netns::reserve(namespace)?;
        let done = self.admit(file, eni).await;
        if done.is_err()
            && let Err(e) = self.vpcs.withdraw(file).await
        {
            let error = &e as &dyn std::error::Error;
            tracing::warn!(error, file, "a VPC keeps the entry of a failed task");
        }
        done
    }

    async fn admit(&self, file: &str, eni: &NetworkInterface) -> Result<(), NetworkError> {
        let veth = names::veth(names::split_owned(file).1);
        let (ready, answer) = self.vpcs.admit(file, &veth, eni)?;
        if ready {
            let (plumbed, answered) = tokio::join!(self.plumb(file, &veth, eni), vpc::wait(answer));
            plumbed.and(answered.map(drop))?;
        } else {
            vpc::wait(answer).await?;
            self.plumb(file, &veth, eni).await?;
        }
        self.vpcs.connected(&eni.vpc_id, file);
        Ok(())
    }

    async fn plumb(
        &self,
        file: &str,
        veth: &str,
        eni: &NetworkInterface,
    ) -> Result<(), NetworkError> {
        let plan = plumb::Plan {
            namespace: self.netns_dir.join(file),
            veth: veth.to_owned(),
            at: plumb::At::Router,
            mac: parse_mac(&eni.mac)?,
            address: eni.private_ipv4,
            prefix_len: eni.prefix_len,
            gateway: eni.gateway,
            mtu: self.task_mtu,
        };
        let vpc = netns::Place::At(self.vpcs.namespace(&eni.vpc_id));
        netns::on_own_thread(move || {
            vpc.join()?;
            plumb::ensure(&plan)
        })
        .await
    }

    /// Makes the links of these interfaces again, which are gone.
    async fn reconnect(&self, lost: Vec<Attached>) -> Result<(), NetworkError> {
        for attached in lost {
            let (file, veth) = (&attached.file, &attached.veth);
            tracing::warn!(veth, "a task's interface was gone: made again");
            self.plumb(file, veth, &attached.interface).await?;
            // Unless it was detached meanwhile.
            if !self.vpcs.has(file) {
                let namespace = self.netns_dir.join(file);
                blocking(move || netns::remove(&namespace)).await?;
            }
        }
        Ok(())
    }

    /// The task's network is gone: its namespace goes when its last process has. Call it when
    /// the containers have ended, and again after an error.
    pub async fn detach(&self, task_id: &str) -> Result<(), NetworkError> {
        self.detach_for("", task_id).await
    }

    async fn detach_for(&self, owner: &str, task_id: &str) -> Result<(), NetworkError> {
        let namespace = self.namespace(owner, task_id)?;
        self.vpcs.withdraw(&names::owned(owner, task_id)).await?;
        blocking(move || netns::remove(&namespace)).await
    }

    /// Removes what belongs to any task but these; not what was made through a [`Share`].
    pub async fn sweep(&self, keep: &HashSet<String>) -> Result<(), NetworkError> {
        self.sweep_unless(|owner, task| !owner.is_empty() || keep.contains(task))
            .await
    }

    /// Removes the tasks of every agent's share whose owner is not among these.
    pub async fn sweep_owners(&self, keep: &HashSet<String>) -> Result<(), NetworkError> {
        let others = |owner: &str| owner.is_empty() || owner == share::LOAD_BALANCERS;
        self.sweep_unless(|owner, _| others(owner) || keep.contains(owner))
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
        self.vpcs.end_idle().await?;
        for vpc_id in self.vpcs.veths().into_keys() {
            let vpcs = Arc::clone(&self.vpcs);
            let place = netns::Place::At(vpcs.namespace(&vpc_id));
            let sweep = move || {
                let failed = || NetworkError::link("remove interfaces left behind");
                let mut nl = Netlink::open().map_err(failed())?;
                let there = link::list(&mut nl).map_err(failed())?;
                // In this order: a link that is there was attached before.
                let known = vpcs.veths().remove(&vpc_id).unwrap_or_default();
                let stray = |n: &String| n.starts_with(names::VETH_PREFIX) && !known.contains(n);
                for name in there.into_iter().map(|l| l.name).filter(stray) {
                    link::delete(&mut nl, &name).map_err(failed())?;
                }
                Ok(())
            };
            match place.run(sweep).await {
                // It is made right now, or goes with its last interface: nothing is left in it.
                Err(NetworkError::Path { source, .. }) if is_no_namespace(&source) => {}
                swept => swept?,
            }
        }
        Ok(())
    }

    /// Takes the network down at the end: tasks' too unless `keep_tasks`. The host's rules go with
    /// the last task, and stay for a later start otherwise.
    pub async fn shutdown(&self, keep_tasks: bool) -> Result<(), NetworkError> {
        if !keep_tasks {
            self.sweep_unless(|_, _| false).await?;
        }
        // What is taken down here is not to be made again.
        *self.mending.lock().await = true;
        let (dir, table) = (self.netns_dir.clone(), self.table.clone());
        let run_dir = self.run_dir.clone();
        if !blocking(move || netns::list(&dir)).await?.is_empty() {
            return Ok(());
        }
        self.vpcs.end().await?;
        blocking(move || {
            forwarding::put_back(&run_dir)?;
            neighbours::forget(neighbours::UPLINKS);
            firewall::run(&ruleset::remove(&["inet"], &table))
        })
        .await
    }

    /// Where a task's network namespace is, or will be.
    pub fn netns_path(&self, task_id: &str) -> PathBuf {
        self.netns_dir.join(task_id)
    }

    /// The resolv.conf for those who ask the host's servers, from the host's as it is now.
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

/// Where the namespaces of tasks are.
fn netns_dir(run_dir: &std::path::Path) -> PathBuf {
    run_dir.join("netns")
}

/// Nothing is mounted at the name of a namespace, or there is no such name.
fn is_no_namespace(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidInput, NotFound};
    matches!(error.kind(), NotFound | InvalidInput)
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

//! This machine as it runs tasks: network, images, runtime and agent, whoever tells it what to
//! run.

use crate::config::Registries;
use crate::edge::{self, NameSources};
use anyhow::{Context, Result};
use neargate_base::{Clock, Rng, task};
use neargate_domain::link::Peer;
use neargate_domain::vpc::VpcRange;
use neargate_domain::vpc_network::NetworkChange;
use neargate_domain::{Cidr, NodeKind};
use neargate_edge::process::Keeper;
use neargate_node::about;
use neargate_node::agent::{
    Agent, AgentConfig, Builders, DiskGuard, InstanceNetworks, Served, TaskEndpoint,
};
use neargate_node::capability::Allowed;
use neargate_node::image::{Images, OwnBlobs, RegistryConfig};
use neargate_node::net::{
    FlowMeter, Instance, InstanceConfig, Network, NetworkConfig, OverlayConfig, Share,
};
use neargate_node::runtime::{RuntimeConfig, ShimRuntime};
use neargate_node::upstream::Upstream;
use neargate_node::volume::FileSystems;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What a machine is set up with.
pub struct Setup<'a> {
    pub data: &'a Path,
    /// See [`crate::installation::id`].
    pub installation: &'a str,
    pub node_id: String,
    pub kind: NodeKind,
    /// The default VPCs' range.
    pub vpc: VpcRange,
    /// Where public addresses are from.
    pub public_pool: Cidr,
    /// What of this machine containers may reach.
    pub allowed: Allowed,
    pub file_systems: FileSystems,
    /// Its own ports that tasks reach besides DNS; `None`: all, for it is a container instance itself.
    pub reachable: Option<Vec<u16>>,
    /// The ports of the API in VPCs; none: it is on another host.
    pub api: Vec<u16>,
    /// See [`AgentConfig::api_url`].
    pub api_url: Option<String>,
    /// Joins its tasks' network with those of other hosts.
    pub overlay: Option<OverlayConfig>,
    pub registries: &'a Registries,
    /// The blobs of our own registry.
    pub blobs: OwnBlobs,
    pub upstream: Arc<dyn Upstream>,
    /// What names mean in VPCs.
    pub names: NameSources,
    /// What the networks of VPCs are.
    pub networks: mpsc::Receiver<NetworkChange>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<Rng>,
}

/// A machine that runs tasks.
pub struct Machine {
    agent: Agent,
    pub images: Arc<Images>,
    pub network: Arc<Network>,
    pub runtime: Arc<ShimRuntime>,
    /// Looks after the disk for every agent of the host.
    pub disk_guard: Arc<DiskGuard>,
    /// The host's own network, when it is a container instance.
    own: Option<Arc<Instance>>,
    /// Answers what tasks ask of their node, for every agent of the host.
    pub task_endpoint: Arc<TaskEndpoint>,
    _served: (edge::Serving, Vec<Served>),
    /// Has names answered in VPCs.
    pub edge: Arc<Keeper>,
    run_dir: PathBuf,
}

/// What is lost with the machine's restart.
pub const RUN_DIR: &str = "/run/neargate";

/// What a task of Fargate may write by default.
const FARGATE_STORAGE_GIB: u32 = 20;

/// Where an installation keeps what is lost with the machine's restart.
pub fn run_dir(installation: &str) -> PathBuf {
    Path::new(RUN_DIR).join(installation)
}

impl Machine {
    pub async fn start(setup: Setup<'_>) -> Result<Machine> {
        let run_dir = run_dir(setup.installation);
        let network = Network::start(NetworkConfig {
            installation: setup.installation.to_owned(),
            run_dir: run_dir.join("net"),
            vpc_cidr: setup.vpc.cidr(),
            public_pool: setup.public_pool,
            overlay: setup.overlay,
            reachable: setup.reachable,
            api: setup.api,
        });
        let network = network.await.context("cannot set up the task network")?;
        let edge = edge::keep(&run_dir, setup.data, setup.names, setup.rng.clone())?;
        let edge = Arc::new(edge);
        follow_networks(&network, edge.clone(), setup.networks);
        let registries = RegistryConfig {
            mirrors: setup.registries.mirrors.clone(),
            insecure: setup.registries.insecure.clone(),
        };
        let images = setup.data.join("images");
        let images = Images::open(&images, Some(setup.blobs), registries)
            .context("cannot open the images")?;
        let runtime = ShimRuntime::open(RuntimeConfig {
            exe: std::env::current_exe().context("cannot find this program")?,
            // Containers write here: on disk, not in memory.
            run_dir: setup.data.join("containers"),
            cgroup_name: setup.installation.to_owned(),
        });
        let runtime = runtime.context("cannot set up the container runtime")?;
        let memory_mib = about::for_tasks_mib().context("cannot read the host's memory")?;
        let runtime = Arc::new(runtime.with_memory(memory_mib));
        let disks = Arc::clone(&runtime);
        task::spawn_blocking(move || disks.prepare_disks(FARGATE_STORAGE_GIB));
        let mut agent = AgentConfig::new(setup.data.join("node"), setup.clock, setup.rng);
        agent.node_id = setup.node_id;
        agent.allowed = setup.allowed;
        agent.file_systems = setup.file_systems;
        let disk_guard = DiskGuard::start(setup.data.to_owned());
        agent.disk_guard = Some(Arc::clone(&disk_guard));
        let task_endpoint = TaskEndpoint::open(&agent.data_dir, &agent.rng)
            .context("cannot keep the key of the task endpoint")?;
        agent.task_endpoint = Some(Arc::clone(&task_endpoint));
        agent.api_url = setup.api_url;
        agent.builders = Some(Builders {
            exe: std::env::current_exe().context("cannot find this program")?,
            cgroup_name: setup.installation.to_owned(),
        });
        let tasks_served = edge::serve_tasks(Arc::clone(&task_endpoint), &run_dir);
        let node = agent.node_id.clone();
        let upstream = setup.upstream;
        tell_flows(&network, upstream.clone(), agent.clock.clone());
        let mut own_served = Vec::new();
        let (agent, own) = match setup.kind {
            NodeKind::Fargate => {
                let (network, runtime) = (network.clone(), runtime.clone());
                let agent = Agent::start(agent, upstream, images.clone(), network, runtime).await;
                (agent, None)
            }
            NodeKind::Ec2 | NodeKind::External => {
                let own = Instance::start(InstanceConfig {
                    namespace: None,
                    run_dir: run_dir.join("instance"),
                });
                let own = own.await.context("cannot set up the instance's network")?;
                let listener = own.listen().await.context("cannot answer what tasks ask")?;
                let about = own.listen_for_introspection().await;
                let served = task_endpoint.serve_instance(listener, about, &node);
                own_served = served.context("cannot answer what tasks ask")?;
                let vpc = Share::new(network.clone(), "").context("the VPC's network")?;
                let networks = InstanceNetworks::of_host(vpc, own.clone());
                let runtime = runtime.clone();
                let agent =
                    Agent::start_on_instance(agent, upstream, images.clone(), networks, runtime)
                        .await;
                (agent, Some(own))
            }
        };
        Ok(Machine {
            agent: agent.context("cannot start the node")?,
            images,
            network,
            runtime,
            disk_guard,
            own,
            task_endpoint,
            _served: (tasks_served, own_served),
            edge,
            run_dir,
        })
    }

    /// Keep the task network joined with those of these hosts, of which this is `own`.
    pub fn follow_peers(&self, own: String, mut peers: watch::Receiver<Vec<Peer>>) {
        let network = self.network.clone();
        task::spawn("peers", async move {
            // Until the control plane has said who they are, those of an earlier process stay.
            if peers.borrow().is_empty() && peers.changed().await.is_err() {
                return;
            }
            loop {
                let others = peers.borrow_and_update().clone().into_iter();
                let others = others.filter(|p| p.id != own).filter_map(|p| match p.address {
                    IpAddr::V4(address) => Some(address),
                    IpAddr::V6(address) => {
                        let peer = p.id;
                        tracing::warn!(peer, %address, "tasks of a host are not reached over IPv6");
                        None
                    }
                });
                if let Err(error) = network.set_peers(others.collect()).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the network's other hosts are not up to date");
                }
                if peers.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Containers go on; without any, the host is put back as it was.
    pub async fn stop(self, keep_tasks: bool) {
        self.agent.shutdown().await;
        if let Some(own) = self.own
            && let Err(error) = own.shutdown(keep_tasks).await
        {
            tracing::warn!(%error, "the instance's network is not taken down");
        }
        if let Err(error) = self.network.shutdown(keep_tasks).await {
            tracing::warn!(%error, "the task network is not taken down");
        }
        if keep_tasks {
            return;
        }
        self.edge.end().await;
        if let Err(error) = self.runtime.tidy().await {
            tracing::warn!(%error, "a cgroup is left");
        }
        // Nothing in it has a meaning without tasks.
        let _ = std::fs::remove_dir_all(&self.run_dir);
    }
}

/// Between two looks at what the kernel counts of flows. It forgets a flow much later.
const FLOWS: Duration = Duration::from_secs(10);
/// How many looks wait for a control plane that is away.
const UNTOLD: usize = 12;

/// Tells what is counted for flow logs, if anybody wants some.
fn tell_flows(network: &Arc<Network>, upstream: Arc<dyn Upstream>, clock: Arc<dyn Clock>) {
    let network = Arc::downgrade(network);
    task::spawn("flows", async move {
        let (mut meter, mut untold) = (FlowMeter::default(), VecDeque::new());
        loop {
            tokio::time::sleep(FLOWS).await;
            let Some(network) = network.upgrade() else {
                return;
            };
            untold.push_back(meter.look(&network, clock.now()).await);
            while let Some(look) = untold.front() {
                if let Err(error) = upstream.flows(look).await {
                    tracing::debug!(%error, "what was seen of flows could not be told");
                    break;
                }
                untold.pop_front();
            }
            if untold.len() > UNTOLD {
                untold.pop_front();
            }
        }
    });
}

/// How many changes of networks are taken in at once.
const NETWORK_CHANGES: usize = 256;

/// Has the host enforce what the control plane says of VPCs, and their names follow.
fn follow_networks(
    network: &Arc<Network>,
    edge: Arc<Keeper>,
    mut changes: mpsc::Receiver<NetworkChange>,
) {
    let network = Arc::downgrade(network);
    task::spawn("networks", async move {
        let mut batch = Vec::new();
        while changes.recv_many(&mut batch, NETWORK_CHANGES).await > 0 {
            let Some(network) = network.upgrade() else {
                return;
            };
            for change in &batch {
                edge.tell(change.clone());
            }
            if let Err(error) = network.apply(batch.drain(..)).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the networks of VPCs are not as they should be");
            }
        }
    });
}

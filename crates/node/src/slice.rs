//! A slice of this host that behaves as an EC2 instance: an agent with an interface in the VPC, a
//! network namespace, a bridge and ports, limits, a ledger and directories of its own.
//!
//! Its parts are apart from the other agents' by construction: its cgroups are under
//! `neargate-<installation>-<slice id>`, its namespaces a [`Share`] of the host's network, its
//! directories given. So no agent's sweep can meet another's tasks.
//!
//! It knows nothing of clusters or registration. Invariants: [`Slice::start`] finds again what an
//! earlier process left, containers running; [`Slice::remove`] leaves nothing.

use crate::agent::{
    Agent, AgentConfig, AgentError, DiskGuard, InstanceNetworks, Served, TaskEndpoint, VOLUMES,
};
use crate::capability::Allowed;
use crate::cgroup::{Cgroup, Hierarchy};
use crate::image::Images;
use crate::net::{Instance, InstanceConfig, Network, NetworkError, Share};
use crate::runtime::{Runtime, RuntimeConfig, RuntimeError, ShimRuntime};
use crate::upstream::Upstream;
use crate::volume::FileSystems;
use neargate_base::{Clock, Rng, task};
use neargate_domain::NetworkInterface;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// How a slice is made.
#[derive(Debug, Clone)]
pub struct SliceConfig {
    /// `i-` and 17 hexadecimal digits.
    pub id: String,
    /// Its primary interface.
    pub interface: NetworkInterface,
    /// All its containers together get no more than this; 1024 are one vCPU.
    pub cpu_units: u32,
    pub memory_mib: u32,
    /// What of the host its containers may reach: a slice is no machine of its own.
    pub allowed: Allowed,
    /// See [`AgentConfig::file_systems`].
    pub file_systems: FileSystems,
    /// See [`AgentConfig::disk_guard`].
    pub disk_guard: Option<Arc<DiskGuard>>,
    /// See [`AgentConfig::task_endpoint`].
    pub task_endpoint: Option<Arc<TaskEndpoint>>,
    /// See [`AgentConfig::api_url`].
    pub api_url: Option<String>,
    /// Survives the machine's restart, and is the slice's alone: ledger, containers.
    pub data_dir: PathBuf,
    /// May be lost with the machine's restart, and is the slice's alone.
    pub run_dir: PathBuf,
    /// The installation's id.
    pub installation: String,
    /// See [`RuntimeConfig::exe`].
    pub exe: PathBuf,
    pub node_id: String,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<Rng>,
}

/// Why a slice could not be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    #[error("{0:?} is not an instance id")]
    Id(String),
    #[error("the network of instance {id}")]
    Network { id: String, source: NetworkError },
    #[error("the containers of instance {id}")]
    Runtime { id: String, source: RuntimeError },
    #[error("the agent of instance {id}")]
    Agent { id: String, source: AgentError },
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
}

/// A running slice.
#[derive(Debug)]
pub struct Slice {
    config: SliceConfig,
    agent: Agent,
    runtime: Arc<ShimRuntime>,
    own: Arc<Instance>,
    namespace: PathBuf,
    vpc: Share,
    images: Arc<Images>,
    /// What its containers ask.
    served: Vec<Served>,
}

impl Slice {
    /// Makes it, or finds again what is there of it, and runs what is assigned to it. `network`
    /// is the host's, whose VPC it joins.
    pub async fn start(
        config: SliceConfig,
        upstream: Arc<dyn Upstream>,
        images: Arc<Images>,
        network: Arc<Network>,
    ) -> Result<Slice, SliceError> {
        let id = config.id.clone();
        if !is_id(&id) {
            return Err(SliceError::Id(id));
        }
        let in_network = |source| SliceError::Network {
            id: id.clone(),
            source,
        };
        let vpc = Share::new(network, &id).map_err(in_network)?;
        let namespace = vpc
            .attach(&id, &config.interface)
            .await
            .map_err(in_network)?;
        let own = Instance::start(InstanceConfig {
            namespace: Some(namespace.clone()),
            run_dir: config.run_dir.join("net"),
        })
        .await
        .map_err(in_network)?;
        let runtime = ShimRuntime::open(RuntimeConfig {
            exe: config.exe.clone(),
            run_dir: config.data_dir.join("containers"),
            cgroup_name: cgroup_name(&config.installation, &id),
        });
        let runtime = runtime.map_err(|source| SliceError::Runtime {
            id: id.clone(),
            source,
        })?;
        let runtime = Arc::new(runtime.limited(config.cpu_units, config.memory_mib));
        let mut agent = AgentConfig::new(
            config.data_dir.join("node"),
            Arc::clone(&config.clock),
            Arc::clone(&config.rng),
        );
        agent.node_id = config.node_id.clone();
        agent.allowed = config.allowed;
        agent.file_systems = config.file_systems.clone();
        agent.disk_guard = config.disk_guard.clone();
        agent.task_endpoint = config.task_endpoint.clone();
        agent.api_url = config.api_url.clone();
        let served = match &config.task_endpoint {
            None => Vec::new(),
            Some(endpoint) => {
                let listener = own.listen().await.map_err(in_network)?;
                let about = own.listen_for_introspection().await;
                let served = endpoint.serve_instance(listener, about, &config.node_id);
                served.map_err(|source| SliceError::Io {
                    what: "listen in",
                    path: namespace.clone(),
                    source,
                })?
            }
        };
        let interface = config.interface.clone();
        let networks = InstanceNetworks::of_slice(vpc.clone(), Arc::clone(&own), &id, interface);
        let (of_agent, containers) = (Arc::clone(&images), runtime.clone());
        let agent = Agent::start_on_instance(agent, upstream, of_agent, networks, containers).await;
        let agent = agent.map_err(|source| SliceError::Agent {
            id: id.clone(),
            source,
        })?;
        Ok(Slice {
            config,
            agent,
            runtime,
            own,
            namespace,
            vpc,
            images,
            served,
        })
    }

    /// Where its containers run.
    pub fn runtime(&self) -> &Arc<ShimRuntime> {
        &self.runtime
    }

    /// The file of its network namespace, which its `host` containers share.
    pub fn namespace(&self) -> &Path {
        &self.namespace
    }

    pub fn id(&self) -> &str {
        &self.config.id
    }

    /// Its cgroup, without a leading slash: what all its containers use is counted there.
    pub fn cgroup(&self) -> String {
        format!(
            "neargate-{}",
            cgroup_name(&self.config.installation, &self.config.id)
        )
    }

    /// Ends the agent; containers go on, and a later start finds them. Without any, its cgroup
    /// and its bridge are gone.
    pub async fn shutdown(self) {
        self.agent.shutdown().await;
        // Fails, and rightly so, while there are tasks.
        let _ = self.runtime.tidy().await;
        if let Err(error) = self.own.shutdown(true).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, id = self.config.id, "the bridge is not taken down");
        }
    }

    /// Ends everything of it and removes it: containers, networks, cgroups, directories.
    pub async fn remove(self) -> Result<(), SliceError> {
        let dirs = [self.config.data_dir.clone(), self.config.run_dir.clone()];
        self.power_off().await?;
        for dir in dirs {
            remove_dir(&dir).await?;
        }
        Ok(())
    }

    /// Ends its containers at once and removes its networks, as if the power went: what is on its
    /// disk stays, and the agent of a later start finds what has ended.
    pub async fn power_off(self) -> Result<(), SliceError> {
        let id = self.config.id;
        for task_id in self.agent.shutdown().await {
            self.images.hold(&task_id, HashSet::new());
        }
        for served in self.served {
            served.end().await;
        }
        let swept = self.runtime.sweep(&HashSet::new()).await;
        swept.map_err(|source| SliceError::Runtime {
            id: id.clone(),
            source,
        })?;
        let network = async {
            self.own.shutdown(false).await?;
            // Its tasks' interfaces, and its own at last.
            self.vpc.sweep(&HashSet::from([id.clone()])).await?;
            self.vpc.detach(&id).await
        };
        network
            .await
            .map_err(|source| SliceError::Network { id, source })
    }
}

/// Where the slices of an installation are.
#[derive(Debug, Clone)]
pub struct Slices {
    /// The installation's id.
    pub installation: String,
    pub exe: PathBuf,
    /// Hold a directory for each slice, by its id: [`SliceConfig::data_dir`] and
    /// [`SliceConfig::run_dir`].
    pub data_dirs: PathBuf,
    pub run_dirs: PathBuf,
}

impl Slices {
    /// Ends and removes what is left of slices that are not `known`, such as those whose removal
    /// was cut short. Call it before slices are started.
    pub async fn sweep(
        &self,
        known: &HashSet<String>,
        network: &Network,
    ) -> Result<(), SliceError> {
        let mut found: HashSet<String> = ids_in(&self.data_dirs).into_iter().collect();
        found.extend(ids_in(&self.run_dirs));
        found.extend(self.in_cgroups()?);
        for id in found.into_iter().filter(|id| !known.contains(id)) {
            tracing::info!(id, "removing an instance left behind");
            self.end(&id).await?;
            let dir = self.run_dirs.join(&id);
            release_namespaces(&dir.join("net/netns"));
            remove_dir(&dir).await?;
            remove_dir(&self.data_dirs.join(&id)).await?;
        }
        let swept = network.sweep_owners(known).await;
        swept.map_err(|source| SliceError::Network {
            id: "unknown".into(),
            source,
        })
    }

    /// Its containers and their shims.
    async fn end(&self, id: &str) -> Result<(), SliceError> {
        let runtime = ShimRuntime::open(RuntimeConfig {
            exe: self.exe.clone(),
            run_dir: self.data_dirs.join(id).join("containers"),
            cgroup_name: cgroup_name(&self.installation, id),
        });
        let swept = match runtime {
            Ok(runtime) => runtime.sweep(&HashSet::new()).await,
            Err(e) => Err(e),
        };
        swept.map_err(|source| SliceError::Runtime {
            id: id.to_owned(),
            source,
        })
    }

    fn in_cgroups(&self) -> Result<Vec<String>, SliceError> {
        let hierarchy = Hierarchy::detect().map_err(|source| SliceError::Runtime {
            id: "unknown".into(),
            source: source.into(),
        })?;
        let prefix = format!("neargate-{}", cgroup_name(&self.installation, ""));
        let roots = Cgroup::roots(&hierarchy);
        let ids = roots.iter().filter_map(|root| root.strip_prefix(&prefix));
        Ok(ids.filter(|id| is_id(id)).map(str::to_owned).collect())
    }
}

/// They keep their files from being removed.
fn release_namespaces(dir: &Path) {
    for file in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let flags = rustix::mount::UnmountFlags::DETACH;
        while rustix::mount::unmount(file.path(), flags).is_ok() {}
    }
}

fn ids_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    names.filter(|name| is_id(name)).collect()
}

async fn remove_dir(dir: &Path) -> Result<(), SliceError> {
    let path = dir.to_owned();
    let remove = move || {
        // What is mounted there is not the slice's to remove.
        crate::volume::unmount_all(&path.join(VOLUMES))?;
        std::fs::remove_dir_all(path)
    };
    let removed = task::spawn_blocking(remove).await;
    match removed {
        Ok(Err(source)) if source.kind() != std::io::ErrorKind::NotFound => Err(SliceError::Io {
            what: "remove",
            path: dir.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// What stands after `neargate-` in the name of a slice's cgroup.
fn cgroup_name(installation: &str, id: &str) -> String {
    format!("{installation}-{id}")
}

/// EC2's form of an instance id.
pub fn is_id(id: &str) -> bool {
    id.strip_prefix("i-").is_some_and(|digits| {
        digits.len() == 17
            && digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

//! The node agent: it runs the tasks assigned to this node, one [`driver`] each, and keeps them
//! running whether the control plane can be reached or not.
//!
//! ```text
//! assignments -> driver: state --plan()--> actions -> operations (network, image, runtime, log)
//!                  ^                                       |
//!                  +------------------ events <------------+        reports -> control plane
//! ```
//! It knows ECS's rules for one task (`essential`, `dependsOn`, `stopTimeout`, the words of
//! errors); not services, placement or the API. Containers outlive it: a restarted agent reads
//! its [`ledger`], adopts what still runs and goes on by the same path.

mod binding;
mod builder;
mod command;
mod disk_guard;
mod driver;
mod endpoint;
mod firelens;
mod health;
mod instance;
mod ledger;
mod meter;
mod observe;
mod operation;
mod order;
mod plan;
mod proxy;
mod recover;
mod restart;
mod route;
pub mod seams;
mod security;
mod shipper;
mod signal;
mod state;
#[cfg(test)]
pub(crate) mod tests;

pub use self::builder::Builders;
pub use self::disk_guard::DiskGuard;
pub use self::endpoint::{At, Served, TaskEndpoint};
pub use self::instance::InstanceNetworks;

use self::driver::{Driver, Handle, Message, Shared};
use self::ledger::{Ledger, LedgerError};
use self::meter::Meter;
use self::observe::Event;
use self::seams::{Plumb, Pull};
use self::shipper::LogWatch;
use self::state::TaskState;
use crate::capability::Allowed;
use crate::image::Images;
use crate::net::Network;
use crate::runtime::Runtime;
use crate::upstream::{AssignmentChange, Upstream};
use crate::volume::{FileSystems, Volumes};
use futures_util::StreamExt;
use neargate_base::{Clock, Rng, task};
use neargate_domain::Assignment;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How an agent is set up.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Survives the machine's restart: the ledger.
    pub data_dir: PathBuf,
    pub node_id: String,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<Rng>,
    /// Images pulled at once.
    pub parallel_pulls: usize,
    /// Containers started at once.
    pub parallel_starts: usize,
    /// How often unused images are looked for.
    pub collect_every: Duration,
    /// How long lines of an ended container wait for a control plane that cannot take them.
    pub log_drain_limit: Duration,
    /// What of this machine containers may reach.
    pub allowed: Allowed,
    /// Looks after the disk; it is the same for all agents of a host. `None`: one of its own.
    pub disk_guard: Option<Arc<DiskGuard>>,
    /// The elastic file systems; they are the same for all agents of a host.
    pub file_systems: FileSystems,
    /// What containers ask; it is the same for all agents of a host. `None`: one of its own.
    pub task_endpoint: Option<Arc<TaskEndpoint>>,
    /// Where tasks find AWS's services (`AWS_ENDPOINT_URL`); `None`: where their names lead.
    pub api_url: Option<String>,
    /// How containers that ask for a builder get one; `None`: they do not.
    pub builders: Option<Builders>,
}

impl AgentConfig {
    /// The defaults for everything but places and sources.
    pub fn new(data_dir: PathBuf, clock: Arc<dyn Clock>, rng: Arc<Rng>) -> Self {
        AgentConfig {
            data_dir,
            node_id: "local".into(),
            clock,
            rng,
            parallel_pulls: 8,
            parallel_starts: 16,
            collect_every: Duration::from_secs(600),
            log_drain_limit: Duration::from_secs(600),
            allowed: Allowed::default(),
            disk_guard: None,
            file_systems: FileSystems::default(),
            task_endpoint: None,
            api_url: None,
            builders: None,
        }
    }
}

/// Why the agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("the node's ledger cannot be used")]
    Ledger(#[from] LedgerError),
    #[error("the runtime's leftovers cannot be removed")]
    Runtime(#[from] crate::runtime::RuntimeError),
    #[error("what tasks ask of their node cannot be answered")]
    Endpoint(#[source] std::io::Error),
    #[error("the volumes of earlier tasks cannot be given back")]
    Volumes(#[source] std::io::Error),
    #[error("leftover task networks cannot be removed: {0}")]
    Network(String),
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    shutdown: CancellationToken,
    main: JoinHandle<Vec<String>>,
}

/// In the agent's directory: the volumes that outlive tasks.
pub(crate) const VOLUMES: &str = "volumes";
/// How many tasks are adopted at once.
const ADOPT_AT_ONCE: usize = 32;
/// The control plane's stream ended; it is opened again after this long.
const ASK_AGAIN: Duration = Duration::from_millis(500);

impl Agent {
    /// Adopt what an earlier agent left, remove what nobody knows, then take assignments.
    pub async fn start(
        config: AgentConfig,
        upstream: Arc<dyn Upstream>,
        images: Arc<Images>,
        network: Arc<Network>,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Agent, AgentError> {
        Self::start_with(config, upstream, Arc::new(images), network, runtime).await
    }

    /// As [`Agent::start`], on a container instance.
    pub async fn start_on_instance(
        config: AgentConfig,
        upstream: Arc<dyn Upstream>,
        images: Arc<Images>,
        networks: InstanceNetworks,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Agent, AgentError> {
        let networks = Arc::new(networks);
        Self::start_with(config, upstream, Arc::new(images), networks, runtime).await
    }

    /// As [`Agent::start`], with other images and networks than the node's own.
    pub async fn start_with(
        config: AgentConfig,
        upstream: Arc<dyn Upstream>,
        images: Arc<dyn Pull>,
        network: Arc<dyn Plumb>,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Agent, AgentError> {
        let ledger = Ledger::open(&config.data_dir)?;
        let entries = ledger.load()?;
        let endpoint = match config.task_endpoint {
            Some(endpoint) => endpoint,
            None => {
                TaskEndpoint::open(&config.data_dir, &config.rng).map_err(AgentError::Endpoint)?
            }
        };
        let shared = Arc::new(Shared {
            node: config.node_id.as_str().into(),
            endpoint,
            api_url: config.api_url,
            builders: config.builders,
            proxies: proxy::Proxies::default(),
            upstream,
            images,
            network,
            runtime,
            ledger,
            watch: Arc::new(LogWatch::start()),
            clock: config.clock,
            rng: config.rng,
            pulls: Semaphore::new(config.parallel_pulls),
            starts: Semaphore::new(config.parallel_starts),
            log_drain_limit: config.log_drain_limit,
            allowed: config.allowed,
            volumes: Volumes::new(
                config.data_dir.join(VOLUMES),
                config.data_dir.join("ebs"),
                config.allowed,
                config.file_systems,
            ),
            pauses: tokio::sync::Mutex::default(),
            shutdown: CancellationToken::new(),
        });
        tracing::info!(node = config.node_id, tasks = entries.len(), "agent starts");
        let known: HashSet<String> = entries
            .iter()
            .map(|e| e.assignment.task_id.clone())
            .collect();
        let adopted: Vec<(Driver, Handle)> = futures_util::stream::iter(entries)
            .map(|entry| recover::recover(&shared, entry))
            .buffer_unordered(ADOPT_AT_ONCE)
            .collect()
            .await;
        sweep(&shared, &known).await?;
        let own = || DiskGuard::start(config.data_dir);
        let disk_guard = config.disk_guard.unwrap_or_else(own);
        let mut fleet = Fleet::new(Arc::clone(&shared), disk_guard);
        for (driver, handle) in adopted {
            fleet.drive(driver, handle, false);
        }
        let shutdown = shared.shutdown.clone();
        let main = task::spawn("agent", fleet.run(config.collect_every));
        Ok(Agent { shutdown, main })
    }

    /// End the agent; containers keep running, and a later agent finds them. Answers the ids of
    /// the tasks it had.
    pub async fn shutdown(self) -> Vec<String> {
        self.shutdown.cancel();
        self.main.await.unwrap_or_else(|error| {
            tracing::error!(%error, "agent ended badly");
            Vec::new()
        })
    }
}

/// Remove the networks, cgroups, processes and directories of tasks that no ledger entry knows.
async fn sweep(shared: &Shared, keep: &HashSet<String>) -> Result<(), AgentError> {
    let (runtime, network) = tokio::join!(shared.runtime.sweep(keep), shared.network.sweep(keep));
    runtime?;
    network.map_err(AgentError::Network)?;
    shared.volumes.sweep(keep).map_err(AgentError::Volumes)?;
    Ok(())
}

/// The drivers, and the one that feeds them.
#[derive(Debug)]
struct Fleet {
    shared: Arc<Shared>,
    disk_guard: Arc<DiskGuard>,
    drivers: HashMap<String, Handle>,
    /// Ids of tasks whose driver has ended.
    ended_tx: mpsc::UnboundedSender<String>,
    ended_rx: mpsc::UnboundedReceiver<String>,
    running: Vec<JoinHandle<()>>,
}

impl Fleet {
    fn new(shared: Arc<Shared>, disk_guard: Arc<DiskGuard>) -> Fleet {
        let (ended_tx, ended_rx) = mpsc::unbounded_channel();
        Fleet {
            shared,
            disk_guard,
            drivers: HashMap::new(),
            ended_tx,
            ended_rx,
            running: Vec::new(),
        }
    }

    fn drive(&mut self, driver: Driver, handle: Handle, is_new: bool) {
        let assignment = &driver.state.assignment;
        let runtime = Arc::clone(&self.shared.runtime);
        self.disk_guard
            .add(assignment, handle.tx.clone(), runtime, is_new);
        let shared = &self.shared;
        shared.endpoint.add(assignment, shared, &handle.tx);
        let task_id = driver.state.assignment.task_id.clone();
        self.drivers.insert(task_id.clone(), handle);
        let ended = self.ended_tx.clone();
        self.running.retain(|driver| !driver.is_finished());
        let running = task::spawn("task-driver", driver.run());
        self.running
            .push(task::spawn("task-driver-end", async move {
                match running.await {
                    // The fleet is gone only at shutdown.
                    Ok(true) => drop(ended.send(task_id)),
                    Ok(false) => {}
                    Err(error) => tracing::error!(task_id, %error, "task driver ended badly"),
                }
            }));
    }

    /// Answers the ids of the tasks there are at the end.
    async fn run(mut self, collect_every: Duration) -> Vec<String> {
        let shutdown = self.shared.shutdown.clone();
        let mut changes = self.shared.upstream.assignments().await;
        let mut collecting: Option<JoinHandle<()>> = None;
        let mut collect = tokio::time::interval(collect_every);
        collect.reset();
        let meter = Arc::new(Meter::default());
        let mut measuring: Option<JoinHandle<()>> = None;
        let mut measure = tokio::time::interval(meter::EVERY);
        measure.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                change = changes.recv() => match change {
                    Some(change) => self.change(change),
                    None => {
                        tokio::select! {
                            () = shutdown.cancelled() => break,
                            () = tokio::time::sleep(ASK_AGAIN) => {}
                        }
                        changes = self.shared.upstream.assignments().await;
                    }
                },
                Some(task_id) = self.ended_rx.recv() => {
                    self.drivers.remove(&task_id);
                    self.disk_guard.remove(&task_id);
                }
                _ = measure.tick() => {
                    if measuring.as_ref().is_none_or(JoinHandle::is_finished) {
                        let (meter, shared) = (meter.clone(), self.shared.clone());
                        let tasks = self.drivers.keys().cloned().collect();
                        let look = async move { meter.look(shared, tasks).await };
                        measuring = Some(task::spawn("task-usage", look));
                    }
                }
                _ = collect.tick() => {
                    if collecting.as_ref().is_none_or(JoinHandle::is_finished) {
                        collecting = Some(self.collect_images());
                    }
                }
            }
        }
        for driver in self.running {
            // What went wrong has been logged.
            let _ = driver.await;
        }
        for task in collecting.into_iter().chain(measuring) {
            task.abort();
        }
        for task_id in self.drivers.keys() {
            self.disk_guard.remove(task_id);
        }
        self.drivers.into_keys().collect()
    }

    fn change(&mut self, change: AssignmentChange) {
        match change {
            AssignmentChange::Snapshot(all) => {
                let ids: HashSet<&str> = all.iter().map(|a| a.task_id.as_str()).collect();
                for (task_id, handle) in &self.drivers {
                    if !ids.contains(task_id.as_str()) {
                        tell(handle, Event::Removed);
                    }
                }
                all.into_iter().for_each(|a| self.assign(a));
            }
            AssignmentChange::Changed(assignment) => self.assign(assignment),
            AssignmentChange::Removed(task_id) => {
                if let Some(handle) = self.drivers.get(&task_id) {
                    tell(handle, Event::Removed);
                }
            }
        }
    }

    fn assign(&mut self, assignment: Assignment) {
        if let Some(handle) = self.drivers.get(&assignment.task_id) {
            tell(handle, Event::Assigned(Box::new(assignment)));
            return;
        }
        let state = TaskState::new(assignment, self.shared.clock.now());
        let (driver, handle) = Driver::new(Arc::clone(&self.shared), state);
        self.drive(driver, handle, true);
    }

    /// Image collection runs beside everything else, however long it takes.
    fn collect_images(&self) -> JoinHandle<()> {
        let noted = |h: &Handle| h.images_in_use.borrow().clone();
        let in_use: HashSet<String> = self.drivers.values().flat_map(noted).collect();
        let shared = Arc::clone(&self.shared);
        task::spawn("collect-images", async move {
            shared.images.collect(&in_use, shared.clock.now()).await;
        })
    }
}

fn tell(handle: &Handle, event: Event) {
    // A driver that has just ended needs no more telling.
    let _ = handle.tx.send(Message::Event(event));
}

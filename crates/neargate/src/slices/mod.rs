//! Keeps this host's instances, each of which is a slice of it, as their records say
//! (`neargate_service::instance`): one driver a record. A start finds running ones again by the same
//! path that makes new ones.
//!
//! It knows neither what runs in an instance nor placement. Invariant: a record says that its instance
//! has ended only after everything of that is gone.

mod driver;

use crate::config::Config;
use crate::machine::Machine;
use anyhow::{Context, Result};
use driver::{Driver, Wanted};
use neargate_base::backoff::Backoff;
use neargate_base::{Clock, Rng, task};
use neargate_control::ControlPlane;
use neargate_ecs::slices;
use neargate_node::agent::{DiskGuard, TaskEndpoint};
use neargate_node::capability::Allowed;
use neargate_node::image::Images;
use neargate_node::net::Network;
use neargate_node::runtime::ShimRuntime;
use neargate_node::slice::Slices;
use neargate_node::volume::FileSystems;
use neargate_service::instance::{Instance, Power};
use neargate_service::{AwsError, Resource, Stored};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between an error of the store and the next look.
const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// Follows the records until it is stopped.
pub struct SliceController {
    shared: Arc<Shared>,
    halt: watch::Sender<Option<Wanted>>,
    main: JoinHandle<()>,
}

/// What every driver works with.
struct Shared {
    control_plane: Arc<ControlPlane>,
    images: Arc<Images>,
    network: Arc<Network>,
    file_systems: FileSystems,
    disk_guard: Arc<DiskGuard>,
    task_endpoint: Arc<TaskEndpoint>,
    api_url: Option<String>,
    places: Slices,
    /// What of the host their containers may reach.
    allowed: Allowed,
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
    running: Running,
}

/// The slices that run now.
#[derive(Debug, Clone, Default)]
pub struct Running(Arc<RunningNow>);

#[derive(Debug, Default)]
struct RunningNow {
    slices: Mutex<BTreeMap<String, Containers>>,
    /// How many drivers there are.
    drivers: watch::Sender<usize>,
}

/// Where a slice's containers are, for whoever reads what they use.
#[derive(Debug, Clone)]
pub struct Containers {
    pub runtime: Arc<ShimRuntime>,
    /// The namespace its `host` containers share.
    pub namespace: PathBuf,
}

impl Running {
    /// The containers of each slice, keyed by its id.
    pub fn containers(&self) -> BTreeMap<String, Containers> {
        self.lock().clone()
    }

    /// Waits until nothing of any slice is left.
    pub async fn none(&self) {
        let mut drivers = self.0.drivers.subscribe();
        // The sender lives as long as `self`.
        let _ = drivers.wait_for(|n| *n == 0).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Containers>> {
        self.0
            .slices
            .lock()
            .expect("nobody panics while holding it")
    }
}

impl SliceController {
    /// Removes what slices without a record left behind, then follows the records.
    pub async fn start(
        control_plane: Arc<ControlPlane>,
        machine: &Machine,
        config: &Config,
        installation: &str,
        clock: Arc<dyn Clock>,
        rng: Arc<Rng>,
    ) -> Result<SliceController> {
        let places = Slices {
            installation: installation.to_owned(),
            exe: std::env::current_exe().context("cannot find this program")?,
            data_dirs: config.data.join("slices"),
            run_dirs: crate::machine::run_dir(installation).join("slices"),
        };
        let upgraded = slices::upgrade(&control_plane.house).await;
        upgraded.context("cannot take over the instances of before")?;
        let records = records(&control_plane)
            .await
            .context("cannot read the instances")?;
        let known: HashSet<String> = records.iter().map(|r| r.id().to_owned()).collect();
        let swept = places.sweep(&known, &machine.network).await;
        swept.context("cannot remove what is left of an instance")?;
        let shared = Arc::new(Shared {
            control_plane,
            images: machine.images.clone(),
            network: machine.network.clone(),
            file_systems: config.file_systems()?,
            disk_guard: machine.disk_guard.clone(),
            task_endpoint: machine.task_endpoint.clone(),
            api_url: config.api_url_of_tasks(),
            places,
            allowed: config.allowed_on_slices()?,
            clock,
            rng,
            running: Running::default(),
        });
        let (halt, halted) = watch::channel(None);
        let main = task::spawn("slices", keep(shared.clone(), halted));
        Ok(SliceController { shared, halt, main })
    }

    pub fn running(&self) -> Running {
        self.shared.running.clone()
    }

    /// Containers go on and are found again; without any, nothing of a slice stays but its record.
    pub async fn stop(self, keep_tasks: bool) {
        self.halt.send_replace(Some(Wanted::Halt { keep_tasks }));
        if let Err(error) = self.main.await {
            tracing::error!(%error, "the instances' keeper ended badly");
        }
    }
}

/// Those that have not ended.
async fn records(control_plane: &ControlPlane) -> Result<Vec<Stored<Instance>>, AwsError> {
    let prefix = format!("{}/", Instance::KIND);
    let db = &control_plane.house.db;
    let mut all = db.list_prefix::<Instance>(&prefix).await?;
    all.retain(|instance| !instance.has_ended());
    Ok(all)
}

async fn keep(shared: Arc<Shared>, mut halted: watch::Receiver<Option<Wanted>>) {
    let mut drivers: HashMap<String, Told> = HashMap::new();
    let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
    let halt = loop {
        let looked = follow(&shared, &mut drivers, &mut halted, &mut backoff).await;
        match looked {
            Ok(halt) => break halt,
            Err(error) => {
                tracing::warn!(%error, "the instances are looked at again");
                tokio::time::sleep(backoff.next_delay(&shared.rng)).await;
            }
        }
    };
    for told in drivers.values() {
        told.wanted.send_replace(halt);
    }
    for told in drivers.into_values() {
        if let Err(error) = told.driver.await {
            tracing::error!(%error, "an instance's driver ended badly");
        }
    }
}

/// A driver and what it was told last.
struct Told {
    wanted: watch::Sender<Wanted>,
    driver: JoinHandle<()>,
}

/// Ends when the keeper is to halt.
async fn follow(
    shared: &Arc<Shared>,
    drivers: &mut HashMap<String, Told>,
    halted: &mut watch::Receiver<Option<Wanted>>,
    backoff: &mut Backoff,
) -> Result<Wanted, AwsError> {
    let prefix = format!("{}/", Instance::KIND);
    let mut changes = shared
        .control_plane
        .house
        .db
        .store()
        .watch(&prefix, None)
        .await?;
    loop {
        let records = records(&shared.control_plane).await?;
        backoff.reset();
        tell(shared, drivers, records);
        tokio::select! {
            batch = changes.next() => { batch?; }
            halt = halted.wait_for(Option::is_some) => {
                let halt = halt.ok().and_then(|h| *h);
                return Ok(halt.unwrap_or(Wanted::Halt { keep_tasks: true }));
            }
        }
    }
}

fn tell(shared: &Arc<Shared>, drivers: &mut HashMap<String, Told>, records: Vec<Stored<Instance>>) {
    drivers.retain(|_, told| !told.driver.is_finished());
    let keys: HashSet<String> = records.iter().map(|r| r.key.clone()).collect();
    for (key, told) in drivers.iter() {
        if !keys.contains(key) {
            told.wanted.send_replace(Wanted::Gone);
        }
    }
    for record in records {
        let wanted = match record.wanted {
            Power::Running => Wanted::Run {
                reboots: record.reboots,
            },
            Power::Stopped => Wanted::Stop,
            Power::Terminated => Wanted::Leave,
        };
        match drivers.get(&record.key) {
            Some(told) => {
                told.wanted.send_if_modified(|now| {
                    // One on its way out does not turn back.
                    let changes =
                        matches!(now, Wanted::Run { .. } | Wanted::Stop) && *now != wanted;
                    if changes {
                        *now = wanted;
                    }
                    changes
                });
            }
            None => {
                let key = record.key.clone();
                let (sender, receiver) = watch::channel(wanted);
                let driver = Driver::new(shared.clone(), record, receiver);
                let driver = task::spawn("slice", driver.run());
                let told = Told {
                    wanted: sender,
                    driver,
                };
                drivers.insert(key, told);
            }
        }
    }
}

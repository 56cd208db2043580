//! One slice, from its record to its end.

use super::{Containers, RunningNow, Shared};
use crate::upstream::Local;
use anyhow::{Context, Result, anyhow};
use neargate_base::backoff::Backoff;
use neargate_control::NodePort;
use neargate_domain::{LaunchType, NodeKind};
use neargate_ecs::instances::{self, Registration, Versions};
use neargate_ecs::model::{InstanceSlice, Registered, Task};
use neargate_ecs::slices;
use neargate_node::about;
use neargate_node::slice::{Slice, SliceConfig};
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Fault, Resource, Stored};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between two tries of what failed.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
const AGAIN_MAX: Duration = Duration::from_secs(15);

/// What is to become of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Run,
    /// Its tasks end, then it does, then its record.
    Leave,
    /// Its record is gone, and its tasks with it.
    Gone,
    /// The process ends.
    Halt {
        keep_tasks: bool,
    },
}

/// Drives one slice.
pub struct Driver {
    shared: Arc<Shared>,
    record: Stored<InstanceSlice>,
    wanted: watch::Receiver<Wanted>,
    _counted: Counted,
}

/// Counts the drivers there are.
struct Counted(Arc<RunningNow>);

impl Counted {
    fn new(running: Arc<RunningNow>) -> Counted {
        running.drivers.send_modify(|n| *n += 1);
        Counted(running)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.drivers.send_modify(|n| *n -= 1);
    }
}

impl Driver {
    pub fn new(
        shared: Arc<Shared>,
        record: Stored<InstanceSlice>,
        wanted: watch::Receiver<Wanted>,
    ) -> Driver {
        let counted = Counted::new(shared.running.0.clone());
        Driver {
            shared,
            record,
            wanted,
            _counted: counted,
        }
    }

    pub async fn run(mut self) {
        let Some(slice) = self.start().await else {
            return;
        };
        let containers = Containers {
            runtime: slice.runtime().clone(),
            namespace: slice.namespace().to_owned(),
        };
        let running = self.shared.running.clone();
        running.lock().insert(self.record.id.clone(), containers);
        self.register().await;
        let end = self.end().await;
        running.lock().remove(&self.record.id);
        self.finish(slice, end).await;
    }

    /// Started, sooner or later; `None` when it is no longer to run.
    async fn start(&mut self) -> Option<Slice> {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
        loop {
            match self.try_start().await {
                Ok(slice) => return Some(slice),
                Err(error) => self.failed(&format!("{error:#}")).await,
            }
            let pause = tokio::time::sleep(backoff.next_delay(&self.shared.rng));
            tokio::select! {
                () = pause => {}
                _ = self.wanted.changed() => {}
            }
            if matches!(self.now(), Wanted::Gone | Wanted::Halt { .. }) {
                return None;
            }
        }
    }

    async fn try_start(&self) -> Result<Slice> {
        let shared = &*self.shared;
        let (record, places) = (&self.record.value, &shared.places);
        let config = SliceConfig {
            id: record.id.clone(),
            interface: record.interface.clone(),
            cpu_units: record.resources.cpu_units,
            memory_mib: record.resources.memory_mib.min(about::for_tasks_mib()?),
            allowed: shared.allowed,
            disk_guard: Some(shared.disk_guard.clone()),
            data_dir: places.data_dirs.join(&record.id),
            run_dir: places.run_dirs.join(&record.id),
            installation: places.installation.clone(),
            exe: places.exe.clone(),
            node_id: record.id.clone(),
            clock: shared.clock.clone(),
            rng: shared.rng.clone(),
        };
        for dir in [&config.data_dir, &config.run_dir] {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let port = NodePort::connect(shared.control_plane.clone(), &record.id, NodeKind::Ec2);
        let upstream = Arc::new(Local(port));
        let (images, network) = (shared.images.clone(), shared.network.clone());
        Ok(Slice::start(config, upstream, images, network).await?)
    }

    /// Makes it a container instance of its cluster, unless it is not to run any more.
    async fn register(&mut self) {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
        while self.now() == Wanted::Run {
            match self.try_register().await {
                Ok(()) => return,
                Err(error) => self.failed(&format!("{error:#}")).await,
            }
            let pause = tokio::time::sleep(backoff.next_delay(&self.shared.rng));
            tokio::select! {
                () = pause => {}
                _ = self.wanted.changed() => {}
            }
        }
    }

    async fn try_register(&self) -> Result<()> {
        let (house, record) = (&self.shared.control_plane.house, &self.record.value);
        let kind = about::instance_type(&record.instance_type)
            .with_context(|| format!("no instance type {}", record.instance_type))?;
        let offer = about::slice(&kind, &record.interface).map_err(|why| anyhow!(why))?;
        // An attribute without a value has an empty one there.
        let valued =
            |(name, value): (String, String)| (name, Some(value).filter(|v| !v.is_empty()));
        let mut attributes: BTreeMap<_, _> = offer.attributes.into_iter().map(valued).collect();
        attributes.extend(record.attributes.clone().into_iter().map(valued));
        let registration = Registration {
            scope: slices::scope_of(&self.record.key),
            cluster: record.cluster.clone(),
            node: Some(record.id.clone()),
            ec2_instance_id: record.id.clone(),
            launch_type: LaunchType::Ec2,
            resources: record.resources.clone(),
            attributes,
            versions: Versions::of_neargate(env!("CARGO_PKG_VERSION")),
            tags: Tags::default(),
            capacity_provider: record.capacity_provider.clone(),
        };
        instances::register(house, registration).await?;
        slices::set_problem(house, &self.record.key, None).await?;
        Ok(())
    }

    /// Waits until it is to end, and has prepared for that.
    async fn end(&mut self) -> Wanted {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
        loop {
            match self.now() {
                // The keeper is there as long as its drivers.
                Wanted::Run => drop(self.wanted.changed().await),
                Wanted::Leave => {
                    // What was seen here, `changed` of the clone does not answer again.
                    let mut wanted = self.wanted.clone();
                    let left = tokio::select! {
                        left = self.leave() => left,
                        _ = wanted.changed() => continue,
                    };
                    match left {
                        Ok(()) => return Wanted::Leave,
                        Err(error) => self.failed(&error.to_string()).await,
                    }
                    let pause = tokio::time::sleep(backoff.next_delay(&self.shared.rng));
                    tokio::select! {
                        () = pause => {}
                        _ = self.wanted.changed() => {}
                    }
                }
                end @ (Wanted::Gone | Wanted::Halt { .. }) => return end,
            }
        }
    }

    /// Takes it out of its cluster and waits for the last of its tasks.
    async fn leave(&self) -> Result<(), AwsError> {
        let (control_plane, record) = (&self.shared.control_plane, &self.record.value);
        let (db, scope) = (&control_plane.house.db, slices::scope_of(&self.record.key));
        let of_tasks = format!("{}/", Task::KIND);
        let mut changes = db.store().watch(&of_tasks, None).await?;
        let at = format!("{}/{}", record.cluster, record.id);
        if let Some(is) = db.get::<Registered>(&scope, &at).await? {
            let (cluster, id) = (&record.cluster, &is.instance);
            let gone = instances::deregister(
                &control_plane.ecs,
                &control_plane.house,
                &scope,
                cluster,
                id,
                true,
            )
            .await;
            match gone {
                // It has left before.
                Err(error) if error.fault == Fault::Client => {}
                gone => drop(gone?),
            }
        }
        loop {
            control_plane.ecs.fleet.current(db).await?;
            let tasks = control_plane.ecs.fleet.of_node(&record.id);
            if tasks.iter().all(|row| row.is_stopped()) {
                return Ok(());
            }
            changes.next().await?;
        }
    }

    async fn finish(&self, slice: Slice, end: Wanted) {
        let removed = match end {
            Wanted::Halt { keep_tasks: true } => return slice.shutdown().await,
            Wanted::Run | Wanted::Leave | Wanted::Gone | Wanted::Halt { .. } => {
                slice.remove().await
            }
        };
        if let Err(error) = removed {
            // The next start sweeps what is left.
            let error = anyhow::Error::from(error);
            tracing::error!(
                instance = self.record.id,
                error = format!("{error:#}"),
                "not all of it is removed"
            );
        }
        if end == Wanted::Leave
            && let Err(error) = self.forget().await
        {
            tracing::error!(instance = self.record.id, %error, "its record stays until the next start");
        }
    }

    async fn forget(&self) -> Result<(), AwsError> {
        let house = &self.shared.control_plane.house;
        let key = &self.record.key;
        // Only `problem` may have changed meanwhile, and only by us.
        if let Some(record) = house.db.get_key::<InstanceSlice>(key).await? {
            slices::forget(house, &record).await?;
        }
        Ok(())
    }

    async fn failed(&self, why: &str) {
        tracing::warn!(
            instance = self.record.id,
            error = why,
            "the instance does not run"
        );
        let (house, key) = (&self.shared.control_plane.house, &self.record.key);
        if let Err(error) = slices::set_problem(house, key, Some(why)).await {
            tracing::warn!(%error, "and that cannot be stored");
        }
    }

    fn now(&mut self) -> Wanted {
        *self.wanted.borrow_and_update()
    }
}

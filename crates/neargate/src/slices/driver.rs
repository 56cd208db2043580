//! One instance, from its record to its end.

use super::{Containers, RunningNow, Shared};
use crate::upstream::Local;
use anyhow::{Context, Result, anyhow};
use neargate_base::backoff::Backoff;
use neargate_control::NodePort;
use neargate_domain::{LaunchType, NodeKind, instance_type};
use neargate_ecs::instances::{self, Registration, Versions};
use neargate_ecs::model::{Registered, Task};
use neargate_node::about::{self, Offer};
use neargate_node::slice::{Slice, SliceConfig};
use neargate_service::instance::{self, Instance, State};
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Fault, Resource, Scope, Stored};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between two tries of what failed.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
const AGAIN_MAX: Duration = Duration::from_secs(15);

/// What is to become of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// With this many reboots behind it.
    Run { reboots: u32 },
    /// It is switched off, and can be started again.
    Stop,
    /// Its tasks end, then it does, then its record.
    Leave,
    /// Its record is gone, and its tasks with it.
    Gone,
    /// The process ends.
    Halt { keep_tasks: bool },
}

/// Drives one instance.
pub struct Driver {
    shared: Arc<Shared>,
    record: Stored<Instance>,
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
        record: Stored<Instance>,
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

    /// Until its record is gone, or says that the instance has ended.
    pub async fn run(mut self) {
        // What was on may be so still, whatever is wanted: it is found again, and then ended.
        let mut is_off = self.record.state == State::Stopped;
        loop {
            match self.now() {
                Wanted::Gone | Wanted::Halt { .. } => return,
                Wanted::Leave if is_off => return self.forget().await,
                Wanted::Stop if is_off => {
                    // The keeper is there as long as its drivers.
                    drop(self.wanted.changed().await);
                    continue;
                }
                Wanted::Run { .. } | Wanted::Stop | Wanted::Leave => {}
            }
            let Some(slice) = self.start().await else {
                return;
            };
            let containers = Containers {
                runtime: slice.runtime().clone(),
                namespace: slice.namespace().to_owned(),
            };
            let (id, running) = (self.record.id().to_owned(), self.shared.running.clone());
            running.lock().insert(id.clone(), containers);
            self.register().await;
            let end = self.end().await;
            running.lock().remove(&id);
            self.finish(slice, end).await;
            match end {
                Wanted::Run { .. } => {}
                Wanted::Stop => {
                    is_off = true;
                    self.observe(State::Stopped).await;
                    continue;
                }
                Wanted::Leave | Wanted::Gone | Wanted::Halt { .. } => return,
            }
            is_off = false;
        }
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
        let (id, record, places) = (self.record.id(), &self.record.value, &shared.places);
        let offer = self.offer()?;
        let config = SliceConfig {
            id: id.to_owned(),
            interface: record.interface.clone(),
            cpu_units: offer.resources.cpu_units,
            memory_mib: offer.resources.memory_mib.min(about::for_tasks_mib()?),
            allowed: shared.allowed,
            file_systems: shared.file_systems.clone(),
            disk_guard: Some(shared.disk_guard.clone()),
            task_endpoint: Some(shared.task_endpoint.clone()),
            api_url: shared.api_url.clone(),
            data_dir: places.data_dirs.join(id),
            run_dir: places.run_dirs.join(id),
            installation: places.installation.clone(),
            exe: places.exe.clone(),
            node_id: id.to_owned(),
            clock: shared.clock.clone(),
            rng: shared.rng.clone(),
        };
        for dir in [&config.data_dir, &config.run_dir] {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let port = NodePort::connect(shared.control_plane.clone(), id, NodeKind::Ec2);
        let upstream = Arc::new(Local(port));
        let (images, network) = (shared.images.clone(), shared.network.clone());
        Ok(Slice::start(config, upstream, images, network).await?)
    }

    /// What its type offers.
    fn offer(&self) -> Result<Offer> {
        let of = &self.record.instance_type;
        let kind = instance_type::find(of).with_context(|| format!("no instance type {of}"))?;
        about::slice(&kind, &self.record.interface).map_err(|why| anyhow!(why))
    }

    /// It runs: says so, and makes it a container instance of its cluster if it has an agent; unless
    /// it is not to run any more.
    async fn register(&mut self) {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
        while matches!(self.now(), Wanted::Run { .. }) {
            match self.try_register().await {
                Ok(()) => return self.observe(State::Running).await,
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
        let Some(agent) = &record.agent else {
            return Ok(());
        };
        let offer = self.offer()?;
        // An attribute without a value has an empty one there.
        let valued =
            |(name, value): (String, String)| (name, Some(value).filter(|v| !v.is_empty()));
        let mut attributes: BTreeMap<_, _> = offer.attributes.into_iter().map(valued).collect();
        attributes.insert("ecs.ami-id".into(), Some(record.image_id.clone()));
        attributes.extend(agent.attributes.clone().into_iter().map(valued));
        let id = self.record.id().to_owned();
        let registration = Registration {
            scope: self.scope(),
            cluster: agent.cluster.clone(),
            node: Some(id.clone()),
            ec2_instance_id: id,
            launch_type: LaunchType::Ec2,
            resources: offer.resources,
            attributes,
            versions: Versions::of_neargate(env!("CARGO_PKG_VERSION")),
            tags: Tags::default(),
            capacity_provider: agent.capacity_provider.clone(),
        };
        instances::register(house, registration).await?;
        Ok(())
    }

    fn scope(&self) -> Scope {
        Scope::of_key(&self.record.key).expect("keys hold an account and a region")
    }

    /// Writes the state, in which nothing is wrong.
    async fn observe(&self, state: State) {
        self.write(|instance| {
            let before = (instance.state, instance.problem.take());
            instance.state = state;
            before != (state, None)
        })
        .await;
    }

    async fn write(&self, change: impl FnMut(&mut Instance) -> bool) {
        let house = &self.shared.control_plane.house;
        if let Err(error) = instance::observed(house, &self.record.key, change).await {
            tracing::warn!(%error, instance = self.record.id(), "its state cannot be stored");
        }
    }

    /// Waits until it is to end, and has prepared for that.
    async fn end(&mut self) -> Wanted {
        let started = self.now();
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
        loop {
            match self.now() {
                // The keeper is there as long as its drivers.
                same if same == started && matches!(same, Wanted::Run { .. }) => {
                    drop(self.wanted.changed().await);
                }
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
                end @ (Wanted::Run { .. } | Wanted::Stop | Wanted::Gone | Wanted::Halt { .. }) => {
                    return end;
                }
            }
        }
    }

    /// Takes it out of its cluster and waits for the last of its tasks.
    async fn leave(&self) -> Result<(), AwsError> {
        let (control_plane, node) = (&self.shared.control_plane, self.record.id());
        let (db, scope) = (&control_plane.house.db, self.scope());
        let Some(agent) = &self.record.agent else {
            return Ok(());
        };
        let of_tasks = format!("{}/", Task::KIND);
        let mut changes = db.store().watch(&of_tasks, None).await?;
        let at = format!("{}/{node}", agent.cluster);
        if let Some(is) = db.get::<Registered>(&scope, &at).await? {
            let (cluster, id) = (&agent.cluster, &is.instance);
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
            let tasks = control_plane.ecs.fleet.of_node(node);
            if tasks.iter().all(|row| row.is_stopped()) {
                return Ok(());
            }
            changes.next().await?;
        }
    }

    async fn finish(&self, slice: Slice, end: Wanted) {
        let removed = match end {
            Wanted::Halt { keep_tasks: true } => return slice.shutdown().await,
            Wanted::Run { .. } | Wanted::Stop => slice.power_off().await,
            Wanted::Leave | Wanted::Gone | Wanted::Halt { .. } => slice.remove().await,
        };
        if let Err(error) = removed {
            // The next start sweeps what is left.
            let error = anyhow::Error::from(error);
            tracing::error!(
                instance = self.record.id(),
                error = format!("{error:#}"),
                "not all of it is removed"
            );
        }
        if end == Wanted::Leave {
            self.forget().await;
        }
    }

    /// Nothing of it is left.
    async fn forget(&self) {
        let house = &self.shared.control_plane.house;
        if let Err(error) = instance::ended(house, &self.record.key).await {
            tracing::error!(instance = self.record.id(), %error, "its record stays until the next start");
        }
    }

    async fn failed(&self, why: &str) {
        tracing::warn!(
            instance = self.record.id(),
            error = why,
            "the instance does not run"
        );
        self.write(|instance| instance.problem.replace(why.to_owned()).as_deref() != Some(why))
            .await;
    }

    fn now(&mut self) -> Wanted {
        *self.wanted.borrow_and_update()
    }
}

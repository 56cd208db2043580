//! Starting tasks: place each, and write whole tasks in one transaction. `RunTask`, `StartTask`
//! and the service scheduler all come through here; what they ask for is checked before.
//!
//! Invariants: a task is written with its node, its network interface and what it takes of its
//! container instance, or not at all; nothing is placed twice. A task that waits for the capacity of
//! its provider is written with none of these, and given all of them at once ([`waiting`]).

pub(crate) mod capacity;
mod failure;
mod network;
mod place;
pub(crate) mod requirements;
mod spec;
pub(crate) mod waiting;

pub use network::Awsvpc;
pub(crate) use network::as_ecs_says;
pub use place::{Capacity, Instances};

use crate::Ecs;
use crate::fleet::ClusterId;
use crate::model::{
    Arrivals, Cluster, ServiceLink, ServiceRegistry, TargetLink, Task, TaskConnect,
};
use crate::plan::ebs;
use neargate_api_ecs as api;
use neargate_service::db::{Committed, Tx};
use neargate_service::tags::Tags;
use neargate_service::{AwsError, House, Scope, Stored};
use std::sync::Arc;

/// The most tasks of one transaction, by what the store takes: 128 changes and 128 conditions. A
/// task with an interface of its own makes three changes under three conditions, four with a public
/// address; besides, its subnet and groups must be as they were, at most 21 in all.
pub const BATCH: usize = 30;
/// The most tasks without an interface, each of which makes one change under two conditions.
pub const BATCH_WITHOUT_INTERFACE: usize = 56;

/// What to start. All of it has been checked against the definition.
#[derive(Debug, Clone)]
pub struct Launch {
    pub scope: Scope,
    pub cluster: Stored<Cluster>,
    pub definition: Arc<api::TaskDefinition>,
    pub overrides: api::TaskOverride,
    /// CPU units and MiB of the whole task; `None`: no task-level limit (EC2).
    pub cpu_units: Option<u32>,
    pub memory_mib: Option<u32>,
    pub capacity: Capacity,
    /// What `awsvpc` needs.
    pub network: Option<Awsvpc>,
    pub group: String,
    pub started_by: Option<String>,
    pub platform_version: Option<String>,
    pub enable_execute_command: bool,
    pub tags: Tags,
    pub service: Option<ServiceLink>,
    /// What its tasks are to be targets of.
    pub target_groups: Vec<TargetLink>,
    /// EBS volumes, made for each task.
    pub volumes: Vec<ebs::Wanted>,
    /// The services of Cloud Map that its tasks are to be instances of.
    pub registries: Vec<ServiceRegistry>,
    /// Its tasks have a proxy of Service Connect; see [`Launch::locate`].
    pub connect: Option<Box<TaskConnect>>,
    /// Containers whose definitions do not say it wait for their log driver: see [`Launch::locate`].
    pub blocking_logs: bool,
}

/// What became of a launch.
#[derive(Debug, Default)]
pub struct Launched {
    pub tasks: Vec<Stored<Task>>,
    /// Why a task found no place; those after it were not tried.
    pub unplaced: Option<Unplaced>,
}

/// A task found no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplaced {
    /// One for each instance that was considered.
    pub failures: Vec<Failure>,
    /// Nothing was considered: the sentence that `RunTask` is refused with.
    pub nowhere: Option<&'static str>,
    /// There is no Fargate: a call that starts nothing is refused with that.
    pub no_capacity: bool,
    /// The rest of a service's event: "was unable to place a task because …".
    pub event: String,
}

/// Why one place would not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `RESOURCE:MEMORY`, `AGENT` and so on.
    pub reason: String,
    /// The container instance it is about.
    pub arn: Option<String>,
    pub detail: Option<String>,
}

/// What else the caller writes with the tasks, or demands of the store.
pub type With<'a> = &'a (dyn Fn(Tx, &[Task]) -> Tx + Send + Sync);

impl Launch {
    /// Each task gets an interface of its own.
    pub fn with_interface(&self) -> bool {
        self.definition.network_mode.as_deref() == Some("awsvpc")
    }

    /// The most tasks one call of [`launch`] starts.
    pub fn batch(&self) -> usize {
        if self.with_interface() {
            BATCH
        } else {
            BATCH_WITHOUT_INTERFACE
        }
    }
}

/// The container instances on which such a task is allowed, whatever is free there: where a DAEMON
/// service wants one.
pub(crate) fn seats(ecs: &Ecs, launch: &Launch, instances: &Instances) -> Vec<String> {
    let cluster = ClusterId::new(&launch.scope, &launch.cluster.name);
    let request = place::request(launch, instances);
    ecs.fleet
        .capacity(&cluster, |capacity| capacity.allowed(&request))
}

/// Start `count` tasks; see [`launch_on`].
pub async fn launch(
    ecs: &Ecs,
    house: &House,
    launch: &Launch,
    count: usize,
    with: With<'_>,
) -> Result<Option<Launched>, AwsError> {
    launch_on(ecs, house, launch, &vec![&launch.capacity; count], with).await
}

/// Start one task on each of `capacities`, at most [`Launch::batch`]. `None`: the transaction's conditions no longer held (the
/// cluster or something of `with` changed, or an address was taken): look again, and try again.
///
/// # Errors
/// A subnet or security group that does not exist; the store's own.
pub async fn launch_on(
    ecs: &Ecs,
    house: &House,
    launch: &Launch,
    capacities: &[&Capacity],
    with: With<'_>,
) -> Result<Option<Launched>, AwsError> {
    let _starting = ecs.starting.read().await;
    let cluster = ClusterId::new(&launch.scope, &launch.cluster.name);
    let mut tx = house.db.tx().unchanged(&launch.cluster);
    let (mut tasks, mut held, mut unplaced) = (Vec::new(), Vec::new(), None);
    let mut waits = 0;
    // Given back when this call ends, unless the tasks are written.
    let mut reservations = place::Reservations::new(ecs, &cluster, launch);
    for capacity in capacities.iter().take(launch.batch()) {
        let task_id = house.rng.hex(32);
        let mut placed = match reservations.place(house, capacity, &task_id) {
            Ok(placed) => placed,
            Err(_) if waiting::may(ecs, house, launch, capacity, waits).await? => {
                waits += 1;
                let task = waiting::task(house, launch, capacity, task_id);
                let id = Task::id(&cluster.name, &task.spec.assignment.task_id);
                tx = tx.create(neargate_service::db::key::<Task>(&launch.scope, &id), &task);
                tasks.push(task);
                continue;
            }
            Err(why) => {
                unplaced = Some(why);
                break;
            }
        };
        let zone = placed.availability_zone.clone();
        let reserved = network::reserve(house, launch, &mut placed, &task_id, &held).await?;
        let reserved = match reserved {
            Ok(reserved) => reserved,
            Err(why) => {
                reservations.give_back(&task_id);
                unplaced = Some(why);
                break;
            }
        };
        reservations.moved(&zone, &placed.availability_zone);
        let (network, compares, ops) = match reserved {
            network::Reserved::Interface(r) => {
                held.push(r.interface.private_ipv4);
                held.extend(r.interface.public_ipv4);
                (
                    neargate_domain::TaskNetwork::Awsvpc(r.interface),
                    r.compares,
                    r.ops,
                )
            }
            network::Reserved::Instance(network) => (network, Vec::new(), Vec::new()),
        };
        if let Some(instance) = &placed.instance {
            // Deregistered or drained meanwhile: place again.
            tx = tx.unchanged(instance);
        }
        let task = spec::task(house, launch, capacity, placed, task_id, network);
        let id = Task::id(&cluster.name, &task.spec.assignment.task_id);
        let key = neargate_service::db::key::<Task>(&launch.scope, &id);
        tx = tx.with(compares, ops).create(key, &task);
        tasks.push(task);
    }
    if tasks.is_empty() {
        return Ok(Some(Launched {
            tasks: Vec::new(),
            unplaced,
        }));
    }
    let arrivals = neargate_service::db::key::<Arrivals>(&launch.scope, &cluster.name);
    let last_at = house.now();
    tx = with(tx.put(arrivals, &Arrivals { last_at }), &tasks);
    let Committed::At(revision) = tx.commit().await? else {
        return Ok(None);
    };
    reservations.keep();
    let stored = |value: Task| Stored {
        key: cluster.key::<Task>(&value.spec.assignment.task_id),
        revision,
        value,
    };
    Ok(Some(Launched {
        tasks: tasks.into_iter().map(stored).collect(),
        unplaced,
    }))
}

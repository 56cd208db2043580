//! Starting tasks: place each, and write whole tasks in one transaction. `RunTask`, `StartTask`
//! and the service scheduler all come through here; what they ask for is checked before.
//!
//! Invariants: a task is written with its node, its network interface and what it takes of its
//! container instance, or not at all; nothing is placed twice.

mod network;
mod place;
mod spec;

pub use network::Awsvpc;
pub use place::Capacity;

use crate::ecs::Ecs;
use crate::ecs::fleet::ClusterId;
use crate::ecs::model::{Arrivals, Cluster, ServiceLink, Task};
use neargate_api::ecs as api;
use neargate_service::db::{Committed, Tx};
use neargate_service::tags::Tags;
use neargate_service::{AwsError, House, Scope, Stored};
use std::sync::Arc;

/// The most tasks of one transaction: each writes a task, an address and an interface, and the
/// store takes 128 operations.
pub const BATCH: usize = 30;

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
}

/// What became of a launch.
#[derive(Debug, Default)]
pub struct Launched {
    pub tasks: Vec<Stored<Task>>,
    /// Why a task could not be placed; the tasks after it were not tried.
    pub failures: Vec<Unplaced>,
}

/// A task found no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplaced {
    /// `RESOURCE:MEMORY`, `AGENT` and so on
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>).
    pub reason: String,
    /// The container instance it is about.
    pub arn: Option<String>,
    pub detail: Option<String>,
    /// The rest of a service's event: "was unable to place a task because …".
    pub event: String,
}

/// What else the caller writes with the tasks, or demands of the store.
pub type With<'a> = &'a (dyn Fn(Tx, &[Task]) -> Tx + Send + Sync);

/// Start `count` tasks, at most [`BATCH`]. `None`: the transaction's conditions no longer held (the
/// cluster or something of `with` changed, or an address was taken): look again, and try again.
///
/// # Errors
/// A subnet or security group that does not exist; the store's own.
pub async fn launch(
    ecs: &Ecs,
    house: &House,
    launch: &Launch,
    count: usize,
    with: With<'_>,
) -> Result<Option<Launched>, AwsError> {
    let cluster = ClusterId::new(&launch.scope, &launch.cluster.name);
    let mut tx = house.db.tx().unchanged(&launch.cluster);
    let (mut tasks, mut held, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    // Given back when this call ends, unless the tasks are written.
    let mut taken = place::Taken::new(ecs);
    for _ in 0..count.min(BATCH) {
        let task_id = house.rng.hex(32);
        let placed = match taken.place(&cluster, launch, &task_id) {
            Ok(placed) => placed,
            Err(unplaced) => {
                failures.push(unplaced);
                break;
            }
        };
        let reserved = network::reserve(house, launch, &placed, &task_id, &held).await?;
        let (network, compares, ops) = match reserved {
            network::Reserved::Interface(r) => {
                held.push(r.interface.private_ipv4);
                (
                    neargate_domain::TaskNetwork::Awsvpc(r.interface),
                    r.compares,
                    r.ops,
                )
            }
            network::Reserved::Instance(network) => (network, Vec::new(), Vec::new()),
        };
        let task = spec::task(house, launch, placed, task_id, network);
        let id = Task::id(&cluster.name, &task.spec.assignment.task_id);
        let key = neargate_service::db::key::<Task>(&launch.scope, &id);
        tx = tx.with(compares, ops).create(key, &task);
        tasks.push(task);
    }
    if tasks.is_empty() {
        return Ok(Some(Launched {
            tasks: Vec::new(),
            failures,
        }));
    }
    let arrivals = neargate_service::db::key::<Arrivals>(&launch.scope, &cluster.name);
    let last_at = house.now();
    tx = with(tx.put(arrivals, &Arrivals { last_at }), &tasks);
    let Committed::At(revision) = tx.commit().await? else {
        return Ok(None);
    };
    taken.keep();
    let stored = |value: Task| Stored {
        key: cluster.key::<Task>(&value.spec.assignment.task_id),
        revision,
        value,
    };
    Ok(Some(Launched {
        tasks: tasks.into_iter().map(stored).collect(),
        failures,
    }))
}

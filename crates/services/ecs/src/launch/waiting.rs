//! Tasks of a capacity provider that scales its group: where there is no room for one, it is
//! `PROVISIONING` until there is
//! (<https://aws.amazon.com/blogs/containers/deep-dive-on-amazon-ecs-cluster-auto-scaling/>).

use super::place::{Placed, Reservations};
use super::{Awsvpc, Capacity, Instances, Launch, network, spec};
use crate::Ecs;
use crate::fleet::ClusterId;
use crate::model::{Arrivals, CapacityProvider, Cluster, Status, Task, TaskDefinition, Waits};
use crate::plan::capacity::is_managed;
use crate::plan::ebs;
use crate::plan::placement::{Constraint, Strategy};
use crate::plan::stop::{self, Cause};
use neargate_api_ecs as api;
use neargate_domain::{InstanceNetwork, TaskEvent, TaskNetwork};
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, House, Scope, Stored};
use neargate_wire::json::Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The most tasks of a cluster that wait.
const MOST: usize = 100;
/// How long a task waits.
pub(crate) const LONGEST: Duration = Duration::from_secs(1_800);
/// Why one that waited for so long stops.
const TIMED_OUT: &str = "Timeout waiting for capacity: no container instance of the capacity provider \
                         had room for the task";

/// May a task that found no place on `capacity` wait, when `more` of its call do?
pub(super) async fn may(
    ecs: &Ecs,
    house: &House,
    launch: &Launch,
    capacity: &Capacity,
    more: usize,
) -> Result<bool, AwsError> {
    let Capacity::Instances(instances) = capacity else {
        return Ok(false);
    };
    let (Some(provider), None) = (&instances.provider, &instances.on) else {
        return Ok(false);
    };
    let cluster = ClusterId::new(&launch.scope, &launch.cluster.name);
    if ecs.fleet.waiting(&cluster).len() + more >= MOST {
        return Ok(false);
    }
    let found = house
        .db
        .get::<CapacityProvider>(&launch.scope, provider)
        .await?;
    Ok(found.is_some_and(|p| {
        let group = p.auto_scaling_group.as_ref();
        p.active && group.is_some_and(|g| is_managed(g))
    }))
}

/// A task without a place.
pub(super) fn task(house: &House, launch: &Launch, capacity: &Capacity, task_id: String) -> Task {
    let nowhere = Placed {
        node: String::new(),
        container_instance: None,
        instance: None,
        subnet: None,
        availability_zone: String::new(),
    };
    let network = TaskNetwork::Instance(InstanceNetwork::None);
    let mut task = spec::task(house, launch, capacity, nowhere, task_id, network);
    task.status = Status::provisioning();
    let (constraints, strategies) = match capacity {
        Capacity::Instances(i) => (&i.constraints[..], &i.strategies[..]),
        Capacity::Fargate { .. } => (&[][..], &[][..]),
    };
    task.spec.waits = Some(Waits {
        network: launch.network.as_ref().map(|n| {
            Json(api::AwsVpcConfiguration {
                subnets: n.subnets.clone(),
                security_groups: Some(n.security_groups.clone()),
                assign_public_ip: Some(
                    match n.assign_public_ip {
                        true => "ENABLED",
                        false => "DISABLED",
                    }
                    .into(),
                ),
            })
        }),
        constraints: constraints
            .iter()
            .filter_map(Constraint::to_api)
            .map(Json)
            .collect(),
        strategies: strategies
            .iter()
            .map(|s| Json(Strategy::to_api(s)))
            .collect(),
    });
    task
}

/// What became of a task that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    /// It is placed, or waits no more.
    Over,
    NoPlace,
    /// Something changed meanwhile.
    Conflict,
}

/// Gives a waiting task its place, if there is one.
///
/// # Errors
/// The store's; a subnet or security group that is not there any more.
pub(crate) async fn place(ecs: &Ecs, house: &House, key: &str) -> Result<Tried, AwsError> {
    let _starting = ecs.starting.read().await;
    let Some(read) = house.db.get_key::<Task>(key).await? else {
        return Ok(Tried::Over);
    };
    let (Some(waits), None) = (read.spec.waits.clone(), &read.spec.stop) else {
        return Ok(Tried::Over);
    };
    let Some(launch) = launch_of(house, &read, &waits).await? else {
        return Ok(Tried::NoPlace);
    };
    let task_id = &read.spec.assignment.task_id;
    let cluster = ClusterId::new(&launch.scope, &launch.cluster.name);
    let mut reservations = Reservations::new(ecs, &cluster, &launch);
    let Ok(mut placed) = reservations.place(house, &launch.capacity, task_id) else {
        return Ok(Tried::NoPlace);
    };
    let Ok(reserved) = network::reserve(house, &launch, &mut placed, task_id, &[]).await? else {
        return Ok(Tried::NoPlace);
    };
    let (network, compares, ops) = match reserved {
        network::Reserved::Interface(r) => (TaskNetwork::Awsvpc(r.interface), r.compares, r.ops),
        network::Reserved::Instance(network) => (network, Vec::new(), Vec::new()),
    };
    let mut tx = house.db.tx().with(compares, ops);
    if let Some(instance) = &placed.instance {
        tx = tx.unchanged(instance);
    }
    let built = spec::task(
        house,
        &launch,
        &launch.capacity,
        placed,
        task_id.clone(),
        network,
    );
    let mut task = read.value.clone();
    let generation = task.spec.assignment.generation + 1;
    task.spec.waits = None;
    task.spec.node = built.spec.node;
    task.spec.container_instance = built.spec.container_instance;
    task.spec.availability_zone = built.spec.availability_zone;
    task.spec.attachment_id = built.spec.attachment_id;
    task.spec.demand = built.spec.demand;
    task.spec.assignment = built.spec.assignment;
    task.spec.assignment.generation = generation;
    task.status.version += 1;
    if !launch.with_interface()
        && let Ok(next) = task.status.last_status.on(TaskEvent::Provisioned)
    {
        task.status.last_status = next;
    }
    let arrivals = db::key::<Arrivals>(&launch.scope, &launch.cluster.name);
    let last_at = house.now();
    let tx = tx.put(arrivals, &Arrivals { last_at });
    Ok(match tx.update(&read, &task).commit().await? {
        Committed::At(_) => {
            reservations.keep();
            Tried::Over
        }
        Committed::Conflict => Tried::Conflict,
    })
}

/// The launch that the task came from.
async fn launch_of(
    house: &House,
    task: &Stored<Task>,
    waits: &Waits,
) -> Result<Option<Launch>, AwsError> {
    let Some(scope) = Scope::of_key(&task.key) else {
        return Ok(None);
    };
    let spec = &task.spec;
    let of = &spec.assignment;
    let cluster = house.db.get::<Cluster>(&scope, &of.cluster).await?;
    let revision = i32::try_from(of.revision).unwrap_or(i32::MAX);
    let id = TaskDefinition::id(&of.family, revision);
    let definition = house.db.get::<TaskDefinition>(&scope, &id).await?;
    let (Some(cluster), Some(definition)) = (cluster, definition) else {
        return Ok(None);
    };
    // What was taken once is understood again.
    let constraint = |c: &Json<api::PlacementConstraint>| {
        let kind = c.r#type.as_deref().unwrap_or_default();
        Constraint::from_api(kind, c.expression.as_deref()).ok()
    };
    let strategy = |s: &Json<api::PlacementStrategy>| {
        let kind = s.r#type.as_deref().unwrap_or_default();
        Strategy::from_api(kind, s.field.as_deref()).ok()
    };
    let network = waits.network.as_ref().map(|n| Awsvpc {
        subnets: n.subnets.clone(),
        security_groups: n.security_groups.clone().unwrap_or_default(),
        assign_public_ip: n.assign_public_ip.as_deref() == Some("ENABLED"),
        zones: BTreeMap::new(),
    });
    let mut launch = Launch {
        cluster,
        definition: Arc::new(definition.value.definition.0),
        overrides: spec.overrides.0.clone(),
        cpu_units: of.cpu_units,
        memory_mib: of.memory_mib,
        capacity: Capacity::Instances(Instances {
            provider: spec.capacity_provider.clone(),
            constraints: waits.constraints.iter().filter_map(constraint).collect(),
            strategies: waits.strategies.iter().filter_map(strategy).collect(),
            ..Instances::default()
        }),
        network,
        group: spec.group.clone(),
        started_by: spec.started_by.clone(),
        platform_version: spec.platform_version.clone(),
        enable_execute_command: spec.enable_execute_command,
        tags: spec.tags.clone(),
        service: spec.service.clone(),
        target_groups: spec.target_groups.clone(),
        volumes: ebs::of(&spec.assignment.volumes),
        registries: spec.registries.clone(),
        connect: spec.connect.clone(),
        blocking_logs: false,
        scope,
    };
    launch.locate(house).await?;
    Ok(Some(launch))
}

/// Ends a waiting task: one that was asked to stop, or has waited for too long. No node would.
///
/// # Errors
/// The store's.
pub(crate) async fn end(house: &House, key: &str) -> Result<(), AwsError> {
    let now = house.now();
    let end = |task: &mut Task| {
        if task.spec.waits.take().is_none() {
            return Ok(false);
        }
        let cause = Cause {
            code: "TaskFailedToStart",
            reason: TIMED_OUT,
            at: now,
        };
        stop::end(task, cause);
        Ok(true)
    };
    house.db.modify::<Task, _>(key, end).await?;
    Ok(())
}

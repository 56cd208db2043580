//! One whole task, from a checked launch and a place.

use super::Launch;
use super::place::{Capacity, Placed};
use crate::connect;
use crate::model::{ContainerSpec, Demand, Status, Task, TaskSpec};
use crate::plan::{assignment, output, volumes};
use neargate_api_ecs as api;
use neargate_domain::{Assignment, DesiredState, LaunchType, TaskNetwork};
use neargate_service::House;
use neargate_wire::json::Json;

/// Every Fargate task has at least this much scratch space.
const EPHEMERAL_STORAGE_GIB: i32 = 20;

pub(super) fn task(
    house: &House,
    launch: &Launch,
    capacity: &Capacity,
    placed: Placed,
    task_id: String,
    network: TaskNetwork,
) -> Task {
    let (definition, scope) = (&*launch.definition, &launch.scope);
    let cluster = &launch.cluster.name;
    let arn = scope.arn("ecs", format!("task/{cluster}/{task_id}"));
    let launch_type = capacity.launch_type();
    let of = (launch_type, task_id.as_str());
    let mut containers = assignment::containers(scope, of, definition, &launch.overrides);
    for container in &mut containers {
        let resource = format!("container/{cluster}/{task_id}/{}", house.rng.uuid());
        container.arn = Some(scope.arn("ecs", resource));
        if launch.blocking_logs {
            output::block(container);
        }
    }
    let (task_role_arn, execution_role_arn) = assignment::roles(definition, &launch.overrides);
    let demand = demand(launch, &containers, launch.with_interface());
    let defined = definition.container_definitions.iter().flatten();
    let shown = defined.zip(&containers).map(|(c, run)| ContainerSpec {
        arn: run.arn.clone().expect("set above"),
        name: run.name.clone(),
        image: run.image.name.clone(),
        cpu: c.cpu.unwrap_or(0),
        memory: run.memory_mib.and_then(|m| i32::try_from(m).ok()),
        memory_reservation: run
            .memory_reservation_mib
            .and_then(|m| i32::try_from(m).ok()),
    });
    let fargate = launch_type == LaunchType::Fargate;
    let storage = launch.overrides.ephemeral_storage.as_ref();
    let storage = storage.or(definition.ephemeral_storage.as_ref());
    // Without an interface of its own there is nothing to provision.
    let status = if network.interface().is_some() {
        Status::provisioning()
    } else {
        Status::pending()
    };
    let ephemeral_storage_gib =
        fargate.then(|| storage.map_or(EPHEMERAL_STORAGE_GIB, |s| s.size_in_gib));
    let spec = TaskSpec {
        cluster_arn: launch.cluster.arn.clone(),
        task_definition_arn: definition.task_definition_arn.clone().unwrap_or_default(),
        group: launch.group.clone(),
        started_by: launch.started_by.clone(),
        platform_version: launch.platform_version.clone().filter(|_| fargate),
        cpu: demand.cpu_units.to_string(),
        memory: demand.memory_mib.to_string(),
        ephemeral_storage_gib,
        enable_execute_command: launch.enable_execute_command,
        overrides: Json(shown_overrides(&launch.overrides, definition)),
        containers: shown.collect(),
        attachment_id: network.interface().map(|_| house.rng.uuid()),
        tags: launch.tags.clone(),
        created_at: house.now(),
        node: placed.node,
        stop: None,
        availability_zone: network.interface().map_or(placed.availability_zone, |eni| {
            eni.availability_zone.clone()
        }),
        capacity_provider: capacity.provider().map(str::to_owned),
        demand,
        service: launch.service.clone(),
        protection: None,
        target_groups: launch.target_groups.clone(),
        registries: launch.registries.clone(),
        connect: launch.connect.clone(),
        waits: None,
        assignment: Assignment {
            task_id,
            task_arn: arn.clone(),
            account: scope.account.clone(),
            region: scope.region.clone(),
            cluster: cluster.clone(),
            family: definition.family.clone().unwrap_or_default(),
            revision: definition
                .revision
                .and_then(|r| u32::try_from(r).ok())
                .unwrap_or(0),
            generation: 1,
            desired: DesiredState::Running,
            cpu_units: launch.cpu_units,
            memory_mib: launch.memory_mib,
            ephemeral_storage_gib: ephemeral_storage_gib.and_then(|gib| u32::try_from(gib).ok()),
            network,
            launch_type,
            container_instance_arn: placed
                .container_instance
                .as_ref()
                .map(|id| scope.arn("ecs", format!("container-instance/{cluster}/{id}"))),
            task_role_arn,
            execution_role_arn,
            service_name: launch.service.as_ref().map(|link| link.service.clone()),
            containers,
            volumes: volumes::volumes(definition)
                .into_iter()
                .chain(launch.volumes.iter().map(|wanted| {
                    let id = format!("vol-{}", house.rng.hex(17));
                    wanted.volume(id, house.rng.uuid())
                }))
                .collect(),
            pid_mode: assignment::pid_mode(definition),
            ipc_mode: assignment::ipc_mode(definition),
            proxy: definition
                .proxy_configuration
                .as_ref()
                .map(assignment::proxy),
            fault_injection: definition.enable_fault_injection == Some(true),
        },
        container_instance: placed.container_instance,
        arn,
    };
    let mut task = Task { spec, status };
    connect::join(house, scope, &mut task);
    task
}

/// What each task of the launch takes of its container instance.
pub(super) fn demand_of(launch: &Launch, eni: bool) -> Demand {
    let of = (launch.capacity.launch_type(), "");
    let containers =
        assignment::containers(&launch.scope, of, &launch.definition, &launch.overrides);
    demand(launch, &containers, eni)
}

/// What the task takes of its container instance: its own size, else the sum of its
/// containers', reservations before hard limits
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html>).
fn demand(launch: &Launch, containers: &[neargate_domain::ContainerSpec], eni: bool) -> Demand {
    let sum = |of: fn(&neargate_domain::ContainerSpec) -> Option<u32>| {
        containers
            .iter()
            .filter_map(of)
            .fold(0, u32::saturating_add)
    };
    let ports = containers.iter().flat_map(|c| &c.port_mappings);
    Demand {
        cpu_units: launch.cpu_units.unwrap_or_else(|| sum(|c| c.cpu_units)),
        memory_mib: launch
            .memory_mib
            .unwrap_or_else(|| sum(|c| c.memory_reservation_mib.or(c.memory_mib))),
        ports: if eni {
            Vec::new()
        } else {
            ports
                .filter_map(|p| Some((p.protocol, p.host_port?)))
                .collect()
        },
        gpus: assignment::gpus(&launch.definition),
        eni,
    }
}

/// ECS shows an (empty) override for every container.
fn shown_overrides(
    given: &api::TaskOverride,
    definition: &api::TaskDefinition,
) -> api::TaskOverride {
    let mut shown = given.clone();
    let list = shown.container_overrides.get_or_insert_default();
    for c in definition.container_definitions.iter().flatten() {
        if !list.iter().any(|o| o.name == c.name) {
            list.push(api::ContainerOverride {
                name: c.name.clone(),
                ..Default::default()
            });
        }
    }
    shown
}

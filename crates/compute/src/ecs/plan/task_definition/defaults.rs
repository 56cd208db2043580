//! From a valid registration to the task definition as ECS describes it.

use super::check::on_fargate;
use super::health;
use crate::ecs::plan::fargate;
use neargate_api::ecs as api;
use neargate_base::Timestamp;

/// The definition as it is stored and described, with ECS's defaults filled in.
/// `arn` and `revision` are its own, `by` the caller's ARN.
pub fn definition(
    input: &api::RegisterTaskDefinitionInput,
    arn: String,
    revision: i32,
    by: String,
    now: Timestamp,
) -> api::TaskDefinition {
    let awsvpc = input.network_mode.as_deref() == Some("awsvpc");
    let containers = input
        .container_definitions
        .iter()
        .map(|c| container(c, awsvpc))
        .collect();
    let cpu = input.cpu.as_ref().map(|s| units(s, fargate::cpu_units));
    let memory = input.memory.as_ref().map(|s| units(s, fargate::memory_mib));
    api::TaskDefinition {
        task_definition_arn: Some(arn),
        container_definitions: Some(containers),
        family: Some(input.family.clone()),
        task_role_arn: input.task_role_arn.clone().filter(|r| !r.is_empty()),
        execution_role_arn: input.execution_role_arn.clone().filter(|r| !r.is_empty()),
        network_mode: input.network_mode.clone().or_else(|| Some("bridge".into())),
        revision: Some(revision),
        volumes: Some(input.volumes.clone().unwrap_or_default()),
        status: Some("ACTIVE".into()),
        requires_attributes: Some(attributes(input)),
        placement_constraints: Some(input.placement_constraints.clone().unwrap_or_default()),
        compatibilities: Some(compatibilities(input)),
        runtime_platform: input.runtime_platform.clone(),
        requires_compatibilities: input.requires_compatibilities.clone(),
        cpu,
        memory,
        inference_accelerators: input.inference_accelerators.clone(),
        pid_mode: input.pid_mode.clone(),
        ipc_mode: input.ipc_mode.clone(),
        proxy_configuration: input.proxy_configuration.clone(),
        registered_at: Some(now),
        registered_by: Some(by),
        ephemeral_storage: input.ephemeral_storage.clone(),
        enable_fault_injection: input.enable_fault_injection,
        trusted_execution_configuration: input.trusted_execution_configuration.clone(),
        ..Default::default()
    }
}

/// ECS answers plain numbers, however the size was written.
fn units(given: &str, parse: fn(&str) -> Option<u32>) -> String {
    parse(given).map_or_else(|| given.to_owned(), |n| n.to_string())
}

fn container(given: &api::ContainerDefinition, awsvpc: bool) -> api::ContainerDefinition {
    let mut c = given.clone();
    c.cpu.get_or_insert(0);
    c.essential.get_or_insert(true);
    c.environment.get_or_insert_default();
    c.mount_points.get_or_insert_default();
    c.volumes_from.get_or_insert_default();
    c.system_controls.get_or_insert_default();
    if let Some(check) = &mut c.health_check {
        health::fill(check);
    }
    for port in c.port_mappings.get_or_insert_default() {
        port.protocol.get_or_insert_with(|| "tcp".into());
        let host = if awsvpc { port.container_port } else { Some(0) };
        port.host_port = port.host_port.filter(|p| *p != 0).or(host);
    }
    c
}

/// Where the definition could run: on Fargate only if it keeps all of Fargate's rules.
fn compatibilities(input: &api::RegisterTaskDefinitionInput) -> Vec<String> {
    let mut list = vec!["EC2".to_owned()];
    if on_fargate(input).is_ok() {
        list.push("FARGATE".into());
    }
    list
}

/// What a container instance's agent must be capable of
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-constraints.html>).
fn attributes(input: &api::RegisterTaskDefinitionInput) -> Vec<api::Attribute> {
    let has_role = input.execution_role_arn.is_some();
    let any = |test: &dyn Fn(&api::ContainerDefinition) -> bool| {
        input.container_definitions.iter().any(test)
    };
    let logs = any(&|c| {
        c.log_configuration
            .as_ref()
            .is_some_and(|l| l.log_driver == "awslogs")
    });
    let checked = any(&|c| c.health_check.is_some());
    let grace = any(&|c| {
        c.health_check
            .as_ref()
            .is_some_and(|h| h.start_period.is_some())
    });
    let ordered = any(&|c| c.depends_on.as_ref().is_some_and(|d| !d.is_empty()));
    let ecr = any(&|c| c.image.as_deref().is_some_and(|i| i.contains(".dkr.ecr.")));
    let names = [
        (logs, "com.amazonaws.ecs.capability.logging-driver.awslogs"),
        (logs && has_role, "ecs.capability.execution-role-awslogs"),
        (ecr, "com.amazonaws.ecs.capability.ecr-auth"),
        (ecr && has_role, "ecs.capability.execution-role-ecr-pull"),
        (logs, "com.amazonaws.ecs.capability.docker-remote-api.1.19"),
        (
            input.task_role_arn.as_ref().is_some_and(|r| !r.is_empty()),
            "com.amazonaws.ecs.capability.task-iam-role",
        ),
        (true, "com.amazonaws.ecs.capability.docker-remote-api.1.18"),
        (
            input.network_mode.as_deref() == Some("awsvpc"),
            "ecs.capability.task-eni",
        ),
        (checked, "ecs.capability.container-health-check"),
        // `startPeriod` came with this version of Docker's API.
        (grace, "com.amazonaws.ecs.capability.docker-remote-api.1.29"),
        (ordered, "ecs.capability.container-ordering"),
    ];
    names
        .iter()
        .filter(|(needed, _)| *needed)
        .map(|(_, name)| api::Attribute {
            name: (*name).into(),
            ..Default::default()
        })
        .collect()
}

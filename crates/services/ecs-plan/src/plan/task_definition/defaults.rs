//! From a valid registration to the task definition as ECS describes it.

use super::{attributes, health, ports, role};
use crate::plan::fargate;
use neargate_api_ecs as api;
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
    let mode = input.network_mode.as_deref();
    let containers = &input.container_definitions;
    let containers = containers.iter().map(|c| container(c, mode)).collect();
    let cpu = input.cpu.as_ref().map(|s| units(s, fargate::cpu_units));
    let memory = input.memory.as_ref().map(|s| units(s, fargate::memory_mib));
    api::TaskDefinition {
        container_definitions: Some(containers),
        family: Some(input.family.clone()),
        task_role_arn: role::arn(input.task_role_arn.as_ref(), &arn),
        execution_role_arn: role::arn(input.execution_role_arn.as_ref(), &arn),
        task_definition_arn: Some(arn),
        network_mode: input.network_mode.clone(),
        revision: Some(revision),
        volumes: Some(input.volumes.clone().unwrap_or_default()),
        status: Some("ACTIVE".into()),
        requires_attributes: Some(attributes::required(input)),
        placement_constraints: Some(input.placement_constraints.clone().unwrap_or_default()),
        compatibilities: Some(attributes::compatibilities(input)),
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

fn container(given: &api::ContainerDefinition, mode: Option<&str>) -> api::ContainerDefinition {
    let mut c = given.clone();
    c.cpu.get_or_insert(0);
    c.essential.get_or_insert(true);
    c.environment.get_or_insert_default();
    c.mount_points.get_or_insert_default();
    c.volumes_from.get_or_insert_default();
    c.system_controls.get_or_insert_default();
    if c.firelens_configuration.is_some() {
        // <https://github.com/hashicorp/terraform-provider-aws/pull/41394>
        c.user.get_or_insert_with(|| "0".into());
    }
    if let Some(check) = &mut c.health_check {
        health::fill(check);
    }
    for port in c.port_mappings.get_or_insert_default() {
        ports::fill(port, mode);
    }
    c
}

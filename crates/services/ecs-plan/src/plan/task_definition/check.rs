//! The rules a task definition must satisfy, with ECS's sentences: here those of the whole, and
//! the order in which all are asked. Most sentences are as real deployments were refused
//! (<https://github.com/badmintoncryer/cdk-preflight/tree/main/rules/ecs> records them).

use super::{container, dependencies, fargate, logs, ports, role, volumes};
use crate::error::client;
use crate::plan::fargate::{cpu_units, memory_mib};
use crate::plan::placement::Constraint;
use crate::reference::is_name;
use neargate_api_ecs as api;
use neargate_service::AwsError;
use neargate_wire::json::to_json;
use std::collections::BTreeSet;

/// Quotas of ECS
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>).
const MAX_CONTAINERS: usize = 10;
const MAX_CONSTRAINTS: usize = 10;
/// The largest that a definition may be, as JSON.
const MAX_BYTES: usize = 65_536;
/// CPU units of a task on an instance: an eighth of a vCPU to 192 of them.
const CPU_UNITS: std::ops::RangeInclusive<u32> = 128..=196_608;

/// # Errors
/// `ClientException` with the first rule broken.
pub fn check(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    family(input)?;
    role::check(input.task_role_arn.as_deref())?;
    role::check(input.execution_role_arn.as_deref())?;
    let containers = &input.container_definitions;
    if containers.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    if containers.len() > MAX_CONTAINERS {
        return Err(client("Too many containers."));
    }
    let mut names = BTreeSet::new();
    for c in containers {
        container::check(input, c)?;
        if !names.insert(c.name.as_deref().unwrap_or_default()) {
            return Err(client(
                "Container names must be unique within a task definition.",
            ));
        }
    }
    if !containers.iter().any(|c| c.essential.unwrap_or(true)) {
        return Err(client(
            "Task definition doesn't have any essential container.",
        ));
    }
    dependencies::check(containers)?;
    volumes::check(input)?;
    ports::check(input)?;
    logs::firelens(containers)?;
    if input
        .inference_accelerators
        .as_ref()
        .is_some_and(|a| !a.is_empty())
    {
        return Err(client("Unsupported field 'inferenceAccelerators'."));
    }
    proxy(input)?;
    constraints(input)?;
    memory(input)?;
    match requires(input, "FARGATE") {
        true => fargate::check(input),
        false => on_instances(input),
    }
}

/// Is that among `requiresCompatibilities`?
fn requires(input: &api::RegisterTaskDefinitionInput, compatibility: &str) -> bool {
    let required = input.requires_compatibilities.iter().flatten();
    required.into_iter().any(|c| c == compatibility)
}

fn family(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    if input.family.is_empty() {
        return Err(client("Family should not be null or empty."));
    }
    if !is_name(&input.family) {
        return Err(client("Family contains invalid characters."));
    }
    if input.tags.as_ref().is_some_and(Vec::is_empty) {
        return Err(client("Tags can not be empty."));
    }
    let untagged = api::RegisterTaskDefinitionInput {
        tags: None,
        ..input.clone()
    };
    let length = to_json(&untagged).to_string().len();
    if length > MAX_BYTES {
        return Err(client(format!(
            "Actual length: '{length}'. Max allowed length is '{MAX_BYTES}' bytes."
        )));
    }
    Ok(())
}

/// Without memory of the whole task each container has some of its own.
fn memory(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    let has = |c: &api::ContainerDefinition| c.memory.or(c.memory_reservation).is_some();
    let without = input.container_definitions.iter().find(|c| !has(c));
    match (&input.memory, without) {
        (None, Some(c)) => Err(client(format!(
            "Invalid setting for container '{}'. At least one of 'memory' or 'memoryReservation' must be specified.",
            c.name.as_deref().unwrap_or_default()
        ))),
        _ => Ok(()),
    }
}

fn on_instances(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    let cpu = input.cpu.as_deref().map(|given| {
        let units = cpu_units(given).filter(|n| CPU_UNITS.contains(n));
        units.ok_or_else(|| invalid_size("cpu"))
    });
    let memory = input.memory.as_deref().map(|given| {
        let mib = memory_mib(given).filter(|n| *n > 0);
        mib.ok_or_else(|| invalid_size("memory"))
    });
    within(input, cpu.transpose()?, memory.transpose()?)?;
    if input.ephemeral_storage.is_some() && requires(input, "EC2") {
        return Err(client(
            "Tasks using the EC2 launch type do not support EphemeralStorage.",
        ));
    }
    fargate::ephemeral_storage(input.ephemeral_storage.as_ref())?;
    if requires(input, "EXTERNAL") && input.network_mode.as_deref() == Some("awsvpc") {
        return Err(client(
            "Tasks using the EXTERNAL launch type do not support networkMode 'awsvpc'.",
        ));
    }
    Ok(())
}

/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html>).
pub(super) fn invalid_size(what: &str) -> AwsError {
    client(format!(
        "Invalid '{what}' setting for task. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
    ))
}

/// The containers fit into what the task has, where it says so.
pub(super) fn within(
    input: &api::RegisterTaskDefinitionInput,
    cpu: Option<u32>,
    memory: Option<u32>,
) -> Result<(), AwsError> {
    let units = |n: Option<i32>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let (mut cpu_sum, mut memory_sum) = (0, 0);
    for c in &input.container_definitions {
        fits(c.name.as_deref(), None, c.memory, cpu, memory)?;
        cpu_sum += units(c.cpu);
        memory_sum += units(c.memory_reservation.or(c.memory));
    }
    for (what, sum, of_task) in [("cpu", cpu_sum, cpu), ("memory", memory_sum, memory)] {
        if of_task.is_some_and(|most| sum > u64::from(most)) {
            return Err(client(format!(
                "The sum of all container '{what}' values cannot be greater than the value of the task '{what}'."
            )));
        }
    }
    Ok(())
}

/// No container may be larger than its task, as far as the task has a size.
pub fn fits(
    name: Option<&str>,
    cpu: Option<i32>,
    memory: Option<i32>,
    task_cpu_units: Option<u32>,
    task_memory_mib: Option<u32>,
) -> Result<(), AwsError> {
    let name = name.unwrap_or_default();
    let over = |asked: Option<i32>, limit: Option<u32>| {
        let asked = asked.and_then(|n| u32::try_from(n).ok());
        asked.zip(limit).is_some_and(|(n, limit)| n > limit)
    };
    for (what, is_over) in [
        ("cpu", over(cpu, task_cpu_units)),
        ("memory", over(memory, task_memory_mib)),
    ] {
        if is_over {
            return Err(client(format!(
                "The '{what}' setting for container '{name}' is greater than for the task."
            )));
        }
    }
    Ok(())
}

fn constraints(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    let given = input.placement_constraints.as_deref().unwrap_or_default();
    if given.len() > MAX_CONSTRAINTS {
        return Err(client(
            "Placement constraints cannot have more than 10 elements.",
        ));
    }
    for c in given {
        let kind = c.r#type.as_deref().unwrap_or("memberOf");
        Constraint::from_api(kind, c.expression.as_deref()).map_err(client)?;
    }
    Ok(())
}

/// What App Mesh's proxy has to be told.
const PROXY_PROPERTIES: [(&str, &str); 3] = [
    ("ProxyIngressPort", "Ingress port not found"),
    ("ProxyEgressPort", "Egress port not found"),
    ("AppPorts", "App ports not found"),
];

fn proxy(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    let Some(proxy) = &input.proxy_configuration else {
        return Ok(());
    };
    if input.network_mode.as_deref() != Some("awsvpc") {
        return Err(client(
            "APPMESH proxy configuration is only supported in networkMode=awsvpc",
        ));
    }
    let name = &proxy.container_name;
    let mut containers = input.container_definitions.iter();
    if !containers.any(|c| c.name.as_ref() == Some(name)) {
        return Err(client(format!("Proxy container [{name}] does not exist.")));
    }
    let given = proxy.properties.as_deref().unwrap_or_default();
    let has = |name: &str| given.iter().any(|p| p.name.as_deref() == Some(name));
    match PROXY_PROPERTIES.iter().find(|(name, _)| !has(name)) {
        Some((_, sentence)) => Err(client(*sentence)),
        None => Ok(()),
    }
}

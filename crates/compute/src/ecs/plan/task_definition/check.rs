//! The rules a task definition must satisfy, with ECS's sentences.

use super::{health, restart};
use crate::ecs::error::client;
use crate::ecs::plan::fargate;
use crate::ecs::reference::is_name;
use neargate_api::ecs as api;
use neargate_base::Region;
use neargate_service::AwsError;
use neargate_wire::json::to_json;
use std::collections::{BTreeMap, BTreeSet};

/// A quota of ECS
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>).
const MAX_CONTAINERS: usize = 10;
/// Fargate's longest grace between SIGTERM and SIGKILL, in seconds.
const MAX_STOP_TIMEOUT_SECS: i32 = 120;
/// Of the whole definition as JSON
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>).
const MAX_BYTES: usize = 65_536;

/// # Errors
/// `ClientException` with the first rule broken.
pub fn check(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    if input.family.is_empty() {
        return Err(client("Family should not be null or empty."));
    }
    if !is_name(&input.family) {
        return Err(client("Family contains invalid characters."));
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
    let containers = &input.container_definitions;
    if containers.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    if containers.len() > MAX_CONTAINERS {
        return Err(client("A task definition can have at most 10 containers."));
    }
    let mut names = BTreeSet::new();
    for c in containers {
        container(c)?;
        if !names.insert(c.name.as_deref().unwrap_or_default()) {
            return Err(client(
                "Container names must be unique within a Task Definition.",
            ));
        }
    }
    if !containers.iter().any(|c| c.essential.unwrap_or(true)) {
        return Err(client(
            "A task definition must have at least one essential container.",
        ));
    }
    dependencies(containers)?;
    let fargate = input
        .requires_compatibilities
        .iter()
        .flatten()
        .any(|c| c == "FARGATE");
    if fargate {
        on_fargate(input)
    } else {
        on_instances(input)
    }
}

fn container(c: &api::ContainerDefinition) -> Result<(), AwsError> {
    let name = c.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(client("Container.name should not be null or empty."));
    }
    if !is_name(name) {
        return Err(client("Container.name contains invalid characters."));
    }
    let image = c.image.as_deref().unwrap_or_default();
    if image.is_empty() {
        return Err(client("Container.image should not be null or empty."));
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@#".contains(&b);
    if image.len() > 255 || !image.bytes().all(legal) {
        return Err(client("Container.image contains invalid characters."));
    }
    if c.cpu.is_some_and(|n| n < 0) {
        return Err(client("Container.cpu should not be negative."));
    }
    if c.memory.or(c.memory_reservation).is_some_and(|n| n < 6) {
        return Err(client(format!(
            "Invalid setting for container '{name}'. The minimum memory setting is 6 MiB."
        )));
    }
    if let (Some(hard), Some(soft)) = (c.memory, c.memory_reservation)
        && hard < soft
    {
        return Err(client(format!(
            "Invalid setting for container '{name}'. 'memory' must be greater than or equal to 'memoryReservation'."
        )));
    }
    for port in c.port_mappings.iter().flatten() {
        let legal = |p: Option<i32>| p.is_none_or(|p| (0..=65_535).contains(&p));
        if !legal(port.container_port) || !legal(port.host_port) {
            return Err(client("Port mappings must be between 0 and 65535."));
        }
    }
    if let Some(log) = &c.log_configuration
        && log.log_driver == "awslogs"
    {
        awslogs(log)?;
    }
    health::check(c)?;
    restart::check(c)
}

/// The options of the awslogs driver
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html>).
const AWSLOGS_OPTIONS: [&str; 9] = [
    "awslogs-group",
    "awslogs-region",
    "awslogs-stream-prefix",
    "awslogs-create-group",
    "awslogs-datetime-format",
    "awslogs-multiline-pattern",
    "awslogs-endpoint",
    "mode",
    "max-buffer-size",
];

fn awslogs(log: &api::LogConfiguration) -> Result<(), AwsError> {
    let none = BTreeMap::new();
    let options = log.options.as_ref().unwrap_or(&none);
    let required = ["awslogs-group", "awslogs-region"];
    let missing = required.map(|o| (!options.contains_key(o)).then_some(o));
    let missing: Vec<&str> = missing.into_iter().flatten().collect();
    if !missing.is_empty() {
        return Err(client(format!(
            "Log driver awslogs requires options: {}",
            missing.join(", ")
        )));
    }
    if let Some(unknown) = options
        .keys()
        .find(|o| !AWSLOGS_OPTIONS.contains(&o.as_str()))
    {
        return Err(client(format!(
            "Log driver awslogs disallows options: {unknown}"
        )));
    }
    if options
        .get("awslogs-create-group")
        .is_some_and(|v| v != "true")
    {
        return Err(client(
            "Log driver awslogs option 'awslogs-create-group' should only be set to 'true', else omit option.",
        ));
    }
    if options["awslogs-region"].parse::<Region>().is_err() {
        return Err(client(
            "Log driver awslogs option 'awslogs-region' is not a region.",
        ));
    }
    Ok(())
}

/// Dependencies name other containers of the task and have no cycle.
fn dependencies(containers: &[api::ContainerDefinition]) -> Result<(), AwsError> {
    let needs = |name: &str| {
        let of = containers.iter().find(|c| c.name.as_deref() == Some(name));
        of.into_iter().flat_map(|c| c.depends_on.iter().flatten())
    };
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    for c in containers {
        let name = c.name.as_deref().unwrap_or_default();
        for d in needs(name) {
            let Some(other) = containers
                .iter()
                .find(|o| o.name.as_ref() == Some(&d.container_name))
            else {
                return Err(client(format!(
                    "Container {name} has a dependency on {}, which is not defined in the task definition.",
                    d.container_name
                )));
            };
            if d.condition == "HEALTHY" && other.health_check.is_none() {
                return Err(client(format!(
                    "Container {} must have a health check because {name} depends on it being HEALTHY.",
                    d.container_name
                )));
            }
            if matches!(d.condition.as_str(), "COMPLETE" | "SUCCESS")
                && other.essential.unwrap_or(true)
            {
                return Err(client(format!(
                    "An essential container cannot be depended upon with the condition {}: {}",
                    d.condition, d.container_name
                )));
            }
        }
    }
    // Whatever depends only on settled containers is settled; a cycle never is.
    while settled.len() < containers.len() {
        let before = settled.len();
        for name in containers.iter().filter_map(|c| c.name.as_deref()) {
            if needs(name).all(|d| settled.contains(d.container_name.as_str())) {
                settled.insert(name);
            }
        }
        if settled.len() == before {
            return Err(client("Container dependencies must not form a cycle."));
        }
    }
    Ok(())
}

fn on_instances(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    for c in &input.container_definitions {
        if input.memory.is_none() && c.memory.is_none() && c.memory_reservation.is_none() {
            return Err(client(format!(
                "Invalid setting for container '{}'. At least one of 'memory' or 'memoryReservation' must be specified.",
                c.name.as_deref().unwrap_or_default()
            )));
        }
    }
    Ok(())
}

pub(super) fn on_fargate(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    if input.network_mode.as_deref() != Some("awsvpc") {
        return Err(client("Fargate only supports network mode ‘awsvpc’."));
    }
    let cpu = size(input.cpu.as_deref(), "cpu", fargate::cpu_units)?;
    let memory = size(input.memory.as_deref(), "memory", fargate::memory_mib)?;
    if !fargate::offers(cpu, memory) {
        return Err(client(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
        )));
    }
    ephemeral_storage(input.ephemeral_storage.as_ref())?;
    let (mut cpu_sum, mut memory_sum) = (0u64, 0u64);
    for c in &input.container_definitions {
        on_fargate_container(input, c)?;
        fits(c.name.as_deref(), c.cpu, c.memory, cpu, memory)?;
        cpu_sum += u64::try_from(c.cpu.unwrap_or(0)).unwrap_or(0);
        memory_sum += u64::try_from(c.memory_reservation.or(c.memory).unwrap_or(0)).unwrap_or(0);
    }
    if cpu_sum > u64::from(cpu) {
        return Err(client(
            "The total CPU of the containers must not exceed the task's 'cpu'.",
        ));
    }
    if memory_sum > u64::from(memory) {
        return Err(client(
            "The total memory of the containers must not exceed the task's 'memory'.",
        ));
    }
    Ok(())
}

/// No container may be larger than its Fargate task.
pub fn fits(
    name: Option<&str>,
    cpu: Option<i32>,
    memory: Option<i32>,
    task_cpu_units: u32,
    task_memory_mib: u32,
) -> Result<(), AwsError> {
    let name = name.unwrap_or_default();
    let over = |asked: Option<i32>, limit: u32| {
        asked.is_some_and(|n| u32::try_from(n).is_ok_and(|n| n > limit))
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

/// Fargate's scratch space, in GiB.
pub fn ephemeral_storage(asked: Option<&api::EphemeralStorage>) -> Result<(), AwsError> {
    if asked.is_some_and(|s| !(21..=200).contains(&s.size_in_gib)) {
        return Err(client(
            "Ephemeral storage size must be between 21 and 200 GiB.",
        ));
    }
    Ok(())
}

fn size(given: Option<&str>, what: &str, parse: fn(&str) -> Option<u32>) -> Result<u32, AwsError> {
    let Some(given) = given.filter(|g| !g.is_empty()) else {
        return Err(client(format!(
            "Fargate requires that '{what}' be defined at the task level."
        )));
    };
    parse(given).ok_or_else(|| client(format!("Invalid '{what}' setting for task.")))
}

fn on_fargate_container(
    input: &api::RegisterTaskDefinitionInput,
    c: &api::ContainerDefinition,
) -> Result<(), AwsError> {
    let name = c.name.as_deref().unwrap_or_default();
    let has_role = input
        .execution_role_arn
        .as_deref()
        .is_some_and(|r| !r.is_empty());
    if c.image.as_deref().is_some_and(|i| i.contains(".dkr.ecr.")) && !has_role {
        return Err(client(
            "Fargate requires task definition to have execution role ARN to support ECR images.",
        ));
    }
    if let Some(log) = &c.log_configuration {
        let driver = log.log_driver.as_str();
        if !matches!(driver, "awslogs" | "splunk" | "awsfirelens") {
            return Err(client(format!(
                "{driver} is not a valid log driver. Must be one of [awslogs,splunk,awsfirelens]"
            )));
        }
        if driver == "awslogs" && !has_role {
            return Err(client(
                "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
            ));
        }
        let prefixed = log
            .options
            .as_ref()
            .is_some_and(|o| o.contains_key("awslogs-stream-prefix"));
        if driver == "awslogs" && !prefixed {
            return Err(client(
                "Fargate requires the option awslogs-stream-prefix for log driver awslogs.",
            ));
        }
    }
    if c.privileged == Some(true) {
        return Err(client("Fargate does not support privileged containers."));
    }
    if c.hostname.as_deref().is_some_and(|h| !h.is_empty()) {
        return Err(client(
            "hostname is not supported on container when networkMode=awsvpc.",
        ));
    }
    if c.extra_hosts.as_ref().is_some_and(|h| !h.is_empty()) {
        return Err(client(
            "extraHosts is not supported on container when networkMode=awsvpc.",
        ));
    }
    if c.links.as_ref().is_some_and(|l| !l.is_empty()) {
        return Err(client("Links are not supported when networkMode=awsvpc."));
    }
    for port in c.port_mappings.iter().flatten() {
        if let (Some(host), Some(inside)) = (port.host_port, port.container_port)
            && host != inside
            && host != 0
        {
            return Err(client(format!(
                "When networkMode=awsvpc, the host ports and container ports in port mappings must match. Container: {name}"
            )));
        }
    }
    let added = c
        .linux_parameters
        .as_ref()
        .and_then(|l| l.capabilities.as_ref()?.add.as_ref());
    if let Some(cap) = added.into_iter().flatten().find(|cap| *cap != "SYS_PTRACE") {
        return Err(client(format!(
            "Fargate does not support adding the capability {cap}."
        )));
    }
    if c.stop_timeout
        .is_some_and(|t| !(0..=MAX_STOP_TIMEOUT_SECS).contains(&t))
    {
        return Err(client(
            "Container.stopTimeout must be between 0 and 120 seconds on Fargate.",
        ));
    }
    if c.start_timeout.is_some_and(|t| !(2..=600).contains(&t)) {
        return Err(client(
            "Container.startTimeout must be between 2 and 600 seconds on Fargate.",
        ));
    }
    Ok(())
}

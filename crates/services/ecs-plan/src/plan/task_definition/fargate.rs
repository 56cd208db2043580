//! What Fargate demands and does not offer
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>).

use super::check::{invalid_size, within};
use super::{container, logs, volumes};
use crate::error::client;
use crate::plan::fargate;
use neargate_api_ecs as api;
use neargate_service::AwsError;

/// Fargate's longest grace between SIGTERM and SIGKILL, and longest start, in seconds.
const MAX_TIMEOUT_SECS: i32 = 120;
const MIN_TIMEOUT_SECS: i32 = 2;
/// Fargate's scratch space, in GiB.
const MIN_STORAGE_GIB: i32 = 21;
const MAX_STORAGE_GIB: i32 = 200;

/// Is everything of the definition what Fargate offers?
///
/// # Errors
/// `ClientException` with the first rule broken.
pub(super) fn check(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    if input.network_mode.as_deref() != Some("awsvpc") {
        return Err(client("Fargate only supports network mode ‘awsvpc’."));
    }
    of_task(input)?;
    let cpu = size(input.cpu.as_deref(), "cpu", fargate::cpu_units)?;
    let memory = size(input.memory.as_deref(), "memory", fargate::memory_mib)?;
    let is_offered = match is_windows(input.runtime_platform.as_ref()) {
        true => fargate::offers_windows(cpu, memory),
        false => fargate::offers(cpu, memory),
    };
    if !is_offered {
        return Err(client(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
        )));
    }
    ephemeral_storage(input.ephemeral_storage.as_ref())?;
    let has_role = input
        .execution_role_arn
        .as_deref()
        .is_some_and(|r| !r.is_empty());
    for c in &input.container_definitions {
        of_container(c)?;
        log_driver(c, has_role)?;
        if c.image.as_deref().is_some_and(|i| i.contains(".dkr.ecr.")) && !has_role {
            return Err(client(
                "Fargate requires task definition to have execution role ARN to support ECR images.",
            ));
        }
    }
    within(input, Some(cpu), Some(memory))
}

/// Is the operating system one of Windows'?
pub(crate) fn is_windows(platform: Option<&api::RuntimePlatform>) -> bool {
    let family = platform.and_then(|p| p.operating_system_family.as_deref());
    family.is_some_and(|f| f.starts_with("WINDOWS_"))
}

fn some<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|l| !l.is_empty())
}

fn not_supported(what: &str) -> AwsError {
    client(format!(
        "Fargate compatible task definitions do not support {what}"
    ))
}

fn of_task(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    if some(&input.placement_constraints) {
        return Err(not_supported("constraints"));
    }
    if input.ipc_mode.is_some() {
        return Err(not_supported("ipcMode"));
    }
    if let Some(mode) = input.pid_mode.as_deref()
        && mode != "task"
    {
        return Err(client(format!(
            "Tasks using the Fargate launch type do not support pidMode '{mode}'. The supported value for pidMode is 'task'."
        )));
    }
    for v in input.volumes.iter().flatten() {
        if volumes::host_path(v).is_some() {
            return Err(not_supported("sourcePath"));
        }
        if v.docker_volume_configuration.is_some() {
            return Err(not_supported("dockerVolumeConfiguration"));
        }
        if v.fsx_windows_file_server_volume_configuration.is_some() {
            return Err(not_supported("fsxWindowsFileServerVolumeConfiguration"));
        }
    }
    Ok(())
}

/// Fargate's scratch space.
///
/// # Errors
/// `ClientException` for another size.
pub fn ephemeral_storage(asked: Option<&api::EphemeralStorage>) -> Result<(), AwsError> {
    match asked.map(|s| s.size_in_gib) {
        Some(gib) if gib < MIN_STORAGE_GIB => Err(client(format!(
            "EphemeralStorage size should be at least {MIN_STORAGE_GIB}"
        ))),
        Some(gib) if gib > MAX_STORAGE_GIB => Err(client(format!(
            "EphemeralStorage size should be at most {MAX_STORAGE_GIB}"
        ))),
        _ => Ok(()),
    }
}

fn size(given: Option<&str>, what: &str, parse: fn(&str) -> Option<u32>) -> Result<u32, AwsError> {
    let Some(given) = given.filter(|g| !g.is_empty()) else {
        return Err(client(format!(
            "Fargate requires that '{what}' be defined at the task level."
        )));
    };
    parse(given).ok_or_else(|| invalid_size(what))
}

fn of_container(c: &api::ContainerDefinition) -> Result<(), AwsError> {
    if c.privileged == Some(true) {
        return Err(client(
            "Fargate requires that the ‘privileged’ setting be ‘false’ at the container level.",
        ));
    }
    let linux = c.linux_parameters.as_ref();
    let lacking = [
        (some(&c.docker_security_options), "dockerSecurityOptions"),
        (linux.is_some_and(|l| some(&l.devices)), "devices"),
        (linux.is_some_and(|l| l.max_swap.is_some()), "maxSwap"),
        (linux.is_some_and(|l| l.swappiness.is_some()), "swappiness"),
        (
            linux.is_some_and(|l| l.shared_memory_size.is_some()),
            "sharedMemorySize",
        ),
    ];
    if let Some((_, what)) = lacking.iter().find(|(used, _)| *used) {
        return Err(not_supported(what));
    }
    let added = linux.and_then(|l| l.capabilities.as_ref()?.add.as_ref());
    if let Some(cap) = added.into_iter().flatten().find(|cap| *cap != "SYS_PTRACE") {
        return Err(client(format!("{cap} is not allowed on Fargate.")));
    }
    if c.resource_requirements
        .iter()
        .flatten()
        .any(|r| r.r#type == "GPU")
    {
        return Err(client(
            "Tasks using the Fargate launch type do not support GPU resource requirements.",
        ));
    }
    let name = c.name.as_deref().unwrap_or_default();
    for (what, given) in [("start", c.start_timeout), ("stop", c.stop_timeout)] {
        if given.is_some_and(|n| n < MIN_TIMEOUT_SECS) {
            return Err(container::timeout(what, name));
        }
        if given.is_some_and(|n| n > MAX_TIMEOUT_SECS) {
            return Err(client(format!(
                "Tasks using the Fargate launch type must have a container {what} timeout of less than {MAX_TIMEOUT_SECS} seconds."
            )));
        }
    }
    Ok(())
}

fn log_driver(c: &api::ContainerDefinition, has_role: bool) -> Result<(), AwsError> {
    if c.firelens_configuration
        .as_ref()
        .and_then(logs::config_file_type)
        == Some("s3")
    {
        return Err(client(
            "Fargate launch type does not support FirelensConfiguration config file from 's3'",
        ));
    }
    let Some(log) = &c.log_configuration else {
        return Ok(());
    };
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
    let prefix = log
        .options
        .as_ref()
        .and_then(|o| o.get("awslogs-stream-prefix"));
    if driver == "awslogs" && prefix.is_none() {
        return Err(client(
            "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs.",
        ));
    }
    Ok(())
}

//! What a task definition requires of whoever runs it: network, platform, size. `RunTask`,
//! `StartTask` and services check them alike.

use crate::error;
use crate::launch::Awsvpc;
use crate::plan::{fargate, task_definition};
use neargate_api_ecs as api;
use neargate_domain::LaunchType;
use neargate_service::AwsError;
use std::collections::BTreeMap;

/// The most subnets and security groups that a call may name
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html>).
const MAX_SUBNETS: usize = 16;
const MAX_SECURITY_GROUPS: usize = 5;

/// The platform version `LATEST` stands for.
const PLATFORM_VERSION: &str = "1.4.0";

/// The network configuration: required by network mode `awsvpc`, refused with every other.
///
/// # Errors
/// `InvalidParameterException`.
pub fn network(
    definition: &api::TaskDefinition,
    given: Option<&api::NetworkConfiguration>,
) -> Result<Option<Awsvpc>, AwsError> {
    let vpc = given.and_then(|n| n.awsvpc_configuration.as_ref());
    if definition.network_mode.as_deref() != Some("awsvpc") {
        return match vpc {
            None => Ok(None),
            Some(_) => Err(error::invalid_parameter(
                "Network Configuration is not valid for the given networkMode of this task definition.",
            )),
        };
    }
    let vpc = vpc.ok_or_else(|| {
        error::invalid_parameter(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )
    })?;
    if vpc.subnets.is_empty() {
        return Err(error::invalid_parameter("subnets can not be empty."));
    }
    let groups = vpc.security_groups.as_ref().map_or(0, Vec::len);
    at_most(vpc.subnets.len(), MAX_SUBNETS, "subnets")?;
    at_most(groups, MAX_SECURITY_GROUPS, "securityGroups")?;
    Ok(Some(Awsvpc {
        subnets: vpc.subnets.clone(),
        security_groups: vpc.security_groups.clone().unwrap_or_default(),
        assign_public_ip: vpc.assign_public_ip.as_deref() == Some("ENABLED"),
        zones: BTreeMap::new(),
    }))
}

/// Only Fargate gives an interface a public address.
///
/// # Errors
/// `InvalidParameterException` (<https://github.com/aws/aws-cdk/issues/13348> shows it).
pub fn public_ip(launch_type: LaunchType, network: Option<&Awsvpc>) -> Result<(), AwsError> {
    match network {
        Some(vpc) if vpc.assign_public_ip && launch_type != LaunchType::Fargate => Err(
            error::invalid_parameter("Assign public IP is not supported for this launch type."),
        ),
        _ => Ok(()),
    }
}

fn at_most(items: usize, limit: usize, what: &str) -> Result<(), AwsError> {
    if items > limit {
        return Err(error::invalid_parameter(format!(
            "{what} can have at most {limit} items."
        )));
    }
    Ok(())
}

/// The platform version as described, Fargate's only.
///
/// # Errors
/// `InvalidParameterException`, `PlatformUnknownException`.
pub fn platform_version(
    launch_type: LaunchType,
    given: Option<&str>,
) -> Result<Option<String>, AwsError> {
    match (launch_type, given.filter(|v| !v.is_empty())) {
        (LaunchType::Fargate, None | Some("LATEST")) => Ok(Some(PLATFORM_VERSION.into())),
        (LaunchType::Fargate, Some(version @ ("1.4.0" | "1.3.0"))) => Ok(Some(version.into())),
        (LaunchType::Fargate, Some(_)) => Err(AwsError::client(
            "PlatformUnknownException",
            "The specified platform version does not exist.",
        )),
        (_, None) => Ok(None),
        (_, Some(_)) => Err(error::invalid_parameter(
            "The platform version must be null when specifying an EC2 launch type.",
        )),
    }
}

/// The task's CPU units and MiB, overrides applied; on container instances a task may have none.
///
/// # Errors
/// `ClientException`.
pub fn size(
    launch_type: LaunchType,
    definition: &api::TaskDefinition,
    over: &api::TaskOverride,
) -> Result<(Option<u32>, Option<u32>), AwsError> {
    let cpu = over.cpu.as_ref().or(definition.cpu.as_ref());
    let memory = over.memory.as_ref().or(definition.memory.as_ref());
    let cpu = cpu.and_then(|s| fargate::cpu_units(s));
    let memory = memory.and_then(|s| fargate::memory_mib(s));
    if launch_type != LaunchType::Fargate {
        return Ok((cpu, memory));
    }
    let (Some(c), Some(m)) = (cpu, memory) else {
        return Err(no_configuration(cpu, memory));
    };
    if !fargate::offers(c, m) {
        return Err(no_configuration(cpu, memory));
    }
    task_definition::ephemeral_storage(over.ephemeral_storage.as_ref())?;
    for o in over.container_overrides.iter().flatten() {
        task_definition::fits(o.name.as_deref(), o.cpu, o.memory, Some(c), Some(m))?;
    }
    Ok((cpu, memory))
}

fn no_configuration(cpu: Option<u32>, memory: Option<u32>) -> AwsError {
    error::client(format!(
        "No Fargate configuration exists for given values: {} CPU, {} memory. See the Amazon ECS documentation for the valid values.",
        cpu.unwrap_or(0),
        memory.unwrap_or(0)
    ))
}

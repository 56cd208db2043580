//! What a `RunTask` call must satisfy.

use crate::ecs::api::{parse_tags, task_definitions};
use crate::ecs::error;
use crate::ecs::launch::{Awsvpc, Capacity, Launch};
use crate::ecs::model::Cluster;
use crate::ecs::plan::{assignment, fargate, task_definition};
use neargate_api::ecs as api;
use neargate_service::tags::{InvalidTags, MAX_TAGS};
use neargate_service::{AwsError, Ctx, Stored};
use neargate_wire::json::to_json;
use std::sync::Arc;

/// Of the overrides as JSON.
const MAX_OVERRIDES_CHARS: usize = 8_192;
const MAX_STARTED_BY_CHARS: usize = 128;
/// Of one call's network configuration
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html>).
const MAX_SUBNETS: usize = 16;
const MAX_SECURITY_GROUPS: usize = 5;

/// A `RunTask` call that passed its checks.
pub(super) struct Request {
    pub(super) count: usize,
    pub(super) launch: Launch,
}

impl Request {
    pub(super) async fn check(
        cx: &Ctx,
        input: &api::RunTaskInput,
        cluster: &Stored<Cluster>,
    ) -> Result<Request, AwsError> {
        let count = input.count.unwrap_or(1);
        if !(1..=10).contains(&count) {
            return Err(error::invalid_parameter("count must be between 1 and 10."));
        }
        let found = task_definitions::find(cx, &input.task_definition).await?;
        let stored = found.ok_or_else(error::task_definition_not_found)?;
        let definition = stored.value.definition.0;
        if definition.status.as_deref() != Some("ACTIVE") {
            return Err(error::task_definition_inactive());
        }
        launch_type(input, &definition, cluster)?;
        refuse_unbuilt(input)?;
        task_definition::runnable(&definition)?;
        let overrides = input.overrides.clone().unwrap_or_default();
        if to_json(&overrides).to_string().chars().count() > MAX_OVERRIDES_CHARS {
            return Err(error::invalid_parameter(format!(
                "Container Overrides length must be at most {MAX_OVERRIDES_CHARS}"
            )));
        }
        assignment::check_overrides(&definition, &overrides)?;
        let network = awsvpc(input.network_configuration.as_ref())?;
        if input
            .started_by
            .as_ref()
            .is_some_and(|s| s.chars().count() > MAX_STARTED_BY_CHARS)
        {
            return Err(error::invalid_parameter(format!(
                "startedBy longer than {MAX_STARTED_BY_CHARS}."
            )));
        }
        let (cpu_units, memory_mib) = size(&definition, &overrides)?;
        task_definition::ephemeral_storage(overrides.ephemeral_storage.as_ref())?;
        for o in overrides.container_overrides.iter().flatten() {
            task_definition::fits(o.name.as_deref(), o.cpu, o.memory, cpu_units, memory_mib)?;
        }
        let mut tags = parse_tags(input.tags.clone())?;
        match input.propagate_tags.as_deref() {
            Some("TASK_DEFINITION") => {
                // The call's own tags win.
                let own = std::mem::replace(&mut tags, stored.value.tags);
                tags.extend(own);
            }
            Some("SERVICE") => {
                return Err(error::invalid_parameter(
                    "Propagating tags from SERVICE is not supported for RunTask.",
                ));
            }
            _ => {}
        }
        if tags.len() > MAX_TAGS {
            return Err(error::invalid_tags(InvalidTags::TooMany));
        }
        if input.enable_ecs_managed_tags == Some(true) {
            tags.insert("aws:ecs:clusterName".into(), cluster.name.clone());
        }
        Ok(Request {
            count: usize::try_from(count).expect("1..=10"),
            launch: Launch {
                scope: cx.scope.clone(),
                cluster: cluster.clone(),
                group: input.group.clone().unwrap_or_else(|| {
                    format!(
                        "family:{}",
                        definition.family.as_deref().unwrap_or_default()
                    )
                }),
                definition: Arc::new(definition),
                overrides,
                cpu_units: Some(cpu_units),
                memory_mib: Some(memory_mib),
                capacity: Capacity::Fargate { provider: None },
                network: Some(network),
                started_by: input.started_by.clone(),
                platform_version: Some(platform_version(input.platform_version.as_deref())?),
                enable_execute_command: input.enable_execute_command.unwrap_or(false),
                tags,
                service: None,
            },
        })
    }
}

/// What a task in network mode `awsvpc` needs.
///
/// # Errors
/// `InvalidParameterException`.
pub fn awsvpc(given: Option<&api::NetworkConfiguration>) -> Result<Awsvpc, AwsError> {
    let vpc = given.and_then(|n| n.awsvpc_configuration.as_ref());
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
    Ok(Awsvpc {
        subnets: vpc.subnets.clone(),
        security_groups: vpc.security_groups.clone().unwrap_or_default(),
        assign_public_ip: vpc.assign_public_ip.as_deref() == Some("ENABLED"),
    })
}

/// The platform version `LATEST` stands for.
const PLATFORM_VERSION: &str = "1.4.0";

/// # Errors
/// `PlatformUnknownException`.
pub fn platform_version(given: Option<&str>) -> Result<String, AwsError> {
    match given {
        None | Some("LATEST") => Ok(PLATFORM_VERSION.into()),
        Some(version @ ("1.4.0" | "1.3.0")) => Ok(version.into()),
        Some(_) => Err(AwsError::client(
            "PlatformUnknownException",
            "The specified platform version does not exist.",
        )),
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

fn launch_type(
    input: &api::RunTaskInput,
    definition: &api::TaskDefinition,
    cluster: &Cluster,
) -> Result<(), AwsError> {
    let strategy = input
        .capacity_provider_strategy
        .as_ref()
        .filter(|s| !s.is_empty());
    if strategy.is_some() && input.launch_type.is_some() {
        return Err(error::invalid_parameter(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ));
    }
    if strategy.is_some() {
        return Err(error::unsupported(
            "RunTask with a capacityProviderStrategy",
        ));
    }
    if input.launch_type.is_none() && !cluster.default_strategy.is_empty() {
        return Err(error::unsupported(
            "RunTask with the cluster's defaultCapacityProviderStrategy",
        ));
    }
    match input.launch_type.as_deref().unwrap_or("EC2") {
        "FARGATE" => {}
        "EC2" => {
            return Err(error::invalid_parameter(
                "No Container Instances were found in your cluster.",
            ));
        }
        other => {
            return Err(error::unsupported(&format!(
                "RunTask with launchType {other}"
            )));
        }
    }
    if !definition
        .compatibilities
        .iter()
        .flatten()
        .any(|c| c == "FARGATE")
    {
        return Err(error::invalid_parameter(
            "Task definition does not support launch_type FARGATE.",
        ));
    }
    if input
        .placement_constraints
        .as_ref()
        .is_some_and(|c| !c.is_empty())
    {
        return Err(error::invalid_parameter(
            "Placement constraints are not supported with FARGATE launch type.",
        ));
    }
    if input
        .placement_strategy
        .as_ref()
        .is_some_and(|c| !c.is_empty())
    {
        return Err(error::invalid_parameter(
            "Placement strategies are not supported with FARGATE launch type.",
        ));
    }
    Ok(())
}

fn refuse_unbuilt(input: &api::RunTaskInput) -> Result<(), AwsError> {
    let some = |used: bool, what: &str| {
        if used {
            Err(error::unsupported(what))
        } else {
            Ok(())
        }
    };
    some(
        input.enable_execute_command == Some(true),
        "RunTask with enableExecuteCommand",
    )?;
    some(
        input
            .volume_configurations
            .as_ref()
            .is_some_and(|v| !v.is_empty()),
        "RunTask with volumeConfigurations",
    )?;
    let environment_files = input
        .overrides
        .iter()
        .flat_map(|o| o.container_overrides.iter().flatten());
    some(
        environment_files.into_iter().any(|o| {
            o.environment_files.as_ref().is_some_and(|f| !f.is_empty())
                || o.resource_requirements
                    .as_ref()
                    .is_some_and(|r| !r.is_empty())
        }),
        "RunTask with environmentFiles or resourceRequirements overridden",
    )
}

/// The task's CPU units and MiB, overrides applied.
fn size(
    definition: &api::TaskDefinition,
    over: &api::TaskOverride,
) -> Result<(u32, u32), AwsError> {
    let cpu = over.cpu.as_ref().or(definition.cpu.as_ref());
    let memory = over.memory.as_ref().or(definition.memory.as_ref());
    let cpu = cpu.and_then(|s| fargate::cpu_units(s));
    let memory = memory.and_then(|s| fargate::memory_mib(s));
    match (cpu, memory) {
        (Some(c), Some(m)) if fargate::offers(c, m) => Ok((c, m)),
        (c, m) => Err(error::client(format!(
            "No Fargate configuration exists for given values: {} CPU, {} memory. See the Amazon ECS documentation for the valid values.",
            c.unwrap_or(0),
            m.unwrap_or(0)
        ))),
    }
}

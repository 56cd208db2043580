//! What a `RunTask` call must satisfy.

use crate::ecs::api::{parse_tags, task_definitions};
use crate::ecs::error;
use crate::ecs::model::Cluster;
use crate::ecs::plan::{assignment, fargate, task_definition};
use neargate_api::ecs as api;
use neargate_service::tags::{InvalidTags, MAX_TAGS, Tags};
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::to_json;

/// Of the overrides as JSON.
const MAX_OVERRIDES_CHARS: usize = 8_192;
const MAX_STARTED_BY_CHARS: usize = 128;
/// Of one call's network configuration
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html>).
const MAX_SUBNETS: usize = 16;
const MAX_SECURITY_GROUPS: usize = 5;

/// A `RunTask` call that passed its checks.
pub(super) struct Request {
    pub(super) count: i32,
    pub(super) definition: api::TaskDefinition,
    pub(super) overrides: api::TaskOverride,
    pub(super) tags: Tags,
    pub(super) cpu_units: u32,
    pub(super) memory_mib: u32,
    pub(super) subnets: Vec<String>,
    pub(super) security_groups: Vec<String>,
}

impl Request {
    pub(super) async fn check(
        cx: &Ctx,
        input: &api::RunTaskInput,
        cluster: &Cluster,
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
        let vpc = input
            .network_configuration
            .as_ref()
            .and_then(|n| n.awsvpc_configuration.as_ref());
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
        Ok(Request {
            count,
            definition,
            overrides,
            tags,
            cpu_units,
            memory_mib,
            subnets: vpc.subnets.clone(),
            security_groups: vpc.security_groups.clone().unwrap_or_default(),
        })
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
    match input.platform_version.as_deref() {
        None | Some("LATEST" | "1.4.0" | "1.3.0") => Ok(()),
        Some(_) => Err(AwsError::client(
            "PlatformUnknownException",
            "The specified platform version does not exist.",
        )),
    }
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

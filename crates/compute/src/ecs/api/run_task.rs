//! `RunTask`: validate, place, and write whole tasks in one transaction
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>).

use super::{active_cluster, clusters, describe, parse_tags, task_definitions};
use crate::ecs::model::{Arrivals, ClientToken, Cluster, ContainerSpec, Status, Task, TaskSpec};
use crate::ecs::plan::{assignment, fargate, placement, task_definition};
use crate::ecs::{Ecs, error, reference};
use neargate_api::ecs as api;
use neargate_domain::{Assignment, DesiredState};
use neargate_service::db::{self, Committed};
use neargate_service::tags::{InvalidTags, MAX_TAGS, Tags};
use neargate_service::{AwsError, Ctx, Fault, Stored, eni};
use neargate_wire::json::{Json, to_json};
use sha2::{Digest as _, Sha256};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The platform version `LATEST` stands for.
const PLATFORM_VERSION: &str = "1.4.0";
/// Every Fargate task has at least this much scratch space.
const EPHEMERAL_STORAGE_GIB: i32 = 20;
const MAX_TOKEN_CHARS: usize = 64;
/// Of the overrides as JSON.
const MAX_OVERRIDES_CHARS: usize = 8_192;
const MAX_STARTED_BY_CHARS: usize = 128;
/// Of one call's network configuration
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html>).
const MAX_SUBNETS: usize = 16;
const MAX_SECURITY_GROUPS: usize = 5;

pub async fn run_task(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::RunTaskInput,
) -> Result<api::RunTaskOutput, AwsError> {
    let mut cluster = cluster(&cx, input.cluster.as_deref()).await?;
    let token = Token::of(&input, &cluster.name)?;
    if let Some(again) = earlier(&cx, token.as_ref()).await? {
        return Ok(again);
    }
    let request = Request::check(&cx, &input).await?;
    loop {
        let mut tx = cx.db().tx().unchanged(&cluster);
        let (mut tasks, mut held) = (Vec::new(), Vec::new());
        for _ in 0..request.count {
            let (task, reserved) = request.place(&ecs, &cx, &input, &cluster, &held).await?;
            held.push(reserved.interface.private_ipv4);
            let id = Task::id(&cluster.name, &task.spec.assignment.task_id);
            let key = db::key::<Task>(&cx.scope, &id);
            tx = tx.with(reserved.compares, reserved.ops).create(key, &task);
            tasks.push(task);
        }
        if let Some(token) = &token {
            let ids = tasks
                .iter()
                .map(|t| Task::id(&cluster.name, &t.spec.assignment.task_id));
            let record = ClientToken {
                request: token.request.clone(),
                tasks: ids.collect(),
                at: cx.now(),
            };
            tx = tx.create(token.key(&cx), &record);
        }
        let arrivals = db::key::<Arrivals>(&cx.scope, &cluster.name);
        tx = tx.put(arrivals, &Arrivals { last_at: cx.now() });
        if let Committed::At(_) = tx.commit().await? {
            for task in &tasks {
                ecs.nodes.placed(&task.spec.node);
            }
            let tasks = tasks.iter().map(|t| describe::task(t, true)).collect();
            return Ok(api::RunTaskOutput {
                tasks: Some(tasks),
                failures: Some(Vec::new()),
            });
        }
        // An address, the token or the cluster changed hands meanwhile; a deleted cluster ends
        // the loop.
        if let Some(again) = earlier(&cx, token.as_ref()).await? {
            return Ok(again);
        }
        cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    }
}

/// The named cluster; `default` is made when it is first used.
async fn cluster(cx: &Ctx, named: Option<&str>) -> Result<Stored<Cluster>, AwsError> {
    match active_cluster(cx, named).await {
        Err(e)
            if e.is("ClusterNotFoundException")
                && reference::cluster(&cx.scope, named).is_ok_and(|n| n == "default") =>
        {
            clusters::create_default(cx).await
        }
        found => found,
    }
}

/// A `RunTask` call that passed its checks.
struct Request {
    count: i32,
    definition: api::TaskDefinition,
    overrides: api::TaskOverride,
    tags: Tags,
    cpu_units: u32,
    memory_mib: u32,
    subnets: Vec<String>,
    security_groups: Vec<String>,
}

impl Request {
    async fn check(cx: &Ctx, input: &api::RunTaskInput) -> Result<Request, AwsError> {
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
        launch_type(input, &definition)?;
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

    /// One task with everything it needs, and the store changes that reserve its address.
    async fn place(
        &self,
        ecs: &Ecs,
        cx: &Ctx,
        input: &api::RunTaskInput,
        cluster: &Cluster,
        held: &[Ipv4Addr],
    ) -> Result<(Task, eni::Reservation), AwsError> {
        let nodes = ecs.nodes.snapshot();
        let node = placement::node(&nodes)
            .ok_or_else(error::no_capacity)?
            .id
            .clone();
        let subnet = placement::subnet(&self.subnets, ecs.nodes.turn()).expect("checked");
        let task_id = cx.house.rng.hex(32);
        let arn = cx.arn("ecs", format!("task/{}/{task_id}", cluster.name));
        let reserved = eni::reserve(cx, subnet, &self.security_groups, &arn, held).await;
        let reserved = reserved.map_err(|e| match e.fault {
            Fault::Client => error::invalid_parameter(e.message),
            Fault::Server => e,
        })?;
        let family = self.definition.family.clone().unwrap_or_default();
        let mut tags = self.tags.clone();
        if input.enable_ecs_managed_tags == Some(true) {
            tags.insert("aws:ecs:clusterName".into(), cluster.name.clone());
        }
        let containers =
            assignment::containers(&cx.scope, &task_id, &self.definition, &self.overrides);
        let defined = self.definition.container_definitions.iter().flatten();
        let spec = TaskSpec {
            cluster_arn: cluster.arn.clone(),
            task_definition_arn: self
                .definition
                .task_definition_arn
                .clone()
                .unwrap_or_default(),
            group: input
                .group
                .clone()
                .unwrap_or_else(|| format!("family:{family}")),
            started_by: input.started_by.clone(),
            platform_version: match input.platform_version.as_deref() {
                None | Some("LATEST") => PLATFORM_VERSION.into(),
                Some(version) => version.into(),
            },
            cpu: self.cpu_units.to_string(),
            memory: self.memory_mib.to_string(),
            ephemeral_storage_gib: self
                .definition
                .ephemeral_storage
                .as_ref()
                .map_or(EPHEMERAL_STORAGE_GIB, |e| e.size_in_gib),
            enable_execute_command: input.enable_execute_command.unwrap_or(false),
            overrides: Json(shown_overrides(&self.overrides, &self.definition)),
            containers: defined
                .zip(&containers)
                .map(|(c, run)| ContainerSpec {
                    arn: cx.arn(
                        "ecs",
                        format!(
                            "container/{}/{task_id}/{}",
                            cluster.name,
                            cx.house.rng.uuid()
                        ),
                    ),
                    name: run.name.clone(),
                    image: run.image.name.clone(),
                    cpu: c.cpu.unwrap_or(0),
                    memory: run.memory_mib.and_then(|m| i32::try_from(m).ok()),
                    memory_reservation: run
                        .memory_reservation_mib
                        .and_then(|m| i32::try_from(m).ok()),
                })
                .collect(),
            attachment_id: cx.house.rng.uuid(),
            tags,
            created_at: cx.now(),
            node,
            stop: None,
            assignment: Assignment {
                task_id,
                task_arn: arn.clone(),
                account: cx.scope.account.clone(),
                region: cx.scope.region.clone(),
                cluster: cluster.name.clone(),
                family,
                revision: self
                    .definition
                    .revision
                    .and_then(|r| u32::try_from(r).ok())
                    .unwrap_or(0),
                generation: 1,
                desired: DesiredState::Running,
                cpu_units: Some(self.cpu_units),
                memory_mib: Some(self.memory_mib),
                network: reserved.interface.clone(),
                containers,
            },
            arn,
        };
        Ok((
            Task {
                spec,
                status: Status::provisioning(),
            },
            reserved,
        ))
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

fn launch_type(
    input: &api::RunTaskInput,
    definition: &api::TaskDefinition,
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

/// What makes a call idempotent: unique within its cluster
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html>).
struct Token {
    /// The id within its key.
    id: String,
    request: String,
}

impl Token {
    /// # Errors
    /// `InvalidParameterException` for one that is too long or has other characters.
    fn of(input: &api::RunTaskInput, cluster: &str) -> Result<Option<Token>, AwsError> {
        let Some(token) = input.client_token.as_deref() else {
            return Ok(None);
        };
        if token.len() > MAX_TOKEN_CHARS {
            return Err(error::invalid_parameter(format!(
                "clientToken longer than {MAX_TOKEN_CHARS}."
            )));
        }
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(error::invalid_parameter(
                "clientToken contains invalid characters.",
            ));
        }
        // However the cluster is named: it is part of the key.
        let asked = api::RunTaskInput {
            cluster: None,
            ..input.clone()
        };
        let digest = Sha256::digest(to_json(&asked).to_string());
        Ok(Some(Token {
            id: format!("run-task/{cluster}/{token}"),
            request: hex::encode(digest),
        }))
    }

    fn key(&self, cx: &Ctx) -> String {
        db::key::<ClientToken>(&cx.scope, &self.id)
    }
}

/// What the same client token made before.
async fn earlier(cx: &Ctx, token: Option<&Token>) -> Result<Option<api::RunTaskOutput>, AwsError> {
    let Some(token) = token else { return Ok(None) };
    let Some(record) = cx.db().get_key::<ClientToken>(&token.key(cx)).await? else {
        return Ok(None);
    };
    if record.request != token.request {
        let arn = |id: &String| cx.arn("ecs", format!("task/{id}"));
        return Err(error::token_in_use(record.tasks.iter().map(arn).collect()));
    }
    let mut tasks = Vec::new();
    for id in &record.tasks {
        if let Some(task) = cx.db().get::<Task>(&cx.scope, id).await? {
            tasks.push(describe::task(&task, true));
        }
    }
    Ok(Some(api::RunTaskOutput {
        tasks: Some(tasks),
        failures: Some(Vec::new()),
    }))
}

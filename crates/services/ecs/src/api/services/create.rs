//! `CreateService`
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html>).

use super::revision::{Configuration, active_definition, idempotency_token, letters};
use super::show::{self, WithTags};
use super::{rebalancing, rules, unbuilt};
use crate::api::{parse_tags, task_sets};
use crate::balancing;
use crate::clusters;
use crate::connect;
use crate::fleet::ServiceId;
use crate::launch::capacity::Wanted;
use crate::model::{
    Arrivals, Cluster, DeploymentController, DeploymentStatus, LoadBalancer, PropagateTags,
    Scheduling, Service, ServiceDeployment, ServiceRegistry, ServiceRevision, ServiceSpec,
    ServiceStatus, State, Target, TaskDefinition, TaskSet,
};
use crate::registries;
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Committed, Ctx, Stored, db, idempotency};
use neargate_wire::json::Json;
use std::sync::Arc;

/// Creates the service; the same call made again with the same token answers with what it made
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html>).
pub async fn create_service(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::CreateServiceInput,
) -> Result<api::CreateServiceOutput, AwsError> {
    if !reference::is_name(&input.service_name) {
        return Err(error::invalid_parameter("Invalid service name."));
    }
    let token = idempotency_token(input.client_token.as_deref())?;
    let request = digest(&input);
    loop {
        let named = input.cluster.as_deref();
        let cluster = clusters::active_or_default(&cx.house, &cx.scope, named).await?;
        let id = ServiceId::new(&cx.scope, &cluster.name, &input.service_name);
        let found = cx.db().get_key::<Service>(&id.store_key()).await?;
        match found.as_ref().map(|s| s.state()) {
            Some(State::Active) => {
                let there = found.filter(|s| !token.is_empty() && s.spec.request == request);
                let there = there.ok_or_else(error::not_idempotent)?;
                return output(&ecs, &cx, &id, &there).await;
            }
            Some(State::Draining) => return Err(error::still_draining()),
            Some(State::Inactive) | None => {}
        }
        unbuilt::create(&input)?;
        let mut service = Service {
            spec: spec(&cx, &input, &id, &cluster, &request)?,
            status: ServiceStatus {
                // Events of the service that had the name before are overwritten in order.
                next_event: found.as_ref().map_or(0, |s| s.status.next_event),
                ..ServiceStatus::default()
            },
        };
        let made = first(&cx, &input, &id, &cluster, &mut service.spec).await?;
        let mut tx = cx.db().tx().unchanged(&cluster);
        let arrivals = db::key::<Arrivals>(&cx.scope, &cluster.name);
        tx = tx.put(arrivals, &Arrivals { last_at: cx.now() });
        match made {
            First::Deployment(revision, record) => {
                tx = tx.create(id.key::<ServiceRevision>(&revision.id), &revision);
                tx = tx.create(id.key::<ServiceDeployment>(&record.id), &*record);
            }
            First::TaskSet(revision, set) => {
                tx = tx.create(id.key::<ServiceRevision>(&revision.id), &revision);
                tx = tx.create(id.key::<TaskSet>(set.key_id()), &*set);
            }
            First::Nothing => {}
        }
        tx = match &found {
            Some(inactive) => tx.update(inactive, &service),
            None => tx.create(id.store_key(), &service),
        };
        if let Committed::At(revision) = tx.commit().await? {
            let stored = Stored {
                key: id.store_key(),
                revision,
                value: service,
            };
            return output(&ecs, &cx, &id, &stored).await;
        }
    }
}

async fn output(
    ecs: &Ecs,
    cx: &Ctx,
    id: &ServiceId,
    service: &Stored<Service>,
) -> Result<api::CreateServiceOutput, AwsError> {
    Ok(api::CreateServiceOutput {
        service: Some(show::service(ecs, cx, id, service, WithTags::IfAny).await?),
    })
}

/// What tells one call from another: all of it, its token too, however its cluster is named.
fn digest(input: &api::CreateServiceInput) -> String {
    let asked = api::CreateServiceInput {
        cluster: None,
        ..input.clone()
    };
    idempotency::digest(&asked)
}

fn spec(
    cx: &Ctx,
    input: &api::CreateServiceInput,
    id: &ServiceId,
    cluster: &Cluster,
    request: &str,
) -> Result<ServiceSpec, AwsError> {
    let scheduling = match input.scheduling_strategy.as_deref() {
        Some("DAEMON") => Scheduling::Daemon,
        _ => Scheduling::Replica,
    };
    let controller = match input.deployment_controller.as_ref() {
        Some(c) if c.r#type == "EXTERNAL" => DeploymentController::External,
        Some(c) if c.r#type == "CODE_DEPLOY" => DeploymentController::CodeDeploy,
        _ => DeploymentController::Ecs,
    };
    if scheduling == Scheduling::Daemon {
        daemon(input, controller)?;
    }
    if controller == DeploymentController::External {
        external(input)?;
    }
    if controller == DeploymentController::CodeDeploy && !is_balanced(&input.load_balancers) {
        return Err(error::invalid_parameter(
            "Load balancers are required when the deployment controller is CODE_DEPLOY.",
        ));
    }
    let rules = rules::apply(
        &rules::defaults(scheduling),
        input.deployment_configuration.as_ref(),
        scheduling,
        controller,
        crate::alarms::served(&cx.house),
    )?;
    let az_rebalancing = rebalancing::of_new(input, &rules, scheduling, controller)?;
    let constraints = input.placement_constraints.iter().flatten();
    let strategies = input.placement_strategy.iter().flatten();
    Ok(ServiceSpec {
        name: id.name.clone(),
        arn: cx.arn("ecs", format!("service/{}/{}", cluster.name, id.name)),
        cluster: cluster.name.clone(),
        cluster_arn: cluster.arn.clone(),
        created_at: cx.now(),
        created_by: Some(cx.principal.arn.clone()),
        deleted_at: None,
        request: request.to_owned(),
        desired_count: match scheduling {
            Scheduling::Daemon => 0,
            Scheduling::Replica => desired_count(input.desired_count.unwrap_or(0), "DesiredCount")?,
        },
        scheduling,
        controller,
        target: None,
        deployment: rules,
        placement_constraints: constraints.cloned().map(Json).collect(),
        placement_strategy: strategies.cloned().map(Json).collect(),
        health_check_grace_period_seconds: grace(
            input.health_check_grace_period_seconds,
            controller == DeploymentController::External || is_balanced(&input.load_balancers),
        )?,
        az_rebalancing,
        enable_ecs_managed_tags: input.enable_ecs_managed_tags.unwrap_or(false),
        propagate_tags: propagate(input.propagate_tags.as_deref()),
        enable_execute_command: input.enable_execute_command.unwrap_or(false),
        role: role(input)?,
        tags: parse_tags(input.tags.clone())?,
    })
}

/// The most tasks of a service
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html> says 5,000;
/// here it is what a deployment has been tried with).
const MAX_TASKS: i32 = 10_000;

/// `what`: as the operation calls it.
pub(super) fn desired_count(given: i32, what: &str) -> Result<i32, AwsError> {
    if given < 0 {
        return Err(error::invalid_parameter(format!(
            "{what} can not be lesser than 0"
        )));
    }
    if given > MAX_TASKS {
        return Err(error::invalid_parameter(format!(
            "Invalid desiredCount: it must be between 0 and {MAX_TASKS}."
        )));
    }
    Ok(given)
}

/// Without load balancers there can be none
/// (<https://github.com/hashicorp/terraform-provider-aws/issues/31104> shows it). 0 is what is
/// described, and may be given back.
pub(super) fn grace(given: Option<i32>, balanced: bool) -> Result<Option<i32>, AwsError> {
    match given {
        None | Some(0) => Ok(given),
        Some(1..) if balanced => Ok(given),
        Some(1..) => Err(error::grace_without_load_balancer()),
        Some(_) => Err(error::invalid_parameter(
            "Health check grace period must be at least 0.",
        )),
    }
}

pub(super) fn is_balanced(given: &Option<Vec<api::LoadBalancer>>) -> bool {
    given.as_ref().is_some_and(|given| !given.is_empty())
}

/// The load balancers of a call, checked.
///
/// # Errors
/// What is wrong with them.
pub(in crate::api) async fn balanced(
    cx: &Ctx,
    given: Option<&Vec<api::LoadBalancer>>,
    definition: &TaskDefinition,
) -> Result<Vec<LoadBalancer>, AwsError> {
    let given = given.map(Vec::as_slice).unwrap_or_default();
    let definition = &definition.definition.0;
    balancing::checked(&cx.house, &cx.scope, given, definition).await
}

/// The service registries of a call.
///
/// # Errors
/// What is wrong with them.
pub(in crate::api) async fn registered(
    cx: &Ctx,
    given: Option<&Vec<api::ServiceRegistry>>,
    definition: &TaskDefinition,
) -> Result<Vec<ServiceRegistry>, AwsError> {
    let given = given.map(Vec::as_slice).unwrap_or_default();
    let definition = &definition.definition.0;
    registries::checked(&cx.house, &cx.scope, given, definition).await
}

/// "If your service requires a service-linked role, you cannot specify a role"
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html>).
fn role(input: &api::CreateServiceInput) -> Result<Option<String>, AwsError> {
    let role = input.role.clone().filter(|role| !role.is_empty());
    let own_network = input.network_configuration.is_some();
    let needs_linked = own_network || !is_balanced(&input.load_balancers);
    match role {
        Some(_) if needs_linked => Err(error::invalid_parameter(
            "You cannot specify an IAM role for services that require a service linked role.",
        )),
        role => Ok(role),
    }
}

pub(super) fn propagate(given: Option<&str>) -> PropagateTags {
    match given {
        Some("SERVICE") => PropagateTags::Service,
        Some("TASK_DEFINITION") => PropagateTags::TaskDefinition,
        _ => PropagateTags::None,
    }
}

/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html>)
fn daemon(
    input: &api::CreateServiceInput,
    controller: DeploymentController,
) -> Result<(), AwsError> {
    if input.desired_count.is_some() {
        return Err(error::invalid_parameter(
            "The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again",
        ));
    }
    if controller.has_task_sets() {
        return Err(error::invalid_parameter(format!(
            "The {} deployment controller does not support the daemon scheduling strategy.",
            controller.as_str()
        )));
    }
    if input
        .placement_strategy
        .as_ref()
        .is_some_and(|s| !s.is_empty())
    {
        return Err(error::invalid_parameter(
            "The daemon scheduling strategy does not support placement strategies. Remove the placement strategies and try again",
        ));
    }
    if input.availability_zone_rebalancing.as_deref() == Some("ENABLED") {
        return Err(error::invalid_parameter(
            "The daemon scheduling strategy does not support Availability Zone rebalancing.",
        ));
    }
    let strategy = input.capacity_provider_strategy.as_ref();
    let fargate = |name: &str| matches!(name, "FARGATE" | "FARGATE_SPOT");
    let on_fargate = input.launch_type.as_deref() == Some("FARGATE")
        || strategy.is_some_and(|s| s.iter().any(|i| fargate(&i.capacity_provider)));
    if on_fargate {
        return Err(error::invalid_parameter(
            "The daemon scheduling strategy does not support the FARGATE launch type. Change the launch type and try again",
        ));
    }
    Ok(())
}

/// Task sets carry these
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-external.html>).
fn external(input: &api::CreateServiceInput) -> Result<(), AwsError> {
    let some = |text: &Option<String>| text.as_ref().is_some_and(|t| !t.is_empty());
    let strategy = input.capacity_provider_strategy.as_ref();
    let given = [
        (some(&input.task_definition), "taskDefinition"),
        (some(&input.launch_type), "launchType"),
        (
            strategy.is_some_and(|s| !s.is_empty()),
            "capacityProviderStrategy",
        ),
        (
            input.network_configuration.is_some(),
            "networkConfiguration",
        ),
        (some(&input.platform_version), "platformVersion"),
        (is_balanced(&input.load_balancers), "loadBalancers"),
        (
            input
                .service_registries
                .as_ref()
                .is_some_and(|all| !all.is_empty()),
            "serviceRegistries",
        ),
        (
            input
                .service_connect_configuration
                .as_ref()
                .is_some_and(|c| c.enabled),
            "serviceConnectConfiguration",
        ),
    ];
    match given.iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(error::invalid_parameter(format!(
            "{what} cannot be specified when the deployment controller is EXTERNAL. Specify it when creating a task set.",
        ))),
        None => Ok(()),
    }
}

/// What a service begins with.
enum First {
    Deployment(ServiceRevision, Box<ServiceDeployment>),
    /// Of CodeDeploy's services.
    TaskSet(ServiceRevision, Box<TaskSet>),
    /// Whoever made the service makes its task sets.
    Nothing,
}

/// The first revision, and its deployment or task set.
async fn first(
    cx: &Ctx,
    input: &api::CreateServiceInput,
    id: &ServiceId,
    cluster: &Stored<Cluster>,
    spec: &mut ServiceSpec,
) -> Result<First, AwsError> {
    if spec.controller == DeploymentController::External {
        return Ok(First::Nothing);
    }
    if spec.controller == DeploymentController::CodeDeploy
        && input
            .service_connect_configuration
            .as_ref()
            .is_some_and(|c| c.enabled)
    {
        return Err(error::invalid_parameter(
            "Service Connect is only supported with the ECS deployment controller.",
        ));
    }
    let named = input.task_definition.as_deref().unwrap_or_default();
    if named.is_empty() {
        return Err(error::invalid_parameter("TaskDefinition can not be blank."));
    }
    if spec.scheduling == Scheduling::Replica && input.desired_count.is_none() {
        return Err(error::invalid_parameter("DesiredCount is missing"));
    }
    let definition = active_definition(cx, named).await?;
    let strategy = input.capacity_provider_strategy.as_ref();
    let wanted = Wanted::of(cluster, input.launch_type.as_deref(), strategy)?;
    let mut configuration = Configuration {
        task_definition: arn(&definition),
        launch_type: None,
        strategy: Vec::new(),
        platform_version: input.platform_version.clone().filter(|v| !v.is_empty()),
        network: input.network_configuration.clone().map(Json),
        load_balancers: balanced(cx, input.load_balancers.as_ref(), &definition).await?,
        volumes: volumes(input.volume_configurations.as_ref()),
        registries: registered(cx, input.service_registries.as_ref(), &definition).await?,
        connect: connect::checked(
            &cx.house,
            &cx.scope,
            cluster,
            &spec.arn,
            input.service_connect_configuration.as_ref(),
            &definition.definition.0,
        )
        .await?,
    };
    configuration.capacity(&wanted);
    let revision = configuration
        .revision(cx, id, cluster, spec, &definition)
        .await?;
    spec.created_at = revision.created_at;
    if spec.controller == DeploymentController::CodeDeploy {
        let set = task_sets::primary(cx, id, spec, &revision);
        return Ok(First::TaskSet(revision, Box::new(set)));
    }
    let record = deploy(cx, id, spec, &revision, Vec::new());
    Ok(First::Deployment(revision, Box::new(record)))
}

pub(super) fn arn(definition: &Stored<crate::model::TaskDefinition>) -> String {
    let arn = definition.definition.0.task_definition_arn.clone();
    arn.unwrap_or_default()
}

/// Make `revision` the service's target, by a new deployment, which has the revision's number.
pub(super) fn deploy(
    cx: &Ctx,
    id: &ServiceId,
    spec: &mut ServiceSpec,
    revision: &ServiceRevision,
    sources: Vec<String>,
) -> ServiceDeployment {
    let target = Target {
        deployment: format!("ecs-svc/{}", revision.id),
        revision: revision.id.clone(),
        service_deployment: letters(&cx.house.rng),
        at: revision.created_at,
    };
    let (of, name) = (&id.cluster.name, &id.name);
    let path = format!(
        "service-deployment/{of}/{name}/{}",
        target.service_deployment
    );
    let record = ServiceDeployment {
        id: target.service_deployment.clone(),
        arn: cx.arn("ecs", path),
        service_arn: spec.arn.clone(),
        cluster_arn: spec.cluster_arn.clone(),
        created_at: target.at,
        deployment: target.deployment.clone(),
        sources,
        target: revision.id.clone(),
        rules: spec.deployment.clone(),
        stop: None,
        answers: Vec::new(),
        status: DeploymentStatus::default(),
    };
    spec.target = Some(target);
    record
}

/// As they are kept.
pub(super) fn volumes(
    given: Option<&Vec<api::ServiceVolumeConfiguration>>,
) -> Vec<Json<api::ServiceVolumeConfiguration>> {
    given.into_iter().flatten().cloned().map(Json).collect()
}

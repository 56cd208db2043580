//! `UpdateService`
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html>). A new
//! deployment begins when the service revision changes or is asked for; everything else is
//! taken up by the tasks that start from then on.

use super::create::{arn, balanced, deploy, desired_count, grace, propagate, registered};
use super::revision::{Configuration, active_definition};
use super::show::{self, WithTags};
use super::{active, rebalancing, rules, unbuilt};
use crate::api::active_cluster;
use crate::connect;
use crate::fleet::ServiceId;
use crate::launch::capacity::Wanted;
use crate::model::{
    Cluster, DeploymentController, Scheduling, Service, ServiceDeployment, ServiceRevision,
    ServiceSpec, TaskDefinition,
};
use crate::plan::capacity::FARGATE;
use crate::plan::service::adopted;
use crate::{Ecs, alarms, error, reference};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use neargate_wire::json::Json;
use std::collections::BTreeSet;
use std::sync::Arc;

pub async fn update_service(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateServiceInput,
) -> Result<api::UpdateServiceOutput, AwsError> {
    unbuilt::update(&input)?;
    loop {
        let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
        let (id, read) = active(&cx, input.cluster.as_deref(), &input.service).await?;
        let mut service = read.value.clone();
        let base = base(&cx, &id, &service).await?;
        let balanced = match (&input.load_balancers, &base) {
            (Some(given), _) => !given.is_empty(),
            (None, Some(base)) => !base.load_balancers.is_empty(),
            // Task sets have them.
            (None, None) => true,
        };
        let alarms_served = alarms::served(&cx.house);
        change(&mut service.spec, &input, balanced, alarms_served)?;
        let made = match service.spec.controller {
            DeploymentController::Ecs => {
                let base = base.ok_or_else(error::resource_not_found)?;
                next(&cx, &input, (&id, &base), &cluster, &mut service).await?
            }
            DeploymentController::External | DeploymentController::CodeDeploy => None,
        };
        let mut tx = cx.db().tx().unchanged(&cluster).update(&read, &service);
        if let Some((revision, record)) = made {
            tx = tx.create(id.key::<ServiceRevision>(&revision.id), &revision);
            tx = tx.create(id.key::<ServiceDeployment>(&record.id), &record);
        }
        if let Committed::At(revision) = tx.commit().await? {
            let stored = Stored {
                key: read.key,
                revision,
                value: service,
            };
            return Ok(api::UpdateServiceOutput {
                service: Some(show::service(&ecs, &cx, &id, &stored, WithTags::IfAny).await?),
            });
        }
    }
}

/// What takes no new deployment.
fn change(
    spec: &mut ServiceSpec,
    input: &api::UpdateServiceInput,
    balanced: bool,
    alarms_served: bool,
) -> Result<(), AwsError> {
    if let Some(controller) = &input.deployment_controller
        && controller.r#type != spec.controller.as_str()
    {
        return Err(error::unsupported(
            "UpdateService with another deploymentController",
        ));
    }
    if spec.controller.has_task_sets() {
        only_of_task_sets(input, spec.controller)?;
    }
    if let Some(count) = input.desired_count {
        if spec.scheduling == Scheduling::Daemon {
            return Err(error::invalid_parameter(
                "The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again",
            ));
        }
        spec.desired_count = desired_count(count, "Task count")?;
    }
    spec.deployment = rules::apply(
        &spec.deployment,
        input.deployment_configuration.as_ref(),
        spec.scheduling,
        spec.controller,
        alarms_served,
    )?;
    if let Some(constraints) = &input.placement_constraints {
        spec.placement_constraints = constraints.iter().cloned().map(Json).collect();
    }
    if let Some(strategies) = &input.placement_strategy {
        if spec.scheduling == Scheduling::Daemon && !strategies.is_empty() {
            return Err(error::invalid_parameter(
                "The daemon scheduling strategy does not support placement strategies. Remove the placement strategies and try again",
            ));
        }
        spec.placement_strategy = strategies.iter().cloned().map(Json).collect();
    }
    if let Some(seconds) = input.health_check_grace_period_seconds {
        spec.health_check_grace_period_seconds = grace(Some(seconds), balanced)?;
    }
    if let Some(balance) = &input.availability_zone_rebalancing {
        if balance == "ENABLED" && spec.scheduling == Scheduling::Daemon {
            return Err(error::invalid_parameter(
                "The daemon scheduling strategy does not support Availability Zone rebalancing.",
            ));
        }
        spec.az_rebalancing = balance == "ENABLED";
    }
    let given = input.deployment_configuration.is_some();
    if spec.az_rebalancing && (given || input.availability_zone_rebalancing.is_some()) {
        rebalancing::room(&spec.deployment)?;
    }
    if let Some(enable) = input.enable_ecs_managed_tags {
        spec.enable_ecs_managed_tags = enable;
    }
    if let Some(enable) = input.enable_execute_command {
        spec.enable_execute_command = enable;
    }
    if let Some(from) = &input.propagate_tags {
        spec.propagate_tags = propagate(Some(from));
    }
    Ok(())
}

/// "For services using the external deployment controller, you can update only the desired
/// count, task placement constraints and strategies, health check grace period, enable ECS
/// managed tags option, and propagate tags option." CodeDeploy's are as these.
fn only_of_task_sets(
    input: &api::UpdateServiceInput,
    controller: DeploymentController,
) -> Result<(), AwsError> {
    let other = input.task_definition.is_some()
        || input.network_configuration.is_some()
        || input.platform_version.is_some()
        || input.capacity_provider_strategy.is_some()
        || input.force_new_deployment == Some(true)
        || input.deployment_configuration.is_some()
        || input.load_balancers.is_some()
        || input.volume_configurations.is_some()
        || input.service_registries.is_some()
        || input.service_connect_configuration.is_some();
    if other {
        return Err(error::invalid_parameter(match controller {
            DeploymentController::CodeDeploy => {
                "Unable to update task definition on services with a CODE_DEPLOY deployment controller. Use AWS CodeDeploy to trigger a new deployment."
            }
            _ => {
                "Unable to update task definition on services with an EXTERNAL deployment controller. Please use a new task set."
            }
        }));
    }
    Ok(())
}

/// The newest revision; `None` with task sets.
async fn base(
    cx: &Ctx,
    id: &ServiceId,
    service: &Service,
) -> Result<Option<Stored<ServiceRevision>>, AwsError> {
    let current = adopted(service).first().map(|d| d.revision.clone());
    let key = id.key::<ServiceRevision>(current.as_deref().unwrap_or_default());
    cx.db().get_key::<ServiceRevision>(&key).await
}

/// The revision and the deployment that the call asks for, if it does.
async fn next(
    cx: &Ctx,
    input: &api::UpdateServiceInput,
    (id, base): (&ServiceId, &ServiceRevision),
    cluster: &Stored<Cluster>,
    service: &mut Service,
) -> Result<Option<(ServiceRevision, ServiceDeployment)>, AwsError> {
    let deployments = adopted(service);
    let before = Configuration::of(base);
    let mut wanted = before.clone();
    let definition = match input.task_definition.as_deref().filter(|n| !n.is_empty()) {
        Some(named) => active_definition(cx, named).await?,
        None => current_definition(cx, base).await?,
    };
    wanted.task_definition = arn(&definition);
    if let Some(strategy) = &input.capacity_provider_strategy {
        wanted.capacity(&capacity(cluster, &before, strategy)?);
        if !wanted.same_capacity(&before) && input.force_new_deployment != Some(true) {
            return Err(error::capacity_without_force());
        }
    }
    if let Some(version) = input.platform_version.as_ref().filter(|v| !v.is_empty()) {
        wanted.platform_version = Some(version.clone());
    }
    if let Some(network) = &input.network_configuration {
        wanted.network = Some(Json(network.clone()));
    }
    if let Some(given) = &input.volume_configurations {
        // None takes them away.
        wanted.volumes = super::create::volumes(Some(given));
    }
    if let Some(given) = &input.load_balancers {
        wanted.load_balancers = balanced(cx, Some(given), &definition).await?;
    }
    if let Some(given) = &input.service_registries {
        wanted.registries = registered(cx, Some(given), &definition).await?;
    }
    let connected = before.connect.as_ref().map(|connect| &connect.given.0);
    let asked = input.service_connect_configuration.as_ref().or(connected);
    if let Some(asked) = asked {
        // That of another task definition may have other ports.
        let (house, scope, arn) = (&cx.house, &cx.scope, &service.spec.arn);
        let of = &definition.definition.0;
        wanted.connect = connect::checked(house, scope, cluster, arn, Some(asked), of).await?;
    }
    let touched = input.placement_constraints.is_some() || input.placement_strategy.is_some();
    let changed = wanted != before || input.force_new_deployment == Some(true);
    if !changed && !touched {
        return Ok(None);
    }
    let revision = wanted
        .revision(cx, id, cluster, &service.spec, &definition)
        .await?;
    if !changed {
        return Ok(None);
    }
    let sources: BTreeSet<String> = deployments.iter().map(|d| d.revision.clone()).collect();
    let record = deploy(
        cx,
        id,
        &mut service.spec,
        &revision,
        sources.into_iter().collect(),
    );
    Ok(Some((revision, record)))
}

/// "back to the launch type. Pass an empty list in the capacityProviderStrategy parameter": that of
/// the same kind.
fn capacity(
    cluster: &Stored<Cluster>,
    before: &Configuration,
    strategy: &Vec<api::CapacityProviderStrategyItem>,
) -> Result<Wanted, AwsError> {
    if !strategy.is_empty() {
        return Wanted::of(cluster, None, Some(strategy));
    }
    let provider = |i: &Json<api::CapacityProviderStrategyItem>| {
        FARGATE.contains(&i.0.capacity_provider.as_str())
    };
    let launch_type = match before.launch_type.as_deref() {
        Some(launch_type) => launch_type,
        None if before.strategy.iter().any(provider) => "FARGATE",
        None => "EC2",
    };
    Wanted::of(cluster, Some(launch_type), None)
}

/// An inactive task definition goes on being used by the services that have it.
async fn current_definition(
    cx: &Ctx,
    revision: &ServiceRevision,
) -> Result<Stored<TaskDefinition>, AwsError> {
    let named = reference::task_definition(&cx.scope, &revision.task_definition)?;
    let id = TaskDefinition::id(&named.family, named.revision.unwrap_or(0));
    let found = cx.db().get::<TaskDefinition>(&cx.scope, &id).await?;
    found.ok_or_else(error::task_definition_not_found)
}

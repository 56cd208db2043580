//! A stored service as ECS shows it. Counts are of the moment; everything else is as stored.

use super::rules;
use crate::Ecs;
use crate::api::task_sets;
use crate::describe::api_tags;
use crate::express;
use crate::fleet::{Counts, Row, ServiceId};
use crate::launch::requirements;
use crate::model::{
    Connect, Deployment, LoadBalancer, Scheduling, Service, ServiceEvent, ServiceRegistry,
    ServiceRevision, State,
};
use crate::plan::service::{adopted, tally};
use crate::service::seats_of;
use neargate_api_ecs as api;
use neargate_domain::LaunchType;
use neargate_service::{AwsError, Ctx, Scope, Stored};
use std::sync::Arc;

/// A deployment with its revision and its tasks.
struct Shown {
    deployment: Deployment,
    revision: Option<ServiceRevision>,
    counts: Counts,
    primary: bool,
    /// Its service's scheduler has begun with it.
    taken_up: bool,
}

/// What is shown of a service besides its deployments, as of now.
struct Overview {
    desired: i32,
    counts: Counts,
    events: Vec<api::ServiceEvent>,
    /// The primary deployment's; once the service is `INACTIVE`, the last one's.
    revision: Option<ServiceRevision>,
    /// `None`: they were not asked for.
    tags: Option<Vec<api::Tag>>,
}

/// Which tags are shown with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WithTags {
    /// `include` names them or not.
    Asked(bool),
    /// An operation that changes it: there is no member without any, as seen in
    /// <https://docs.aws.amazon.com/cli/latest/reference/ecs/create-service.html#examples>.
    IfAny,
}

pub(super) async fn service(
    ecs: &Ecs,
    cx: &Ctx,
    id: &ServiceId,
    service: &Stored<Service>,
    with_tags: WithTags,
) -> Result<api::Service, AwsError> {
    ecs.fleet.current(cx.db()).await?;
    let rows = ecs.fleet.rows_of_service(id);
    let mut shown = Vec::new();
    let begun = |d: &Deployment| service.status.deployments.iter().any(|of| of.id == d.id);
    for (nth, deployment) in adopted(service).into_iter().enumerate() {
        shown.push(Shown {
            counts: counts(tally::of(&rows, &deployment.id)),
            revision: revision(cx, id, &deployment.revision).await?,
            primary: nth == 0,
            taken_up: begun(&deployment),
            deployment,
        });
    }
    let of_primary = match (shown.first(), &service.spec.target) {
        (Some(primary), _) => primary.revision.clone(),
        (None, Some(last)) => revision(cx, id, &last.revision).await?,
        (None, None) => None,
    };
    let overview = Overview {
        desired: desired(ecs, cx, id, service).await?,
        counts: counts(rows.iter()),
        events: events(cx, id, service).await?,
        revision: of_primary,
        tags: match with_tags {
            WithTags::Asked(asked) => asked.then(|| api_tags(&service.spec.tags)),
            WithTags::IfAny => Some(api_tags(&service.spec.tags)).filter(|t| !t.is_empty()),
        },
    };
    let mut described = described(service, &shown, overview, cx, id);
    if service.spec.controller.has_task_sets() {
        let tags = with_tags != WithTags::Asked(false);
        let sets = task_sets::of_service(ecs, cx, id, service, tags).await?;
        external(&mut described, sets);
    }
    Ok(described)
}

async fn revision(
    cx: &Ctx,
    id: &ServiceId,
    revision: &str,
) -> Result<Option<ServiceRevision>, AwsError> {
    let key = id.key::<ServiceRevision>(revision);
    let found = cx.db().get_key::<ServiceRevision>(&key).await?;
    Ok(found.map(|r| r.value))
}

/// The task sets, and of the primary what a service shows of its primary deployment.
fn external(
    described: &mut api::Service,
    (sets, primary): (Vec<api::TaskSet>, Option<ServiceRevision>),
) {
    described.task_sets = Some(sets);
    let Some(primary) = primary.as_ref() else {
        return;
    };
    described.task_definition = Some(primary.task_definition.clone());
    described.launch_type = primary.launch_type.clone();
    described.capacity_provider_strategy = strategy(primary);
    described.platform_version = asked_version(primary);
    described.platform_family = family(primary);
    described.network_configuration = primary.network.as_ref().map(|n| network(&n.0));
}

pub(super) fn counts<'a>(rows: impl Iterator<Item = &'a Arc<Row>>) -> Counts {
    let mut counts = Counts::default();
    rows.for_each(|row| counts.add(row));
    counts
}

/// How many tasks a service wants: DAEMON one on each instance that it may run on.
async fn desired(
    ecs: &Ecs,
    cx: &Ctx,
    id: &ServiceId,
    service: &Stored<Service>,
) -> Result<i32, AwsError> {
    Ok(match service.spec.scheduling {
        Scheduling::Replica => service.spec.desired_count,
        Scheduling::Daemon => number(seats_of(ecs, &cx.house, id, service).await?),
    })
}

pub(super) fn number(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// The newest first, of this service only: the name may have had another owner.
async fn events(
    cx: &Ctx,
    id: &ServiceId,
    service: &Service,
) -> Result<Vec<api::ServiceEvent>, AwsError> {
    let prefix = ServiceEvent::prefix(id);
    let mut events = cx.db().list_prefix::<ServiceEvent>(&prefix).await?;
    events.retain(|e| e.at >= service.spec.created_at);
    events.sort_by_key(|e| std::cmp::Reverse(e.number));
    let event = |e: Stored<ServiceEvent>| api::ServiceEvent {
        id: Some(e.value.id),
        created_at: Some(e.value.at),
        message: Some(e.value.message),
    };
    Ok(events.into_iter().map(event).collect())
}

fn described(
    service: &Service,
    shown: &[Shown],
    overview: Overview,
    cx: &Ctx,
    id: &ServiceId,
) -> api::Service {
    let spec = &service.spec;
    let primary = shown.first().filter(|p| p.taken_up);
    let revision = overview.revision.as_ref();
    let network = revision.and_then(|r| r.network.as_ref().map(|n| network(&n.0)));
    // Services with a network of their own have it even without load balancers, as seen in
    // <https://docs.aws.amazon.com/cli/latest/reference/ecs/create-service.html#examples>.
    let grace = spec.health_check_grace_period_seconds;
    let grace = grace.or(network.as_ref().map(|_| 0));
    let balanced = revision.is_some_and(|r| !r.load_balancers.is_empty());
    let grace = grace.or(balanced.then_some(0));
    let linked = network.is_some() || balanced;
    let inactive = service.state() == State::Inactive;
    let deployments = shown.iter().map(|s| deployment(s, overview.desired));
    let role = crate::role::service_linked(&cx.scope);
    api::Service {
        service_arn: Some(spec.arn.clone()),
        service_name: Some(spec.name.clone()),
        cluster_arn: Some(spec.cluster_arn.clone()),
        load_balancers: Some(revision.map(load_balancers).unwrap_or_default()),
        service_registries: Some(revision.map(registries).unwrap_or_default()),
        status: Some(service.state().as_str().into()),
        desired_count: Some(overview.desired),
        running_count: Some(number(overview.counts.running)),
        pending_count: Some(number(overview.counts.pending)),
        launch_type: revision.and_then(|r| r.launch_type.clone()),
        capacity_provider_strategy: revision.and_then(strategy),
        platform_version: revision.and_then(asked_version),
        platform_family: revision.and_then(family),
        task_definition: revision.map(|r| r.task_definition.clone()),
        deployment_configuration: Some(rules::shown(&spec.deployment)),
        task_sets: None,
        deployments: Some(if inactive {
            Vec::new()
        } else {
            deployments.collect()
        }),
        role_arn: spec.role.clone().or(linked.then_some(role)),
        events: Some(overview.events),
        created_at: Some(spec.created_at),
        current_service_deployment: primary.map(|p| {
            let of = (&id.cluster.name, &id.name, &p.deployment.service_deployment);
            cx.arn(
                "ecs",
                format!("service-deployment/{}/{}/{}", of.0, of.1, of.2),
            )
        }),
        current_service_revisions: Some(
            shown
                .iter()
                .filter_map(|s| current_revision(s, overview.desired))
                .collect(),
        ),
        placement_constraints: Some(
            spec.placement_constraints
                .iter()
                .map(|c| c.0.clone())
                .collect(),
        ),
        placement_strategy: Some(
            spec.placement_strategy
                .iter()
                .map(|s| s.0.clone())
                .collect(),
        ),
        network_configuration: network,
        health_check_grace_period_seconds: grace,
        scheduling_strategy: Some(spec.scheduling.as_str().into()),
        deployment_controller: Some(api::DeploymentController {
            r#type: spec.controller.as_str().into(),
        }),
        tags: overview.tags,
        created_by: spec.created_by.clone(),
        enable_ecs_managed_tags: Some(spec.enable_ecs_managed_tags),
        propagate_tags: Some(spec.propagate_tags.as_str().into()),
        enable_execute_command: Some(spec.enable_execute_command),
        availability_zone_rebalancing: Some(
            if spec.az_rebalancing {
                "ENABLED"
            } else {
                "DISABLED"
            }
            .into(),
        ),
        resource_management_type: Some(manager(&cx.scope, service).into()),
    }
}

/// Who looks after what a service stands on.
pub(super) fn manager(scope: &Scope, service: &Service) -> &'static str {
    match express::is_ours(scope, service) {
        true => "ECS",
        false => "CUSTOMER",
    }
}

/// The primary is to have all, once the scheduler has begun with it: what creates or updates a
/// service answers 0, as seen in
/// <https://docs.aws.amazon.com/cli/latest/reference/ecs/create-service.html#examples>. Of the
/// others what is left is what they are to have.
fn deployment_desired(shown: &Shown, desired: i32) -> i32 {
    match (shown.primary, shown.taken_up) {
        (true, true) => desired,
        (true, false) => 0,
        (false, _) => number(shown.counts.running + shown.counts.pending),
    }
}

fn deployment(shown: &Shown, desired: i32) -> api::Deployment {
    let d = &shown.deployment;
    let revision = shown.revision.as_ref();
    let connect = revision.and_then(|r| r.connect.as_ref());
    api::Deployment {
        id: Some(d.id.clone()),
        status: Some(if shown.primary { "PRIMARY" } else { "ACTIVE" }.into()),
        task_definition: revision.map(|r| r.task_definition.clone()),
        desired_count: Some(deployment_desired(shown, desired)),
        pending_count: Some(number(shown.counts.pending)),
        running_count: Some(number(shown.counts.running)),
        failed_tasks: Some(i32::try_from(d.failures).unwrap_or(i32::MAX)),
        created_at: Some(d.created_at),
        updated_at: Some(d.updated_at),
        capacity_provider_strategy: revision.and_then(strategy),
        launch_type: revision.and_then(|r| r.launch_type.clone()),
        platform_version: revision.and_then(platform_version),
        platform_family: revision.and_then(family),
        network_configuration: revision.and_then(|r| r.network.as_ref().map(|n| network(&n.0))),
        volume_configurations: revision.and_then(super::show_deployment::volumes),
        service_connect_configuration: connect.map(|c| c.given.0.clone()),
        service_connect_resources: connect.map(Connect::resources),
        rollout_state: Some(d.rollout.as_str().into()),
        rollout_state_reason: Some(d.reason.clone()),
        ..Default::default()
    }
}

fn current_revision(shown: &Shown, desired: i32) -> Option<api::ServiceCurrentRevisionSummary> {
    Some(api::ServiceCurrentRevisionSummary {
        arn: Some(shown.revision.as_ref()?.arn.clone()),
        requested_task_count: Some(deployment_desired(shown, desired)),
        running_task_count: Some(number(shown.counts.running)),
        pending_task_count: Some(number(shown.counts.pending)),
    })
}

fn is_fargate(revision: &ServiceRevision) -> bool {
    let provider = |name: &str| matches!(name, "FARGATE" | "FARGATE_SPOT");
    revision.launch_type.as_deref() == Some("FARGATE")
        || revision
            .strategy
            .iter()
            .any(|item| provider(&item.0.capacity_provider))
}

pub(super) fn family(revision: &ServiceRevision) -> Option<String> {
    is_fargate(revision).then(|| "Linux".into())
}

fn asked_version(revision: &ServiceRevision) -> Option<String> {
    let given = revision.platform_version.clone();
    is_fargate(revision).then(|| given.unwrap_or_else(|| "LATEST".into()))
}

pub(super) fn platform_version(revision: &ServiceRevision) -> Option<String> {
    let given = revision.platform_version.as_deref();
    let version = requirements::platform_version(LaunchType::Fargate, given);
    is_fargate(revision).then_some(())?;
    version.ok().flatten()
}

pub(super) fn strategy(
    revision: &ServiceRevision,
) -> Option<Vec<api::CapacityProviderStrategyItem>> {
    let items = revision.strategy.iter().map(|item| item.0.clone());
    Some(items.collect::<Vec<_>>()).filter(|items| !items.is_empty())
}

pub(in crate::api) fn load_balancers(revision: &ServiceRevision) -> Vec<api::LoadBalancer> {
    let all = revision.load_balancers.iter();
    all.map(LoadBalancer::shown).collect()
}

pub(in crate::api) fn registries(revision: &ServiceRevision) -> Vec<api::ServiceRegistry> {
    let all = revision.registries.iter();
    all.map(ServiceRegistry::shown).collect()
}

/// With what was left out.
pub(super) fn network(given: &api::NetworkConfiguration) -> api::NetworkConfiguration {
    let mut shown = given.clone();
    if let Some(vpc) = &mut shown.awsvpc_configuration {
        vpc.security_groups.get_or_insert_default();
        vpc.assign_public_ip
            .get_or_insert_with(|| "DISABLED".into());
    }
    shown
}

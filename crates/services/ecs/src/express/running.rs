//! The ECS service of an Express service: made and updated by ECS's own operations, in ECS's own name.

use super::{Asking, alarm, gone};
use crate::fleet::ServiceId;
use crate::model::{ExpressService, Service, State};
use crate::plan::express::CONTAINER;
use crate::plan::express::next::Standing;
use crate::role;
use neargate_api_ecs::{self as api, ops};
use neargate_service::{AwsError, Db, Scope, Stored};

/// As updates are deployed
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/express-service-update-full.html>).
const CANARY_PERCENT: f64 = 5.0;
const BAKE_MINUTES: i32 = 3;

/// The service of this name, if it is an Express service's.
pub(crate) async fn of(
    db: &Db,
    scope: &Scope,
    express: &ExpressService,
) -> Result<Option<Stored<Service>>, AwsError> {
    let id = ServiceId::new(scope, &express.cluster, &express.name);
    let found = db.get_key::<Service>(&id.store_key()).await?;
    Ok(found.filter(|s| is_ours(scope, s) && s.spec.created_at >= express.created_at))
}

/// Only ECS itself makes services in ECS's own name.
pub(crate) fn is_ours(scope: &Scope, service: &Service) -> bool {
    service.spec.created_by.as_deref() == Some(&role::service_linked(scope))
}

pub(super) fn standing(service: Option<&Stored<Service>>) -> Standing {
    match service.map(|s| s.state()) {
        Some(State::Active) => Standing::Active,
        Some(State::Draining) => Standing::Draining,
        Some(State::Inactive) | None => Standing::Gone,
    }
}

/// What a service consists of besides its tasks.
struct Parts {
    network: api::NetworkConfiguration,
    load_balancers: Vec<api::LoadBalancer>,
    task_definition: Option<String>,
    tasks: Option<i32>,
}

fn parts(express: &ExpressService) -> Option<Parts> {
    let wanted = express.wanted()?;
    let shown = &wanted.shown.0;
    let (first, second) = match express.made.target_groups.as_slice() {
        [(first, _), (second, _)] => (first, second),
        _ => return None,
    };
    let network = shown.network_configuration.clone().unwrap_or_default();
    let mut groups = network.security_groups.unwrap_or_default();
    groups.extend(express.made.security_group.clone());
    let public = if express.public {
        "ENABLED"
    } else {
        "DISABLED"
    };
    Some(Parts {
        network: api::NetworkConfiguration {
            awsvpc_configuration: Some(api::AwsVpcConfiguration {
                subnets: network.subnets.unwrap_or_default(),
                security_groups: Some(groups),
                assign_public_ip: Some(public.into()),
            }),
        },
        load_balancers: vec![api::LoadBalancer {
            target_group_arn: Some(first.clone()),
            container_name: Some(CONTAINER.into()),
            container_port: Some(wanted.container_port.into()),
            advanced_configuration: Some(api::AdvancedConfiguration {
                alternate_target_group_arn: Some(second.clone()),
                production_listener_rule: express.made.rule.clone(),
                test_listener_rule: None,
                role_arn: Some(express.infrastructure_role_arn.clone()),
            }),
            ..Default::default()
        }],
        task_definition: shown.task_definition_arn.clone(),
        tasks: shown.scaling_target.as_ref().and_then(|s| s.min_task_count),
    })
}

/// Makes the service what its configuration says. `there`: the service is active.
pub(super) async fn deploy(
    asking: &Asking<'_>,
    express: &ExpressService,
    there: bool,
) -> Result<(), AwsError> {
    let Some(parts) = parts(express) else {
        return Ok(());
    };
    if there {
        let input = api::UpdateServiceInput {
            cluster: Some(express.cluster.clone()),
            service: express.name.clone(),
            task_definition: parts.task_definition,
            network_configuration: Some(parts.network),
            load_balancers: Some(parts.load_balancers),
            ..Default::default()
        };
        return asking.call::<ops::UpdateService>(&input).await.map(|_| ());
    }
    let tags = express.tags.iter().map(|(key, value)| api::Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    });
    let input = api::CreateServiceInput {
        cluster: Some(express.cluster.clone()),
        service_name: express.name.clone(),
        task_definition: parts.task_definition,
        desired_count: parts.tasks,
        launch_type: Some("FARGATE".into()),
        network_configuration: Some(parts.network),
        load_balancers: Some(parts.load_balancers),
        availability_zone_rebalancing: Some("ENABLED".into()),
        tags: Some(tags.collect()),
        enable_ecs_managed_tags: Some(true),
        propagate_tags: Some("SERVICE".into()),
        deployment_configuration: Some(api::DeploymentConfiguration {
            strategy: Some("CANARY".into()),
            canary_configuration: Some(api::CanaryConfiguration {
                canary_percent: Some(CANARY_PERCENT),
                canary_bake_time_in_minutes: Some(BAKE_MINUTES),
            }),
            bake_time_in_minutes: Some(BAKE_MINUTES),
            deployment_circuit_breaker: Some(api::DeploymentCircuitBreaker {
                enable: true,
                rollback: true,
                ..Default::default()
            }),
            alarms: Some(api::DeploymentAlarms {
                alarm_names: vec![alarm::name(&express.endpoint)],
                rollback: true,
                enable: true,
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    asking.call::<ops::CreateService>(&input).await.map(|_| ())
}

pub(super) async fn delete(asking: &Asking<'_>, express: &ExpressService) -> Result<(), AwsError> {
    let input = api::DeleteServiceInput {
        cluster: Some(express.cluster.clone()),
        service: express.name.clone(),
        force: Some(true),
    };
    let deleted = asking.call::<ops::DeleteService>(&input).await;
    gone(
        deleted,
        &["ServiceNotFoundException", "ClusterNotFoundException"],
    )
}

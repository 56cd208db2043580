//! `DescribeExpressGatewayService`, and an Express service as it is shown
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeExpressGatewayService.html>).

use super::find;
use crate::describe::api_tags;
use crate::express;
use crate::fleet::ServiceId;
use crate::model::{
    ExpressConfiguration, ExpressLoadBalancer, ExpressService, Rollout, Service, ServiceRevision,
};
use crate::plan::express::next::is_down;
use crate::plan::service::adopted;
use crate::{Ecs, error};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Ctx, Stored};
use std::sync::Arc;

pub async fn describe_express_gateway_service(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::DescribeExpressGatewayServiceInput,
) -> Result<api::DescribeExpressGatewayServiceOutput, AwsError> {
    let (id, found) = find(&cx, &input.service_arn).await?;
    let express = found.ok_or_else(error::resource_not_found)?;
    let tags = input
        .include
        .iter()
        .flatten()
        .any(|include| include == "TAGS");
    let service = service(&ecs, &cx, &id, &express, tags).await?;
    Ok(api::DescribeExpressGatewayServiceOutput {
        service: Some(service),
    })
}

/// With its tags, where they are asked for.
pub(super) async fn service(
    _: &Ecs,
    cx: &Ctx,
    id: &ServiceId,
    express: &ExpressService,
    with_tags: bool,
) -> Result<api::ECSExpressGatewayService, AwsError> {
    let running = express::running(cx.db(), &cx.scope, express).await?;
    let active = active(cx, id, express, running.as_ref()).await?;
    // Tags are changed at the service once it is there.
    let tags = running.as_ref().map_or(&express.tags, |r| &r.spec.tags);
    let target = running.as_ref().and_then(|r| r.spec.target.as_ref());
    let (of, name) = (&id.cluster.name, &id.name);
    Ok(api::ECSExpressGatewayService {
        cluster: Some(express.cluster.clone()),
        service_name: Some(express.name.clone()),
        service_arn: Some(express.arn.clone()),
        infrastructure_role_arn: Some(express.infrastructure_role_arn.clone()),
        status: Some(api::ExpressGatewayServiceStatus {
            status_code: Some(code(express).into()),
            status_reason: reason(cx, express, running.as_deref()).await?,
        }),
        current_deployment: target.map(|t| {
            let path = format!("service-deployment/{of}/{name}/{}", t.service_deployment);
            cx.arn("ecs", path)
        }),
        active_configurations: Some(active),
        tags: with_tags.then(|| api_tags(tags)),
        created_at: Some(express.created_at),
        updated_at: Some(express.updated_at),
    })
}

fn code(express: &ExpressService) -> &'static str {
    match express.deleted_at {
        None => "ACTIVE",
        Some(_) if is_down(express) => "INACTIVE",
        Some(_) => "DRAINING",
    }
}

/// What stands in the way: of a step, of the load balancer, or of the deployment's tasks.
async fn reason(
    cx: &Ctx,
    express: &ExpressService,
    running: Option<&Service>,
) -> Result<Option<String>, AwsError> {
    if express.problem.is_some() {
        return Ok(express.problem.clone());
    }
    if let Some(id) = &express.made.load_balancer {
        let balancer = cx.db().get::<ExpressLoadBalancer>(&cx.scope, id).await?;
        if let Some(problem) = balancer.and_then(|b| b.value.problem) {
            return Ok(Some(problem));
        }
    }
    let deployments = running.map(|r| r.status.deployments.as_slice());
    let latest = deployments.and_then(<[_]>::first);
    let unwell = latest.filter(|d| d.failures > 0 || d.rollout == Rollout::Failed);
    Ok(unwell.map(|d| match d.reason.is_empty() {
        false => d.reason.clone(),
        true => format!("{} tasks of the deployment {} failed.", d.failures, d.id),
    }))
}

/// The configurations that tasks run of, the newest first. Before there is a service, the one that is wanted.
async fn active(
    cx: &Ctx,
    id: &ServiceId,
    express: &ExpressService,
    running: Option<&Stored<Service>>,
) -> Result<Vec<api::ExpressGatewayServiceConfiguration>, AwsError> {
    let mut active = Vec::new();
    for deployment in running.into_iter().flat_map(|r| adopted(r)) {
        let key = id.key::<ServiceRevision>(&deployment.revision);
        let Some(revision) = cx.db().get_key::<ServiceRevision>(&key).await? else {
            continue;
        };
        let same = |c: &&ExpressConfiguration| {
            c.shown.0.task_definition_arn.as_deref() == Some(&revision.task_definition)
        };
        if let Some(of) = express.configurations.iter().rev().find(same) {
            active.push(api::ExpressGatewayServiceConfiguration {
                service_revision_arn: Some(revision.arn.clone()),
                created_at: Some(revision.created_at),
                ..configuration(express, of)
            });
        }
    }
    if active.is_empty() {
        let wanted = express.wanted().map(|of| configuration(express, of));
        active.extend(wanted);
    }
    Ok(active)
}

fn configuration(
    express: &ExpressService,
    of: &ExpressConfiguration,
) -> api::ExpressGatewayServiceConfiguration {
    let mut shown = of.shown.0.clone();
    if let Some(made) = &express.made.security_group {
        let network = shown.network_configuration.get_or_insert_default();
        network
            .security_groups
            .get_or_insert_default()
            .push(made.clone());
    }
    let access = if express.public { "PUBLIC" } else { "PRIVATE" };
    api::ExpressGatewayServiceConfiguration {
        ingress_paths: Some(vec![api::IngressPathSummary {
            access_type: Some(access.into()),
            endpoint: Some(express.endpoint.clone()),
        }]),
        ..shown
    }
}

/// As an update answers it.
pub(super) fn updated(express: &ExpressService) -> api::UpdatedExpressGatewayService {
    api::UpdatedExpressGatewayService {
        service_arn: Some(express.arn.clone()),
        cluster: Some(express.cluster.clone()),
        service_name: Some(express.name.clone()),
        status: Some(api::ExpressGatewayServiceStatus {
            status_code: Some(code(express).into()),
            status_reason: None,
        }),
        target_configuration: express.wanted().map(|of| configuration(express, of)),
        created_at: Some(express.created_at),
        updated_at: Some(express.updated_at),
    }
}

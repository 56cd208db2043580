//! `UpdateExpressGatewayService` and `DeleteExpressGatewayService`
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateExpressGatewayService.html>).

use super::{create, find, log_group, show, with_definition};
use crate::model::{ExpressConfiguration, ExpressService};
use crate::plan::express::configuration::{self, Asked};
use crate::{Ecs, error};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Ctx, Stored};
use neargate_wire::json::Json;
use std::sync::Arc;

/// Configurations that are kept: those before the last run only while they are replaced.
const KEPT: usize = 10;

fn active(found: Option<Stored<ExpressService>>) -> Result<Stored<ExpressService>, AwsError> {
    let express = found.ok_or_else(error::service_not_found)?;
    match express.deleted_at {
        None => Ok(express),
        Some(_) => Err(error::service_not_active()),
    }
}

pub async fn update_express_gateway_service(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateExpressGatewayServiceInput,
) -> Result<api::UpdateExpressGatewayServiceOutput, AwsError> {
    let (id, found) = find(&cx, &input.service_arn).await?;
    let express = active(found)?;
    let before = express.wanted().map(|w| &w.shown.0);
    let logs = log_group(&express.cluster, &express.name, &express.endpoint);
    let mut wanted = configuration::of(before, asked(input, &express), &logs)?;
    let role = express.infrastructure_role_arn.clone();
    let place = create::place(&cx, &role, &mut wanted).await?;
    if (&place.vpc_id, place.public) != (&express.vpc_id, express.public) {
        return Err(error::invalid_parameter(
            "The subnets of an Express service can only be changed to others of the same VPC that reach the internet \
             as those before.",
        ));
    }
    let port = with_definition(&ecs, &cx, &id, &mut wanted).await?;
    let now = cx.now();
    wanted.created_at = Some(now);
    let changed = cx
        .db()
        .modify::<ExpressService, _>(&express.key, |express| {
            if express.deleted_at.is_some() {
                return Err(error::service_not_active());
            }
            let number = express.wanted().map_or(1, |w| w.number + 1);
            express.configurations.push(ExpressConfiguration {
                number,
                shown: Json(wanted.clone()),
                container_port: port,
            });
            let surplus = express.configurations.len().saturating_sub(KEPT);
            express.configurations.drain(..surplus);
            express.updated_at = now;
            express.problem = None;
            Ok(true)
        });
    let express = changed.await?.ok_or_else(error::service_not_found)?;
    let service = show::updated(&express);
    Ok(api::UpdateExpressGatewayServiceOutput {
        service: Some(service),
    })
}

/// What is described has the group that was made for it, too: it may be given back.
fn asked(input: api::UpdateExpressGatewayServiceInput, express: &ExpressService) -> Asked {
    let mut network = input.network_configuration;
    if let Some(groups) = network.as_mut().and_then(|n| n.security_groups.as_mut()) {
        groups.retain(|group| express.made.security_group.as_ref() != Some(group));
    }
    Asked {
        execution_role_arn: input.execution_role_arn,
        task_role_arn: input.task_role_arn,
        task_definition_arn: input.task_definition_arn,
        primary_container: input.primary_container,
        cpu: input.cpu,
        memory: input.memory,
        cpu_architecture: input.cpu_architecture,
        health_check_path: input.health_check_path,
        network,
        scaling_target: input.scaling_target,
    }
}

/// It drains from now on.
pub async fn delete_express_gateway_service(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::DeleteExpressGatewayServiceInput,
) -> Result<api::DeleteExpressGatewayServiceOutput, AwsError> {
    let (id, found) = find(&cx, &input.service_arn).await?;
    let express = active(found)?;
    let now = cx.now();
    let changed = cx
        .db()
        .modify::<ExpressService, _>(&express.key, |express| {
            if express.deleted_at.is_some() {
                return Err(error::service_not_active());
            }
            express.deleted_at = Some(now);
            express.updated_at = now;
            express.problem = None;
            Ok(true)
        });
    let express = changed.await?.ok_or_else(error::service_not_found)?;
    let service = show::service(&ecs, &cx, &id, &express, true).await?;
    Ok(api::DeleteExpressGatewayServiceOutput {
        service: Some(service),
    })
}

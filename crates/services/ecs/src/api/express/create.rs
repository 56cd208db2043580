//! `CreateExpressGatewayService`
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateExpressGatewayService.html>).

use super::{key, log_group, show, with_definition};
use crate::api::parse_tags;
use crate::clusters;
use crate::express::{self, Place};
use crate::fleet::ServiceId;
use crate::model::{ExpressConfiguration, ExpressMade, ExpressService, Service, State};
use crate::plan::express::configuration::{self, Asked};
use crate::plan::express::next::is_down;
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use neargate_wire::json::Json;
use std::sync::Arc;

pub async fn create_express_gateway_service(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::CreateExpressGatewayServiceInput,
) -> Result<api::CreateExpressGatewayServiceOutput, AwsError> {
    let tags = parse_tags(input.tags.clone())?;
    let role = role(&input.infrastructure_role_arn)?;
    let given = input.service_name.clone().filter(|name| !name.is_empty());
    let name = given.unwrap_or_else(|| format!("express-{}", cx.house.rng.hex(8)));
    if !reference::is_name(&name) {
        return Err(error::invalid_parameter("Invalid service name."));
    }
    let named = input.cluster.as_deref();
    let cluster = clusters::active_or_default(&cx.house, &cx.scope, named).await?;
    let id = ServiceId::new(&cx.scope, &cluster.name, &name);
    let before = free(&cx, &id).await?;
    let endpoint = express::name(&cx.house.rng, &cx.scope, &name);
    let logs = log_group(&cluster.name, &name, &endpoint);
    let mut wanted = configuration::of(None, asked(&input), &logs)?;
    let place = place(&cx, &role, &mut wanted).await?;
    let port = with_definition(&ecs, &cx, &id, &mut wanted).await?;
    let now = cx.now();
    wanted.created_at = Some(now);
    let new = ExpressService {
        arn: cx.arn("ecs", format!("service/{}/{name}", cluster.name)),
        name,
        cluster: cluster.name.clone(),
        infrastructure_role_arn: role,
        endpoint,
        vpc_id: place.vpc_id,
        public: place.public,
        tags,
        created_at: now,
        updated_at: now,
        deleted_at: None,
        configurations: vec![ExpressConfiguration {
            number: 1,
            shown: Json(wanted),
            container_port: port,
        }],
        made: ExpressMade::default(),
        problem: None,
    };
    let tx = cx.db().tx().unchanged(&cluster);
    let key = key(&cx, &id.cluster.name, &id.name);
    let tx = match &before {
        Some(before) => tx.update(before, &new),
        None => tx.create(key, &new),
    };
    match tx.commit().await? {
        Committed::At(_) => {
            let service = show::service(&ecs, &cx, &id, &new, true).await?;
            Ok(api::CreateExpressGatewayServiceOutput {
                service: Some(service),
            })
        }
        // Somebody else made one of this name meanwhile, or the cluster went.
        Committed::Conflict => Err(error::not_idempotent()),
    }
}

fn asked(input: &api::CreateExpressGatewayServiceInput) -> Asked {
    Asked {
        execution_role_arn: input.execution_role_arn.clone(),
        task_role_arn: input.task_role_arn.clone(),
        task_definition_arn: input.task_definition_arn.clone(),
        primary_container: input.primary_container.clone(),
        cpu: input.cpu.clone(),
        memory: input.memory.clone(),
        cpu_architecture: input.cpu_architecture.clone(),
        health_check_path: input.health_check_path.clone(),
        network: input.network_configuration.clone(),
        scaling_target: input.scaling_target.clone(),
    }
}

/// Whole ARNs only: what is not in the account is nobody's to use.
fn role(given: &str) -> Result<String, AwsError> {
    let arn: Option<Arn> = given.parse().ok();
    let is_role = |arn: &Arn| arn.service == "iam" && arn.resource.starts_with("role/");
    match arn.filter(is_role) {
        Some(_) => Ok(given.to_owned()),
        None => Err(error::invalid_parameter(
            "The infrastructure role is not a valid role ARN.",
        )),
    }
}

/// Nobody has the name; answers the Express service that had it and is gone.
async fn free(cx: &Ctx, id: &ServiceId) -> Result<Option<Stored<ExpressService>>, AwsError> {
    let key = key(cx, &id.cluster.name, &id.name);
    let before = cx.db().get_key::<ExpressService>(&key).await?;
    match &before {
        Some(of) if of.deleted_at.is_none() => return Err(error::not_idempotent()),
        Some(of) if !is_down(of) => return Err(error::still_draining()),
        _ => {}
    }
    let service = cx.db().get_key::<Service>(&id.store_key()).await?;
    match service.map(|s| s.state()) {
        Some(State::Active) => Err(error::not_idempotent()),
        Some(State::Draining) => Err(error::still_draining()),
        Some(State::Inactive) | None => Ok(before),
    }
}

/// Where it is to run, checked and written down.
pub(super) async fn place(
    cx: &Ctx,
    role: &str,
    wanted: &mut api::ExpressGatewayServiceConfiguration,
) -> Result<Place, AwsError> {
    let network = wanted.network_configuration.get_or_insert_default();
    let subnets = network.subnets.clone().unwrap_or_default();
    let place = express::place(&cx.house, &cx.scope, role, &subnets).await?;
    let groups = network.security_groups.clone().unwrap_or_default();
    express::check_groups(&cx.house, &cx.scope, role, &place.vpc_id, &groups).await?;
    network.subnets = Some(place.subnets.clone());
    Ok(place)
}

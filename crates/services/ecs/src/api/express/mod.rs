//! Express services
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ECSExpressGatewayService.html>). Handlers write
//! what is asked for; `crate::express` makes it.

mod change;
mod create;
mod show;

pub use change::{delete_express_gateway_service, update_express_gateway_service};
pub use create::create_express_gateway_service;
pub use show::describe_express_gateway_service;

use super::task_definitions;
use crate::fleet::ServiceId;
use crate::model::ExpressService;
use crate::plan::express::configuration;
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, Stored, db};
use std::sync::Arc;

/// The Express service of this ARN, and the cluster and name of its service.
///
/// # Errors
/// `InvalidParameterException` for what is no service's ARN.
async fn find(
    cx: &Ctx,
    arn: &str,
) -> Result<(ServiceId, Option<Stored<ExpressService>>), AwsError> {
    let parsed: Option<Arn> = arn.parse().ok();
    let path = parsed.and_then(|arn| {
        let (kind, name) = arn.resource_type();
        let (cluster, _) = name.split_once('/')?;
        (kind == "service").then(|| cluster.to_owned())
    });
    let cluster = path.ok_or_else(|| error::invalid_parameter("Invalid service ARN."))?;
    let name = reference::service_name(&cx.scope, &cluster, arn)?;
    let id = ExpressService::key_id(&cluster, &name);
    let found = cx.db().get::<ExpressService>(&cx.scope, &id).await?;
    Ok((ServiceId::new(&cx.scope, &cluster, &name), found))
}

fn key(cx: &Ctx, cluster: &str, name: &str) -> String {
    db::key::<ExpressService>(&cx.scope, &ExpressService::key_id(cluster, name))
}

/// Where an Express service logs to, unless it is told.
fn log_group(cluster: &str, name: &str, endpoint: &str) -> String {
    let suffix = crate::plan::express::suffix(endpoint);
    let digits = suffix.get(..4).unwrap_or(suffix);
    format!("/aws/ecs/{cluster}/{name}-{digits}")
}

/// The task definition of a configuration, registered unless it has one; answers the port that traffic goes to.
///
/// # Errors
/// What is wrong with it, in the words of `RegisterTaskDefinition`.
async fn with_definition(
    ecs: &Arc<Ecs>,
    cx: &Ctx,
    id: &ServiceId,
    configuration: &mut api::ExpressGatewayServiceConfiguration,
) -> Result<u16, AwsError> {
    if let Some(named) = &configuration.task_definition_arn {
        let definition = super::services::active_definition(cx, named).await?;
        let definition = &definition.definition.0;
        let port = configuration::port_of(definition)?;
        configuration
            .task_definition_arn
            .clone_from(&definition.task_definition_arn);
        if configuration.primary_container.is_none() {
            configuration.cpu.clone_from(&definition.cpu);
            configuration.memory.clone_from(&definition.memory);
            configuration
                .execution_role_arn
                .clone_from(&definition.execution_role_arn);
            configuration
                .task_role_arn
                .clone_from(&definition.task_role_arn);
            let platform = definition.runtime_platform.as_ref();
            configuration.cpu_architecture = platform.and_then(|p| p.cpu_architecture.clone());
        }
        return Ok(port);
    }
    let family = family(&id.cluster.name, &id.name);
    let input = configuration::definition(&family, cx.scope.region.as_str(), configuration);
    let input = input.ok_or_else(|| error::invalid_parameter("primaryContainer is required."))?;
    let made = task_definitions::register_task_definition(ecs.clone(), cx.clone(), input).await?;
    let made = made.task_definition.unwrap_or_default();
    configuration.task_definition_arn = made.task_definition_arn;
    let port = configuration
        .primary_container
        .as_ref()
        .and_then(|c| c.container_port);
    Ok(port.and_then(|p| u16::try_from(p).ok()).unwrap_or_default())
}

/// `<cluster>-<service>`, as far as a family's name goes.
fn family(cluster: &str, name: &str) -> String {
    let mut family = format!("{cluster}-{name}");
    family.truncate(255);
    family
}

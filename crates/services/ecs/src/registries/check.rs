//! The `serviceRegistries` of a call: what they may be, in ECS's words
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceRegistry.html>).

use super::calls;
use crate::balancing::has_port;
use crate::error;
use crate::model::ServiceRegistry;
use neargate_api_ecs as api;
use neargate_service::{AwsError, House, Scope};
use std::sync::Arc;

/// "Each service may be associated with one service registry."
const MAX: usize = 1;

/// # Errors
/// What is wrong with them.
pub(crate) async fn checked(
    house: &Arc<House>,
    scope: &Scope,
    given: &[api::ServiceRegistry],
    definition: &api::TaskDefinition,
) -> Result<Vec<ServiceRegistry>, AwsError> {
    if given.len() > MAX {
        return Err(error::invalid_parameter(
            "service registries can have at most 1 items.",
        ));
    }
    let mut all = Vec::new();
    for one in given {
        all.push(check(house, scope, one, definition).await?);
    }
    Ok(all)
}

async fn check(
    house: &Arc<House>,
    scope: &Scope,
    given: &api::ServiceRegistry,
    definition: &api::TaskDefinition,
) -> Result<ServiceRegistry, AwsError> {
    let arn = given.registry_arn.clone().filter(|arn| !arn.is_empty());
    let arn = arn.ok_or_else(|| {
        error::invalid_parameter("registryArn can not be blank for a service registry.")
    })?;
    let registry = calls::registry(house, scope, &arn).await?;
    let registry = registry.ok_or_else(|| error::registry_not_found(&arn))?;
    let container_name = given.container_name.clone().filter(|name| !name.is_empty());
    let (port, container_port) = (number(given.port)?, number(given.container_port)?);
    let dns = registry.dns_config.map(|dns| dns.dns_records);
    let has = |record: &str| dns.iter().flatten().any(|r| r.r#type == record);
    let own_network = definition.network_mode.as_deref() == Some("awsvpc");
    if own_network && dns.is_some() && !has("SRV") {
        // Addresses alone have no port.
        let superfluous = [
            (container_name.is_some(), "containerName"),
            (container_port.is_some(), "containerPort"),
            (port.is_some(), "port"),
        ];
        let superfluous = superfluous.iter().filter(|(given, _)| *given);
        if let Some((_, what)) = superfluous.max_by_key(|(_, what)| *what == "containerPort") {
            return Err(error::superfluous_of_registry(what));
        }
    }
    if port.is_some() && (container_name.is_some() || container_port.is_some()) {
        return Err(error::invalid_parameter(
            "Specify a value for either 'port' or the 'containerName' and 'containerPort' \
             combination, but not both. Remove one and retry.",
        ));
    }
    if container_name.is_some() != container_port.is_some() {
        return Err(error::invalid_parameter(
            "When specifying containerName or containerPort for service registries, you must specify \
             both.",
        ));
    }
    if !own_network {
        // What is reached by its host's address is found by SRV records only.
        if dns.is_some() && (!has("SRV") || has("A") || has("AAAA")) {
            return Err(error::invalid_parameter(
                "Tasks of the network modes bridge and host need a service registry with SRV records \
                 only.",
            ));
        }
        if container_name.is_none() {
            return Err(error::invalid_parameter(
                "containerName and containerPort are required for service registries of tasks of the \
                 network modes bridge and host.",
            ));
        }
    }
    if has("SRV") && port.is_none() && container_name.is_none() {
        return Err(error::invalid_parameter(
            "Specify a value for either 'port' or the 'containerName' and 'containerPort' combination: \
             the service registry has SRV records.",
        ));
    }
    let checked = ServiceRegistry {
        registry_arn: arn,
        port,
        container_name,
        container_port,
        takes_health: registry.health_check_custom_config.is_some(),
    };
    fit(std::slice::from_ref(&checked), definition)?;
    Ok(checked)
}

fn number(given: Option<i32>) -> Result<Option<u16>, AwsError> {
    let port = |given: i32| u16::try_from(given).ok().filter(|port| *port > 0);
    let given = given.map(|given| port(given).ok_or(()));
    given.transpose().map_err(|()| {
        error::invalid_parameter("Port of a service registry must be between 1 and 65535.")
    })
}

/// Do they go with this definition, too?
///
/// # Errors
/// What does not.
pub(crate) fn fit(
    registries: &[ServiceRegistry],
    definition: &api::TaskDefinition,
) -> Result<(), AwsError> {
    for registry in registries {
        if let (Some(name), Some(port)) = (&registry.container_name, registry.container_port) {
            has_port(definition, name, port)?;
        }
    }
    Ok(())
}

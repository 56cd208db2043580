//! The `loadBalancers` of a call: what they may be, in ECS's words
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LoadBalancer.html>).

use super::calls;
use crate::error;
use crate::model::{LoadBalancer, ServiceRevision, TargetLink};
use neargate_api_ecs as api;
use neargate_service::{AwsError, House, Scope};
use neargate_wire::json::Json;
use std::sync::Arc;

/// "You can attach up to five target groups to a service"
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/register-multiple-targetgroups.html>).
const MAX_GROUPS: usize = 5;

/// # Errors
/// What is wrong with them.
pub(crate) async fn checked(
    house: &Arc<House>,
    scope: &Scope,
    given: &[api::LoadBalancer],
    definition: &api::TaskDefinition,
) -> Result<Vec<LoadBalancer>, AwsError> {
    if given.len() > MAX_GROUPS {
        return Err(error::invalid_parameter(
            "load balancers can have at most 5 items.",
        ));
    }
    let mut checked = Vec::new();
    for one in given {
        checked.push(check(house, scope, one, definition).await?);
    }
    Ok(checked)
}

async fn check(
    house: &Arc<House>,
    scope: &Scope,
    given: &api::LoadBalancer,
    definition: &api::TaskDefinition,
) -> Result<LoadBalancer, AwsError> {
    let some = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let Some(arn) = some(&given.target_group_arn) else {
        return Err(match some(&given.load_balancer_name) {
            Some(_) => error::unsupported("loadBalancerName: Classic Load Balancers"),
            None => error::invalid_parameter(
                "Either a loadBalancerName or a targetGroupArn must be specified.",
            ),
        });
    };
    let Some(container) = some(&given.container_name) else {
        return Err(error::invalid_parameter("Container name can not be blank."));
    };
    let port = given.container_port.unwrap_or(0);
    let Some(port) = u16::try_from(port).ok().filter(|port| *port > 0) else {
        return Err(error::invalid_parameter(
            "Container port must be between 1 and 65535.",
        ));
    };
    has_port(definition, &container, port)?;
    let group = calls::target_group(house, scope, &arn).await?;
    let group = group.ok_or_else(error::cannot_validate_target_group)?;
    if group.load_balancer_arns.unwrap_or_default().is_empty() {
        return Err(error::invalid_parameter(format!(
            "The target group with targetGroupArn {arn} does not have an associated load balancer."
        )));
    }
    let target_type = group.target_type.unwrap_or_default();
    let mode = definition.network_mode.as_deref().unwrap_or("bridge");
    let wanted = if mode == "awsvpc" { "ip" } else { "instance" };
    if target_type != wanted {
        return Err(error::invalid_parameter(format!(
            "The provided target group {arn} has target type {target_type}, which is incompatible \
             with the {mode} network mode specified in the task definition."
        )));
    }
    Ok(LoadBalancer {
        target_group_arn: arn,
        container_name: container,
        container_port: port,
        by_instance: target_type == "instance",
        advanced: given.advanced_configuration.clone().map(Json),
    })
}

fn has_port(definition: &api::TaskDefinition, name: &str, port: u16) -> Result<(), AwsError> {
    let mut containers = definition.container_definitions.iter().flatten();
    let container = containers.find(|c| c.name.as_deref() == Some(name));
    let container = container.ok_or_else(|| {
        error::invalid_parameter(format!(
            "The container {name} does not exist in the task definition."
        ))
    })?;
    let mut ports = container.port_mappings.iter().flatten();
    match ports.any(|m| m.container_port == Some(port.into())) {
        true => Ok(()),
        false => Err(error::invalid_parameter(format!(
            "The container {name} did not have a container port {port} defined."
        ))),
    }
}

/// Do they go with this definition, too?
///
/// # Errors
/// What does not.
pub(crate) fn fit(
    load_balancers: &[LoadBalancer],
    definition: &api::TaskDefinition,
) -> Result<(), AwsError> {
    let mut each = load_balancers.iter();
    each.try_for_each(|lb| has_port(definition, &lb.container_name, lb.container_port))
}

/// The target groups of a revision's tasks.
pub(crate) fn links(revision: &ServiceRevision) -> Vec<TargetLink> {
    let links = revision.load_balancers.iter().map(|lb| TargetLink {
        target_group_arn: lb.target_group_arn.clone(),
        container_name: lb.container_name.clone(),
        container_port: lb.container_port,
        by_instance: lb.by_instance,
    });
    links.collect()
}

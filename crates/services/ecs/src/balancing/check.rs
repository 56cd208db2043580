//! The `loadBalancers` of a call: what they may be, in ECS's words
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LoadBalancer.html>).

use super::calls;
use crate::error;
use crate::model::{LoadBalancer, ServiceRevision, TargetLink};
use neargate_api_ecs as api;
use neargate_service::{AwsError, House, Scope};
use neargate_wire::json::Json;
use std::collections::BTreeSet;
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
    consistent(given)?;
    let mut checked = Vec::new();
    for one in given {
        checked.push(check(house, scope, one, definition).await?);
    }
    Ok(checked)
}

/// Do they go together? In the words of
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html>.
fn consistent(given: &[api::LoadBalancer]) -> Result<(), AwsError> {
    let some = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let classic = given
        .iter()
        .filter(|lb| some(&lb.load_balancer_name).is_some());
    let advanced = given
        .iter()
        .filter(|lb| lb.advanced_configuration.is_some());
    let grouped = given
        .iter()
        .filter(|lb| some(&lb.target_group_arn).is_some());
    if classic.clone().count() > 0 && grouped.count() > 0 {
        return Err(error::client(
            "All loadBalancers must be strictly either ELBv1 (defining loadBalancerName) or ELBv2 (defining targetGroupArn)",
        ));
    }
    if classic
        .clone()
        .any(|lb| lb.advanced_configuration.is_some())
    {
        return Err(error::client(
            "advancedConfiguration field is not allowed with ELBv1 loadBalancers",
        ));
    }
    let count = advanced.clone().count();
    if count > 0 && count < given.len() {
        return Err(error::client(
            "Either all or none of the provided loadBalancers must have advancedConfiguration defined",
        ));
    }
    if count > 0 {
        let mut seen = BTreeSet::new();
        let twice = given.iter().filter_map(|lb| some(&lb.target_group_arn));
        if let Some(twice) = twice.into_iter().find(|arn| !seen.insert(arn.clone())) {
            return Err(error::client(format!(
                "Duplicate targetGroupArn found: {twice}"
            )));
        }
    }
    for advanced in advanced.filter_map(|lb| lb.advanced_configuration.as_ref()) {
        let production = some(&advanced.production_listener_rule);
        let test = some(&advanced.test_listener_rule);
        let rules = [
            ("productionListenerRule", &production),
            ("testListenerRule", &test),
        ];
        for (what, rule) in rules {
            if let Some(rule) = rule.as_ref().filter(|rule| !is_rule(rule)) {
                return Err(error::client(format!(
                    "{what} has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: {rule}"
                )));
            }
        }
        if let Some(rule) = production.filter(|rule| test.as_ref() == Some(rule)) {
            return Err(error::client(format!(
                "The following rules cannot be used as both production and test listener rules: {rule}"
            )));
        }
    }
    Ok(())
}

/// A rule's ARN of an application load balancer, a listener's of a network load balancer.
fn is_rule(arn: &str) -> bool {
    arn.contains(":listener-rule/app/") || arn.contains(":listener/net/")
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
    let advanced = given.advanced_configuration.as_ref();
    if let Some(other) = advanced.and_then(|a| some(&a.alternate_target_group_arn)) {
        let other = calls::target_group(house, scope, &other).await?;
        other.ok_or_else(error::cannot_validate_target_group)?;
    }
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

pub(crate) fn has_port(
    definition: &api::TaskDefinition,
    name: &str,
    port: u16,
) -> Result<(), AwsError> {
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

/// Can traffic be shifted between two target groups of each?
///
/// # Errors
/// What is missing.
pub(crate) fn shiftable(load_balancers: &[LoadBalancer], strategy: &str) -> Result<(), AwsError> {
    let some = |text: &Option<String>| text.as_ref().is_some_and(|t| !t.is_empty());
    if load_balancers.iter().any(|lb| lb.advanced.is_none()) {
        let strategy = match strategy {
            "BLUE_GREEN" => "Blue/green".to_owned(),
            other => other.to_lowercase(),
        };
        return Err(error::client(format!(
            "advancedConfiguration field is required for all loadBalancers when using the {strategy} deployment strategy"
        )));
    }
    for lb in load_balancers {
        let advanced = lb.advanced.as_ref().map(|Json(advanced)| advanced);
        let needed = [
            (
                advanced.is_some_and(|a| some(&a.alternate_target_group_arn)),
                "alternateTargetGroupArn",
            ),
            (
                advanced.is_some_and(|a| some(&a.production_listener_rule)),
                "productionListenerRule",
            ),
            (advanced.is_some_and(|a| some(&a.role_arn)), "roleArn"),
        ];
        if let Some((_, what)) = needed.iter().find(|(there, _)| !there) {
            return Err(error::invalid_parameter(format!(
                "advancedConfiguration.{what} is required for load balancers of services with the \
                 {strategy} deployment strategy."
            )));
        }
    }
    Ok(())
}

/// The target group of a revision's tasks, of the two that traffic is shifted between.
pub(super) fn group_of(load_balancer: &LoadBalancer, alternate: bool) -> &String {
    let advanced = load_balancer.advanced.as_ref().filter(|_| alternate);
    let other = advanced.map(|Json(advanced)| &advanced.alternate_target_group_arn);
    let other = other.and_then(Option::as_ref);
    other.unwrap_or(&load_balancer.target_group_arn)
}

/// The target groups of a revision's tasks.
pub(crate) fn links(revision: &ServiceRevision, alternate: bool) -> Vec<TargetLink> {
    let links = revision.load_balancers.iter().map(|lb| TargetLink {
        target_group_arn: group_of(lb, alternate).clone(),
        container_name: lb.container_name.clone(),
        container_port: lb.container_port,
        by_instance: lb.by_instance,
    });
    links.collect()
}

//! Production and test traffic between the two target groups of a service's load balancers: the
//! weights of a listener rule's forward action, or of a network load balancer's listener
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html>).

use super::check::group_of;
use crate::error;
use crate::model::{ALL, LoadBalancer, ServiceRevision};
use crate::plan::service::Traffic;
use crate::role;
use neargate_api_elbv2 as api;
use neargate_service::{AwsError, Caller, House, Scope};
use std::sync::Arc;

/// The largest weight there is.
const MAX_WEIGHT: u32 = 999;

/// Tells every load balancer of the revision.
///
/// # Errors
/// Elastic Load Balancing's; a rule that does more than forward.
pub(crate) async fn shift(
    house: &Arc<House>,
    scope: &Scope,
    revision: &ServiceRevision,
    traffic: &Traffic,
) -> Result<(), AwsError> {
    for load_balancer in &revision.load_balancers {
        let Some(advanced) = &load_balancer.advanced else {
            continue;
        };
        let some = |arn: &Option<String>| arn.clone().filter(|arn| !arn.is_empty());
        let role = some(&advanced.0.role_arn).unwrap_or_else(|| role::service_linked(scope));
        let shares = [
            (
                some(&advanced.0.production_listener_rule),
                traffic.production,
            ),
            (some(&advanced.0.test_listener_rule), traffic.test),
        ];
        for (rule, share) in shares {
            if let (Some(rule), Some(share)) = (rule, share) {
                let groups = weights(load_balancer, traffic.alternate, share);
                forward(house, scope, &role, &rule, groups).await?;
            }
        }
    }
    Ok(())
}

/// Do the listener rules lead to the two target groups, and to no other?
///
/// # Errors
/// What is wrong with them; Elastic Load Balancing's own.
pub(crate) async fn associated(
    house: &Arc<House>,
    scope: &Scope,
    revision: &ServiceRevision,
) -> Result<(), AwsError> {
    for load_balancer in &revision.load_balancers {
        let Some(advanced) = &load_balancer.advanced else {
            continue;
        };
        let some = |arn: &Option<String>| arn.clone().filter(|arn| !arn.is_empty());
        let role = some(&advanced.0.role_arn).unwrap_or_else(|| role::service_linked(scope));
        let ours = [
            group_of(load_balancer, false),
            group_of(load_balancer, true),
        ];
        let mut associated = Vec::new();
        if let Some(rule) = some(&advanced.0.production_listener_rule) {
            let tuples = tuples(&actions(house, scope, &role, &rule).await?);
            let elsewhere = tuples
                .iter()
                .find(|(group, weight)| *weight > 0 && !ours.contains(&group));
            if let Some((found, _)) = elsewhere {
                return Err(error::unexpected_group(found, ours[0], ours[1]));
            }
            associated.extend(tuples);
        }
        if let Some(rule) = some(&advanced.0.test_listener_rule) {
            associated.extend(tuples(&actions(house, scope, &role, &rule).await?));
        }
        let missing = |group: &&&String| !associated.iter().any(|(of, _)| of == **group);
        if let Some(group) = ours.iter().find(missing) {
            return Err(error::group_without_rule(group));
        }
    }
    Ok(())
}

/// The target groups that a forward action names, with their weights.
fn tuples(actions: &[api::Action]) -> Vec<(String, i32)> {
    let forwards = actions.iter().filter(|action| action.r#type == "forward");
    let groups = forwards.flat_map(|action| {
        let config = action.forward_config.as_ref();
        let tuples = config
            .and_then(|c| c.target_groups.clone())
            .unwrap_or_default();
        match (tuples.is_empty(), &action.target_group_arn) {
            (true, Some(only)) => vec![(only.clone(), 1)],
            _ => tuples
                .into_iter()
                .filter_map(|t| Some((t.target_group_arn?, t.weight.unwrap_or(1))))
                .collect(),
        }
    });
    groups.collect()
}

/// What a rule does, or a network load balancer's listener.
async fn actions(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    rule: &str,
) -> Result<Vec<api::Action>, AwsError> {
    match is_listener(rule) {
        true => of_the_listener(house, scope, role, rule).await,
        false => of_the_rule(house, scope, role, rule).await,
    }
}

fn is_listener(rule: &str) -> bool {
    !rule.contains(":listener-rule/")
}

/// Target groups and their weights: `share` tenths of a percent go to the new revision's.
fn weights(
    load_balancer: &LoadBalancer,
    alternate: bool,
    share: u32,
) -> Vec<api::TargetGroupTuple> {
    let rest = ALL - share;
    let unit = if share.is_multiple_of(10) { 10 } else { 1 };
    let of = |alternate: bool, share: u32| api::TargetGroupTuple {
        target_group_arn: Some(group_of(load_balancer, alternate).clone()),
        weight: i32::try_from((share / unit).min(MAX_WEIGHT)).ok(),
    };
    vec![of(alternate, share), of(!alternate, rest)]
}

async fn forward(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    rule: &str,
    target_groups: Vec<api::TargetGroupTuple>,
) -> Result<(), AwsError> {
    let before = actions(house, scope, role, rule).await?;
    let [action] = before.as_slice() else {
        return Err(error::mixed_rule(rule));
    };
    if action.r#type != "forward" {
        return Err(error::mixed_rule(rule));
    }
    let stickiness = action.forward_config.as_ref();
    let stickiness = stickiness.and_then(|c| c.target_group_stickiness_config.clone());
    let action = api::Action {
        r#type: "forward".into(),
        forward_config: Some(api::ForwardActionConfig {
            target_groups: Some(target_groups),
            target_group_stickiness_config: stickiness,
        }),
        ..Default::default()
    };
    match is_listener(rule) {
        true => {
            let input = api::ModifyListenerInput {
                listener_arn: rule.to_owned(),
                default_actions: Some(vec![action]),
                ..Default::default()
            };
            Caller::call::<api::ops::ModifyListener>(house, scope, role, &input).await?;
        }
        false => {
            let input = api::ModifyRuleInput {
                rule_arn: rule.to_owned(),
                actions: Some(vec![action]),
                ..Default::default()
            };
            Caller::call::<api::ops::ModifyRule>(house, scope, role, &input).await?;
        }
    }
    Ok(())
}

async fn of_the_rule(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    rule: &str,
) -> Result<Vec<api::Action>, AwsError> {
    let input = api::DescribeRulesInput {
        rule_arns: Some(vec![rule.to_owned()]),
        ..Default::default()
    };
    let found = Caller::call::<api::ops::DescribeRules>(house, scope, role, &input).await?;
    let rule = found.rules.unwrap_or_default().into_iter().next();
    Ok(rule.and_then(|rule| rule.actions).unwrap_or_default())
}

async fn of_the_listener(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    listener: &str,
) -> Result<Vec<api::Action>, AwsError> {
    let input = api::DescribeListenersInput {
        listener_arns: Some(vec![listener.to_owned()]),
        ..Default::default()
    };
    let found = Caller::call::<api::ops::DescribeListeners>(house, scope, role, &input).await?;
    let listener = found.listeners.unwrap_or_default().into_iter().next();
    Ok(listener.and_then(|l| l.default_actions).unwrap_or_default())
}

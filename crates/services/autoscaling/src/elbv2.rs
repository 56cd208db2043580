//! What Auto Scaling asks of Elastic Load Balancing, for the target groups of its groups
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-load-balancer.html>).

use crate::ec2::call;
use neargate_api_elbv2::{self as api, ops};
use neargate_service::{AwsError, House, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Is there such a target group?
///
/// # Errors
/// Elastic Load Balancing's own failures.
pub async fn exists(house: &Arc<House>, scope: &Scope, arn: &str) -> Result<bool, AwsError> {
    let input = api::DescribeTargetGroupsInput {
        target_group_arns: Some(vec![arn.to_owned()]),
        ..Default::default()
    };
    match call::<ops::DescribeTargetGroups>(house, scope, &input).await {
        Ok(found) => Ok(found.target_groups.is_some_and(|g| !g.is_empty())),
        Err(e) if e.status < 500 || e.code == "NotImplemented" => Ok(false),
        Err(e) => Err(e),
    }
}

/// The states of the targets of a group, by their ids; none of one that is not there any more.
///
/// # Errors
/// Elastic Load Balancing's own failures.
pub async fn health(
    house: &Arc<House>,
    scope: &Scope,
    arn: &str,
) -> Result<BTreeMap<String, String>, AwsError> {
    let input = api::DescribeTargetHealthInput {
        target_group_arn: arn.to_owned(),
        ..Default::default()
    };
    let found = match call::<ops::DescribeTargetHealth>(house, scope, &input).await {
        Ok(found) => found,
        Err(e) if e.status < 500 => return Ok(BTreeMap::new()),
        Err(e) => return Err(e),
    };
    let all = found.target_health_descriptions.into_iter().flatten();
    let state = |d: api::TargetHealthDescription| Some((d.target?.id, d.target_health?.state?));
    Ok(all.filter_map(state).collect())
}

fn targets(ids: &[String]) -> Vec<api::TargetDescription> {
    let target = |id: &String| api::TargetDescription {
        id: id.clone(),
        ..Default::default()
    };
    ids.iter().map(target).collect()
}

/// Registers instances at the group's own port; false when that was refused.
///
/// # Errors
/// Elastic Load Balancing's own failures.
pub async fn register(
    house: &Arc<House>,
    scope: &Scope,
    arn: &str,
    ids: &[String],
) -> Result<bool, AwsError> {
    let input = api::RegisterTargetsInput {
        target_group_arn: arn.to_owned(),
        targets: targets(ids),
    };
    let done = call::<ops::RegisterTargets>(house, scope, &input).await;
    taken(done.map(drop))
}

/// Begins to take instances out.
///
/// # Errors
/// Elastic Load Balancing's own failures.
pub async fn deregister(
    house: &Arc<House>,
    scope: &Scope,
    arn: &str,
    ids: &[String],
) -> Result<bool, AwsError> {
    let input = api::DeregisterTargetsInput {
        target_group_arn: arn.to_owned(),
        targets: targets(ids),
    };
    let done = call::<ops::DeregisterTargets>(house, scope, &input).await;
    taken(done.map(drop))
}

fn taken(done: Result<(), AwsError>) -> Result<bool, AwsError> {
    match done {
        Ok(()) => Ok(true),
        Err(e) if e.status < 500 => {
            tracing::warn!(error = %e, "Elastic Load Balancing refused");
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

//! What is asked of ECS, under the service-linked role
//! (<https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-service-linked-roles.html>).

use crate::model::Named;
use neargate_api_ecs::{self as api, ops};
use neargate_service::{AwsError, Caller, House, Scope};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

/// A service as far as its scaling goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub desired: u32,
    pub running: u32,
    /// A deployment is in progress.
    pub deploys: bool,
    pub target_groups: Vec<String>,
}

/// AWS takes this one for services of ECS, whichever is given.
pub fn role(scope: &Scope) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService",
        scope.account
    )
}

async fn call<O: OperationDef>(
    house: &Arc<House>,
    scope: &Scope,
    input: &O::Input,
) -> Result<O::Output, AwsError> {
    Caller::call::<O>(house, scope, &role(scope), input).await
}

/// The service. `None`: there is none, or it is being deleted.
///
/// # Errors
/// ECS's.
pub async fn see(
    house: &Arc<House>,
    scope: &Scope,
    named: &Named,
) -> Result<Option<Seen>, AwsError> {
    let input = api::DescribeServicesInput {
        cluster: Some(named.cluster.clone()),
        services: vec![named.service.clone()],
        ..Default::default()
    };
    let found = match call::<ops::DescribeServices>(house, scope, &input).await {
        Ok(found) => found.services.into_iter().flatten().next(),
        Err(e) if e.status < 500 => None,
        Err(e) => return Err(e),
    };
    let is_active = |s: &api::Service| s.status.as_deref() == Some("ACTIVE");
    Ok(found.filter(is_active).map(seen))
}

fn seen(service: api::Service) -> Seen {
    let count = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let deployments = service.deployments.unwrap_or_default();
    let in_progress = |d: &api::Deployment| d.rollout_state.as_deref() == Some("IN_PROGRESS");
    let group = |l: api::LoadBalancer| l.target_group_arn;
    Seen {
        desired: count(service.desired_count),
        running: count(service.running_count),
        deploys: deployments.len() > 1 || deployments.iter().any(in_progress),
        target_groups: service
            .load_balancers
            .into_iter()
            .flatten()
            .filter_map(group)
            .collect(),
    }
}

/// Sets the desired count: doing it again changes nothing.
///
/// # Errors
/// ECS's.
pub async fn set_desired_count(
    house: &Arc<House>,
    scope: &Scope,
    named: &Named,
    count: u32,
) -> Result<(), AwsError> {
    let input = api::UpdateServiceInput {
        cluster: Some(named.cluster.clone()),
        service: named.service.clone(),
        desired_count: Some(i32::try_from(count).unwrap_or(i32::MAX)),
        ..Default::default()
    };
    call::<ops::UpdateService>(house, scope, &input)
        .await
        .map(drop)
}

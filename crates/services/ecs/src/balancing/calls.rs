//! What is asked of Elastic Load Balancing, under ECS's role.

use crate::role;
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::TargetKey;
use neargate_service::{AwsError, Caller, House, Scope};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Targets of one call.
const AT_ONCE: usize = 100;
const NO_SUCH_GROUP: &str = "TargetGroupNotFound";

/// A target group; `None`: there is none with this ARN.
///
/// # Errors
/// Elastic Load Balancing's.
pub(super) async fn target_group(
    house: &Arc<House>,
    scope: &Scope,
    arn: &str,
) -> Result<Option<api::TargetGroup>, AwsError> {
    let input = api::DescribeTargetGroupsInput {
        target_group_arns: Some(vec![arn.to_owned()]),
        ..Default::default()
    };
    let role = role::service_linked(scope);
    let found = Caller::call::<api::ops::DescribeTargetGroups>(house, scope, &role, &input).await;
    match found {
        Ok(found) => Ok(found.target_groups.unwrap_or_default().into_iter().next()),
        Err(error) if error.code == NO_SUCH_GROUP => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn register(
    house: &Arc<House>,
    scope: &Scope,
    group: &str,
    keys: &BTreeSet<TargetKey>,
) -> Result<(), AwsError> {
    let role = role::service_linked(scope);
    for targets in described(keys).chunks(AT_ONCE) {
        let input = api::RegisterTargetsInput {
            target_group_arn: group.to_owned(),
            targets: targets.to_vec(),
        };
        Caller::call::<api::ops::RegisterTargets>(house, scope, &role, &input).await?;
    }
    Ok(())
}

/// A group that is gone knows no target any more.
pub(super) async fn deregister(
    house: &Arc<House>,
    scope: &Scope,
    group: &str,
    keys: &BTreeSet<TargetKey>,
) -> Result<(), AwsError> {
    let role = role::service_linked(scope);
    for targets in described(keys).chunks(AT_ONCE) {
        let input = api::DeregisterTargetsInput {
            target_group_arn: group.to_owned(),
            targets: targets.to_vec(),
        };
        let call = Caller::call::<api::ops::DeregisterTargets>(house, scope, &role, &input);
        match call.await {
            Err(error) if error.code != NO_SUCH_GROUP => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Which of the targets the group knows, registered or draining.
pub(super) async fn known(
    house: &Arc<House>,
    scope: &Scope,
    group: &str,
    keys: &[TargetKey],
) -> Result<BTreeSet<TargetKey>, AwsError> {
    let role = role::service_linked(scope);
    let keys = keys.iter().cloned().collect();
    let mut known = BTreeSet::new();
    for targets in described(&keys).chunks(AT_ONCE) {
        let input = api::DescribeTargetHealthInput {
            target_group_arn: group.to_owned(),
            targets: Some(targets.to_vec()),
            include: None,
        };
        let call = Caller::call::<api::ops::DescribeTargetHealth>(house, scope, &role, &input);
        let output = match call.await {
            Ok(output) => output,
            Err(error) if error.code == NO_SUCH_GROUP => return Ok(BTreeSet::new()),
            Err(error) => return Err(error),
        };
        for described in output.target_health_descriptions.unwrap_or_default() {
            let health = described.target_health.unwrap_or_default();
            let unknown = health.reason.as_deref() == Some("Target.NotRegistered");
            if let Some(target) = described.target.filter(|_| !unknown) {
                known.insert(TargetKey {
                    id: target.id,
                    port: u16::try_from(target.port.unwrap_or_default()).unwrap_or_default(),
                });
            }
        }
    }
    Ok(known)
}

fn described(keys: &BTreeSet<TargetKey>) -> Vec<api::TargetDescription> {
    let described = keys.iter().map(|key| api::TargetDescription {
        id: key.id.clone(),
        port: Some(key.port.into()),
        ..Default::default()
    });
    described.collect()
}

//! The health of target groups' targets, as edges observe it: Elastic Load Balancing shows it, and
//! ECS waits for it.
//!
//! What hosts report is written by `elbv2::edges::report` alone. What is known of a target goes with
//! its registration, and with its target group, in the same transaction: so nothing is said of a later
//! registration of the same.

use crate::{AwsError, House, Resource, Scope};
use neargate_domain::load_balancer::{TargetHealth, TargetKey};
use serde::{Deserialize, Serialize};

/// `elbv2/target-health/<account>/<region>/<the last part of the group's ARN>`. Targets that nobody
/// observes yet, or any more, are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroupHealth {
    pub targets: Vec<TargetHealth>,
}

impl Resource for TargetGroupHealth {
    const KIND: &'static str = "elbv2/target-health";
}

impl TargetGroupHealth {
    pub fn of(&self, key: &TargetKey) -> Option<&TargetHealth> {
        self.targets.iter().find(|target| target.key == *key)
    }
}

/// The last part of a target group's ARN, which names its records.
pub fn id(target_group_arn: &str) -> &str {
    target_group_arn.rsplit('/').next().unwrap_or_default()
}

/// What is known of a group's targets.
///
/// # Errors
/// The store's.
pub async fn of_group(
    house: &House,
    scope: &Scope,
    target_group_arn: &str,
) -> Result<TargetGroupHealth, AwsError> {
    let found = house
        .db
        .get::<TargetGroupHealth>(scope, id(target_group_arn));
    Ok(found.await?.map(|stored| stored.value).unwrap_or_default())
}

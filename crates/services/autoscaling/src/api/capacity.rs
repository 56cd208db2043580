//! The desired capacity, and the limits of an account.

use super::{all, change, groups, launch_configurations, number};
use crate::model::{Group, LaunchConfiguration};
use crate::{Autoscaling, error, sentence};
use neargate_api_autoscaling as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;
use std::time::Duration;

pub async fn set_desired_capacity(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::SetDesiredCapacityInput,
) -> Result<Unit, AwsError> {
    change(&cx, &input.auto_scaling_group_name, |group| {
        let wanted = input.desired_capacity;
        let count = number("desiredCapacity", wanted)?;
        if count > group.max {
            return Err(error::desired_above_max(wanted, group.max));
        }
        if count < group.min {
            return Err(error::desired_below_min(wanted, group.min));
        }
        if input.honor_cooldown == Some(true) {
            check_calm(group, group.settings.cooldown_seconds, cx.now())?;
        }
        let who = "a user request explicitly set group desired capacity";
        resize(group, count, who, cx.now());
        Ok(())
    })
    .await?;
    Ok(Unit)
}

/// Gives a group another desired capacity, and remembers who did.
pub(super) fn resize(group: &mut Group, count: u32, who: &str, now: Timestamp) {
    if group.desired != count {
        let reason = sentence::resized(now, who, group.desired, count);
        group.reasons.push(reason);
        group.desired = count;
        group.failing = None;
    }
}

/// # Errors
/// `ScalingActivityInProgress` while the group grows or shrinks, and for its cooldown after that.
pub(super) fn check_calm(group: &Group, cooldown: u32, now: Timestamp) -> Result<(), AwsError> {
    let running = group.instances.values().find_map(|m| m.activity.as_ref());
    let starting = group.launches.values().map(|l| &l.activity).next();
    if let Some(activity) = starting.or(running) {
        return Err(error::activity_in_progress(&activity.id));
    }
    let cooldown = Duration::from_secs(u64::from(cooldown));
    if group.scaled_at.is_some_and(|at| at + cooldown > now) {
        return Err(error::in_cooldown());
    }
    Ok(())
}

pub async fn describe_account_limits(
    _: Arc<Autoscaling>,
    cx: Ctx,
    _: neargate_wire::structure::Unit,
) -> Result<api::DescribeAccountLimitsOutput, AwsError> {
    let configurations = cx.db().list::<LaunchConfiguration>(&cx.scope).await?;
    let count = |n: usize| i32::try_from(n).ok();
    Ok(api::DescribeAccountLimitsOutput {
        max_number_of_auto_scaling_groups: count(groups::MAX_GROUPS),
        max_number_of_launch_configurations: count(launch_configurations::MAX),
        number_of_auto_scaling_groups: count(all(&cx).await?.len()),
        number_of_launch_configurations: count(configurations.len()),
    })
}

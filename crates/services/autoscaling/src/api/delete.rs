//! `DeleteAutoScalingGroup`
//! (<https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html>).

use super::find;
use crate::{Autoscaling, error, sentence};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Committed, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// A group without instances goes at once, but for the alarms of its policies, which the controller
/// deletes first; with force, its instances go before.
pub async fn delete_auto_scaling_group(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DeleteAutoScalingGroupInput,
) -> Result<Unit, AwsError> {
    let force = input.force_delete == Some(true);
    loop {
        let read = find(&cx, &input.auto_scaling_group_name).await?;
        if read.deleting {
            return Ok(Unit);
        }
        match read.settings.deletion_protection.as_str() {
            protection @ "prevent-all-deletion" => {
                return Err(error::is_deletion_protected(protection));
            }
            protection @ "prevent-force-deletion" if force => {
                return Err(error::is_deletion_protected(protection));
            }
            _ => {}
        }
        let is_empty = read.instances.is_empty() && read.launches.is_empty();
        let mut group = read.value.clone();
        group.abandon_policies();
        group.deleting = true;
        let tx = match (is_empty, force) {
            (true, _) if group.unwanted_alarms.is_empty() => cx.db().tx().delete(&read),
            (true, _) => cx.db().tx().update(&read, &group),
            (false, false) => {
                let goes_on = |m: &crate::model::Member| m.activity.is_some();
                let busy = !read.launches.is_empty() || read.instances.values().all(goes_on);
                return Err(match busy {
                    true => error::has_activities(),
                    false => error::has_instances(),
                });
            }
            (false, true) => {
                let who = "a user request force deleted AutoScalingGroup";
                let reason = sentence::resized(cx.now(), who, group.desired, 0);
                group.reasons.push(reason);
                (group.min, group.max, group.desired) = (0, 0, 0);
                cx.db().tx().update(&read, &group)
            }
        };
        if let Committed::At(_) = tx.commit().await? {
            return Ok(Unit);
        }
    }
}

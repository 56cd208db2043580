//! `UpdateAutoScalingGroup`
//! (<https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html>).

use super::groups::Given;
use super::source::{places, source};
use super::{change, find, number};
use crate::{Autoscaling, error, sentence};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

pub async fn update_auto_scaling_group(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::UpdateAutoScalingGroupInput,
) -> Result<Unit, AwsError> {
    find(&cx, &input.auto_scaling_group_name).await?;
    if input.availability_zone_ids.is_some() {
        return Err(error::unsupported("AvailabilityZoneIds"));
    }
    let source = source(
        &cx,
        input.launch_configuration_name.as_ref(),
        input.launch_template.as_ref(),
        input.mixed_instances_policy.as_ref(),
    );
    let source = source.await?;
    let subnets = input.vpc_zone_identifier.as_ref().filter(|s| !s.is_empty());
    let places = places(&cx, input.availability_zones.as_ref(), subnets).await?;
    change(&cx, &input.auto_scaling_group_name, |group| {
        if let Some(source) = &source {
            if group.active_refresh().is_some_and(|r| r.source.is_some()) {
                return Err(error::refresh_in_progress());
            }
            group.source = source.clone();
            group.failing = None;
        }
        if !places.is_empty() {
            group.places = places.clone();
            group.failing = None;
            if subnets.is_none() {
                group.kept.vpc_zone_identifier = None;
            }
        }
        let given = Given {
            cooldown: input.default_cooldown,
            health_check_type: input.health_check_type.clone(),
            grace: input.health_check_grace_period,
            termination_policies: input.termination_policies.clone(),
            protects_new: input.new_instances_protected_from_scale_in,
            max_lifetime: input.max_instance_lifetime,
            warmup: input.default_instance_warmup,
            deletion_protection: input.deletion_protection.clone(),
            kept: api::AutoScalingGroup {
                vpc_zone_identifier: subnets.cloned(),
                placement_group: input.placement_group.clone(),
                capacity_rebalance: input.capacity_rebalance,
                service_linked_role_arn: input.service_linked_role_arn.clone(),
                context: input.context.clone(),
                desired_capacity_type: input.desired_capacity_type.clone(),
                instance_maintenance_policy: input.instance_maintenance_policy.clone(),
                availability_zone_distribution: input.availability_zone_distribution.clone(),
                availability_zone_impairment_policy: input
                    .availability_zone_impairment_policy
                    .clone(),
                capacity_reservation_specification: input
                    .capacity_reservation_specification
                    .clone(),
                instance_lifecycle_policy: input.instance_lifecycle_policy.clone(),
                ..Default::default()
            },
        };
        given.apply(group)?;
        resize(&cx, group, &input)
    })
    .await?;
    Ok(Unit)
}

/// A desired capacity that is not given follows the bounds.
fn resize(
    cx: &Ctx,
    group: &mut crate::model::Group,
    input: &api::UpdateAutoScalingGroupInput,
) -> Result<(), AwsError> {
    let min = match input.min_size {
        Some(n) => number("minSize", n)?,
        None => group.min,
    };
    let max = match input.max_size {
        Some(n) => number("maxSize", n)?,
        None => group.max,
    };
    let shown = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    if min > max {
        return Err(error::min_above_max(shown(min), shown(max)));
    }
    let desired = match input.desired_capacity {
        Some(n) => {
            let wanted = number("desiredCapacity", n)?;
            if wanted < min || wanted > max {
                return Err(error::desired_outside(n, shown(min), shown(max)));
            }
            wanted
        }
        None => group.desired.clamp(min, max),
    };
    let before = group.desired;
    (group.min, group.max, group.desired) = (min, max, desired);
    if before != desired {
        let who = format!(
            "a user request {}",
            sentence::constraints(min, max, desired)
        );
        let reason = sentence::resized(cx.now(), &who, before, desired);
        group.reasons.push(reason);
        group.failing = None;
    }
    Ok(())
}

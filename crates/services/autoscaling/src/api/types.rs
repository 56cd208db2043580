//! What there is to choose from.

use super::groups::POLICIES;
use super::{notifications, text};
use crate::Autoscaling;
use crate::hook::Transition;
use neargate_api_autoscaling as api;
use neargate_service::scaling::adjust::AdjustmentType;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

pub async fn describe_adjustment_types(
    _: Arc<Autoscaling>,
    _: Ctx,
    _: Unit,
) -> Result<api::DescribeAdjustmentTypesOutput, AwsError> {
    let adjustment = |one: AdjustmentType| api::AdjustmentType {
        adjustment_type: text(one.as_str()),
    };
    Ok(api::DescribeAdjustmentTypesOutput {
        adjustment_types: Some(AdjustmentType::ALL.map(adjustment).into()),
    })
}

pub async fn describe_auto_scaling_notification_types(
    _: Arc<Autoscaling>,
    _: Ctx,
    _: Unit,
) -> Result<api::DescribeAutoScalingNotificationTypesOutput, AwsError> {
    Ok(api::DescribeAutoScalingNotificationTypesOutput {
        auto_scaling_notification_types: Some(notifications::TYPES.map(str::to_owned).into()),
    })
}

pub async fn describe_lifecycle_hook_types(
    _: Arc<Autoscaling>,
    _: Ctx,
    _: Unit,
) -> Result<api::DescribeLifecycleHookTypesOutput, AwsError> {
    let types = [Transition::Launching, Transition::Terminating];
    Ok(api::DescribeLifecycleHookTypesOutput {
        lifecycle_hook_types: Some(types.map(|t| t.shown().to_owned()).into()),
    })
}

pub async fn describe_termination_policy_types(
    _: Arc<Autoscaling>,
    _: Ctx,
    _: Unit,
) -> Result<api::DescribeTerminationPolicyTypesOutput, AwsError> {
    Ok(api::DescribeTerminationPolicyTypesOutput {
        termination_policy_types: Some(POLICIES.map(str::to_owned).into()),
    })
}

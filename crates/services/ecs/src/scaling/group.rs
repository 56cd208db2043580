//! A capacity provider's Auto Scaling group: asked of Auto Scaling, and changed, by its operations.

use crate::role;
use neargate_api_autoscaling::{self as api, ops};
use neargate_api_ec2 as ec2_api;
use neargate_service::{AwsError, Caller, House, Scope};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

/// What ECS marks the groups of its providers with
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/asg-capacity-providers-create-capacity-provider.html>).
const MANAGED_TAG: &str = "AmazonECSManaged";
/// The hook that holds instances until they are empty
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/managed-instance-draining.html>).
const HOOK: &str = "ecs-managed-draining-termination-hook";
const HOOK_SECONDS: i32 = 7_200;

async fn call<O: OperationDef>(
    house: &Arc<House>,
    scope: &Scope,
    input: &O::Input,
) -> Result<O::Output, AwsError> {
    Caller::call::<O>(house, scope, &role::service_linked(scope), input).await
}

/// The group of this name. `None`: there is none, or no Auto Scaling.
///
/// # Errors
/// Auto Scaling's.
pub(crate) async fn find(
    house: &Arc<House>,
    scope: &Scope,
    name: &str,
) -> Result<Option<api::AutoScalingGroup>, AwsError> {
    let input = api::DescribeAutoScalingGroupsInput {
        auto_scaling_group_names: Some(vec![name.to_owned()]),
        ..Default::default()
    };
    match call::<ops::DescribeAutoScalingGroups>(house, scope, &input).await {
        Ok(output) => Ok(output.auto_scaling_groups.into_iter().flatten().next()),
        Err(e) if e.code == "NotImplemented" => Ok(None),
        Err(e) => Err(e),
    }
}

/// Is there Auto Scaling at all?
pub(crate) fn is_served(house: &House) -> bool {
    house.caller.service(api::SERVICE.id).is_some()
}

/// The type of the group's next instance.
///
/// # Errors
/// Auto Scaling's and EC2's.
pub(super) async fn instance_type(
    house: &Arc<House>,
    scope: &Scope,
    group: &api::AutoScalingGroup,
) -> Result<Option<String>, AwsError> {
    let mixed = group.mixed_instances_policy.as_ref();
    let of_mixed = mixed.and_then(|m| m.launch_template.as_ref());
    let first = of_mixed.and_then(|t| t.overrides.iter().flatten().next());
    if let Some(kind) = first.and_then(|o| o.instance_type.clone()) {
        return Ok(Some(kind));
    }
    if let Some(name) = &group.launch_configuration_name {
        let input = api::DescribeLaunchConfigurationsInput {
            launch_configuration_names: Some(vec![name.clone()]),
            ..Default::default()
        };
        let found = call::<ops::DescribeLaunchConfigurations>(house, scope, &input).await?;
        let found = found.launch_configurations.into_iter().flatten().next();
        return Ok(found.and_then(|c| c.instance_type));
    }
    let named = of_mixed.and_then(|t| t.launch_template_specification.as_ref());
    let Some(template) = group.launch_template.as_ref().or(named) else {
        return Ok(None);
    };
    let input = ec2_api::DescribeLaunchTemplateVersionsInput {
        launch_template_id: template.launch_template_id.clone(),
        versions: Some(vec![
            template
                .version
                .clone()
                .unwrap_or_else(|| "$Default".into()),
        ]),
        ..Default::default()
    };
    let versions = call::<ec2_api::ops::DescribeLaunchTemplateVersions>(house, scope, &input);
    match versions.await {
        Ok(found) => {
            let first = found.launch_template_versions.into_iter().flatten().next();
            Ok(first.and_then(|v| v.launch_template_data?.instance_type))
        }
        // The group's own launches say what is wrong.
        Err(e) if e.status < 500 => Ok(None),
        Err(e) => Err(e),
    }
}

/// # Errors
/// Auto Scaling's.
pub(super) async fn protect(
    house: &Arc<House>,
    scope: &Scope,
    group: &str,
    ids: Vec<String>,
    protected: bool,
) -> Result<(), AwsError> {
    let input = api::SetInstanceProtectionInput {
        instance_ids: ids,
        auto_scaling_group_name: group.to_owned(),
        protected_from_scale_in: protected,
    };
    let done = call::<ops::SetInstanceProtection>(house, scope, &input).await;
    forgiven(done.map(drop))
}

/// # Errors
/// Auto Scaling's.
pub(super) async fn resize(
    house: &Arc<House>,
    scope: &Scope,
    group: &str,
    count: u32,
) -> Result<(), AwsError> {
    let input = api::SetDesiredCapacityInput {
        auto_scaling_group_name: group.to_owned(),
        desired_capacity: i32::try_from(count).unwrap_or(i32::MAX),
        honor_cooldown: Some(false),
    };
    let done = call::<ops::SetDesiredCapacity>(house, scope, &input).await;
    forgiven(done.map(drop))
}

/// Lets an instance end, or says that it still has tasks.
///
/// # Errors
/// Auto Scaling's.
pub(super) async fn answer(
    house: &Arc<House>,
    scope: &Scope,
    group: &str,
    id: &str,
    may_end: bool,
) -> Result<(), AwsError> {
    let done = match may_end {
        true => {
            let input = api::CompleteLifecycleActionInput {
                lifecycle_hook_name: HOOK.into(),
                auto_scaling_group_name: group.to_owned(),
                lifecycle_action_token: None,
                lifecycle_action_result: "CONTINUE".into(),
                instance_id: Some(id.to_owned()),
            };
            call::<ops::CompleteLifecycleAction>(house, scope, &input)
                .await
                .map(drop)
        }
        false => {
            let input = api::RecordLifecycleActionHeartbeatInput {
                lifecycle_hook_name: HOOK.into(),
                auto_scaling_group_name: group.to_owned(),
                lifecycle_action_token: None,
                instance_id: Some(id.to_owned()),
            };
            call::<ops::RecordLifecycleActionHeartbeat>(house, scope, &input)
                .await
                .map(drop)
        }
    };
    forgiven(done)
}

/// Does the group have our hook?
///
/// # Errors
/// Auto Scaling's.
pub(super) async fn has_hook(
    house: &Arc<House>,
    scope: &Scope,
    group: &str,
) -> Result<bool, AwsError> {
    let input = api::DescribeLifecycleHooksInput {
        auto_scaling_group_name: group.to_owned(),
        lifecycle_hook_names: Some(vec![HOOK.into()]),
    };
    let found = call::<ops::DescribeLifecycleHooks>(house, scope, &input).await?;
    Ok(found.lifecycle_hooks.is_some_and(|h| !h.is_empty()))
}

/// # Errors
/// Auto Scaling's.
pub(super) async fn set_hook(
    house: &Arc<House>,
    scope: &Scope,
    group: &str,
    wanted: bool,
) -> Result<(), AwsError> {
    let done = match wanted {
        true => {
            let input = api::PutLifecycleHookInput {
                lifecycle_hook_name: HOOK.into(),
                auto_scaling_group_name: group.to_owned(),
                lifecycle_transition: Some("autoscaling:EC2_INSTANCE_TERMINATING".into()),
                heartbeat_timeout: Some(HOOK_SECONDS),
                default_result: Some("CONTINUE".into()),
                ..Default::default()
            };
            call::<ops::PutLifecycleHook>(house, scope, &input)
                .await
                .map(drop)
        }
        false => {
            let input = api::DeleteLifecycleHookInput {
                lifecycle_hook_name: HOOK.into(),
                auto_scaling_group_name: group.to_owned(),
            };
            call::<ops::DeleteLifecycleHook>(house, scope, &input)
                .await
                .map(drop)
        }
    };
    forgiven(done)
}

pub(super) fn is_marked(group: &api::AutoScalingGroup) -> bool {
    let mut tags = group.tags.iter().flatten();
    tags.any(|t| t.key.as_deref() == Some(MANAGED_TAG))
}

/// # Errors
/// Auto Scaling's.
pub(super) async fn mark(house: &Arc<House>, scope: &Scope, group: &str) -> Result<(), AwsError> {
    let input = api::CreateOrUpdateTagsInput {
        tags: vec![api::Tag {
            resource_id: Some(group.to_owned()),
            resource_type: Some("auto-scaling-group".into()),
            key: MANAGED_TAG.into(),
            value: Some(String::new()),
            propagate_at_launch: Some(true),
        }],
    };
    let done = call::<ops::CreateOrUpdateTags>(house, scope, &input).await;
    forgiven(done.map(drop))
}

/// The group, or its instance, is not what it was when it was looked at: the next look finds that.
fn forgiven(done: Result<(), AwsError>) -> Result<(), AwsError> {
    match done {
        Err(e) if e.status < 500 => {
            tracing::debug!(error = %e, "Auto Scaling refused");
            Ok(())
        }
        other => other,
    }
}

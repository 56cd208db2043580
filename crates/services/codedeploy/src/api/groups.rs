//! Deployment groups: which service, which listener, which two target groups.

use super::{application, configs, group, paged, tags};
use crate::model::{Deployment, Group};
use crate::{CodeDeploy, config, error};
use neargate_api_codedeploy as api;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::json::Json;
use std::sync::Arc;

/// What is not of the ECS platform.
fn elsewhere(input: &api::CreateDeploymentGroupInput) -> Result<(), AwsError> {
    fn some<T>(of: &Option<Vec<T>>) -> bool {
        of.as_ref().is_some_and(|all| !all.is_empty())
    }
    let parts = [
        (some(&input.ec2_tag_filters), "ec2TagFilters"),
        (
            some(&input.on_premises_instance_tag_filters),
            "onPremisesInstanceTagFilters",
        ),
        (some(&input.auto_scaling_groups), "autoScalingGroups"),
        (input.ec2_tag_set.is_some(), "ec2TagSet"),
        (input.on_premises_tag_set.is_some(), "onPremisesTagSet"),
        (some(&input.trigger_configurations), "triggerConfigurations"),
    ];
    match parts.iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(error::not_built(&format!("deployment groups with {what}:"))),
        None => Ok(()),
    }
}

async fn check(cx: &Ctx, info: &api::DeploymentGroupInfo) -> Result<(), AwsError> {
    let style = info.deployment_style.clone().unwrap_or_default();
    let blue_green = style.deployment_type.as_deref() == Some("BLUE_GREEN");
    if !blue_green || style.deployment_option.as_deref() != Some("WITH_TRAFFIC_CONTROL") {
        return Err(error::named(
            "InvalidDeploymentStyle",
            "For the ECS compute platform the deployment style must be BLUE_GREEN and WITH_TRAFFIC_CONTROL",
        ));
    }
    let services = info.ecs_services.as_deref().unwrap_or_default();
    let named =
        |service: &api::ECSService| service.service_name.as_ref().is_some_and(|n| !n.is_empty());
    if services.len() != 1 || !services.iter().all(named) {
        return Err(error::named(
            "InvalidECSService",
            "A deployment group of the ECS compute platform needs exactly one ECS service",
        ));
    }
    let pairs = info.load_balancer_info.as_ref();
    let pairs = pairs.and_then(|info| info.target_group_pair_info_list.as_ref());
    let pair = match pairs.map(Vec::as_slice) {
        Some([pair]) => pair,
        _ => {
            return Err(error::named(
                "InvalidLoadBalancerInfo",
                "A deployment group of the ECS compute platform needs one target group pair",
            ));
        }
    };
    let groups = pair.target_groups.as_deref().unwrap_or_default();
    let is_named =
        |group: &api::TargetGroupInfo| group.name.as_ref().is_some_and(|n| !n.is_empty());
    let listeners = pair.prod_traffic_route.as_ref();
    let listeners = listeners.and_then(|route| route.listener_arns.as_ref());
    if groups.len() != 2 || !groups.iter().all(is_named) || listeners.map(Vec::len) != Some(1) {
        return Err(error::named(
            "InvalidTargetGroupPair",
            "A target group pair needs two target groups and a production listener",
        ));
    }
    let enabled = info.alarm_configuration.as_ref();
    let enabled = enabled.filter(|config| config.enabled == Some(true));
    if enabled.is_some_and(|config| config.alarms.as_ref().is_none_or(Vec::is_empty)) {
        return Err(error::named(
            "InvalidAlarmConfig",
            "Alarms are enabled, but none is given",
        ));
    }
    let config = info.deployment_config_name.as_deref().unwrap_or_default();
    configs::routing(cx, config).await?;
    let other = |group: &Stored<Group>| {
        group.info.ecs_services == info.ecs_services
            && (group.info.application_name != info.application_name
                || group.info.deployment_group_id != info.deployment_group_id)
    };
    let all = cx.db().list::<Group>(&cx.scope).await?;
    if all.iter().any(other) {
        return Err(error::named(
            "ECSServiceMappingLimitExceeded",
            "The ECS service is associated with another deployment group already",
        ));
    }
    Ok(())
}

pub async fn create_deployment_group(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::CreateDeploymentGroupInput,
) -> Result<api::CreateDeploymentGroupOutput, AwsError> {
    let of = application(&cx, &input.application_name).await?;
    elsewhere(&input)?;
    let name = input.deployment_group_name;
    let id = cx.house.rng.uuid();
    let info = api::DeploymentGroupInfo {
        application_name: Some(input.application_name),
        deployment_group_id: Some(id.clone()),
        deployment_group_name: Some(name.clone()),
        deployment_config_name: input
            .deployment_config_name
            .or(Some(config::DEFAULT.into())),
        service_role_arn: Some(input.service_role_arn),
        alarm_configuration: input.alarm_configuration,
        auto_rollback_configuration: input.auto_rollback_configuration,
        deployment_style: input.deployment_style,
        outdated_instances_strategy: input.outdated_instances_strategy,
        blue_green_deployment_configuration: input.blue_green_deployment_configuration,
        load_balancer_info: input.load_balancer_info,
        compute_platform: Some("ECS".into()),
        ecs_services: input.ecs_services,
        ..Default::default()
    };
    check(&cx, &info).await?;
    let made = Group {
        info: Json(info),
        tags: tags::parse(input.tags.unwrap_or_default())?,
        last: None,
        last_good: None,
    };
    let key = db::key::<Group>(&cx.scope, &Deployment::group_id(&of.name, &name));
    let tx = cx.db().tx().unchanged(&of).create(key, &made);
    match tx.commit().await? {
        Committed::At(_) => Ok(api::CreateDeploymentGroupOutput {
            deployment_group_id: Some(id),
        }),
        Committed::Conflict => Err(error::group_exists(&name)),
    }
}

pub async fn update_deployment_group(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::UpdateDeploymentGroupInput,
) -> Result<api::UpdateDeploymentGroupOutput, AwsError> {
    elsewhere(&api::CreateDeploymentGroupInput {
        ec2_tag_filters: input.ec2_tag_filters.clone(),
        on_premises_instance_tag_filters: input.on_premises_instance_tag_filters.clone(),
        auto_scaling_groups: input.auto_scaling_groups.clone(),
        ec2_tag_set: input.ec2_tag_set.clone(),
        on_premises_tag_set: input.on_premises_tag_set.clone(),
        trigger_configurations: input.trigger_configurations.clone(),
        ..Default::default()
    })?;
    let name = &input.current_deployment_group_name;
    if input
        .new_deployment_group_name
        .as_ref()
        .is_some_and(|new| new != name)
    {
        return Err(error::not_built("deployment groups that get another name:"));
    }
    loop {
        let there = group(&cx, &input.application_name, name).await?;
        let mut after = there.value.clone();
        let info = &mut after.info.0;
        macro_rules! take {
            ($($member:ident),*) => {
                $(if let Some(given) = input.$member.clone() {
                    info.$member = Some(given);
                })*
            };
        }
        take!(
            deployment_config_name,
            service_role_arn,
            alarm_configuration,
            auto_rollback_configuration,
            deployment_style,
            blue_green_deployment_configuration,
            load_balancer_info,
            ecs_services
        );
        check(&cx, &after.info).await?;
        if let Committed::At(_) = cx.db().tx().update(&there, &after).commit().await? {
            return Ok(Default::default());
        }
    }
}

async fn shown(cx: &Ctx, of: Group) -> Result<api::DeploymentGroupInfo, AwsError> {
    let mut info = of.info.0;
    let mut about = Vec::new();
    for id in [of.last, of.last_good] {
        let found = match id {
            Some(id) => cx.db().get::<Deployment>(&cx.scope, &id).await?,
            None => None,
        };
        about.push(found.map(|deployment| api::LastDeploymentInfo {
            deployment_id: Some(deployment.id.clone()),
            status: Some(deployment.status.name().into()),
            end_time: deployment.completed_at,
            create_time: Some(deployment.created_at),
        }));
    }
    info.last_successful_deployment = about.pop().flatten();
    info.last_attempted_deployment = about.pop().flatten();
    Ok(info)
}

pub async fn get_deployment_group(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::GetDeploymentGroupInput,
) -> Result<api::GetDeploymentGroupOutput, AwsError> {
    let found = group(&cx, &input.application_name, &input.deployment_group_name).await?;
    Ok(api::GetDeploymentGroupOutput {
        deployment_group_info: Some(shown(&cx, found.value).await?),
    })
}

pub async fn batch_get_deployment_groups(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::BatchGetDeploymentGroupsInput,
) -> Result<api::BatchGetDeploymentGroupsOutput, AwsError> {
    let mut all = Vec::new();
    for name in &input.deployment_group_names {
        let found = group(&cx, &input.application_name, name).await?;
        all.push(shown(&cx, found.value).await?);
    }
    Ok(api::BatchGetDeploymentGroupsOutput {
        deployment_groups_info: Some(all),
        error_message: None,
    })
}

pub async fn list_deployment_groups(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::ListDeploymentGroupsInput,
) -> Result<api::ListDeploymentGroupsOutput, AwsError> {
    application(&cx, &input.application_name).await?;
    let prefix = Deployment::group_id(&input.application_name, "");
    let prefix = db::key::<Group>(&cx.scope, &prefix);
    let all = cx.db().list_prefix::<Group>(&prefix).await?;
    let names = all.iter().map(|group| group.id().to_owned()).collect();
    let page = paged(names, input.next_token.as_deref())?;
    Ok(api::ListDeploymentGroupsOutput {
        application_name: Some(input.application_name),
        deployment_groups: Some(page.items),
        next_token: page.next_token,
    })
}

/// Refuses while a deployment of the group is under way.
pub async fn is_idle(cx: &Ctx, group: &Stored<Group>) -> Result<(), AwsError> {
    let Some(last) = &group.last else {
        return Ok(());
    };
    let last = cx.db().get::<Deployment>(&cx.scope, last).await?;
    match last.filter(|deployment| !deployment.status.is_over()) {
        Some(active) => Err(error::in_the_way(group.id(), &active.id)),
        None => Ok(()),
    }
}

pub async fn delete_deployment_group(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::DeleteDeploymentGroupInput,
) -> Result<api::DeleteDeploymentGroupOutput, AwsError> {
    loop {
        let id = Deployment::group_id(&input.application_name, &input.deployment_group_name);
        let none = || api::DeleteDeploymentGroupOutput {
            hooks_not_cleaned_up: Some(Vec::new()),
        };
        let Some(there) = cx.db().get::<Group>(&cx.scope, &id).await? else {
            return Ok(none());
        };
        is_idle(&cx, &there).await?;
        if let Committed::At(_) = cx.db().tx().delete(&there).commit().await? {
            return Ok(none());
        }
    }
}

//! Launch configurations
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/launch-configurations.html>).

use super::{PAGE, all, paged, size, text};
use crate::model::{self, LaunchConfiguration, Source};
use crate::{Autoscaling, error};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use neargate_wire::json::Json;
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html>).
pub(super) const MAX: usize = 200;

pub async fn create_launch_configuration(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::CreateLaunchConfigurationInput,
) -> Result<Unit, AwsError> {
    let name = input.launch_configuration_name.clone();
    if input.instance_id.is_some() {
        return Err(error::unsupported(
            "InstanceId, to make a launch configuration like an instance",
        ));
    }
    if input.spot_price.is_some() {
        return Err(error::unsupported("SpotPrice: there are no Spot Instances"));
    }
    if input.classic_link_vpc_id.is_some() || input.classic_link_vpc_security_groups.is_some() {
        return Err(error::unsupported("ClassicLink"));
    }
    let missing = |what: &str| {
        error::validation(format!(
            "Valid requests must contain either the InstanceID parameter or both the ImageId and \
             InstanceType parameters: {what} is missing."
        ))
    };
    if input.image_id.is_none() {
        return Err(missing("ImageId"));
    }
    if input.instance_type.is_none() {
        return Err(missing("InstanceType"));
    }
    let known = cx.db().list::<LaunchConfiguration>(&cx.scope).await?;
    if known.len() >= MAX {
        return Err(error::limit_exceeded("Launch configuration", MAX));
    }
    let key = model::key::<LaunchConfiguration>(&cx.scope, &name);
    let new = LaunchConfiguration {
        id: cx.house.rng.uuid(),
        asked: Json(input),
        created_at: cx.now(),
    };
    match cx.db().tx().create(key, &new).commit().await? {
        Committed::At(_) => Ok(Unit),
        Committed::Conflict => Err(error::launch_configuration_exists(&name)),
    }
}

pub async fn describe_launch_configurations(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeLaunchConfigurationsInput,
) -> Result<api::DescribeLaunchConfigurationsOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let names = input.launch_configuration_names.unwrap_or_default();
    let all = cx.db().list::<LaunchConfiguration>(&cx.scope).await?;
    let wanted = |c: &Stored<LaunchConfiguration>| {
        names.is_empty() || names.contains(&c.asked.launch_configuration_name)
    };
    let found = paged(
        all.into_iter().filter(wanted),
        input.next_token.as_deref(),
        limit,
        |c| c.id().to_owned(),
    )?;
    Ok(api::DescribeLaunchConfigurationsOutput {
        launch_configurations: Some(found.items.iter().map(|c| shown(&cx, c)).collect()),
        next_token: found.next_token,
    })
}

fn shown(cx: &Ctx, stored: &LaunchConfiguration) -> api::LaunchConfiguration {
    let asked = stored.asked.0.clone();
    let resource = format!(
        "launchConfiguration:{}:launchConfigurationName/{}",
        stored.id, asked.launch_configuration_name
    );
    api::LaunchConfiguration {
        launch_configuration_name: text(asked.launch_configuration_name),
        launch_configuration_arn: Some(cx.arn("autoscaling", resource)),
        image_id: asked.image_id,
        key_name: text(asked.key_name.unwrap_or_default()),
        security_groups: Some(asked.security_groups.unwrap_or_default()),
        classic_link_vpc_security_groups: Some(vec![]),
        user_data: text(asked.user_data.unwrap_or_default()),
        instance_type: asked.instance_type,
        kernel_id: text(asked.kernel_id.unwrap_or_default()),
        ramdisk_id: text(asked.ramdisk_id.unwrap_or_default()),
        block_device_mappings: Some(asked.block_device_mappings.unwrap_or_default()),
        instance_monitoring: Some(
            asked
                .instance_monitoring
                .unwrap_or(api::InstanceMonitoring {
                    enabled: Some(true),
                }),
        ),
        iam_instance_profile: asked.iam_instance_profile,
        created_time: Some(stored.created_at),
        ebs_optimized: Some(asked.ebs_optimized.unwrap_or(false)),
        associate_public_ip_address: asked.associate_public_ip_address,
        placement_tenancy: asked.placement_tenancy,
        metadata_options: asked.metadata_options,
        ..Default::default()
    }
}

/// One that a group uses stays.
pub async fn delete_launch_configuration(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DeleteLaunchConfigurationInput,
) -> Result<Unit, AwsError> {
    let name = input.launch_configuration_name;
    let key = model::key::<LaunchConfiguration>(&cx.scope, &name);
    loop {
        let found = cx.db().get_key::<LaunchConfiguration>(&key).await?;
        let found = found.ok_or_else(|| error::launch_configuration_not_found(&name))?;
        for group in all(&cx).await? {
            if group.source == Source::Configuration(name.clone()) {
                return Err(error::launch_configuration_in_use(&name, &group.name));
            }
        }
        if let Committed::At(_) = cx.db().tx().delete(&found).commit().await? {
            return Ok(Unit);
        }
    }
}

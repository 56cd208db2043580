//! What an account has and what waits for it.

use crate::model::{Instance, ParameterGroup, Snapshot, SubnetGroup};
use crate::{Rds, error};
use neargate_api_rds as api;
use neargate_service::{AwsError, Ctx, Resource};
use std::sync::Arc;

async fn count<T: Resource>(cx: &Ctx) -> Result<i64, AwsError> {
    let all = cx.db().list::<T>(&cx.scope).await?;
    Ok(i64::try_from(all.len()).unwrap_or(i64::MAX))
}

/// What is used. The limits are AWS's defaults, which nothing here enforces.
pub async fn describe_account_attributes(
    _: Arc<Rds>,
    cx: Ctx,
    _: api::DescribeAccountAttributesInput,
) -> Result<api::DescribeAccountAttributesOutput, AwsError> {
    let instances = cx.db().list::<Instance>(&cx.scope).await?;
    let storage: i64 = instances
        .iter()
        .map(|i| i64::from(i.asked.allocated_storage_gib))
        .sum();
    let used = [
        ("DBInstances", count::<Instance>(&cx).await?, 40),
        ("AllocatedStorage", storage, 100_000),
        ("DBParameterGroups", count::<ParameterGroup>(&cx).await?, 50),
        ("ManualSnapshots", count::<Snapshot>(&cx).await?, 100),
        ("DBSubnetGroups", count::<SubnetGroup>(&cx).await?, 50),
        ("DBClusters", 0, 40),
    ];
    let quota = |(name, used, max): (&str, i64, i64)| api::AccountQuota {
        account_quota_name: Some(name.into()),
        used: Some(used),
        max: Some(max),
    };
    Ok(api::DescribeAccountAttributesOutput {
        account_quotas: Some(used.into_iter().map(quota).collect()),
    })
}

/// Nothing waits: versions of engines are changed by who asks for it.
pub async fn describe_pending_maintenance_actions(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribePendingMaintenanceActionsInput,
) -> Result<api::DescribePendingMaintenanceActionsOutput, AwsError> {
    if let Some(named) = input.resource_identifier.filter(|named| !named.is_empty()) {
        super::instance(&cx, &named).await?;
    }
    Ok(api::DescribePendingMaintenanceActionsOutput {
        pending_maintenance_actions: Some(Vec::new()),
        marker: None,
    })
}

/// There are no groups but the default ones, which have no options.
pub async fn describe_option_groups(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeOptionGroupsInput,
) -> Result<api::DescribeOptionGroupsOutput, AwsError> {
    let engines = crate::plan::engine::ENGINES.iter();
    let all = engines.flat_map(|engine| engine.versions.iter().map(move |v| (engine, v)));
    let named = input.option_group_name.filter(|named| !named.is_empty());
    let groups: Vec<api::OptionGroup> = all
        .map(|(engine, version)| {
            let name = format!(
                "default:{}-{}",
                engine.name,
                version.major.replace('.', "-")
            );
            api::OptionGroup {
                option_group_arn: Some(cx.arn("rds", format!("og:{name}"))),
                option_group_description: Some(format!(
                    "Default option group for {} {}",
                    engine.name, version.major
                )),
                option_group_name: Some(name),
                engine_name: Some(engine.name.into()),
                major_engine_version: Some(version.major.into()),
                options: Some(Vec::new()),
                allows_vpc_and_non_vpc_instance_memberships: Some(true),
                ..Default::default()
            }
        })
        .filter(|g| named.is_none() || g.option_group_name == named)
        .filter(|g| input.engine_name.is_none() || g.engine_name == input.engine_name)
        .filter(|g| {
            let asked = &input.major_engine_version;
            asked.is_none() || g.major_engine_version == *asked
        })
        .collect();
    match named {
        Some(named) if groups.is_empty() => Err(error::option_group_not_found(&named)),
        _ => Ok(api::DescribeOptionGroupsOutput {
            option_groups_list: Some(groups),
            marker: None,
        }),
    }
}

//! Attributes of one instance
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html>).

use super::super::{refuse, text};
use super::named;
use crate::change::{find, settle};
use crate::error::instance as say;
use crate::query::dry_run;
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_domain::instance_type;
use neargate_service::db::Tx;
use neargate_service::eni::Interface;
use neargate_service::instance::{Instance, State};
use neargate_service::vpc::SecurityGroup;
use neargate_service::{AwsError, Ctx, Stored};
use neargate_wire::structure::Unit;
use std::sync::Arc;

async fn one(cx: &Ctx, id: &str) -> Result<Stored<Instance>, AwsError> {
    let mut found = named(cx, &[id.to_owned()]).await?;
    found.pop().ok_or_else(|| say::not_found(&[id.to_owned()]))
}

pub async fn describe_instance_attribute(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeInstanceAttributeInput,
) -> Result<api::DescribeInstanceAttributeOutput, AwsError> {
    dry_run(input.dry_run)?;
    let instance = one(&cx, &input.instance_id).await?;
    let flag = |value: bool| Some(api::AttributeBooleanValue { value: Some(value) });
    let value = |value: Option<String>| Some(api::AttributeValue { value });
    let mut out = api::DescribeInstanceAttributeOutput {
        instance_id: Some(input.instance_id),
        ..Default::default()
    };
    match input.attribute.as_str() {
        "disableApiTermination" => {
            out.disable_api_termination = flag(instance.disable_api_termination);
        }
        "disableApiStop" => out.disable_api_stop = flag(instance.disable_api_stop),
        "instanceType" => out.instance_type = value(text(&instance.instance_type)),
        "userData" => out.user_data = value(instance.user_data.clone()),
        "instanceInitiatedShutdownBehavior" => {
            out.instance_initiated_shutdown_behavior = value(text("stop"));
        }
        "sourceDestCheck" => out.source_dest_check = flag(true),
        "ebsOptimized" => out.ebs_optimized = flag(false),
        "enaSupport" => out.ena_support = flag(true),
        "rootDeviceName" => out.root_device_name = value(text("/dev/xvda")),
        "blockDeviceMapping" => out.block_device_mappings = Some(vec![]),
        "productCodes" => out.product_codes = Some(vec![]),
        "kernel" => out.kernel_id = value(None),
        "ramdisk" => out.ramdisk_id = value(None),
        "sriovNetSupport" => out.sriov_net_support = value(None),
        "groupSet" => {
            let eni = find::<Interface>(&cx, &instance.interface.id).await?;
            let group = |id: &String| api::GroupIdentifier {
                group_id: text(id),
                group_name: None,
            };
            out.groups = Some(eni.interface.security_groups.iter().map(group).collect());
        }
        other => return Err(error::unknown_attribute("attribute", other)),
    }
    Ok(out)
}

pub async fn modify_instance_attribute(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ModifyInstanceAttributeInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    refuse(&[
        ("Kernel", input.kernel.is_some()),
        ("Ramdisk", input.ramdisk.is_some()),
        ("SriovNetSupport", input.sriov_net_support.is_some()),
        ("BlockDeviceMapping", input.block_device_mappings.is_some()),
        ("EnaSupport", input.ena_support.is_some()),
        ("UserData", input.user_data.is_some()),
        ("SourceDestCheck", {
            let check = input.source_dest_check.as_ref();
            check.is_some_and(|c| c.value == Some(false))
        }),
        (
            "InstanceInitiatedShutdownBehavior",
            input.instance_initiated_shutdown_behavior.is_some(),
        ),
    ])?;
    let instance = one(&cx, &input.instance_id).await?;
    if let Some(groups) = &input.groups {
        return regroup(&cx, &instance, groups).await;
    }
    let (attribute, value) = (input.attribute.as_deref(), input.value.as_deref());
    let named = |name: &str| value.filter(|_| attribute == Some(name));
    let flag = |given: &Option<api::AttributeBooleanValue>, name: &str| {
        let given = given.as_ref().and_then(|g| g.value);
        given.or_else(|| named(name).map(|v| v == "true"))
    };
    let termination = flag(&input.disable_api_termination, "disableApiTermination");
    let stop = flag(&input.disable_api_stop, "disableApiStop");
    let kind = input.instance_type.as_ref().and_then(|t| t.value.clone());
    let kind = kind.or_else(|| named("instanceType").map(str::to_owned));
    if let Some(kind) = &kind {
        instance_type::find(kind).ok_or_else(|| say::unknown_type(kind))?;
        if instance.state != State::Stopped {
            return Err(say::must_be_stopped(&input.instance_id));
        }
    }
    let change = |i: &mut Instance| {
        i.disable_api_termination = termination.unwrap_or(i.disable_api_termination);
        i.disable_api_stop = stop.unwrap_or(i.disable_api_stop);
        if let Some(kind) = &kind {
            i.instance_type.clone_from(kind);
        }
        Ok(true)
    };
    cx.db().modify::<Instance, _>(&instance.key, change).await?;
    Ok(Unit)
}

/// Gives the primary interface other groups.
async fn regroup(
    cx: &Ctx,
    instance: &Stored<Instance>,
    groups: &[String],
) -> Result<Unit, AwsError> {
    let write = async || -> Result<(Tx, ()), AwsError> {
        let read = find::<Interface>(cx, &instance.interface.id).await?;
        let mut tx = cx.db().tx();
        for id in groups {
            let group = find::<SecurityGroup>(cx, id).await?;
            if group.vpc_id != read.interface.vpc_id {
                return Err(error::group::other_network());
            }
            tx = tx.unchanged(&group);
        }
        let mut new = read.value.clone();
        new.interface.security_groups = groups.to_vec();
        Ok((tx.update(&read, &new), ()))
    };
    settle(write).await?;
    Ok(Unit)
}

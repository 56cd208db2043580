//! Instances and snapshots as RDS shows them.

use crate::endpoint;
use crate::model::{Asked, Instance, Password, Snapshot, SnapshotStatus, Status, SubnetGroup};
use crate::plan::engine;
use neargate_api_rds as api;
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Ctx, Stored, vpc};
use std::collections::BTreeMap;

/// The authority that RDS names. Engines here speak TLS only as their image is made to.
pub const AUTHORITY: &str = "rds-ca-rsa2048-g1";

pub fn tag_list(tags: &Tags) -> Vec<api::Tag> {
    let pair = |(key, value): (&String, &String)| api::Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    tags.iter().map(pair).collect()
}

pub async fn instance(cx: &Ctx, stored: &Stored<Instance>) -> Result<api::DBInstance, AwsError> {
    let identifier = stored.id().to_owned();
    let instance = &stored.value;
    let asked = &instance.asked;
    let group = subnet_group_of(cx, instance).await?;
    let name = endpoint::name(&cx.scope, &identifier);
    // The name is told once there is something that it leads to.
    let endpoint = instance.place.as_ref().map(|_| api::Endpoint {
        address: Some(name),
        port: Some(asked.port),
        hosted_zone_id: Some(endpoint::zone_id(instance)),
    });
    let zone = instance.place.as_ref();
    let engine = engine::find(&asked.engine);
    let major = engine
        .and_then(|engine| engine.version(Some(&asked.engine_version)))
        .map_or_else(String::new, |version| version.major.replace('.', "-"));
    Ok(api::DBInstance {
        db_instance_arn: Some(cx.arn("rds", format!("db:{identifier}"))),
        db_instance_identifier: Some(identifier),
        db_instance_class: Some(asked.class.clone()),
        engine: Some(asked.engine.clone()),
        db_instance_status: Some(instance.status.as_str().into()),
        master_username: Some(asked.master_username.clone()),
        db_name: asked.db_name.clone(),
        endpoint,
        allocated_storage: Some(asked.allocated_storage_gib),
        instance_create_time: (instance.status != Status::Creating).then_some(instance.created_at),
        preferred_backup_window: Some(asked.backup_window.clone()),
        backup_retention_period: Some(asked.backup_retention_days),
        db_security_groups: Some(Vec::new()),
        vpc_security_groups: Some(memberships(&asked.security_groups)),
        db_parameter_groups: Some(vec![parameter_group(instance)]),
        availability_zone: zone.map(|place| place.availability_zone.clone()),
        db_subnet_group: Some(group),
        preferred_maintenance_window: Some(asked.maintenance_window.clone()),
        pending_modified_values: Some(pending(instance)),
        multi_az: Some(false),
        engine_version: Some(asked.engine_version.clone()),
        auto_minor_version_upgrade: Some(asked.auto_minor_version_upgrade),
        read_replica_db_instance_identifiers: Some(Vec::new()),
        license_model: engine.map(|engine| engine.license.into()),
        option_group_memberships: Some(vec![api::OptionGroupMembership {
            option_group_name: Some(format!("default:{}-{major}", asked.engine)),
            status: Some("in-sync".into()),
        }]),
        publicly_accessible: Some(asked.publicly_accessible),
        storage_type: Some(asked.storage_type.clone()),
        db_instance_port: Some(0),
        storage_encrypted: Some(false),
        dbi_resource_id: Some(instance.resource_id.clone()),
        ca_certificate_identifier: Some(AUTHORITY.into()),
        domain_memberships: Some(Vec::new()),
        copy_tags_to_snapshot: Some(asked.copy_tags_to_snapshot),
        monitoring_interval: Some(0),
        iam_database_authentication_enabled: Some(false),
        performance_insights_enabled: Some(false),
        enabled_cloudwatch_logs_exports: Some(asked.log_exports.clone())
            .filter(|exports| !exports.is_empty()),
        deletion_protection: Some(asked.deletion_protection),
        associated_roles: Some(Vec::new()),
        max_allocated_storage: asked.max_allocated_storage_gib,
        tag_list: Some(tag_list(&instance.tags)),
        customer_owned_ip_enabled: Some(false),
        network_type: Some("IPV4".into()),
        backup_target: Some("region".into()),
        master_user_secret: secret(instance),
        ..Default::default()
    })
}

pub fn memberships(groups: &[String]) -> Vec<api::VpcSecurityGroupMembership> {
    let membership = |id: &String| api::VpcSecurityGroupMembership {
        vpc_security_group_id: Some(id.clone()),
        status: Some("active".into()),
    };
    groups.iter().map(membership).collect()
}

fn parameter_group(instance: &Instance) -> api::DBParameterGroupStatus {
    let status = match instance.parameters_are_new {
        true => "pending-reboot",
        false => "in-sync",
    };
    api::DBParameterGroupStatus {
        db_parameter_group_name: Some(instance.asked.parameter_group.clone()),
        parameter_apply_status: Some(status.into()),
    }
}

fn secret(instance: &Instance) -> Option<api::MasterUserSecret> {
    let Password::Managed {
        secret_arn,
        kms_key_id,
    } = &instance.password
    else {
        return None;
    };
    let status = match (instance.status, instance.password_is_new) {
        (Status::Creating, _) => "creating",
        (_, true) => "rotating",
        _ => "active",
    };
    Some(api::MasterUserSecret {
        secret_arn: Some(secret_arn.clone()),
        secret_status: Some(status.into()),
        kms_key_id: kms_key_id.clone(),
    })
}

/// What will be other than it is.
fn pending(instance: &Instance) -> api::PendingModifiedValues {
    let Some(next) = &instance.pending else {
        return api::PendingModifiedValues::default();
    };
    let now = &instance.asked;
    fn other<T: PartialEq + Clone>(now: &T, next: &T) -> Option<T> {
        (now != next).then(|| next.clone())
    }
    api::PendingModifiedValues {
        db_instance_class: other(&now.class, &next.class),
        allocated_storage: other(&now.allocated_storage_gib, &next.allocated_storage_gib),
        port: other(&now.port, &next.port),
        backup_retention_period: other(&now.backup_retention_days, &next.backup_retention_days),
        storage_type: other(&now.storage_type, &next.storage_type),
        ..Default::default()
    }
}

async fn subnet_group_of(cx: &Ctx, instance: &Instance) -> Result<api::DBSubnetGroup, AwsError> {
    if let Some(name) = &instance.asked.subnet_group {
        let group = cx.db().get::<SubnetGroup>(&cx.scope, name).await?;
        if let Some(group) = group {
            return Ok(subnet_group(cx, name, &group.value));
        }
    }
    let zones = vpc::zones(&cx.house, &cx.scope, &instance.subnets).await?;
    let group = SubnetGroup {
        description: "default".into(),
        vpc_id: instance.vpc_id.clone(),
        subnets: zones,
        tags: BTreeMap::new(),
    };
    Ok(api::DBSubnetGroup {
        db_subnet_group_arn: None,
        ..subnet_group(cx, "default", &group)
    })
}

pub fn subnet_group(cx: &Ctx, name: &str, group: &SubnetGroup) -> api::DBSubnetGroup {
    let subnet = |(id, zone): (&String, &String)| api::Subnet {
        subnet_identifier: Some(id.clone()),
        subnet_availability_zone: Some(api::AvailabilityZone {
            name: Some(zone.clone()),
        }),
        subnet_outpost: Some(api::Outpost::default()),
        subnet_status: Some("Active".into()),
    };
    api::DBSubnetGroup {
        db_subnet_group_name: Some(name.into()),
        db_subnet_group_description: Some(group.description.clone()),
        vpc_id: Some(group.vpc_id.clone()),
        subnet_group_status: Some("Complete".into()),
        subnets: Some(group.subnets.iter().map(subnet).collect()),
        db_subnet_group_arn: Some(cx.arn("rds", format!("subgrp:{name}"))),
        supported_network_types: Some(vec!["IPV4".into()]),
    }
}

pub fn snapshot(cx: &Ctx, stored: &Stored<Snapshot>) -> api::DBSnapshot {
    let identifier = stored.id().to_owned();
    let snapshot = &stored.value;
    let Asked {
        engine: name,
        engine_version,
        allocated_storage_gib,
        port,
        master_username,
        storage_type,
        ..
    } = &snapshot.asked;
    let is_done = snapshot.status == SnapshotStatus::Available;
    api::DBSnapshot {
        db_snapshot_arn: Some(cx.arn("rds", format!("snapshot:{identifier}"))),
        db_snapshot_identifier: Some(identifier),
        db_instance_identifier: Some(snapshot.instance.clone()),
        snapshot_create_time: Some(snapshot.created_at),
        original_snapshot_create_time: Some(snapshot.created_at),
        engine: Some(name.clone()),
        allocated_storage: Some(*allocated_storage_gib),
        status: Some(snapshot.status.as_str().into()),
        port: Some(*port),
        vpc_id: Some(snapshot.vpc_id.clone()),
        instance_create_time: Some(snapshot.instance_created_at),
        master_username: Some(master_username.clone()),
        engine_version: Some(engine_version.clone()),
        license_model: engine::find(name).map(|engine| engine.license.into()),
        snapshot_type: Some("manual".into()),
        percent_progress: Some(if is_done { 100 } else { 0 }),
        source_db_snapshot_identifier: snapshot.copy_of.as_ref().map(|of| of.arn.clone()),
        storage_type: Some(storage_type.clone()),
        encrypted: Some(false),
        iam_database_authentication_enabled: Some(false),
        dbi_resource_id: Some(snapshot.resource_id.clone()),
        tag_list: Some(tag_list(&snapshot.tags)),
        snapshot_target: Some("region".into()),
        ..Default::default()
    }
}

//! `RestoreDBInstanceFromDBSnapshot`: a new instance, whose volume begins as a copy of the snapshot's.

use super::{create, refuse, shown, snapshot, tags};
use crate::model::{Asked, Instance, SnapshotStatus};
use crate::plan::{checks, engine};
use crate::{Rds, credentials, error};
use neargate_api_rds as api;
use neargate_service::{AwsError, Ctx, db};
use std::sync::Arc;

pub async fn restore_db_instance_from_db_snapshot(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::RestoreDBInstanceFromDBSnapshotInput,
) -> Result<api::RestoreDBInstanceFromDBSnapshotOutput, AwsError> {
    let given = input.db_instance_identifier.as_str();
    let identifier = checks::identifier("DBInstanceIdentifier", given, 63)?;
    refused(&input)?;
    let key = db::key::<Instance>(&cx.scope, &identifier);
    if cx.db().get_key::<Instance>(&key).await?.is_some() {
        return Err(error::instance_exists());
    }
    let named = input.db_snapshot_identifier.as_deref().unwrap_or_default();
    let source = snapshot(&cx, named).await?;
    if source.status != SnapshotStatus::Available {
        return Err(error::snapshot_state(source.id()));
    }
    let before = &source.asked;
    let engine = engine::find(&before.engine)
        .ok_or_else(|| error::value(format!("Invalid DB engine: {}", before.engine)))?;
    if input
        .engine
        .as_ref()
        .is_some_and(|name| *name != before.engine)
    {
        return Err(error::combination(
            "The engine of a restored instance is its snapshot's.",
        ));
    }
    let version = create::version(engine, Some(&before.engine_version))?;
    let class = input
        .db_instance_class
        .clone()
        .unwrap_or_else(|| before.class.clone());
    create::class(&class)?;
    let port = input.port.unwrap_or(engine.port);
    checks::port(port)?;
    let storage_type = input
        .storage_type
        .clone()
        .unwrap_or_else(|| before.storage_type.clone());
    let storage = input
        .allocated_storage
        .unwrap_or(before.allocated_storage_gib);
    if storage < before.allocated_storage_gib {
        return Err(error::combination(
            "The allocated storage must not be smaller than the snapshot's.",
        ));
    }
    checks::storage(engine, &storage_type, storage)?;
    let named = input.db_parameter_group_name.as_deref();
    let parameter_group = create::parameter_group(&cx, engine, version.family, named).await?;
    let group = input.db_subnet_group_name.as_deref();
    let network = create::network(&cx, group, input.vpc_security_group_ids.clone()).await?;
    let asked = Asked {
        class,
        port,
        storage_type,
        allocated_storage_gib: storage,
        subnet_group: network.subnet_group,
        security_groups: network.security_groups,
        publicly_accessible: input.publicly_accessible.unwrap_or(false),
        parameter_group,
        auto_minor_version_upgrade: input.auto_minor_version_upgrade.unwrap_or(true),
        copy_tags_to_snapshot: input.copy_tags_to_snapshot.unwrap_or(false),
        deletion_protection: input.deletion_protection.unwrap_or(false),
        log_exports: create::log_exports(engine, input.enable_cloudwatch_logs_exports.as_ref())?,
        ..before.clone()
    };
    let tags = tags::parse(input.tags.clone())?;
    let manage = input.manage_master_user_password == Some(true);
    let password = match manage {
        true => {
            let of = (identifier.as_str(), asked.master_username.as_str());
            let key = input.master_user_secret_kms_key_id.clone();
            credentials::manage(&cx.house, &cx.scope, of, key).await?
        }
        false => credentials::sealed_for(
            &cx.house,
            &cx.scope,
            &source.password,
            &source.instance,
            &identifier,
        ),
    };
    let instance = Instance {
        restore_from: Some(source.file_system.clone()),
        password_is_new: manage,
        tags,
        ..create::new(&cx, asked, password, network.vpc_id, network.subnets)
    };
    let stored = create::write(&cx, key, instance).await?;
    Ok(api::RestoreDBInstanceFromDBSnapshotOutput {
        db_instance: Some(shown::instance(&cx, &stored).await?),
    })
}

fn refused(input: &api::RestoreDBInstanceFromDBSnapshotInput) -> Result<(), AwsError> {
    refuse([
        (
            input.db_cluster_snapshot_identifier.is_some(),
            "DBClusterSnapshotIdentifier: there are no DB clusters",
        ),
        (input.multi_az == Some(true), "MultiAZ"),
        (input.iops.is_some(), "Iops"),
        (input.storage_throughput.is_some(), "StorageThroughput"),
        (input.option_group_name.is_some(), "OptionGroupName"),
        (
            input.domain.is_some() || input.domain_fqdn.is_some(),
            "Domain",
        ),
        (
            input.enable_iam_database_authentication == Some(true),
            "EnableIAMDatabaseAuthentication",
        ),
        (
            input
                .processor_features
                .as_ref()
                .is_some_and(|f| !f.is_empty()),
            "ProcessorFeatures",
        ),
        (
            input
                .tag_specifications
                .as_ref()
                .is_some_and(|t| !t.is_empty()),
            "TagSpecifications",
        ),
    ])
}

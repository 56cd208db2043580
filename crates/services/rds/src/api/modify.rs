//! `ModifyDBInstance`
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html>).

use super::{create, instance, refuse, shown};
use crate::model::{Asked, Instance, Password, Status};
use crate::plan::{checks, engine, window};
use crate::{Rds, credentials, error};
use neargate_api_rds as api;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use std::sync::Arc;

pub async fn modify_db_instance(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::ModifyDBInstanceInput,
) -> Result<api::ModifyDBInstanceOutput, AwsError> {
    refused(&input)?;
    let mut made = None;
    let outcome = loop {
        let read = instance(&cx, &input.db_instance_identifier).await?;
        let changed = match changed(&cx, &input, &read, &mut made).await {
            Ok(changed) => changed,
            Err(error) => break Err(error),
        };
        let tx = cx.db().tx().update(&read, &changed);
        match tx.commit().await {
            Ok(Committed::At(revision)) => {
                let replaced = matches!(read.password, Password::Managed { .. })
                    && read.password != changed.password;
                if replaced {
                    credentials::forget(&cx.house, &cx.scope, &read.password).await?;
                }
                break Ok(Stored {
                    key: read.key,
                    revision,
                    value: changed,
                });
            }
            Ok(Committed::Conflict) => {}
            Err(error) => break Err(error),
        }
    };
    match outcome {
        Ok(stored) => Ok(api::ModifyDBInstanceOutput {
            db_instance: Some(shown::instance(&cx, &stored).await?),
        }),
        Err(error) => {
            if let Some(secret) = made {
                credentials::forget(&cx.house, &cx.scope, &secret).await?;
            }
            Err(error)
        }
    }
}

async fn changed(
    cx: &Ctx,
    input: &api::ModifyDBInstanceInput,
    read: &Stored<Instance>,
    made: &mut Option<Password>,
) -> Result<Instance, AwsError> {
    let mut changed = read.value.clone();
    let identifier = read.id();
    if !matches!(read.status, Status::Available | Status::Stopped) {
        return Err(error::instance_state(format!(
            "Database instance {identifier} is not in available state."
        )));
    }
    let engine = engine::find(&read.asked.engine)
        .ok_or_else(|| error::value(format!("Invalid DB engine: {}", read.asked.engine)))?;
    let at_once = input.apply_immediately == Some(true);
    // What the engine goes on without being started anew.
    quiet(cx, input, &mut changed, engine).await?;
    let mut next = changed
        .pending
        .clone()
        .unwrap_or_else(|| changed.asked.clone());
    follow(&mut next, &changed.asked);
    loud(cx, input, &mut next, engine, read).await?;
    let differs = next != changed.asked;
    changed.pending = differs.then_some(next);
    let mut restart = false;
    if at_once && let Some(next) = changed.pending.take() {
        changed.asked = next;
        restart = true;
    }
    let passwords = password(cx, input, &mut changed, identifier, engine, made).await?;
    let is_running = read.status == Status::Available;
    if is_running && (restart || passwords) {
        changed.restart = true;
        changed.status = match restart {
            true => Status::Modifying,
            false => Status::ResettingMasterCredentials,
        };
    }
    Ok(changed)
}

/// Changes that begin at once, whatever was asked.
async fn quiet(
    cx: &Ctx,
    input: &api::ModifyDBInstanceInput,
    changed: &mut Instance,
    engine: &'static engine::Engine,
) -> Result<(), AwsError> {
    let asked = &mut changed.asked;
    if let Some(days) = input.backup_retention_period {
        checks::retention(days)?;
        asked.backup_retention_days = days;
    }
    if let Some(given) = &input.preferred_backup_window {
        asked.backup_window = window::daily(given)?;
    }
    if let Some(given) = &input.preferred_maintenance_window {
        asked.maintenance_window = window::weekly(given)?;
    }
    let switches = [
        (
            input.auto_minor_version_upgrade,
            &mut asked.auto_minor_version_upgrade,
        ),
        (
            input.copy_tags_to_snapshot,
            &mut asked.copy_tags_to_snapshot,
        ),
        (input.deletion_protection, &mut asked.deletion_protection),
    ];
    for (given, switch) in switches {
        *switch = given.unwrap_or(*switch);
    }
    if let Some(gib) = input.allocated_storage {
        if gib < asked.allocated_storage_gib {
            return Err(error::combination(
                "Requested storage size cannot be smaller than the current one.",
            ));
        }
        checks::storage(engine, &asked.storage_type, gib)?;
        asked.allocated_storage_gib = gib;
    }
    if let Some(kind) = &input.storage_type {
        checks::storage(engine, kind, asked.allocated_storage_gib)?;
        asked.storage_type.clone_from(kind);
    }
    if let Some(named) = input.db_parameter_group_name.as_deref() {
        let version = create::version(engine, Some(&asked.engine_version))?;
        let group = create::parameter_group(cx, engine, version.family, Some(named)).await?;
        if asked.parameter_group != group {
            asked.parameter_group = group;
            changed.parameters_are_new = true;
        }
    }
    Ok(())
}

/// What waits keeps what was changed beside it meanwhile.
fn follow(next: &mut Asked, now: &Asked) {
    *next = Asked {
        class: next.class.clone(),
        engine_version: next.engine_version.clone(),
        port: next.port,
        ..now.clone()
    };
}

/// Changes that start the engine anew.
async fn loud(
    cx: &Ctx,
    input: &api::ModifyDBInstanceInput,
    next: &mut Asked,
    engine: &'static engine::Engine,
    read: &Instance,
) -> Result<(), AwsError> {
    if let Some(name) = &input.db_instance_class {
        create::class(name)?;
        next.class.clone_from(name);
    }
    if let Some(port) = input.db_port_number {
        checks::port(port)?;
        next.port = port;
    }
    if let Some(given) = &input.engine_version {
        let version = create::version(engine, Some(given))?;
        let now = create::version(engine, Some(&read.asked.engine_version))?;
        if version.major != now.major {
            return Err(error::unsupported(
                "an upgrade to another major EngineVersion",
            ));
        }
        next.engine_version = version.name.into();
    }
    if let Some(public) = input.publicly_accessible {
        next.publicly_accessible = public;
    }
    if let Some(groups) = input
        .vpc_security_group_ids
        .clone()
        .filter(|g| !g.is_empty())
    {
        next.security_groups = create::security_groups(cx, &read.vpc_id, Some(groups)).await?;
    }
    if let Some(kinds) = &input.cloudwatch_logs_export_configuration {
        let off = kinds.disable_log_types.clone().unwrap_or_default();
        let on = create::log_exports(engine, kinds.enable_log_types.as_ref())?;
        next.log_exports
            .retain(|kind| !off.contains(kind) && !on.contains(kind));
        next.log_exports.extend(on);
    }
    // These two wait for no window.
    let waits = next.class != read.asked.class
        || next.port != read.asked.port
        || next.engine_version != read.asked.engine_version;
    let others = next.publicly_accessible != read.asked.publicly_accessible
        || next.security_groups != read.asked.security_groups
        || next.log_exports != read.asked.log_exports;
    if others && input.apply_immediately != Some(true) {
        return Err(error::combination(match waits {
            true => {
                "Neargate changes VpcSecurityGroupIds, PubliclyAccessible and log exports only with \
                     ApplyImmediately, apart from what waits for the maintenance window."
            }
            false => {
                "Neargate starts the engine anew to change VpcSecurityGroupIds, PubliclyAccessible or \
                      log exports: ApplyImmediately must say that it may."
            }
        }));
    }
    Ok(())
}

/// Whether there is another password.
async fn password(
    cx: &Ctx,
    input: &api::ModifyDBInstanceInput,
    changed: &mut Instance,
    identifier: &str,
    engine: &engine::Engine,
    made: &mut Option<Password>,
) -> Result<bool, AwsError> {
    let is_managed = matches!(changed.password, Password::Managed { .. });
    let manage = input.manage_master_user_password;
    if let Some(plain) = &input.master_user_password {
        if manage == Some(true) || (is_managed && manage != Some(false)) {
            return Err(error::combination(
                "You can't specify MasterUserPassword for an instance with ManageMasterUserPassword enabled.",
            ));
        }
        checks::password(engine, plain)?;
        changed.password = credentials::sealed(&cx.house, &cx.scope, identifier, plain);
        changed.password_is_new = true;
        return Ok(true);
    }
    match (is_managed, manage) {
        (false, Some(true)) => {
            let secret = match made {
                Some(secret) => secret.clone(),
                None => {
                    let of = (identifier, changed.asked.master_username.as_str());
                    let key = input.master_user_secret_kms_key_id.clone();
                    credentials::manage(&cx.house, &cx.scope, of, key).await?
                }
            };
            *made = Some(secret.clone());
            changed.password = secret;
            changed.password_is_new = true;
            Ok(true)
        }
        (true, Some(false)) => Err(error::combination(
            "MasterUserPassword must be specified when disabling ManageMasterUserPassword.",
        )),
        (true, _) if input.rotate_master_user_password == Some(true) => {
            if input.apply_immediately != Some(true) {
                return Err(error::combination(
                    "RotateMasterUserPassword can only be specified with ApplyImmediately.",
                ));
            }
            if let Password::Managed { secret_arn, .. } = &changed.password {
                let username = &changed.asked.master_username;
                credentials::rotate(&cx.house, &cx.scope, secret_arn, username).await?;
            }
            changed.password_is_new = true;
            Ok(true)
        }
        (false, _) if input.rotate_master_user_password == Some(true) => Err(error::combination(
            "RotateMasterUserPassword can only be specified when ManageMasterUserPassword is enabled.",
        )),
        _ => Ok(false),
    }
}

fn refused(input: &api::ModifyDBInstanceInput) -> Result<(), AwsError> {
    refuse([
        (
            input.new_db_instance_identifier.is_some(),
            "NewDBInstanceIdentifier",
        ),
        (input.multi_az == Some(true), "MultiAZ"),
        (
            input.db_subnet_group_name.is_some(),
            "another DBSubnetGroupName",
        ),
        (
            input
                .db_security_groups
                .as_ref()
                .is_some_and(|g| !g.is_empty()),
            "DBSecurityGroups",
        ),
        (input.iops.is_some(), "Iops"),
        (input.storage_throughput.is_some(), "StorageThroughput"),
        (input.max_allocated_storage.is_some(), "MaxAllocatedStorage"),
        (input.option_group_name.is_some(), "OptionGroupName"),
        (
            input.domain.is_some() || input.domain_fqdn.is_some(),
            "Domain",
        ),
        (
            input.monitoring_interval.is_some_and(|n| n > 0),
            "MonitoringInterval",
        ),
        (
            input.enable_performance_insights == Some(true),
            "EnablePerformanceInsights",
        ),
        (
            input.enable_iam_database_authentication == Some(true),
            "EnableIAMDatabaseAuthentication",
        ),
        (
            input
                .ca_certificate_identifier
                .as_deref()
                .is_some_and(|ca| ca != shown::AUTHORITY),
            "CACertificateIdentifier",
        ),
        (input.engine.is_some(), "another Engine"),
        (
            input
                .network_type
                .as_deref()
                .is_some_and(|kind| kind != "IPV4"),
            "this NetworkType",
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

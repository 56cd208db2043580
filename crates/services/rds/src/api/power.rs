//! Start, stop, reboot and delete.

use super::{instance, shown, snapshots};
use crate::model::{Instance, Status, Wanted};
use crate::plan::checks;
use crate::{Rds, error};
use neargate_api_rds as api;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use std::sync::Arc;

/// Writes what `change` makes of the instance, with the snapshot that it is to make of it.
async fn change(
    cx: &Ctx,
    named: &str,
    change: impl Fn(&str, &mut Instance) -> Result<(), AwsError>,
    backup: Option<&str>,
) -> Result<api::DBInstance, AwsError> {
    loop {
        let read = instance(cx, named).await?;
        let mut changed = read.value.clone();
        change(read.id(), &mut changed)?;
        let tx = cx.db().tx().update(&read, &changed);
        let tx = match backup {
            Some(name) => snapshots::begin(cx, tx, name, &read, None).await?,
            None => tx,
        };
        if let Committed::At(revision) = tx.commit().await? {
            let stored = Stored {
                key: read.key,
                revision,
                value: changed,
            };
            return shown::instance(cx, &stored).await;
        }
    }
}

pub async fn start_db_instance(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::StartDBInstanceInput,
) -> Result<api::StartDBInstanceOutput, AwsError> {
    let start = |id: &str, changed: &mut Instance| {
        if changed.status != Status::Stopped {
            return Err(error::instance_state(format!(
                "Instance {id} is not in stopped state."
            )));
        }
        changed.wanted = Wanted::Running;
        changed.status = Status::Starting;
        Ok(())
    };
    let shown = change(&cx, &input.db_instance_identifier, start, None).await?;
    Ok(api::StartDBInstanceOutput {
        db_instance: Some(shown),
    })
}

pub async fn stop_db_instance(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::StopDBInstanceInput,
) -> Result<api::StopDBInstanceOutput, AwsError> {
    let backup = match &input.db_snapshot_identifier {
        Some(given) => Some(checks::identifier("DBSnapshotIdentifier", given, 255)?),
        None => None,
    };
    let stop = |id: &str, changed: &mut Instance| {
        if changed.status != Status::Available {
            return Err(error::instance_state(format!(
                "Instance {id} is not in available state."
            )));
        }
        changed.wanted = Wanted::Stopped;
        changed.status = Status::Stopping;
        changed.backups.extend(backup.clone());
        Ok(())
    };
    let shown = change(&cx, &input.db_instance_identifier, stop, backup.as_deref()).await?;
    Ok(api::StopDBInstanceOutput {
        db_instance: Some(shown),
    })
}

pub async fn reboot_db_instance(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::RebootDBInstanceInput,
) -> Result<api::RebootDBInstanceOutput, AwsError> {
    if input.force_failover == Some(true) {
        return Err(error::combination(
            "Cannot reboot with failover, DB instance is not Multi-AZ.",
        ));
    }
    let reboot = |id: &str, changed: &mut Instance| {
        if changed.status != Status::Available {
            return Err(error::instance_state(format!(
                "Instance {id} is not in available state."
            )));
        }
        changed.restart = true;
        changed.status = Status::Rebooting;
        Ok(())
    };
    let shown = change(&cx, &input.db_instance_identifier, reboot, None).await?;
    Ok(api::RebootDBInstanceOutput {
        db_instance: Some(shown),
    })
}

pub async fn delete_db_instance(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DeleteDBInstanceInput,
) -> Result<api::DeleteDBInstanceOutput, AwsError> {
    let skip = input.skip_final_snapshot == Some(true);
    let backup = match (&input.final_db_snapshot_identifier, skip) {
        (Some(_), true) => {
            return Err(error::combination(
                "FinalDBSnapshotIdentifier can not be specified when deleting an instance with \
                 SkipFinalSnapshot.",
            ));
        }
        (None, false) => {
            return Err(error::combination(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
            ));
        }
        (Some(given), false) => Some(checks::identifier("FinalDBSnapshotIdentifier", given, 255)?),
        (None, true) => None,
    };
    let delete = |id: &str, changed: &mut Instance| {
        if changed.asked.deletion_protection {
            return Err(error::combination(
                "Cannot delete protected DB Instance, please disable deletion protection and try again.",
            ));
        }
        if changed.wanted == Wanted::Deleted {
            return Err(error::instance_state(format!(
                "Instance {id} is already being deleted."
            )));
        }
        if !changed.backups.is_empty() {
            return Err(error::instance_state(format!(
                "Cannot delete instance {id}: it is being backed up."
            )));
        }
        let has_data = matches!(changed.status, Status::Available | Status::Stopped);
        if backup.is_some() && !has_data {
            return Err(error::instance_state(format!(
                "Cannot create a snapshot because the database instance {id} is not currently in the \
                 available state."
            )));
        }
        changed.wanted = Wanted::Deleted;
        changed.status = Status::Deleting;
        changed.restart = false;
        changed.retry_at = None;
        changed.backups.extend(backup.clone());
        Ok(())
    };
    let shown = change(
        &cx,
        &input.db_instance_identifier,
        delete,
        backup.as_deref(),
    )
    .await?;
    Ok(api::DeleteDBInstanceOutput {
        db_instance: Some(shown),
    })
}

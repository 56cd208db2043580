//! Snapshots: whole copies of a volume, made while its engine is stopped.

use super::{instance, paged, passes, shown, snapshot, tags};
use crate::model::{CopyOf, Instance, Snapshot, SnapshotStatus, Status};
use crate::plan::{checks, definition};
use crate::{Rds, error};
use neargate_api_rds as api;
use neargate_service::db::Tx;
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use std::sync::Arc;

/// Adds to the transaction that there is such a snapshot, of which the instance's task is to make the copy.
///
/// # Errors
/// There is one of this name.
pub async fn begin(
    cx: &Ctx,
    tx: Tx,
    name: &str,
    of: &Stored<Instance>,
    tags: Option<Tags>,
) -> Result<Tx, AwsError> {
    if cx.db().get::<Snapshot>(&cx.scope, name).await?.is_some() {
        return Err(error::snapshot_exists(name));
    }
    let copied = of.asked.copy_tags_to_snapshot.then(|| of.tags.clone());
    let mut all = copied.unwrap_or_default();
    all.extend(tags.unwrap_or_default());
    let made = Snapshot {
        status: SnapshotStatus::Creating,
        instance: of.id().to_owned(),
        resource_id: of.resource_id.clone(),
        instance_created_at: of.created_at,
        asked: of.asked.clone(),
        password: of.password.clone(),
        vpc_id: of.vpc_id.clone(),
        subnets: of.subnets.clone(),
        file_system: definition::file_system(&super::new_resource_id(cx)),
        copy_of: None,
        task: None,
        generation: 0,
        failures: 0,
        retry_at: None,
        created_at: cx.now(),
        tags: all,
    };
    Ok(tx.create(db::key::<Snapshot>(&cx.scope, name), &made))
}

pub async fn create_db_snapshot(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::CreateDBSnapshotInput,
) -> Result<api::CreateDBSnapshotOutput, AwsError> {
    let name = checks::identifier("DBSnapshotIdentifier", &input.db_snapshot_identifier, 255)?;
    let tags = tags::parse(input.tags)?;
    loop {
        let read = instance(&cx, &input.db_instance_identifier).await?;
        let mut changed = read.value.clone();
        match read.status {
            Status::Available => changed.status = Status::BackingUp,
            Status::Stopped => {}
            _ => {
                return Err(error::instance_state(format!(
                    "Cannot create a snapshot because the database instance {} is not currently in the \
                     available state.",
                    read.id()
                )));
            }
        }
        changed.backups.push(name.clone());
        let tx = cx.db().tx().update(&read, &changed);
        let tx = begin(&cx, tx, &name, &read, Some(tags.clone())).await?;
        if let Committed::At(_) = tx.commit().await? {
            let made = snapshot(&cx, &name).await?;
            return Ok(api::CreateDBSnapshotOutput {
                db_snapshot: Some(shown::snapshot(&cx, &made)),
            });
        }
    }
}

pub async fn describe_db_snapshots(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeDBSnapshotsInput,
) -> Result<api::DescribeDBSnapshotsOutput, AwsError> {
    let named = input.db_snapshot_identifier.as_deref();
    let mut all = match named.filter(|named| !named.is_empty()) {
        Some(named) => vec![snapshot(&cx, named).await?],
        None => cx.db().list::<Snapshot>(&cx.scope).await?,
    };
    if let Some(of) = &input.db_instance_identifier {
        let of = super::id(&cx, "db", of);
        all.retain(|snapshot| snapshot.instance == of);
    }
    if let Some(of) = &input.dbi_resource_id {
        all.retain(|snapshot| snapshot.resource_id == *of);
    }
    // All are manual: there are no automated ones here, and none of other accounts.
    if input
        .snapshot_type
        .as_deref()
        .is_some_and(|kind| kind != "manual")
    {
        all.clear();
    }
    let mut found = Vec::new();
    for one in all {
        let has: [(&str, &[&str]); 5] = [
            ("db-snapshot-id", &[one.id()]),
            ("db-instance-id", &[&one.instance]),
            ("dbi-resource-id", &[&one.resource_id]),
            ("snapshot-type", &["manual"]),
            ("engine", &[&one.asked.engine]),
        ];
        if passes(input.filters.as_ref(), &has)? {
            found.push(one);
        }
    }
    let marker = input.marker.as_deref();
    let (page, marker) = paged(found, marker, input.max_records, |s| s.id().to_owned())?;
    Ok(api::DescribeDBSnapshotsOutput {
        marker,
        db_snapshots: Some(page.iter().map(|s| shown::snapshot(&cx, s)).collect()),
    })
}

/// No snapshot is anybody else's to restore.
pub async fn describe_db_snapshot_attributes(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeDBSnapshotAttributesInput,
) -> Result<api::DescribeDBSnapshotAttributesOutput, AwsError> {
    let one = snapshot(&cx, &input.db_snapshot_identifier).await?;
    Ok(api::DescribeDBSnapshotAttributesOutput {
        db_snapshot_attributes_result: Some(api::DBSnapshotAttributesResult {
            db_snapshot_identifier: Some(one.id().to_owned()),
            db_snapshot_attributes: Some(vec![api::DBSnapshotAttribute {
                attribute_name: Some("restore".into()),
                attribute_values: Some(Vec::new()),
            }]),
        }),
    })
}

pub async fn copy_db_snapshot(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::CopyDBSnapshotInput,
) -> Result<api::CopyDBSnapshotOutput, AwsError> {
    super::refuse([
        (input.kms_key_id.is_some(), "KmsKeyId"),
        (
            input.pre_signed_url.is_some(),
            "a snapshot of another region",
        ),
        (input.option_group_name.is_some(), "OptionGroupName"),
        (
            input
                .tag_specifications
                .as_ref()
                .is_some_and(|t| !t.is_empty()),
            "TagSpecifications",
        ),
    ])?;
    let given = &input.target_db_snapshot_identifier;
    let name = checks::identifier("TargetDBSnapshotIdentifier", given, 255)?;
    let mut all = tags::parse(input.tags)?;
    loop {
        let source = snapshot(&cx, &input.source_db_snapshot_identifier).await?;
        if source.status != SnapshotStatus::Available {
            return Err(error::snapshot_state(source.id()));
        }
        if cx.db().get::<Snapshot>(&cx.scope, &name).await?.is_some() {
            return Err(error::snapshot_exists(&name));
        }
        if input.copy_tags == Some(true) {
            for (key, value) in &source.tags {
                all.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        let arn = cx.arn("rds", format!("snapshot:{}", source.id()));
        let copy = Snapshot {
            status: SnapshotStatus::Copying,
            file_system: definition::file_system(&super::new_resource_id(&cx)),
            copy_of: Some(CopyOf {
                arn,
                file_system: source.file_system.clone(),
            }),
            task: None,
            generation: 0,
            failures: 0,
            retry_at: None,
            created_at: cx.now(),
            tags: all.clone(),
            ..source.value.clone()
        };
        let tx = cx.db().tx().unchanged(&source);
        let tx = tx.create(db::key::<Snapshot>(&cx.scope, &name), &copy);
        if let Committed::At(_) = tx.commit().await? {
            let made = snapshot(&cx, &name).await?;
            return Ok(api::CopyDBSnapshotOutput {
                db_snapshot: Some(shown::snapshot(&cx, &made)),
            });
        }
    }
}

pub async fn delete_db_snapshot(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DeleteDBSnapshotInput,
) -> Result<api::DeleteDBSnapshotOutput, AwsError> {
    loop {
        let read = snapshot(&cx, &input.db_snapshot_identifier).await?;
        let over = matches!(
            read.status,
            SnapshotStatus::Available | SnapshotStatus::Failed
        );
        if !over || is_read(&cx, &read.file_system).await? {
            return Err(error::snapshot_state(read.id()));
        }
        let changed = Snapshot {
            status: SnapshotStatus::Deleting,
            failures: 0,
            retry_at: None,
            ..read.value.clone()
        };
        let tx = cx.db().tx().update(&read, &changed);
        if let Committed::At(revision) = tx.commit().await? {
            let gone = Stored {
                key: read.key,
                revision,
                value: changed,
            };
            return Ok(api::DeleteDBSnapshotOutput {
                db_snapshot: Some(shown::snapshot(&cx, &gone)),
            });
        }
    }
}

/// Is something being made of this file system?
async fn is_read(cx: &Ctx, file_system: &str) -> Result<bool, AwsError> {
    let instances = cx.db().list::<Instance>(&cx.scope).await?;
    let from = |i: &Stored<Instance>| i.restore_from.as_deref() == Some(file_system);
    let copies = cx.db().list::<Snapshot>(&cx.scope).await?;
    let of = |s: &Stored<Snapshot>| {
        let source = s.copy_of.as_ref();
        source.is_some_and(|source| source.file_system == file_system)
    };
    Ok(instances.iter().any(from) || copies.iter().any(of))
}

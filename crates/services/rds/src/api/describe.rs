//! `DescribeDBInstances`, and what may become of one.

use super::{instance, paged, passes, shown};
use crate::model::Instance;
use crate::{Rds, error};
use neargate_api_rds as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn describe_db_instances(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeDBInstancesInput,
) -> Result<api::DescribeDBInstancesOutput, AwsError> {
    let named = input.db_instance_identifier.as_deref();
    let all = match named.filter(|named| !named.is_empty()) {
        Some(named) => vec![instance(&cx, named).await?],
        None => cx.db().list::<Instance>(&cx.scope).await?,
    };
    let mut found = Vec::new();
    for one in all {
        let arn = cx.arn("rds", format!("db:{}", one.id()));
        let has: [(&str, &[&str]); 5] = [
            ("db-instance-id", &[one.id(), &arn]),
            ("dbi-resource-id", &[&one.resource_id]),
            ("engine", &[&one.asked.engine]),
            ("db-cluster-id", &[]),
            ("domain", &[]),
        ];
        if passes(input.filters.as_ref(), &has)? {
            found.push(one);
        }
    }
    let marker = input.marker.as_deref();
    let (page, marker) = paged(found, marker, input.max_records, |i| i.id().to_owned())?;
    let mut all = Vec::with_capacity(page.len());
    for one in &page {
        all.push(shown::instance(&cx, one).await?);
    }
    Ok(api::DescribeDBInstancesOutput {
        marker,
        db_instances: Some(all),
    })
}

/// The storage that an instance may be given: more of the same.
pub async fn describe_valid_db_instance_modifications(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeValidDBInstanceModificationsInput,
) -> Result<api::DescribeValidDBInstanceModificationsOutput, AwsError> {
    let one = instance(&cx, &input.db_instance_identifier).await?;
    let size = api::Range {
        from: Some(one.asked.allocated_storage_gib),
        to: Some(65_536),
        step: Some(1),
    };
    let storage = ["gp2", "gp3"].map(|kind| api::ValidStorageOptions {
        storage_type: Some(kind.into()),
        storage_size: Some(vec![size.clone()]),
        supports_storage_autoscaling: Some(false),
        ..Default::default()
    });
    Ok(api::DescribeValidDBInstanceModificationsOutput {
        valid_db_instance_modifications_message: Some(api::ValidDBInstanceModificationsMessage {
            storage: Some(storage.into()),
            valid_processor_features: Some(Vec::new()),
            supports_dedicated_log_volume: Some(false),
            ..Default::default()
        }),
    })
}

/// There are no clusters here.
pub async fn describe_db_clusters(
    _: Arc<Rds>,
    _: Ctx,
    input: api::DescribeDBClustersInput,
) -> Result<api::DescribeDBClustersOutput, AwsError> {
    match input.db_cluster_identifier {
        Some(id) if !id.is_empty() => Err(error::cluster_not_found(&id)),
        _ => Ok(api::DescribeDBClustersOutput {
            marker: None,
            db_clusters: Some(Vec::new()),
        }),
    }
}

//! Engine versions, and what of them may be ordered.

use super::{paged, passes};
use crate::plan::class::Class;
use crate::plan::engine::{ENGINES, Engine, Version};
use crate::{Rds, error};
use neargate_api_rds as api;
use neargate_service::vpc::{Subnet, ensure_default};
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeSet;
use std::sync::Arc;

fn upgrades(engine: &Engine, from: &Version) -> Vec<api::UpgradeTarget> {
    let newer = |to: &&Version| to.major == from.major && to.name != from.name;
    let all = engine.versions.iter().filter(newer);
    all.map(|to| api::UpgradeTarget {
        engine: Some(engine.name.into()),
        engine_version: Some(to.name.into()),
        description: Some(format!("{} {}", engine.description, to.name)),
        auto_upgrade: Some(false),
        is_major_version_upgrade: Some(false),
        ..Default::default()
    })
    .collect()
}

fn shown(cx: &Ctx, engine: &Engine, version: &Version) -> api::DBEngineVersion {
    let _ = cx;
    api::DBEngineVersion {
        engine: Some(engine.name.into()),
        major_engine_version: Some(version.major.into()),
        engine_version: Some(version.name.into()),
        db_parameter_group_family: Some(version.family.into()),
        db_engine_description: Some(engine.description.into()),
        db_engine_version_description: Some(format!("{} {}", engine.description, version.name)),
        valid_upgrade_target: Some(upgrades(engine, version)),
        exportable_log_types: Some(vec![engine.log_type.into()]),
        supports_log_exports_to_cloudwatch_logs: Some(true),
        supports_read_replica: Some(false),
        supported_feature_names: Some(Vec::new()),
        status: Some("available".into()),
        supports_parallel_query: Some(false),
        supports_global_databases: Some(false),
        tag_list: Some(Vec::new()),
        supports_babelfish: Some(false),
        supports_limitless_database: Some(false),
        supports_certificate_rotation_without_restart: Some(false),
        supports_local_write_forwarding: Some(false),
        supports_integrations: Some(false),
        ..Default::default()
    }
}

pub async fn describe_db_engine_versions(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeDBEngineVersionsInput,
) -> Result<api::DescribeDBEngineVersionsOutput, AwsError> {
    let named = |given: &Option<String>| given.clone().filter(|given| !given.is_empty());
    let (engine, version) = (named(&input.engine), named(&input.engine_version));
    let family = named(&input.db_parameter_group_family);
    let mut all = Vec::new();
    for one in &ENGINES {
        for (n, v) in one.versions.iter().enumerate() {
            let has: [(&str, &[&str]); 5] = [
                ("db-parameter-group-family", &[v.family]),
                ("engine", &[one.name]),
                ("engine-mode", &["provisioned"]),
                ("engine-version", &[v.name]),
                ("status", &["available"]),
            ];
            // Of one major version its newest is the default, of an engine the first.
            let is_default = n == 0 || version.as_deref() == Some(v.major);
            let fits = engine.as_deref().is_none_or(|e| e == one.name)
                && version
                    .as_deref()
                    .is_none_or(|asked| asked == v.name || asked == v.major)
                && family.as_deref().is_none_or(|f| f == v.family)
                && (input.default_only != Some(true) || is_default || family.is_some());
            if fits && passes(input.filters.as_ref(), &has)? {
                all.push((format!("{}/{}", one.name, v.name), shown(&cx, one, v)));
            }
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let marker = input.marker.as_deref();
    let (page, marker) = paged(all, marker, input.max_records, |v| v.0.clone())?;
    Ok(api::DescribeDBEngineVersionsOutput {
        marker,
        db_engine_versions: Some(page.into_iter().map(|v| v.1).collect()),
    })
}

pub async fn describe_orderable_db_instance_options(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeOrderableDBInstanceOptionsInput,
) -> Result<api::DescribeOrderableDBInstanceOptionsOutput, AwsError> {
    let engine = crate::plan::engine::find(&input.engine)
        .ok_or_else(|| error::value(format!("Invalid DB engine: {}", input.engine)))?;
    ensure_default(&cx.house, &cx.scope).await?;
    let subnets = cx.db().list::<Subnet>(&cx.scope).await?;
    let zones: BTreeSet<String> = subnets
        .into_iter()
        .map(|s| s.value.availability_zone)
        .collect();
    let zones: Vec<_> = zones
        .into_iter()
        .map(|name| api::AvailabilityZone { name: Some(name) })
        .collect();
    let wants = |given: &Option<String>, is: &str| {
        given
            .as_deref()
            .is_none_or(|given| given.is_empty() || given == is)
    };
    let mut all = Vec::new();
    for version in engine.versions {
        for class in Class::names() {
            for storage in ["gp2", "gp3"] {
                let fits = wants(&input.engine_version, version.name)
                    && wants(&input.db_instance_class, &class)
                    && wants(&input.license_model, engine.license);
                if !fits {
                    continue;
                }
                let option = api::OrderableDBInstanceOption {
                    engine: Some(engine.name.into()),
                    engine_version: Some(version.name.into()),
                    db_instance_class: Some(class.clone()),
                    license_model: Some(engine.license.into()),
                    availability_zones: Some(zones.clone()),
                    multi_az_capable: Some(false),
                    read_replica_capable: Some(false),
                    vpc: Some(true),
                    supports_storage_encryption: Some(false),
                    storage_type: Some(storage.into()),
                    supports_iops: Some(false),
                    supports_storage_throughput: Some(false),
                    supports_enhanced_monitoring: Some(false),
                    supports_iam_database_authentication: Some(false),
                    supports_performance_insights: Some(false),
                    min_storage_size: Some(20),
                    max_storage_size: Some(65_536),
                    supports_storage_autoscaling: Some(false),
                    supports_kerberos_authentication: Some(false),
                    outpost_capable: Some(false),
                    supports_global_databases: Some(false),
                    supported_network_types: Some(vec!["IPV4".into()]),
                    supports_clusters: Some(false),
                    supports_dedicated_log_volume: Some(false),
                    ..Default::default()
                };
                all.push((format!("{}/{class}/{storage}", version.name), option));
            }
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let marker = input.marker.as_deref();
    let (page, marker) = paged(all, marker, input.max_records, |o| o.0.clone())?;
    Ok(api::DescribeOrderableDBInstanceOptionsOutput {
        orderable_db_instance_options: Some(page.into_iter().map(|o| o.1).collect()),
        marker,
    })
}

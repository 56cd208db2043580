//! Instances as programs find them
//! (<https://docs.aws.amazon.com/cloud-map/latest/api/API_DiscoverInstances.html>).

use super::instances::status;
use super::namespaces::service_named;
use crate::controller::of_service;
use crate::model::{Instance, InstancesRevision, NamespaceName, Service, part};
use crate::{ServiceDiscovery, checks, error};
use neargate_api_servicediscovery as api;
use neargate_service::page::Size;
use neargate_service::{AwsError, Ctx, Stored, db};
use std::collections::BTreeMap;
use std::sync::Arc;

const MOST: Size = Size {
    default: 100,
    ..Size::up_to(1_000)
};

async fn find(cx: &Ctx, namespace: &str, name: &str) -> Result<Stored<Service>, AwsError> {
    let key = db::key::<NamespaceName>(&cx.scope, &part(namespace));
    let found = cx.db().get_key::<NamespaceName>(&key).await?;
    let found = found.ok_or_else(|| error::namespace_not_found(namespace))?;
    let service = service_named(cx, &found.id, name).await?;
    service.ok_or_else(|| error::service_not_found(name))
}

async fn revision(cx: &Ctx, service: &Stored<Service>) -> Result<Option<i64>, AwsError> {
    let key = db::key::<InstancesRevision>(&cx.scope, service.id());
    let found = cx.db().get_key::<InstancesRevision>(&key).await?;
    let revision = found.map_or(service.revision, |found| found.revision);
    Ok(i64::try_from(revision).ok())
}

pub async fn discover_instances_revision(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::DiscoverInstancesRevisionInput,
) -> Result<api::DiscoverInstancesRevisionOutput, AwsError> {
    let service = find(&cx, &input.namespace_name, &input.service_name).await?;
    Ok(api::DiscoverInstancesRevisionOutput {
        instances_revision: revision(&cx, &service).await?,
    })
}

pub async fn discover_instances(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::DiscoverInstancesInput,
) -> Result<api::DiscoverInstancesOutput, AwsError> {
    let service = find(&cx, &input.namespace_name, &input.service_name).await?;
    // Before the instances: who has this revision may ask again, and misses nothing.
    let revision = revision(&cx, &service).await?;
    let prefix = of_service::<Instance>(&cx.scope, service.id());
    let all = cx.db().list_prefix::<Instance>(&prefix).await?;
    let all = all.into_iter().map(|i| i.value);
    let has = |i: &Instance, wanted: &BTreeMap<String, String>| {
        wanted.iter().all(|(k, v)| i.attributes.get(k) == Some(v))
    };
    let query = input.query_parameters.unwrap_or_default();
    let mut all: Vec<Instance> = all.filter(|i| has(i, &query)).collect();
    let optional = input.optional_parameters.unwrap_or_default();
    if all.iter().any(|i| has(i, &optional)) {
        all.retain(|i| has(i, &optional));
    }
    let now = cx.now();
    let found = checks::found(&cx, &service).await?;
    let is = |i: &Instance, wanted: &str| status(&found, i, now) == wanted;
    let is_checked = service.custom_health || service.health_check.is_some();
    let filter = input.health_status.as_deref().filter(|_| is_checked);
    match filter.unwrap_or("ALL") {
        "HEALTHY_OR_ELSE_ALL" if all.iter().any(|i| is(i, "HEALTHY")) => {
            all.retain(|i| is(i, "HEALTHY"));
        }
        wanted @ ("HEALTHY" | "UNHEALTHY") => all.retain(|i| is(i, wanted)),
        _ => {}
    }
    all.truncate(MOST.clamp(input.max_results));
    let summary = |i: Instance| api::HttpInstanceSummary {
        health_status: Some(status(&found, &i, now).to_owned()),
        instance_id: Some(i.id),
        namespace_name: Some(input.namespace_name.clone()),
        service_name: Some(service.name.clone()),
        attributes: Some(i.attributes),
    };
    Ok(api::DiscoverInstancesOutput {
        instances: Some(all.into_iter().map(summary).collect()),
        instances_revision: revision,
    })
}

//! Services (<https://docs.aws.amazon.com/cloud-map/latest/api/API_Service.html>).

use super::namespaces::service_named;
use super::{id, namespace, operations, random, service, service_arn, tags, ttl};
use crate::controller::of_service;
use crate::model::{
    Check, Dns, HealthCheck, Instance, InstancesRevision, Namespace, NamespaceType, Operation,
    Service, ServiceName, Submitted, part,
};
use crate::{ServiceDiscovery, error};
use neargate_api_servicediscovery as api;
use neargate_service::db::settle;
use neargate_service::{AwsError, Ctx, db};
use std::sync::Arc;

const RECORD_TYPES: usize = 3;

pub async fn create_service(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::CreateServiceInput,
) -> Result<api::CreateServiceOutput, AwsError> {
    let of_dns = input
        .dns_config
        .as_ref()
        .and_then(|d| d.namespace_id.clone());
    let given = input.namespace_id.clone().or(of_dns);
    let given = given.filter(|given| !given.is_empty());
    // Seen in CloudFormation's answers (awsdocs/aws-cloudformation-user-guide, 463).
    let given = given.ok_or_else(|| error::invalid_input("Service namespace id cannot be null"))?;
    let namespace_id = id(&given, "namespace/").to_owned();
    let service_id = format!("srv-{}", random(&cx, 16));
    let tags = tags::parse(input.tags.clone().unwrap_or_default())?;
    let key = db::key::<Service>(&cx.scope, &service_id);
    let service = settle(async || {
        let namespace = namespace(&cx, &namespace_id).await?;
        if let Some(there) = service_named(&cx, &namespace_id, &input.name).await? {
            let creator = there.creator_request_id.as_deref();
            let same = creator.is_some() && creator == input.creator_request_id.as_deref();
            return match same {
                true => Ok((cx.db().tx(), there)),
                false => {
                    let arn = service_arn(&cx, there.id());
                    Err(error::service_already_exists(there.id(), &arn, creator))
                }
            };
        }
        let service = Service {
            name: input.name.clone(),
            namespace_id: namespace_id.clone(),
            description: input.description.clone(),
            creator_request_id: input.creator_request_id.clone(),
            dns: dns_of(&namespace, &input)?,
            health_check: health_check_of(&namespace, &input)?,
            custom_health: input.health_check_custom_config.is_some(),
            created_at: cx.now(),
            tags: tags.clone(),
            attributes: Default::default(),
        };
        let name = format!("{namespace_id}/{}", part(&input.name));
        let named = ServiceName {
            id: service_id.clone(),
        };
        // The namespace's record is written again, so that it is not deleted meanwhile.
        let tx = cx
            .db()
            .tx()
            .update(&namespace, &namespace.value)
            .create(db::key::<ServiceName>(&cx.scope, &name), &named)
            .create(key.clone(), &service);
        let stored = neargate_service::Stored {
            key: key.clone(),
            revision: 0,
            value: service,
        };
        Ok((tx, stored))
    })
    .await?;
    let shown = shown(&cx, service.id(), &service, 0);
    Ok(api::CreateServiceOutput {
        service: Some(shown),
    })
}

/// The DNS records that instances of a new service are to have.
fn dns_of(namespace: &Namespace, input: &api::CreateServiceInput) -> Result<Option<Dns>, AwsError> {
    let Some(config) = &input.dns_config else {
        return Ok(None);
    };
    if namespace.kind == NamespaceType::Http {
        return Err(error::invalid_input(
            "DnsConfig can't be specified for a service in an HTTP namespace.",
        ));
    }
    if input.r#type.as_deref() == Some("HTTP") {
        return Err(error::invalid_input(
            "DnsConfig can't be specified for a service of type HTTP.",
        ));
    }
    let dns = Dns {
        weighted: config.routing_policy.as_deref() == Some("WEIGHTED"),
        records: records(&config.dns_records)?,
    };
    if dns.has("CNAME") && (dns.records.len() > 1 || !dns.weighted) {
        return Err(error::invalid_input(
            "A CNAME record must be the only record of a service, and its routing policy must be \
             WEIGHTED.",
        ));
    }
    Ok(Some(dns))
}

fn records(given: &[api::DnsRecord]) -> Result<Vec<(String, u32)>, AwsError> {
    let mut records: Vec<(String, u32)> = Vec::new();
    for record in given {
        if records.iter().any(|(of, _)| *of == record.r#type) {
            return Err(error::invalid_input(format!(
                "Duplicate DNS record type: {}",
                record.r#type
            )));
        }
        records.push((record.r#type.clone(), ttl(record.ttl)));
    }
    if records.is_empty() || records.len() > RECORD_TYPES {
        return Err(error::invalid_input(
            "The number of DnsRecords must be between 1 and 3.",
        ));
    }
    Ok(records)
}

fn health_check_of(
    namespace: &Namespace,
    input: &api::CreateServiceInput,
) -> Result<Option<HealthCheck>, AwsError> {
    let Some(config) = &input.health_check_config else {
        return Ok(None);
    };
    if input.health_check_custom_config.is_some() {
        return Err(error::invalid_input(
            "Only one of HealthCheckConfig and HealthCheckCustomConfig can be specified.",
        ));
    }
    if namespace.kind == NamespaceType::DnsPrivate {
        return Err(error::invalid_input(
            "HealthCheckConfig can't be specified for a service in a private DNS namespace.",
        ));
    }
    health_check(config).map(Some)
}

fn health_check(config: &api::HealthCheckConfig) -> Result<HealthCheck, AwsError> {
    if config.r#type == "TCP" && config.resource_path.is_some() {
        return Err(error::invalid_input(
            "ResourcePath can't be specified for a health check of type TCP.",
        ));
    }
    let path = config.resource_path.clone().filter(|path| !path.is_empty());
    Ok(HealthCheck {
        kind: config.r#type.clone(),
        resource_path: path.or_else(|| (config.r#type != "TCP").then(|| "/".into())),
        failure_threshold: config.failure_threshold.unwrap_or(1),
    })
}

/// As it is shown, with this many instances.
pub(super) fn shown(cx: &Ctx, id: &str, of: &Service, instances: usize) -> api::Service {
    let summary = summary(cx, id, of, instances);
    api::Service {
        id: summary.id,
        arn: summary.arn,
        resource_owner: Some(cx.scope.account.to_string()),
        name: summary.name,
        namespace_id: Some(of.namespace_id.clone()),
        description: summary.description,
        instance_count: summary.instance_count,
        dns_config: summary.dns_config,
        r#type: summary.r#type,
        health_check_config: summary.health_check_config,
        health_check_custom_config: summary.health_check_custom_config,
        create_date: summary.create_date,
        creator_request_id: of.creator_request_id.clone(),
        created_by_account: summary.created_by_account,
    }
}

pub(super) fn summary(cx: &Ctx, id: &str, of: &Service, instances: usize) -> api::ServiceSummary {
    let record = |(record_type, ttl): &(String, u32)| api::DnsRecord {
        r#type: record_type.clone(),
        ttl: (*ttl).into(),
    };
    let kind = if of.dns.is_some() { "DNS_HTTP" } else { "HTTP" };
    api::ServiceSummary {
        id: Some(id.to_owned()),
        arn: Some(service_arn(cx, id)),
        resource_owner: Some(cx.scope.account.to_string()),
        name: Some(of.name.clone()),
        r#type: Some(kind.to_owned()),
        description: of.description.clone(),
        instance_count: i32::try_from(instances).ok(),
        dns_config: of.dns.as_ref().map(|dns| api::DnsConfig {
            namespace_id: Some(of.namespace_id.clone()),
            routing_policy: Some(
                if dns.weighted {
                    "WEIGHTED"
                } else {
                    "MULTIVALUE"
                }
                .to_owned(),
            ),
            dns_records: dns.records.iter().map(record).collect(),
        }),
        health_check_config: of
            .health_check
            .as_ref()
            .map(|check| api::HealthCheckConfig {
                r#type: check.kind.clone(),
                resource_path: check.resource_path.clone(),
                failure_threshold: Some(check.failure_threshold),
            }),
        health_check_custom_config: of.custom_health.then_some(api::HealthCheckCustomConfig {
            failure_threshold: Some(1),
        }),
        create_date: Some(of.created_at),
        created_by_account: Some(cx.scope.account.to_string()),
    }
}

pub(super) async fn instances_of(cx: &Ctx, service_id: &str) -> Result<usize, AwsError> {
    let prefix = of_service::<Instance>(&cx.scope, service_id);
    Ok(cx.db().list_prefix::<Instance>(&prefix).await?.len())
}

pub async fn get_service(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::GetServiceInput,
) -> Result<api::GetServiceOutput, AwsError> {
    let found = service(&cx, &input.id).await?;
    let instances = instances_of(&cx, found.id()).await?;
    Ok(api::GetServiceOutput {
        service: Some(shown(&cx, found.id(), &found, instances)),
    })
}

pub async fn update_service(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::UpdateServiceInput,
) -> Result<api::UpdateServiceOutput, AwsError> {
    let operation_id = operations::new_id(&cx);
    let change = &input.service;
    let operation_id = settle(async || {
        let found = service(&cx, &input.id).await?;
        let namespace = namespace(&cx, &found.namespace_id).await?;
        if namespace.kind == NamespaceType::Http {
            return Err(error::invalid_input(
                "A service in an HTTP namespace can't be updated.",
            ));
        }
        let mut changed = found.value.clone();
        if change.description.is_some() {
            changed.description = change.description.clone();
        }
        // What a call leaves away of these two is taken away.
        changed.dns = match (&change.dns_config, changed.dns) {
            (Some(config), Some(dns)) => Some(Dns {
                records: records_of_existing(&dns, &config.dns_records)?,
                ..dns
            }),
            (Some(_), None) => {
                return Err(error::invalid_input("The service has no DnsConfig."));
            }
            (None, _) => None,
        };
        let check = change.health_check_config.as_ref();
        if check.is_some() && namespace.kind == NamespaceType::DnsPrivate {
            return Err(error::invalid_input(
                "HealthCheckConfig can't be specified for a service in a private DNS namespace.",
            ));
        }
        changed.health_check = check.map(health_check).transpose()?;
        let targets = [("SERVICE", found.id())];
        let operation = operations::submitted(&cx, "UPDATE_SERVICE", &targets);
        let tx = cx.db().tx().update(&found, &changed);
        let tx = submit(&cx, tx, found.id(), &operation_id, &operation);
        Ok((tx, operation_id.clone()))
    })
    .await?;
    Ok(api::UpdateServiceOutput {
        operation_id: Some(operation_id),
    })
}

/// Types may be left away and TTLs changed; no type is added.
fn records_of_existing(
    dns: &Dns,
    given: &[api::DnsRecord],
) -> Result<Vec<(String, u32)>, AwsError> {
    let records = records(given)?;
    match records.iter().find(|(of, _)| !dns.has(of)) {
        Some((of, _)) => Err(error::invalid_input(format!(
            "A DNS record of type {of} can't be added to the service."
        ))),
        None => Ok(records),
    }
}

/// An operation of a service whose records have to follow.
pub(super) fn submit(
    cx: &Ctx,
    tx: neargate_service::Tx,
    service_id: &str,
    operation_id: &str,
    operation: &Operation,
) -> neargate_service::Tx {
    let submitted = db::key::<Submitted>(&cx.scope, &format!("{service_id}/{operation_id}"));
    tx.create(operations::key(cx, operation_id), operation)
        .create(submitted, &Submitted {})
}

pub async fn delete_service(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::DeleteServiceInput,
) -> Result<api::DeleteServiceOutput, AwsError> {
    settle(async || {
        let found = service(&cx, &input.id).await?;
        // Whoever registers an instance writes a new revision: so none is missed.
        let revision = db::key::<InstancesRevision>(&cx.scope, found.id());
        let revision = cx.db().get_key::<InstancesRevision>(&revision).await?;
        let submitted = of_service::<Submitted>(&cx.scope, found.id());
        let submitted = cx.db().list_prefix::<Submitted>(&submitted).await?;
        let checks = of_service::<Check>(&cx.scope, found.id());
        let checks = cx.db().list_prefix::<Check>(&checks).await?;
        let is_idle = submitted.is_empty() && checks.is_empty();
        if !is_idle || instances_of(&cx, found.id()).await? > 0 {
            return Err(error::service_in_use());
        }
        let name = format!("{}/{}", found.namespace_id, part(&found.name));
        let mut tx = cx
            .db()
            .tx()
            .delete(&found)
            .delete_key(db::key::<ServiceName>(&cx.scope, &name));
        if let Some(revision) = &revision {
            tx = tx.delete(revision);
        }
        Ok((tx, ()))
    })
    .await?;
    Ok(api::DeleteServiceOutput {})
}

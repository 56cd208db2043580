//! Instances of services (<https://docs.aws.amazon.com/cloud-map/latest/api/API_Instance.html>).

use super::services::{instances_of, submit};
use super::{namespace, operations, service};
use crate::controller::of_service;
use crate::model::{CustomHealth, Instance, InstancesRevision, NamespaceType, Service, part};
use crate::{ServiceDiscovery, checks, error};
use neargate_api_servicediscovery as api;
use neargate_base::Timestamp;
use neargate_service::db::settle;
use neargate_service::instance::Instance as Ec2Instance;
use neargate_service::outbound;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, Stored, db};
use neargate_wire::structure::Unit;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// <https://docs.aws.amazon.com/cloud-map/latest/dg/cloud-map-limits.html>
const MAX_INSTANCES: usize = 1_000;
const MAX_CUSTOM: usize = 30;
const MAX_CHARS: usize = 5_000;
const PAGE: Size = Size::up_to(100);

pub(super) fn key(cx: &Ctx, service_id: &str, id: &str) -> String {
    db::key::<Instance>(&cx.scope, &format!("{service_id}/{}", part(id)))
}

pub async fn register_instance(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::RegisterInstanceInput,
) -> Result<api::RegisterInstanceOutput, AwsError> {
    let operation_id = operations::new_id(&cx);
    let operation_id = settle(async || {
        let found = service(&cx, &input.service_id).await?;
        let namespace = namespace(&cx, &found.namespace_id).await?;
        let key = key(&cx, found.id(), &input.instance_id);
        let there = cx.db().get_key::<Instance>(&key).await?;
        if let Some(there) = &there
            && there.creator_request_id.is_some()
            && there.creator_request_id == input.creator_request_id
        {
            return Ok((cx.db().tx(), there.operation_id.clone()));
        }
        if there.is_none() && instances_of(&cx, found.id()).await? >= MAX_INSTANCES {
            return Err(error::too_many_instances());
        }
        let mut attributes = input.attributes.clone();
        check(&found, namespace.kind, &attributes)?;
        if let Some(of) = attributes.get("AWS_EC2_INSTANCE_ID") {
            let address = address_of(&cx, of).await?;
            attributes.insert("AWS_INSTANCE_IPV4".into(), address.to_string());
        }
        let initial = attributes.get("AWS_INIT_HEALTH_STATUS");
        let is_healthy = initial.is_none_or(|status| status == "HEALTHY");
        let instance = Instance {
            id: input.instance_id.clone(),
            creator_request_id: input.creator_request_id.clone(),
            operation_id: operation_id.clone(),
            attributes,
            health: found.custom_health.then_some(CustomHealth {
                healthy: is_healthy,
                contrary_since: None,
            }),
            registered_at: cx.now(),
        };
        let targets = [
            ("INSTANCE", input.instance_id.as_str()),
            ("SERVICE", found.id()),
        ];
        let operation = operations::submitted(&cx, "REGISTER_INSTANCE", &targets);
        let tx = cx.db().tx().unchanged(&found);
        let tx = match &there {
            Some(there) => tx.update(there, &instance),
            None => tx.create(key, &instance),
        };
        let revision = db::key::<InstancesRevision>(&cx.scope, found.id());
        let tx = tx.put(revision, &InstancesRevision {});
        let tx = submit(&cx, tx, found.id(), &operation_id, &operation);
        Ok((tx, operation_id.clone()))
    })
    .await?;
    Ok(api::RegisterInstanceOutput {
        operation_id: Some(operation_id),
    })
}

async fn address_of(cx: &Ctx, id: &str) -> Result<Ipv4Addr, AwsError> {
    let found = cx.db().get::<Ec2Instance>(&cx.scope, id).await?;
    let found = found
        .ok_or_else(|| error::invalid_input(format!("The EC2 instance {id} does not exist.")))?;
    Ok(found.interface.private_ipv4)
}

/// Are they what an instance of this service needs?
fn check(
    service: &Service,
    namespace: NamespaceType,
    attributes: &BTreeMap<String, String>,
) -> Result<(), AwsError> {
    let refuse = |message: String| Err(error::invalid_input(message));
    let custom = attributes.keys().filter(|key| !key.starts_with("AWS_"));
    let chars = attributes
        .iter()
        .map(|(k, v)| k.len() + v.len())
        .sum::<usize>();
    if custom.count() > MAX_CUSTOM || chars > MAX_CHARS {
        return refuse(
            "An instance can have at most 30 custom attributes, and its attributes at most 5000 \
             characters in all."
                .into(),
        );
    }
    let has = |name: &str| attributes.contains_key(name);
    for (name, value) in attributes {
        let is_valid = match name.as_str() {
            "AWS_INSTANCE_IPV4" => value.parse::<Ipv4Addr>().is_ok(),
            "AWS_INSTANCE_IPV6" => value.parse::<Ipv6Addr>().is_ok(),
            "AWS_INSTANCE_PORT" => value.parse::<u16>().is_ok_and(|port| port > 0),
            "AWS_INIT_HEALTH_STATUS" => matches!(value.as_str(), "HEALTHY" | "UNHEALTHY"),
            "AWS_INSTANCE_CNAME" | "AWS_ALIAS_DNS_NAME" => !value.is_empty(),
            _ => true,
        };
        if !is_valid {
            return refuse(format!("Invalid value for attribute {name}: {value}"));
        }
    }
    if has("AWS_INIT_HEALTH_STATUS") && !service.custom_health {
        return refuse(
            "AWS_INIT_HEALTH_STATUS can be specified only if the service has a \
             HealthCheckCustomConfig."
                .into(),
        );
    }
    if has("AWS_EC2_INSTANCE_ID") {
        let alone = ["AWS_EC2_INSTANCE_ID", "AWS_INIT_HEALTH_STATUS"];
        if namespace != NamespaceType::Http || attributes.keys().any(|k| !alone.contains(&&**k)) {
            return refuse(
                "AWS_EC2_INSTANCE_ID is for HTTP namespaces, and AWS_INIT_HEALTH_STATUS is the only \
                 other attribute that can be specified with it."
                    .into(),
            );
        }
    }
    if service.health_check.is_some() && !has("AWS_ALIAS_DNS_NAME") {
        checkable(attributes)?;
    }
    let Some(dns) = &service.dns else {
        return Ok(());
    };
    if has("AWS_ALIAS_DNS_NAME") {
        let addresses = dns.has("A") || dns.has("AAAA");
        let with_instance = attributes.keys().any(|k| k.starts_with("AWS_INSTANCE_"));
        return match addresses && dns.weighted && !with_instance {
            true => Ok(()),
            false => refuse(
                "AWS_ALIAS_DNS_NAME needs a service with an A or AAAA record and the routing policy \
                 WEIGHTED, and no AWS_INSTANCE attribute can be specified with it."
                    .into(),
            ),
        };
    }
    let needs = [
        ("A", "AWS_INSTANCE_IPV4"),
        ("AAAA", "AWS_INSTANCE_IPV6"),
        ("CNAME", "AWS_INSTANCE_CNAME"),
        ("SRV", "AWS_INSTANCE_PORT"),
    ];
    let missing = needs
        .into_iter()
        .find(|(record, name)| dns.has(record) && !has(name));
    if let Some((record, name)) = missing {
        return refuse(format!(
            "The attribute {name} is required, because the service has a record of type {record}."
        ));
    }
    if dns.has("SRV") && !has("AWS_INSTANCE_IPV4") && !has("AWS_INSTANCE_IPV6") {
        return refuse(
            "AWS_INSTANCE_IPV4, AWS_INSTANCE_IPV6, or both are required, because the service has a \
             record of type SRV."
                .into(),
        );
    }
    Ok(())
}

/// What Route 53 checks has a public address and a port.
fn checkable(attributes: &BTreeMap<String, String>) -> Result<(), AwsError> {
    let addresses = ["AWS_INSTANCE_IPV4", "AWS_INSTANCE_IPV6"];
    let address = addresses.iter().find_map(|name| attributes.get(*name));
    let address = address.and_then(|address| address.parse().ok());
    if !address.is_some_and(outbound::is_public) {
        return Err(error::invalid_input(
            "A service with a HealthCheckConfig needs AWS_INSTANCE_IPV4 or AWS_INSTANCE_IPV6 with a \
             public address, which Route 53 can reach.",
        ));
    }
    match attributes.contains_key("AWS_INSTANCE_PORT") {
        true => Ok(()),
        false => Err(error::invalid_input(
            "The attribute AWS_INSTANCE_PORT is required, because the service has a \
             HealthCheckConfig.",
        )),
    }
}

pub async fn deregister_instance(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::DeregisterInstanceInput,
) -> Result<api::DeregisterInstanceOutput, AwsError> {
    let operation_id = operations::new_id(&cx);
    let operation_id = settle(async || {
        let found = service(&cx, &input.service_id).await?;
        let there = instance(&cx, found.id(), &input.instance_id).await?;
        let targets = [
            ("INSTANCE", input.instance_id.as_str()),
            ("SERVICE", found.id()),
        ];
        let operation = operations::submitted(&cx, "DEREGISTER_INSTANCE", &targets);
        let revision = db::key::<InstancesRevision>(&cx.scope, found.id());
        let tx = cx
            .db()
            .tx()
            .unchanged(&found)
            .delete(&there)
            .put(revision, &InstancesRevision {});
        let tx = submit(&cx, tx, found.id(), &operation_id, &operation);
        Ok((tx, operation_id.clone()))
    })
    .await?;
    Ok(api::DeregisterInstanceOutput {
        operation_id: Some(operation_id),
    })
}

async fn instance(cx: &Ctx, service_id: &str, id: &str) -> Result<Stored<Instance>, AwsError> {
    let found = cx
        .db()
        .get_key::<Instance>(&key(cx, service_id, id))
        .await?;
    found.ok_or_else(|| error::instance_not_found(id))
}

pub async fn get_instance(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::GetInstanceInput,
) -> Result<api::GetInstanceOutput, AwsError> {
    let found = service(&cx, &input.service_id).await?;
    let there = instance(&cx, found.id(), &input.instance_id).await?.value;
    let account = cx.scope.account.to_string();
    Ok(api::GetInstanceOutput {
        resource_owner: Some(account.clone()),
        instance: Some(api::Instance {
            id: Some(there.id),
            creator_request_id: there.creator_request_id,
            attributes: Some(there.attributes),
            created_by_account: Some(account),
        }),
    })
}

/// AWS's word for how an instance is now, as it was said, or as a health check `found`.
pub(super) fn status(
    found: &BTreeMap<String, bool>,
    instance: &Instance,
    now: Timestamp,
) -> &'static str {
    let said = instance
        .health
        .as_ref()
        .map(|health| health.is_healthy(now));
    match said.or_else(|| found.get(&instance.id).copied()) {
        Some(true) => "HEALTHY",
        Some(false) => "UNHEALTHY",
        None => "UNKNOWN",
    }
}

pub async fn get_instances_health_status(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::GetInstancesHealthStatusInput,
) -> Result<api::GetInstancesHealthStatusOutput, AwsError> {
    let found = service(&cx, &input.service_id).await?;
    let prefix = of_service::<Instance>(&cx.scope, found.id());
    let mut all = cx.db().list_prefix::<Instance>(&prefix).await?;
    if let Some(asked) = &input.instances {
        let known: BTreeSet<&String> = all.iter().map(|i| &i.value.id).collect();
        if let Some(missing) = asked.iter().find(|id| !known.contains(id)) {
            return Err(error::instance_not_found(missing));
        }
        let asked: BTreeSet<&String> = asked.iter().collect();
        all.retain(|i| asked.contains(&i.value.id));
    }
    let size = PAGE.clamp(input.max_results);
    let token = input.next_token.as_deref();
    let page = page(all, token, size, |i| i.id().to_owned()).map_err(|_| error::invalid_token())?;
    let checked = checks::found(&cx, &found).await?;
    let status = |i: &Stored<Instance>| {
        let status = status(&checked, i, cx.now()).to_owned();
        (i.value.id.clone(), status)
    };
    Ok(api::GetInstancesHealthStatusOutput {
        status: Some(page.items.iter().map(status).collect()),
        next_token: page.next_token,
    })
}

pub async fn update_instance_custom_health_status(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::UpdateInstanceCustomHealthStatusInput,
) -> Result<Unit, AwsError> {
    let found = service(&cx, &input.service_id).await?;
    if !found.custom_health {
        return Err(error::custom_health_not_found());
    }
    let now = cx.now();
    let key = key(&cx, found.id(), &input.instance_id);
    let changed = cx.db().modify::<Instance, _>(&key, |instance| {
        let before = instance.health.clone();
        let health = instance.health.get_or_insert(CustomHealth {
            healthy: true,
            contrary_since: None,
        });
        health.say(input.status == "HEALTHY", now);
        Ok(instance.health != before)
    });
    let changed = changed.await?;
    changed
        .map(|_| Unit)
        .ok_or_else(|| error::instance_not_found(&input.instance_id))
}

//! Namespaces (<https://docs.aws.amazon.com/cloud-map/latest/api/API_Namespace.html>).

use super::{id, namespace, namespace_arn, operations, random, tags, ttl};
use crate::model::{
    Namespace, NamespaceName, NamespaceType, Operation, Service, ServiceName, Zone, part,
};
use crate::{ServiceDiscovery, error};
use neargate_api_servicediscovery as api;
use neargate_service::db::settle;
use neargate_service::dns::{self, HostedZone, LinkedService, RecordData, RecordSet, ZoneVpc};
use neargate_service::vpc::{self, Vpc};
use neargate_service::{AwsError, Ctx, Stored, Tx, db};
use std::sync::Arc;

const PRINCIPAL: &str = "servicediscovery.amazonaws.com";

/// What the three calls that create a namespace have in common.
struct Wanted {
    name: String,
    kind: NamespaceType,
    creator_request_id: Option<String>,
    description: Option<String>,
    tags: Option<Vec<api::Tag>>,
    vpc: Option<String>,
    soa_ttl: Option<i64>,
}

pub async fn create_http_namespace(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::CreateHttpNamespaceInput,
) -> Result<api::CreateHttpNamespaceOutput, AwsError> {
    let operation = create(
        &cx,
        Wanted {
            name: input.name,
            kind: NamespaceType::Http,
            creator_request_id: input.creator_request_id,
            description: input.description,
            tags: input.tags,
            vpc: None,
            soa_ttl: None,
        },
    );
    Ok(api::CreateHttpNamespaceOutput {
        operation_id: Some(operation.await?),
    })
}

pub async fn create_private_dns_namespace(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::CreatePrivateDnsNamespaceInput,
) -> Result<api::CreatePrivateDnsNamespaceOutput, AwsError> {
    let operation = create(
        &cx,
        Wanted {
            name: input.name,
            kind: NamespaceType::DnsPrivate,
            creator_request_id: input.creator_request_id,
            description: input.description,
            tags: input.tags,
            vpc: Some(input.vpc),
            soa_ttl: input.properties.map(|p| p.dns_properties.soa.ttl),
        },
    );
    Ok(api::CreatePrivateDnsNamespaceOutput {
        operation_id: Some(operation.await?),
    })
}

pub async fn create_public_dns_namespace(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::CreatePublicDnsNamespaceInput,
) -> Result<api::CreatePublicDnsNamespaceOutput, AwsError> {
    let operation = create(
        &cx,
        Wanted {
            name: input.name,
            kind: NamespaceType::DnsPublic,
            creator_request_id: input.creator_request_id,
            description: input.description,
            tags: input.tags,
            vpc: None,
            soa_ttl: input.properties.map(|p| p.dns_properties.soa.ttl),
        },
    );
    Ok(api::CreatePublicDnsNamespaceOutput {
        operation_id: Some(operation.await?),
    })
}

/// The operation that made it, or did not.
async fn create(cx: &Ctx, wanted: Wanted) -> Result<String, AwsError> {
    if wanted.name.is_empty() || wanted.name.starts_with("arn:") {
        return Err(error::invalid_input("Invalid namespace name."));
    }
    let tags = tags::parse(wanted.tags.clone().unwrap_or_default())?;
    let name_key = db::key::<NamespaceName>(&cx.scope, &part(&wanted.name));
    let namespace_id = format!("ns-{}", random(cx, 16));
    let operation_id = operations::new_id(cx);
    let zone_id = HostedZone::new_id(&cx.house.rng);
    settle(async || {
        if let Some(name) = cx.db().get_key::<NamespaceName>(&name_key).await? {
            let there = namespace(cx, &name.id).await?;
            let creator = there.creator_request_id.as_deref();
            let again = creator.is_some() && creator == wanted.creator_request_id.as_deref();
            return match again && there.kind == wanted.kind {
                true => Ok((cx.db().tx(), there.operation_id.clone())),
                false => Err(error::namespace_already_exists(&name.id, creator)),
            };
        }
        let has_zone = wanted.kind != NamespaceType::Http;
        let soa_ttl = wanted.soa_ttl.map_or(dns::SOA_TTL, ttl);
        let namespace = Namespace {
            name: wanted.name.clone(),
            kind: wanted.kind,
            description: wanted.description.clone(),
            creator_request_id: wanted.creator_request_id.clone(),
            operation_id: operation_id.clone(),
            zone: has_zone.then(|| Zone {
                id: zone_id.clone(),
                soa_ttl,
            }),
            created_at: cx.now(),
            tags: tags.clone(),
        };
        let targets = [("NAMESPACE", namespace_id.as_str())];
        let operation = operations::succeeded(cx, "CREATE_NAMESPACE", &targets);
        let operation_key = operations::key(cx, &operation_id);
        if let Some(vpc_id) = &wanted.vpc
            && let Err(why) = free_vpc(cx, &wanted.name, vpc_id).await?
        {
            let why = ("CANNOT_CREATE_HOSTED_ZONE", why);
            let targets = operation.targets.clone();
            let failed = operations::failed(cx, "CREATE_NAMESPACE", targets, why);
            return Ok((
                cx.db().tx().create(operation_key, &failed),
                operation_id.clone(),
            ));
        }
        let mut tx = cx
            .db()
            .tx()
            .create(
                name_key.clone(),
                &NamespaceName {
                    id: namespace_id.clone(),
                },
            )
            .create(db::key::<Namespace>(&cx.scope, &namespace_id), &namespace)
            .create(operation_key, &operation);
        if has_zone {
            tx = with_zone(cx, tx, &namespace_id, &zone_id, &wanted, soa_ttl);
        }
        Ok((tx, operation_id.clone()))
    })
    .await
}

/// Why the VPC cannot have a zone of this name.
async fn free_vpc(cx: &Ctx, name: &str, vpc_id: &str) -> Result<Result<(), String>, AwsError> {
    vpc::ensure_default(&cx.house, &cx.scope).await?;
    let region = &cx.scope.region;
    if cx.db().get::<Vpc>(&cx.scope, vpc_id).await?.is_none() {
        return Ok(Err(format!(
            "The VPC ID is invalid: there is no VPC {vpc_id} in region {region}."
        )));
    }
    let there = dns::zone_of_vpc(cx.db(), &dns::name(name), vpc_id).await?;
    Ok(match there {
        Some(zone) => Err(format!(
            "The VPC {vpc_id} in region {region} has already been associated with the hosted zone \
             {zone} with the same domain name."
        )),
        None => Ok(()),
    })
}

fn with_zone(
    cx: &Ctx,
    mut tx: Tx,
    namespace_id: &str,
    zone_id: &str,
    wanted: &Wanted,
    soa_ttl: u32,
) -> Tx {
    let account = &cx.scope.account;
    let vpc = wanted.vpc.as_ref().map(|vpc_id| ZoneVpc {
        vpc_id: vpc_id.clone(),
        region: cx.scope.region.clone(),
    });
    let zone = HostedZone {
        name: dns::name(&wanted.name),
        caller_reference: namespace_id.to_owned(),
        comment: wanted.description.clone().unwrap_or_default(),
        name_servers: HostedZone::servers(zone_id, vpc.is_some()),
        vpcs: vpc.map(|vpc| vec![vpc]),
        linked_service: Some(LinkedService {
            service_principal: PRINCIPAL.to_owned(),
            description: namespace_arn(cx, namespace_id),
        }),
        created_at: cx.now(),
        pending: None,
        tags: Default::default(),
    };
    for record in zone.first_records(soa_ttl) {
        tx = tx.create(record.key(account, zone_id), &record);
    }
    tx.create(dns::zone_key(account, zone_id), &zone)
}

pub async fn get_namespace(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::GetNamespaceInput,
) -> Result<api::GetNamespaceOutput, AwsError> {
    let found = namespace(&cx, &input.id).await?;
    let services = services_of(&cx, found.id()).await?;
    Ok(api::GetNamespaceOutput {
        namespace: Some(api::Namespace {
            id: Some(found.id().to_owned()),
            arn: Some(namespace_arn(&cx, found.id())),
            resource_owner: Some(cx.scope.account.to_string()),
            name: Some(found.name.clone()),
            r#type: Some(found.kind.as_str().to_owned()),
            description: found.description.clone(),
            service_count: i32::try_from(services.len()).ok(),
            properties: Some(properties(&found)),
            create_date: Some(found.created_at),
            creator_request_id: found.creator_request_id.clone(),
        }),
    })
}

/// The names of its services.
pub(super) async fn services_of(
    cx: &Ctx,
    namespace_id: &str,
) -> Result<Vec<Stored<ServiceName>>, AwsError> {
    let prefix = format!("{}{namespace_id}/", db::prefix::<ServiceName>(&cx.scope));
    cx.db().list_prefix(&prefix).await
}

pub(super) fn properties(of: &Namespace) -> api::NamespaceProperties {
    api::NamespaceProperties {
        dns_properties: of.zone.as_ref().map(|zone| api::DnsProperties {
            hosted_zone_id: Some(zone.id.clone()),
            soa: Some(api::SOA {
                ttl: zone.soa_ttl.into(),
            }),
        }),
        http_properties: Some(api::HttpProperties {
            http_name: Some(of.name.clone()),
        }),
    }
}

pub async fn delete_namespace(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::DeleteNamespaceInput,
) -> Result<api::DeleteNamespaceOutput, AwsError> {
    let operation_id = operations::new_id(&cx);
    let account = &cx.scope.account;
    let operation_id = settle(async || {
        let found = namespace(&cx, &input.id).await?;
        let namespace_id = found.id();
        // Whoever makes a service rewrites the namespace's record: so none is missed.
        if !services_of(&cx, namespace_id).await?.is_empty() {
            return Err(error::namespace_in_use());
        }
        let targets = [("NAMESPACE", namespace_id)];
        let operation = operations::succeeded(&cx, "DELETE_NAMESPACE", &targets);
        let mut tx = cx
            .db()
            .tx()
            .delete(&found)
            .delete_key(db::key::<NamespaceName>(&cx.scope, &part(&found.name)))
            .create(operations::key(&cx, &operation_id), &operation);
        if let Some(zone) = &found.zone {
            for record in zone_records(&cx, &zone.id).await? {
                tx = tx.delete_key(record.key);
            }
            tx = tx.delete_key(dns::zone_key(account, &zone.id));
        }
        Ok((tx, operation_id.clone()))
    })
    .await?;
    Ok(api::DeleteNamespaceOutput {
        operation_id: Some(operation_id),
    })
}

async fn zone_records(cx: &Ctx, zone_id: &str) -> Result<Vec<Stored<RecordSet>>, AwsError> {
    let prefix = dns::records_of(&cx.scope.account, zone_id);
    cx.db().list_prefix(&prefix).await
}

pub async fn update_http_namespace(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::UpdateHttpNamespaceInput,
) -> Result<api::UpdateHttpNamespaceOutput, AwsError> {
    let description = Some(input.namespace.description);
    let operation = update(&cx, &input.id, NamespaceType::Http, description, None);
    Ok(api::UpdateHttpNamespaceOutput {
        operation_id: Some(operation.await?),
    })
}

pub async fn update_private_dns_namespace(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::UpdatePrivateDnsNamespaceInput,
) -> Result<api::UpdatePrivateDnsNamespaceOutput, AwsError> {
    let change = input.namespace;
    let soa = change.properties.map(|p| p.dns_properties.soa.ttl);
    let kind = NamespaceType::DnsPrivate;
    let operation = update(&cx, &input.id, kind, change.description, soa);
    Ok(api::UpdatePrivateDnsNamespaceOutput {
        operation_id: Some(operation.await?),
    })
}

pub async fn update_public_dns_namespace(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::UpdatePublicDnsNamespaceInput,
) -> Result<api::UpdatePublicDnsNamespaceOutput, AwsError> {
    let change = input.namespace;
    let soa = change.properties.map(|p| p.dns_properties.soa.ttl);
    let kind = NamespaceType::DnsPublic;
    let operation = update(&cx, &input.id, kind, change.description, soa);
    Ok(api::UpdatePublicDnsNamespaceOutput {
        operation_id: Some(operation.await?),
    })
}

async fn update(
    cx: &Ctx,
    given: &str,
    kind: NamespaceType,
    description: Option<String>,
    soa_ttl: Option<i64>,
) -> Result<String, AwsError> {
    let operation_id = operations::new_id(cx);
    settle(async || {
        let found = namespace(cx, given).await?;
        if found.kind != kind {
            return Err(error::namespace_not_found(id(given, "namespace/")));
        }
        let mut changed = found.value.clone();
        if description.is_some() {
            changed.description = description.clone();
        }
        let targets = [("NAMESPACE", found.id())];
        let operation: Operation = operations::succeeded(cx, "UPDATE_NAMESPACE", &targets);
        let mut tx = cx.db().tx();
        if let (Some(zone), Some(soa_ttl)) = (&mut changed.zone, soa_ttl) {
            zone.soa_ttl = ttl(soa_ttl);
            let name = dns::name(&found.name);
            let empty = RecordSet::simple(&name, "SOA", 0, Vec::new());
            let key = empty.key(&cx.scope.account, &zone.id);
            if let Some(soa) = cx.db().get_key::<RecordSet>(&key).await? {
                let mut new = soa.value.clone();
                if let RecordData::Records { ttl, .. } = &mut new.data {
                    *ttl = zone.soa_ttl;
                }
                tx = tx.update(&soa, &new);
            }
        }
        let tx = tx
            .update(&found, &changed)
            .create(operations::key(cx, &operation_id), &operation);
        Ok((tx, operation_id.clone()))
    })
    .await
}

/// The id of the service of this name.
pub(super) async fn service_named(
    cx: &Ctx,
    namespace_id: &str,
    name: &str,
) -> Result<Option<Stored<Service>>, AwsError> {
    let key = db::key::<ServiceName>(&cx.scope, &format!("{namespace_id}/{}", part(name)));
    match cx.db().get_key::<ServiceName>(&key).await? {
        Some(found) => cx.db().get::<Service>(&cx.scope, &found.id).await,
        None => Ok(None),
    }
}

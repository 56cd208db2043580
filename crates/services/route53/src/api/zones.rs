//! Hosted zones (<https://docs.aws.amazon.com/Route53/latest/APIReference/API_HostedZone.html>).

use super::{changes, id, own_zone, shown, size, vpcs, zone};
use crate::{Route53, error, values};
use neargate_api_route53 as api;
use neargate_service::db::settle;
use neargate_service::dns::{self, HostedZone, RecordSet};
use neargate_service::{AwsError, Ctx, Stored};
use std::sync::Arc;

/// Quotas of an account (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>).
pub const MOST_ZONES: usize = 500;
const PAGE: usize = 100;

pub async fn create_hosted_zone(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::CreateHostedZoneInput,
) -> Result<api::CreateHostedZoneOutput, AwsError> {
    if input.delegation_set_id.is_some() {
        return Err(AwsError::not_implemented("route53", "DelegationSetId"));
    }
    let name = dns::name(&input.name);
    if !values::is_domain_name(&input.name) || name == "." {
        return Err(error::invalid_domain_name(&input.name));
    }
    let config = input.hosted_zone_config.clone().unwrap_or_default();
    if config.private_zone == Some(true) && input.vpc.is_none() {
        return Err(error::invalid_input(
            "When you're creating a private hosted zone (when you specify true for PrivateZone), you must also specify values for VPCId and VPCRegion.",
        ));
    }
    let zone_id = HostedZone::new_id(&cx.house.rng);
    let change_id = changes::new_id(&cx);
    let (zone, change) = settle(async || {
        let all = all(&cx).await?;
        let reference = &input.caller_reference;
        if all.iter().any(|zone| zone.caller_reference == *reference) {
            return Err(error::hosted_zone_already_exists());
        }
        if all.len() >= MOST_ZONES {
            return Err(error::too_many_hosted_zones());
        }
        let vpc = match &input.vpc {
            Some(vpc) => Some(vpcs::free(&cx, &name, vpc).await?),
            None => None,
        };
        let zone = HostedZone {
            name: name.clone(),
            caller_reference: reference.clone(),
            comment: config.comment.clone().unwrap_or_default(),
            name_servers: HostedZone::servers(&zone_id, vpc.is_some()),
            vpcs: vpc.map(|vpc| vec![vpc]),
            linked_service: None,
            created_at: cx.now(),
            pending: None,
            tags: Default::default(),
        };
        let change = changes::submitted(&cx, None);
        let account = &cx.scope.account;
        let key = dns::zone_key(account, &zone_id);
        let mut tx = cx
            .db()
            .tx()
            .create(key.clone(), &zone)
            .create(changes::key(&cx, &change_id), &change);
        for record in zone.first_records(dns::SOA_TTL) {
            tx = tx.create(record.key(account, &zone_id), &record);
        }
        let zone = Stored {
            key,
            revision: 0,
            value: zone,
        };
        Ok((tx, (zone, change)))
    })
    .await?;
    Ok(api::CreateHostedZoneOutput {
        hosted_zone: Some(shown::zone(&zone, 2)),
        change_info: Some(changes::pending(&change_id, &change)),
        delegation_set: shown::delegation_set(&zone),
        vpc: shown::vpcs(&zone).into_iter().next(),
        location: Some(format!(
            "https://route53.amazonaws.com/2013-04-01/hostedzone/{zone_id}"
        )),
    })
}

/// The caller's, by their ids.
async fn all(cx: &Ctx) -> Result<Vec<Stored<HostedZone>>, AwsError> {
    cx.db()
        .list::<HostedZone>(&dns::global(&cx.scope.account))
        .await
}

pub(super) async fn records_of(
    cx: &Ctx,
    zone_id: &str,
) -> Result<Vec<Stored<RecordSet>>, AwsError> {
    let prefix = dns::records_of(&cx.scope.account, zone_id);
    cx.db().list_prefix(&prefix).await
}

async fn with_counts(
    cx: &Ctx,
    zones: &[Stored<HostedZone>],
) -> Result<Vec<api::HostedZone>, AwsError> {
    let mut all = Vec::new();
    for zone in zones {
        let records = records_of(cx, zone.id()).await?.len();
        all.push(shown::zone(zone, records));
    }
    Ok(all)
}

pub async fn get_hosted_zone(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::GetHostedZoneInput,
) -> Result<api::GetHostedZoneOutput, AwsError> {
    let found = zone(&cx, &input.id).await?;
    let records = records_of(&cx, found.id()).await?.len();
    Ok(api::GetHostedZoneOutput {
        hosted_zone: Some(shown::zone(&found, records)),
        delegation_set: shown::delegation_set(&found),
        vp_cs: Some(shown::vpcs(&found)).filter(|all| !all.is_empty()),
    })
}

pub async fn get_hosted_zone_count(
    _: Arc<Route53>,
    cx: Ctx,
    _: api::GetHostedZoneCountInput,
) -> Result<api::GetHostedZoneCountOutput, AwsError> {
    Ok(api::GetHostedZoneCountOutput {
        hosted_zone_count: i64::try_from(all(&cx).await?.len()).ok(),
    })
}

pub async fn update_hosted_zone_comment(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::UpdateHostedZoneCommentInput,
) -> Result<api::UpdateHostedZoneCommentOutput, AwsError> {
    let found = zone(&cx, &input.id).await?;
    let comment = input.comment.unwrap_or_default();
    let changed = cx.db().modify::<HostedZone, _>(&found.key, |zone| {
        zone.comment.clone_from(&comment);
        Ok(true)
    });
    let changed = changed.await?;
    let changed = changed.ok_or_else(|| error::no_such_hosted_zone(found.id()))?;
    let records = records_of(&cx, found.id()).await?.len();
    Ok(api::UpdateHostedZoneCommentOutput {
        hosted_zone: Some(shown::zone(&changed, records)),
    })
}

pub async fn delete_hosted_zone(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::DeleteHostedZoneInput,
) -> Result<api::DeleteHostedZoneOutput, AwsError> {
    let change_id = changes::new_id(&cx);
    let change = settle(async || {
        // Whoever changes records rewrites the zone: so none is missed.
        let found = own_zone(&cx, &input.id).await?;
        if found.pending.is_some() {
            return Err(error::prior_request_not_complete());
        }
        let records = records_of(&cx, found.id()).await?;
        let is_own = |set: &RecordSet| {
            set.name == found.name && matches!(set.record_type.as_str(), "NS" | "SOA")
        };
        if !records.iter().all(|set| is_own(set)) {
            return Err(error::hosted_zone_not_empty());
        }
        let change = changes::submitted(&cx, None);
        let mut tx = cx
            .db()
            .tx()
            .delete(&found)
            .create(changes::key(&cx, &change_id), &change);
        for record in &records {
            tx = tx.delete_key(record.key.clone());
        }
        Ok((tx, change))
    })
    .await?;
    Ok(api::DeleteHostedZoneOutput {
        change_info: Some(changes::pending(&change_id, &change)),
    })
}

pub async fn list_hosted_zones(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ListHostedZonesInput,
) -> Result<api::ListHostedZonesOutput, AwsError> {
    let size = size(input.max_items.as_deref(), PAGE)?;
    if let Some(set) = &input.delegation_set_id {
        return Err(error::no_such_delegation_set(set));
    }
    let mut all = all(&cx).await?;
    if input.hosted_zone_type.as_deref() == Some("PrivateHostedZone") {
        all.retain(|zone| zone.is_private());
    }
    if let Some(marker) = &input.marker {
        all.retain(|zone| zone.id() >= id(marker));
    }
    let next = all.get(size).map(|zone| zone.id().to_owned());
    all.truncate(size);
    Ok(api::ListHostedZonesOutput {
        hosted_zones: Some(with_counts(&cx, &all).await?),
        marker: input.marker,
        is_truncated: Some(next.is_some()),
        next_marker: next,
        max_items: Some(size.to_string()),
    })
}

pub async fn list_hosted_zones_by_name(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ListHostedZonesByNameInput,
) -> Result<api::ListHostedZonesByNameOutput, AwsError> {
    let size = size(input.max_items.as_deref(), PAGE)?;
    if input.hosted_zone_id.is_some() && input.dns_name.is_none() {
        return Err(error::invalid_input(
            "This request includes a value for hostedzoneid without a value for dnsname.",
        ));
    }
    let mut all = all(&cx).await?;
    let place = |zone: &Stored<HostedZone>| (dns::reversed(&zone.name), zone.id().to_owned());
    all.sort_by_key(place);
    if let Some(name) = &input.dns_name {
        let from = dns::reversed(&dns::name(name));
        let id = input.hosted_zone_id.as_deref().map(id).unwrap_or_default();
        let from = (from, id.to_owned());
        all.retain(|zone| place(zone) >= from);
    }
    let next = all
        .get(size)
        .map(|zone| (zone.name.clone(), zone.id().to_owned()));
    all.truncate(size);
    let (next_name, next_id) = next.unzip();
    Ok(api::ListHostedZonesByNameOutput {
        hosted_zones: Some(with_counts(&cx, &all).await?),
        dns_name: input.dns_name,
        hosted_zone_id: input.hosted_zone_id,
        is_truncated: Some(next_id.is_some()),
        next_dns_name: next_name,
        next_hosted_zone_id: next_id,
        max_items: Some(size.to_string()),
    })
}

pub async fn list_hosted_zones_by_vpc(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ListHostedZonesByVPCInput,
) -> Result<api::ListHostedZonesByVPCOutput, AwsError> {
    let size = size(input.max_items.as_deref(), PAGE)?;
    let has = |zone: &HostedZone| {
        let mut vpcs = zone.vpcs.iter().flatten();
        vpcs.any(|vpc| vpc.vpc_id == input.vpc_id && vpc.region.as_str() == input.vpc_region)
    };
    let mut all = all(&cx).await?;
    all.retain(|zone| has(zone));
    let token = input.next_token.as_deref();
    let page = neargate_service::page::page(all, token, size, |zone| zone.id().to_owned())
        .map_err(|_| error::invalid_pagination_token())?;
    let account = cx.scope.account.to_string();
    let summary = |zone: &Stored<HostedZone>| api::HostedZoneSummary {
        hosted_zone_id: Some(zone.id().to_owned()),
        name: Some(zone.name.clone()),
        owner: Some(match &zone.linked_service {
            Some(by) => api::HostedZoneOwner {
                owning_service: Some(by.service_principal.clone()),
                ..Default::default()
            },
            None => api::HostedZoneOwner {
                owning_account: Some(account.clone()),
                ..Default::default()
            },
        }),
    };
    Ok(api::ListHostedZonesByVPCOutput {
        hosted_zone_summaries: Some(page.items.iter().map(summary).collect()),
        max_items: Some(size.to_string()),
        next_token: page.next_token,
    })
}

//! Zones and record sets as Route 53 shows them, and record sets as it is given them.

use crate::batch::Action;
use crate::{error, values};
use neargate_api_route53 as api;
use neargate_service::dns::{self, HostedZone, RecordData, RecordSet, Routing};
use neargate_service::{AwsError, Stored};

pub fn zone(of: &Stored<HostedZone>, records: usize) -> api::HostedZone {
    api::HostedZone {
        id: Some(format!("/hostedzone/{}", of.id())),
        name: Some(of.name.clone()),
        caller_reference: Some(of.caller_reference.clone()),
        config: Some(api::HostedZoneConfig {
            comment: Some(of.comment.clone()).filter(|comment| !comment.is_empty()),
            private_zone: Some(of.is_private()),
        }),
        resource_record_set_count: i64::try_from(records).ok(),
        linked_service: of.linked_service.as_ref().map(|by| api::LinkedService {
            service_principal: Some(by.service_principal.clone()),
            description: Some(by.description.clone()),
        }),
        features: None,
    }
}

pub fn vpcs(of: &HostedZone) -> Vec<api::VPC> {
    let vpcs = of.vpcs.iter().flatten();
    vpcs.map(|vpc| api::VPC {
        vpc_id: Some(vpc.vpc_id.clone()),
        vpc_region: Some(vpc.region.to_string()),
    })
    .collect()
}

/// Public zones have name servers to show.
pub fn delegation_set(of: &HostedZone) -> Option<api::DelegationSet> {
    (!of.is_private()).then(|| api::DelegationSet {
        name_servers: Some(of.name_servers.clone()),
        ..Default::default()
    })
}

pub fn record_set(of: &RecordSet) -> api::ResourceRecordSet {
    let mut shown = api::ResourceRecordSet {
        name: of.name.clone(),
        r#type: of.record_type.clone(),
        set_identifier: of.set_identifier.clone(),
        health_check_id: of.health_check_id.clone(),
        ..Default::default()
    };
    match &of.routing {
        Routing::Simple => {}
        Routing::Weighted(weight) => shown.weight = Some((*weight).into()),
        Routing::Multivalue => shown.multi_value_answer = Some(true),
        Routing::Latency(region) => shown.region = Some(region.clone()),
        Routing::Failover { is_primary } => {
            let word = if *is_primary { "PRIMARY" } else { "SECONDARY" };
            shown.failover = Some(word.to_owned());
        }
        Routing::Geolocation {
            continent,
            country,
            subdivision,
        } => {
            shown.geo_location = Some(api::GeoLocation {
                continent_code: continent.clone(),
                country_code: country.clone(),
                subdivision_code: subdivision.clone(),
            });
        }
    }
    match &of.data {
        RecordData::Records { ttl, values } => {
            let record = |value: &String| api::ResourceRecord {
                value: value.clone(),
            };
            shown.ttl = Some((*ttl).into());
            shown.resource_records = Some(values.iter().map(record).collect());
        }
        RecordData::Alias {
            hosted_zone_id,
            dns_name,
            evaluate_target_health,
        } => {
            shown.alias_target = Some(api::AliasTarget {
                hosted_zone_id: hosted_zone_id.clone(),
                dns_name: dns_name.clone(),
                evaluate_target_health: *evaluate_target_health,
            });
        }
    }
    shown
}

/// A change of a batch.
///
/// # Errors
/// What is wrong with it by itself.
pub fn read(change: &api::Change) -> Result<(Action, RecordSet), AwsError> {
    let given = &change.resource_record_set;
    let identifier = given.set_identifier.as_deref().unwrap_or("null");
    let of = format!(
        "Change with [Action={}, Name={}, Type={}, SetIdentifier={identifier}]",
        change.action, given.name, given.r#type
    );
    let unbuilt = [
        (
            given.traffic_policy_instance_id.is_some(),
            "TrafficPolicyInstanceId",
        ),
        (given.cidr_routing_config.is_some(), "CidrRoutingConfig"),
        (
            given.geo_proximity_location.is_some(),
            "GeoProximityLocation",
        ),
    ];
    if let Some((_, what)) = unbuilt.iter().find(|(given, _)| *given) {
        return Err(AwsError::not_implemented("route53", what));
    }
    if !values::is_domain_name(&given.name) {
        return Err(error::invalid_input(format!(
            "Invalid request: the name {} is no domain name in {of}",
            given.name
        )));
    }
    let records = given
        .resource_records
        .as_ref()
        .filter(|all| !all.is_empty());
    let data = match (&given.alias_target, given.ttl, records) {
        (Some(alias), None, None) => RecordData::Alias {
            hosted_zone_id: alias.hosted_zone_id.clone(),
            dns_name: dns::name(&alias.dns_name),
            evaluate_target_health: alias.evaluate_target_health,
        },
        (None, Some(ttl), Some(records)) => RecordData::Records {
            ttl: u32::try_from(ttl).unwrap_or(u32::MAX),
            values: records.iter().map(|r| r.value.clone()).collect(),
        },
        (None, Some(_), None) => return Err(missing("ResourceRecords", &of)),
        (None, None, Some(_)) => return Err(missing("TTL", &of)),
        (alias, ..) => {
            let found = if alias.is_some() {
                "more than one"
            } else {
                "none"
            };
            return Err(error::invalid_input(format!(
                "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and \
                 ResourceRecords], or TrafficPolicyInstanceId], but found {found} in {of}"
            )));
        }
    };
    let action = match change.action.as_str() {
        "CREATE" => Action::Create,
        "DELETE" => Action::Delete,
        _ => Action::Upsert,
    };
    let set = RecordSet {
        name: dns::name(&given.name),
        record_type: given.r#type.clone(),
        set_identifier: given.set_identifier.clone(),
        routing: routing(given, &of)?,
        data,
        health_check_id: given.health_check_id.clone(),
        service_id: None,
        unhealthy: false,
    };
    Ok((action, set))
}

fn missing(what: &str, of: &str) -> AwsError {
    error::invalid_input(format!("Invalid request: Missing field '{what}' in {of}"))
}

fn routing(given: &api::ResourceRecordSet, of: &str) -> Result<Routing, AwsError> {
    let mut policies = Vec::new();
    if let Some(weight) = given.weight {
        policies.push(Routing::Weighted(u8::try_from(weight).unwrap_or(u8::MAX)));
    }
    if let Some(region) = &given.region {
        policies.push(Routing::Latency(region.clone()));
    }
    if let Some(failover) = &given.failover {
        policies.push(Routing::Failover {
            is_primary: failover == "PRIMARY",
        });
    }
    if let Some(place) = &given.geo_location {
        policies.push(Routing::Geolocation {
            continent: place.continent_code.clone(),
            country: place.country_code.clone(),
            subdivision: place.subdivision_code.clone(),
        });
    }
    if given.multi_value_answer == Some(true) {
        policies.push(Routing::Multivalue);
    }
    let many = |found: &str| {
        error::invalid_input(format!(
            "Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, \
             GeoProximityLocation, MultiValueAnswer, and CidrRoutingConfig], but found {found} in {of}"
        ))
    };
    match (policies.len(), &given.set_identifier) {
        (0, None) => Ok(Routing::Simple),
        (0, Some(_)) => Err(many("none")),
        (1, None) => Err(missing("SetIdentifier", of)),
        (1, Some(_)) => Ok(policies.remove(0)),
        _ => Err(many("more than one")),
    }
}

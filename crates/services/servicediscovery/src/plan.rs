//! Which records the instances of a service have: pure
//! (<https://docs.aws.amazon.com/cloud-map/latest/api/API_DnsRecord.html>).

use crate::model::{Checked, Dns, Instance, Service};
use neargate_base::Timestamp;
use neargate_service::dns::{self, RecordData, RecordSet, Routing};
use std::collections::BTreeMap;

/// The zone id of every load balancer that an alias leads to. Here names alone decide.
const LOAD_BALANCERS: &str = "Z35SXDOTRQ7X7K";

/// What health checks of Route 53 follow the instances of a service, by instance
/// (<https://docs.aws.amazon.com/cloud-map/latest/api/API_HealthCheckConfig.html>).
pub fn checks<'a>(
    service: &Service,
    instances: impl IntoIterator<Item = &'a Instance>,
) -> BTreeMap<&'a str, Checked> {
    let Some(by) = &service.health_check else {
        return BTreeMap::new();
    };
    let checked = |instance: &'a Instance| {
        let attribute = |name: &str| instance.attributes.get(name);
        let address = attribute("AWS_INSTANCE_IPV4").or_else(|| attribute("AWS_INSTANCE_IPV6"));
        let checked = Checked {
            address: address?.clone(),
            port: attribute("AWS_INSTANCE_PORT").and_then(|port| port.parse().ok()),
            by: by.clone(),
        };
        Some((instance.id.as_str(), checked))
    };
    instances.into_iter().filter_map(checked).collect()
}

/// The records that a service's instances have in the zone of its namespace, `namespace` by name, each
/// with the health check that follows its instance.
pub fn records<'a>(
    namespace: &str,
    (service_id, service): (&str, &Service),
    instances: impl IntoIterator<Item = &'a Instance>,
    checks: &BTreeMap<&str, &str>,
    now: Timestamp,
) -> Vec<RecordSet> {
    let Some(dns) = &service.dns else {
        return Vec::new();
    };
    let name = format!("{}.{namespace}", service.name);
    let mut records = Vec::new();
    for instance in instances {
        let healthy = instance.health.as_ref().is_none_or(|h| h.is_healthy(now));
        let before = records.len();
        of_instance(&name, dns, instance, !healthy, &mut records);
        let check = checks.get(instance.id.as_str());
        // What an SRV record leads to is one of no several.
        let own = records.iter_mut().skip(before);
        for set in own.filter(|set| set.set_identifier.is_some()) {
            set.health_check_id = check.map(|id| (*id).to_owned());
        }
    }
    for set in &mut records {
        set.service_id = Some(service_id.to_owned());
    }
    records
}

fn of_instance(
    service: &str,
    dns: &Dns,
    instance: &Instance,
    unhealthy: bool,
    into: &mut Vec<RecordSet>,
) {
    let attribute = |name: &str| instance.attributes.get(name);
    let host = format!("{}.{service}", instance.id);
    let routing = match dns.weighted {
        true => Routing::Weighted(1),
        false => Routing::Multivalue,
    };
    for (record_type, ttl) in &dns.records {
        let value = match record_type.as_str() {
            "A" => attribute("AWS_INSTANCE_IPV4").cloned(),
            "AAAA" => attribute("AWS_INSTANCE_IPV6").cloned(),
            "CNAME" => attribute("AWS_INSTANCE_CNAME").map(|name| dns::name(name)),
            _ => attribute("AWS_INSTANCE_PORT")
                .map(|port| format!("1 1 {port} {}", dns::name(&host))),
        };
        let alias = attribute("AWS_ALIAS_DNS_NAME").map(|name| RecordData::Alias {
            hosted_zone_id: LOAD_BALANCERS.to_owned(),
            dns_name: dns::name(name),
            evaluate_target_health: false,
        });
        let values = |value| RecordData::Records {
            ttl: *ttl,
            values: vec![value],
        };
        let Some(data) = alias.or_else(|| value.map(values)) else {
            continue;
        };
        into.push(RecordSet {
            name: dns::name(service),
            record_type: record_type.clone(),
            set_identifier: Some(instance.id.clone()),
            routing: routing.clone(),
            data,
            health_check_id: None,
            service_id: None,
            unhealthy,
        });
        // What an SRV record leads to has a name of its own.
        if record_type == "SRV" {
            let addresses = [("A", "AWS_INSTANCE_IPV4"), ("AAAA", "AWS_INSTANCE_IPV6")];
            for (record_type, name) in addresses {
                if let Some(address) = attribute(name) {
                    let values = vec![address.clone()];
                    let name = dns::name(&host);
                    into.push(RecordSet::simple(&name, record_type, *ttl, values));
                }
            }
        }
    }
}

//! The names of Express services: a hosted zone for each, which belongs to no customer, as the zone of `on.aws`
//! is Amazon's own. The name is an alias of the load balancer's.

use crate::plan::express;
use neargate_base::{Rng, Timestamp};
use neargate_service::db::Tx;
use neargate_service::dns::{self, HostedZone, RecordData, RecordSet, Routing};
use neargate_service::{Scope, managed};

/// A name for a new one.
pub(crate) fn name(rng: &Rng, scope: &Scope, service: &str) -> String {
    express::endpoint(service, &rng.hex(32), scope.region.as_str())
}

fn zone_id(endpoint: &str) -> String {
    let digits = endpoint.split(['-', '.']).nth(1).unwrap_or_default();
    format!("ZECS{}", digits.to_ascii_uppercase())
}

fn alias(name: &str, (dns_name, hosted_zone_id): (&str, &str)) -> RecordSet {
    RecordSet {
        name: name.to_owned(),
        record_type: "A".into(),
        set_identifier: None,
        routing: Routing::Simple,
        data: RecordData::Alias {
            hosted_zone_id: hosted_zone_id.to_owned(),
            dns_name: dns::name(dns_name),
            evaluate_target_health: false,
        },
        health_check_id: None,
        service_id: None,
        unhealthy: false,
    }
}

/// Adds to the transaction that the endpoint leads to the load balancer, which has a name and a hosted zone.
pub(super) fn lead(mut tx: Tx, endpoint: &str, to: (&str, &str), now: Timestamp) -> Tx {
    let (account, id, name) = (managed::account(), zone_id(endpoint), dns::name(endpoint));
    let zone = HostedZone {
        name: name.clone(),
        caller_reference: endpoint.to_owned(),
        comment: String::new(),
        name_servers: HostedZone::servers(&id, false),
        vpcs: None,
        linked_service: None,
        created_at: now,
        pending: None,
        tags: Default::default(),
    };
    tx = tx.put(dns::zone_key(&account, &id), &zone);
    for record in zone.first_records(dns::SOA_TTL) {
        tx = tx.put(record.key(&account, &id), &record);
    }
    let record = alias(&name, to);
    tx.put(record.key(&account, &id), &record)
}

/// Adds to the transaction that nobody has the name any more.
pub(super) fn forget(mut tx: Tx, endpoint: &str) -> Tx {
    let (account, id, name) = (managed::account(), zone_id(endpoint), dns::name(endpoint));
    tx = tx.delete_key(dns::zone_key(&account, &id));
    for kind in ["NS", "SOA", "A"] {
        let record = RecordSet::simple(&name, kind, 0, Vec::new());
        tx = tx.delete_key(record.key(&account, &id));
    }
    tx
}

//! The names of instances: a hosted zone for each, which belongs to no customer, as the zones of RDS's
//! endpoints are Amazon's own.
//!
//! In its VPC an instance's name means its private address. Elsewhere it means the public one of an instance
//! that is publicly accessible, and otherwise the private one, too.

use crate::model::{Instance, Place};
use neargate_base::Timestamp;
use neargate_service::db::Tx;
use neargate_service::dns::{self, HostedZone, RecordSet, ZoneVpc};
use neargate_service::{Scope, managed};
use sha2::{Digest as _, Sha256};

/// How long clients keep an address, in seconds, as RDS has it.
const TTL: u32 = 5;

/// The name of an instance. What stands in its middle is the same for all of an account and region.
pub fn name(scope: &Scope, identifier: &str) -> String {
    let digest = Sha256::digest(format!("{}/{}", scope.account, scope.region));
    let of = hex::encode(digest);
    format!(
        "{identifier}.c{}.{}.rds.amazonaws.com",
        &of[..11],
        scope.region
    )
}

/// The ids of an instance's zones: the public one, and the one of its VPC.
fn zones(instance: &Instance) -> [String; 2] {
    let id = instance.resource_id.trim_start_matches("db-");
    [format!("ZRDS{id}"), format!("ZRDSV{id}")]
}

/// The zone that clients are told of.
pub fn zone_id(instance: &Instance) -> String {
    let [public, _] = zones(instance);
    public
}

/// Adds to the transaction that the name means this place.
pub fn lead(
    mut tx: Tx,
    scope: &Scope,
    (identifier, instance): (&str, &Instance),
    place: &Place,
    now: Timestamp,
) -> Tx {
    let account = managed::account();
    let name = dns::name(&name(scope, identifier));
    let [public, private] = zones(instance);
    let outside = place.public_ipv4.as_ref().unwrap_or(&place.private_ipv4);
    let vpcs = vec![ZoneVpc {
        vpc_id: instance.vpc_id.clone(),
        region: scope.region.clone(),
    }];
    let both = [
        (public, None, outside),
        (private, Some(vpcs), &place.private_ipv4),
    ];
    for (id, vpcs, address) in both {
        let zone = HostedZone {
            name: name.clone(),
            caller_reference: instance.resource_id.clone(),
            comment: String::new(),
            name_servers: HostedZone::servers(&id, vpcs.is_some()),
            vpcs,
            linked_service: None,
            created_at: now,
            pending: None,
            tags: Default::default(),
        };
        tx = tx.put(dns::zone_key(&account, &id), &zone);
        for record in zone.first_records(dns::SOA_TTL) {
            tx = tx.put(record.key(&account, &id), &record);
        }
        let record = RecordSet::simple(&name, "A", TTL, vec![address.clone()]);
        tx = tx.put(record.key(&account, &id), &record);
    }
    tx
}

/// Adds to the transaction that nobody has the name any more.
pub fn forget(mut tx: Tx, scope: &Scope, identifier: &str, instance: &Instance) -> Tx {
    let account = managed::account();
    let name = dns::name(&name(scope, identifier));
    for id in zones(instance) {
        tx = tx.delete_key(dns::zone_key(&account, &id));
        for kind in ["NS", "SOA", "A"] {
            let record = RecordSet::simple(&name, kind, TTL, Vec::new());
            tx = tx.delete_key(record.key(&account, &id));
        }
    }
    tx
}

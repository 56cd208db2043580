//! Names of hosted zones: private ones in the VPCs that they are associated with, public ones
//! everywhere (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html>).
//!
//! A name belongs to the zone with the longest name that it is within; a private zone comes before
//! every public one, and what it has not is not there.

mod routing;
#[cfg(test)]
mod tests;
mod zone;

use super::{Answer, Asked, LoadBalancerNames, Names, SharedTable, absolute};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{RData, Record, RecordType};
use neargate_base::Rng;
use neargate_domain::dns::ZoneChange;
use parking_lot::RwLock;
use routing::Around;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use zone::{HostedZone, RecordSet, SetData};

/// How far an alias leads on.
const ALIASES: usize = 8;
/// How long clients keep what an alias to a load balancer means, in seconds, as Route 53 has it.
const LOAD_BALANCER_TTL: u32 = 60;

/// The zones that this edge was told of.
#[derive(Debug, Clone)]
pub struct HostedZones {
    known: Arc<RwLock<Known>>,
    load_balancers: LoadBalancerNames,
    /// Says in which region a VPC is.
    table: SharedTable,
    rng: Arc<Rng>,
}

#[derive(Debug, Default)]
struct Known {
    /// By id.
    zones: BTreeMap<String, HostedZone>,
    /// Ids by the zone's name: names of private zones may be those of others.
    by_name: HashMap<String, Vec<String>>,
}

impl HostedZones {
    pub fn new(
        load_balancers: LoadBalancerNames,
        table: SharedTable,
        rng: Arc<Rng>,
    ) -> HostedZones {
        HostedZones {
            known: Arc::default(),
            load_balancers,
            table,
            rng,
        }
    }

    pub fn apply(&self, change: ZoneChange) {
        self.known.write().apply(change);
    }
}

impl Known {
    fn apply(&mut self, change: ZoneChange) {
        match change {
            ZoneChange::Snapshot { zones, records } => {
                let known = zones
                    .into_iter()
                    .map(|z| (z.id.clone(), HostedZone::new(z)));
                self.zones = known.collect();
                records.into_iter().for_each(|r| self.put_records(r));
            }
            ZoneChange::Zone(zone) => match self.zones.get_mut(&zone.id) {
                Some(known) => known.zone = zone,
                None => {
                    self.zones.insert(zone.id.clone(), HostedZone::new(zone));
                }
            },
            ZoneChange::ZoneGone(id) => {
                self.zones.remove(&id);
            }
            ZoneChange::Records(records) => return self.put_records(records),
        }
        self.by_name.clear();
        for (id, zone) in &self.zones {
            let ids = self.by_name.entry(zone.zone.name.clone()).or_default();
            ids.push(id.clone());
        }
    }

    fn put_records(&mut self, records: neargate_domain::dns::Records) {
        if let Some(zone) = self.zones.get_mut(&records.zone_id) {
            zone.put(records);
        }
    }

    /// The zone that the name belongs to for who asks in this VPC.
    fn zone_of(&self, vpc: &str, name: &str) -> Option<&HostedZone> {
        let best = |is_it: &dyn Fn(&HostedZone) -> bool| {
            let mut suffixes = suffixes(name).filter_map(|suffix| self.by_name.get(suffix));
            suffixes.find_map(|ids| {
                let mut zones = ids.iter().filter_map(|id| self.zones.get(id));
                zones.find(|zone| is_it(zone))
            })
        };
        let private = |zone: &HostedZone| {
            let vpcs = zone.zone.vpcs.as_ref();
            vpcs.is_some_and(|vpcs| vpcs.contains(vpc))
        };
        best(&private).or_else(|| best(&|zone: &HostedZone| zone.zone.vpcs.is_none()))
    }
}

/// The name, and what is left of it without its first label, and so on.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        name.split_once('.').map(|(_, rest)| rest)
    })
}

impl Names for HostedZones {
    fn lookup(&self, vpc: &str, asked: &Asked<'_>) -> Option<Answer> {
        let known = self.known.read();
        let zone = known.zone_of(vpc, asked.text)?;
        if zone.delegates(asked.text) {
            // Other servers answer for what is below.
            return None;
        }
        let region = self.table.read().vpc(vpc).map(|vpc| vpc.region.to_string());
        let around = Around {
            rng: &self.rng,
            region: region.as_deref(),
        };
        if !zone.has(asked.text) {
            return Some(Answer::NoName(zone.soa()));
        }
        let found = self.records(zone, asked.text, asked.kind, &around, ALIASES);
        let cname = || match asked.kind {
            RecordType::CNAME => None,
            _ => self.records(zone, asked.text, RecordType::CNAME, &around, ALIASES),
        };
        let Some(found) = found.or_else(cname) else {
            return Some(Answer::NoData(zone.soa()));
        };
        let record = |(ttl, data)| Record::from_rdata(asked.name.clone(), ttl, data);
        Some(Answer::Records(found.into_iter().map(record).collect()))
    }
}

impl HostedZones {
    /// What the name has of this type, with its TTLs. `None`: nothing.
    fn records(
        &self,
        zone: &HostedZone,
        name: &str,
        kind: RecordType,
        around: &Around<'_>,
        aliases: usize,
    ) -> Option<Vec<(u32, RData)>> {
        let sets = zone.sets(name, kind)?;
        let is_healthy = |set: &RecordSet| {
            set.healthy
                && match &set.data {
                    SetData::Alias {
                        name,
                        evaluates_health: true,
                    } => {
                        let target = aliases.checked_sub(1);
                        let target =
                            target.and_then(|left| self.alias(zone, name, kind, around, left));
                        target.is_some()
                    }
                    _ => true,
                }
        };
        let chosen = routing::choose(sets, &is_healthy, around);
        let mut records = Vec::new();
        for set in chosen {
            match &set.data {
                SetData::Records { ttl, data } => {
                    records.extend(data.iter().map(|data| (*ttl, data.clone())));
                }
                SetData::Alias { name, .. } => {
                    let left = aliases.checked_sub(1)?;
                    records.extend(self.alias(zone, name, kind, around, left)?);
                }
            }
        }
        (!records.is_empty()).then_some(records)
    }

    /// What an alias means: a load balancer's addresses, or records of the same zone.
    fn alias(
        &self,
        zone: &HostedZone,
        target: &str,
        kind: RecordType,
        around: &Around<'_>,
        aliases: usize,
    ) -> Option<Vec<(u32, RData)>> {
        if super::within(target, "amazonaws.com").is_some() {
            let name = absolute(target);
            let asked = Asked {
                name: &name,
                text: target,
                kind,
            };
            return match self.load_balancers.lookup("", &asked)? {
                Answer::Records(records) => {
                    let data = records.into_iter().map(|r| (LOAD_BALANCER_TTL, r.data));
                    Some(data.collect())
                }
                Answer::NoData(_) | Answer::NoName(_) => None,
            };
        }
        self.records(zone, target, kind, around, aliases)
    }
}

/// What says for how long something is not there: RFC 2308, section 3.
fn negative(mut soa: Record) -> Record {
    if let RData::SOA(data) = &soa.data {
        soa.ttl = soa.ttl.min(data.minimum);
    }
    soa
}

/// The SOA of a zone whose own was not told.
fn fallback_soa(zone: &str) -> Record {
    let data = SOA::new(
        absolute("ns-0.awsdns-00.com"),
        absolute("awsdns-hostmaster.amazon.com"),
        1,
        7_200,
        900,
        1_209_600,
        86_400,
    );
    Record::from_rdata(absolute(zone), 900, RData::SOA(data))
}

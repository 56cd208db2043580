//! The zones and record sets in memory, and what a resolver is told of them.

use neargate_domain::dns::{self as domain, Zone, ZoneChange};
use neargate_service::dns::HealthStatus;
use neargate_service::dns::{self, HostedZone, RecordData, RecordSet, Routing};
use neargate_service::{AwsError, Resource, db};
use neargate_store::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What has to be told again. A zone comes before its records.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touched {
    Zone(String),
    /// Zone, name and type.
    Records(Place),
}

/// Zone, name and type: name and type as they are in keys.
type Place = (String, String, String);

#[derive(Debug, Default)]
pub(super) struct Records {
    zones: BTreeMap<String, HostedZone>,
    /// By the last part of their keys.
    sets: HashMap<Place, BTreeMap<String, RecordSet>>,
    /// The health checks that find their endpoints unhealthy.
    failing: BTreeSet<String>,
}

impl Records {
    /// # Errors
    /// The record cannot be read.
    pub(super) fn put(&mut self, entry: &Entry) -> Result<Vec<Touched>, AwsError> {
        if let Some(id) = zone_of(&entry.key) {
            let zone = db::decode::<HostedZone>(entry)?.value;
            self.zones.insert(id.clone(), zone);
            return Ok(vec![Touched::Zone(id)]);
        }
        let Some((place, set)) = place_of(&entry.key) else {
            let Some(check) = status_of(&entry.key) else {
                return Ok(Vec::new());
            };
            let healthy = db::decode::<HealthStatus>(entry)?.healthy;
            return Ok(self.turned(check, healthy));
        };
        let value = db::decode::<RecordSet>(entry)?.value;
        self.sets
            .entry(place.clone())
            .or_default()
            .insert(set, value);
        Ok(vec![Touched::Records(place)])
    }

    /// A health check found its endpoint healthy, or not, or is gone: its record sets are told again.
    fn turned(&mut self, check: String, healthy: bool) -> Vec<Touched> {
        let is_new = match healthy {
            true => self.failing.remove(&check),
            false => self.failing.insert(check.clone()),
        };
        let uses = |set: &RecordSet| set.health_check_id.as_ref() == Some(&check);
        let places = self
            .sets
            .iter()
            .filter(|(_, sets)| is_new && sets.values().any(uses));
        places
            .map(|(place, _)| Touched::Records(place.clone()))
            .collect()
    }

    pub(super) fn delete(&mut self, key: &str) -> Vec<Touched> {
        if let Some(check) = status_of(key) {
            return self.turned(check, true);
        }
        self.delete_record(key).into_iter().collect()
    }

    fn delete_record(&mut self, key: &str) -> Option<Touched> {
        if let Some(id) = zone_of(key) {
            self.zones.remove(&id);
            return Some(Touched::Zone(id));
        }
        let (place, set) = place_of(key)?;
        let sets = self.sets.get_mut(&place)?;
        sets.remove(&set);
        if sets.is_empty() {
            self.sets.remove(&place);
        }
        Some(Touched::Records(place))
    }

    pub(super) fn change(&self, touched: Touched) -> ZoneChange {
        match touched {
            Touched::Zone(id) => match self.zones.get(&id) {
                Some(zone) => ZoneChange::Zone(told(&id, zone)),
                None => ZoneChange::ZoneGone(id),
            },
            Touched::Records(place) => ZoneChange::Records(self.records(&place)),
        }
    }

    pub(super) fn snapshot(&self) -> ZoneChange {
        ZoneChange::Snapshot {
            zones: self.zones.iter().map(|(id, zone)| told(id, zone)).collect(),
            records: self.sets.keys().map(|place| self.records(place)).collect(),
        }
    }

    fn records(&self, place: &Place) -> domain::Records {
        let (zone_id, reversed, record_type) = place;
        let sets = self.sets.get(place).into_iter().flat_map(BTreeMap::values);
        domain::Records {
            zone_id: zone_id.clone(),
            // Reversed twice it is the name.
            name: dns::told(&dns::reversed(reversed)),
            record_type: record_type.clone(),
            sets: sets.map(|set| self.told_set(set)).collect(),
        }
    }
}

fn told(id: &str, zone: &HostedZone) -> Zone {
    let ids = |vpcs: &Vec<dns::ZoneVpc>| vpcs.iter().map(|vpc| vpc.vpc_id.clone()).collect();
    Zone {
        id: id.to_owned(),
        name: dns::told(&zone.name),
        vpcs: zone.vpcs.as_ref().map(ids),
    }
}

impl Records {
    fn told_set(&self, of: &RecordSet) -> domain::RecordSet {
        let fails = of
            .health_check_id
            .as_ref()
            .is_some_and(|id| self.failing.contains(id));
        domain::RecordSet {
            routing: match &of.routing {
                Routing::Simple => domain::Routing::Simple,
                Routing::Weighted(weight) => domain::Routing::Weighted(*weight),
                Routing::Multivalue => domain::Routing::Multivalue,
                Routing::Latency(region) => domain::Routing::Latency(region.clone()),
                Routing::Failover { is_primary } => domain::Routing::Failover {
                    is_primary: *is_primary,
                },
                Routing::Geolocation { country, .. } => domain::Routing::Geolocation {
                    is_default: country.as_deref() == Some("*"),
                },
            },
            healthy: !of.unhealthy && !fails,
            data: match &of.data {
                RecordData::Records { ttl, values } => domain::RecordData::Records {
                    ttl: *ttl,
                    values: values.clone(),
                },
                RecordData::Alias {
                    dns_name,
                    evaluate_target_health,
                    ..
                } => domain::RecordData::Alias {
                    name: dns::told(dns_name),
                    evaluates_health: *evaluate_target_health,
                },
            },
        }
    }
}

/// The id of the health check whose status it is.
fn status_of(key: &str) -> Option<String> {
    let rest = key.strip_prefix(HealthStatus::KIND)?.strip_prefix('/')?;
    rest.rsplit('/').next().map(str::to_owned)
}

fn zone_of(key: &str) -> Option<String> {
    let rest = key.strip_prefix(HostedZone::KIND)?.strip_prefix('/')?;
    rest.rsplit('/').next().map(str::to_owned)
}

fn place_of(key: &str) -> Option<(Place, String)> {
    let rest = key.strip_prefix(RecordSet::KIND)?.strip_prefix('/')?;
    let parts: Vec<&str> = rest.split('/').collect();
    let [_, _, zone, name, record_type, set] = parts[..] else {
        return None;
    };
    let place = (zone.to_owned(), name.to_owned(), record_type.to_owned());
    Some((place, set.to_owned()))
}

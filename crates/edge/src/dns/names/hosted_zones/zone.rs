//! A zone with its record sets, ready to be answered.

use super::{fallback_soa, negative};
use crate::dns::names::{absolute, within};
use hickory_proto::rr::{RData, Record, RecordType};
use neargate_domain::dns::{self, RecordData, Records, Routing, Zone};
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr as _;

#[derive(Debug)]
pub(super) struct HostedZone {
    pub(super) zone: Zone,
    names: HashMap<String, BTreeMap<RecordType, Vec<RecordSet>>>,
    /// How many names that have records are below each name that may have none.
    above: HashMap<String, usize>,
    /// There are names below the zone's own that have NS records.
    has_delegations: bool,
}

/// A record set whose values are read.
#[derive(Debug)]
pub(super) struct RecordSet {
    pub(super) routing: Routing,
    pub(super) healthy: bool,
    pub(super) data: SetData,
}

#[derive(Debug)]
pub(super) enum SetData {
    Records {
        ttl: u32,
        data: Vec<RData>,
    },
    Alias {
        name: String,
        evaluates_health: bool,
    },
}

impl HostedZone {
    pub(super) fn new(zone: Zone) -> HostedZone {
        HostedZone {
            zone,
            names: HashMap::new(),
            above: HashMap::new(),
            has_delegations: false,
        }
    }

    /// These are all record sets of their name and type.
    pub(super) fn put(&mut self, records: Records) {
        let Ok(kind) = RecordType::from_str(&records.record_type) else {
            return;
        };
        let sets: Vec<RecordSet> = records.sets.into_iter().map(|s| read(kind, s)).collect();
        let name = records.name;
        let is_new = !self.names.contains_key(&name);
        let types = self.names.entry(name.clone()).or_default();
        match sets.is_empty() {
            true => types.remove(&kind),
            false => types.insert(kind, sets),
        };
        let is_gone = types.is_empty();
        if is_gone {
            self.names.remove(&name);
        }
        if is_new != is_gone {
            for above in super::suffixes(&name).skip(1) {
                let count = self.above.entry(above.to_owned()).or_default();
                *count = if is_new {
                    *count + 1
                } else {
                    count.saturating_sub(1)
                };
                if *count == 0 {
                    self.above.remove(above);
                }
            }
        }
        if kind == RecordType::NS && name != self.zone.name {
            let has_ns = |(of, types): (&String, &BTreeMap<RecordType, _>)| {
                *of != self.zone.name && types.contains_key(&RecordType::NS)
            };
            self.has_delegations = self.names.iter().any(has_ns);
        }
    }

    /// Another zone has this name: NS records stand between the zone's own name and it.
    pub(super) fn delegates(&self, name: &str) -> bool {
        if !self.has_delegations {
            return false;
        }
        let below = super::suffixes(name).take_while(|suffix| *suffix != self.zone.name);
        let mut types = below.filter_map(|suffix| self.names.get(suffix));
        types.any(|types| types.contains_key(&RecordType::NS))
    }

    /// Is there such a name, of its own, as one above others, or by an asterisk?
    pub(super) fn has(&self, name: &str) -> bool {
        self.own(name).is_some() || self.above.contains_key(name)
    }

    pub(super) fn sets(&self, name: &str, kind: RecordType) -> Option<&[RecordSet]> {
        Some(self.own(name)?.get(&kind)?.as_slice())
    }

    /// The records of the name, or of the asterisk that stands for it (RFC 4592, section 2.2.1): of the
    /// closest name above that there is.
    fn own(&self, name: &str) -> Option<&BTreeMap<RecordType, Vec<RecordSet>>> {
        if let Some(own) = self.names.get(name) {
            return Some(own);
        }
        if self.above.contains_key(name) {
            return None;
        }
        let mut above = super::suffixes(name).skip(1);
        let is_there = |above: &&str| {
            self.names.contains_key(*above)
                || self.above.contains_key(*above)
                || *above == self.zone.name
        };
        let closest = above.find(is_there)?;
        within(closest, &self.zone.name)?;
        self.names.get(&format!("*.{closest}"))
    }

    /// The zone's SOA record, for what is not there.
    pub(super) fn soa(&self) -> Record {
        let sets = self.sets(&self.zone.name, RecordType::SOA);
        let set = sets.and_then(|sets| sets.first());
        let soa = match set.map(|set| &set.data) {
            Some(SetData::Records { ttl, data }) => data
                .first()
                .map(|data| Record::from_rdata(absolute(&self.zone.name), *ttl, data.clone())),
            _ => None,
        };
        negative(soa.unwrap_or_else(|| fallback_soa(&self.zone.name)))
    }
}

/// A value that cannot be read is left away: Route 53 takes none.
fn read(kind: RecordType, set: dns::RecordSet) -> RecordSet {
    RecordSet {
        routing: set.routing,
        healthy: set.healthy,
        data: match set.data {
            RecordData::Alias {
                name,
                evaluates_health,
            } => SetData::Alias {
                name,
                evaluates_health,
            },
            RecordData::Records { ttl, values } => SetData::Records {
                ttl,
                data: values.iter().filter_map(|v| value(kind, v)).collect(),
            },
        },
    }
}

fn value(kind: RecordType, text: &str) -> Option<RData> {
    RData::try_from_str(kind, text)
        .inspect_err(|error| tracing::debug!(%error, %kind, text, "a record cannot be read"))
        .ok()
}

//! What a batch of changes makes of a zone's record sets, or what is wrong with it: pure. All of it or
//! nothing.

use crate::values;
use neargate_service::dns::{RecordData, RecordSet};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Create,
    Upsert,
    Delete,
}

/// Name, type and set identifier.
pub type Id = (String, String, Option<String>);

pub fn id(set: &RecordSet) -> Id {
    let (name, record_type) = (set.name.clone(), set.record_type.clone());
    (name, record_type, set.set_identifier.clone())
}

/// The record sets that change, by what names them; `None`: it goes.
pub type Changed = BTreeMap<Id, Option<RecordSet>>;

/// `there`: at least all record sets of the names in the batch; `zone`: its name.
///
/// # Errors
/// What is wrong with it, all of it.
pub fn decide(
    zone: &str,
    there: &BTreeMap<Id, RecordSet>,
    batch: &[(Action, RecordSet)],
) -> Result<Changed, Vec<String>> {
    let mut sets = there.clone();
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (action, set) in batch {
        let is_within = set.name == zone || set.name.ends_with(&format!(".{zone}")) || zone == ".";
        if !is_within {
            problems.push(format!(
                "RRSet with DNS name {} is not permitted in zone {zone}",
                set.name
            ));
            continue;
        }
        if *action != Action::Delete {
            problems.extend(wrong_values(set));
        }
        let id = id(set);
        if *action != Action::Delete && !seen.insert(id.clone()) {
            problems.push(format!(
                "The request contains an invalid set of changes for a resource record set '{} {}'",
                set.record_type, set.name
            ));
        }
        let found = sets.get(&id);
        match (action, found) {
            (Action::Create, Some(_)) => problems.push(format!(
                "Tried to create resource record set {} but it already exists",
                shown(set)
            )),
            (Action::Delete, None) => problems.push(format!(
                "Tried to delete resource record set {} but it was not found",
                shown(set)
            )),
            (Action::Delete, Some(found)) if !same(found, set) => problems.push(format!(
                "Tried to delete resource record set {} but the values provided do not match the \
                 current values",
                shown(set)
            )),
            (Action::Delete, Some(_)) => {
                sets.remove(&id);
            }
            (Action::Create | Action::Upsert, _) => {
                sets.insert(id, set.clone());
            }
        }
    }
    let has = |record_type: &str| {
        let mut all = sets.keys();
        all.any(|(name, of, _)| name == zone && of == record_type)
    };
    let touches = |record_type: &str| {
        let mut all = batch.iter();
        all.any(|(_, set)| set.name == zone && set.record_type == record_type)
    };
    if touches("SOA") && !has("SOA") {
        problems.push("A HostedZone must contain exactly one SOA record.".to_owned());
    }
    if touches("NS") && !has("NS") {
        let why = "A HostedZone must contain at least one NS record for the zone itself.";
        problems.push(why.to_owned());
    }
    for (_, set) in batch.iter().filter(|(action, _)| *action != Action::Delete) {
        problems.extend(conflict(zone, &sets, set));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let ids = batch
        .iter()
        .map(|(_, set)| id(set))
        .collect::<BTreeSet<_>>();
    let changed = ids.into_iter().map(|id| {
        let new = sets.get(&id).cloned();
        (id, new)
    });
    Ok(changed.collect())
}

fn wrong_values(set: &RecordSet) -> Vec<String> {
    let RecordData::Records { values, .. } = &set.data else {
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for value in values {
        problems.extend(values::problem(&set.record_type, value));
        if !seen.insert(value) {
            problems.push(format!("Duplicate Resource Record: '{value}'"));
        }
    }
    if set.record_type == "CNAME" && values.len() > 1 {
        problems.push(format!(
            "RRSet of type CNAME with DNS name {} may have one value only",
            set.name
        ));
    }
    problems
}

/// Does a new record set go with the others of its name?
fn conflict(zone: &str, sets: &BTreeMap<Id, RecordSet>, set: &RecordSet) -> Option<String> {
    let (name, record_type) = (&set.name, &set.record_type);
    let of_name = sets.values().filter(|other| other.name == *name);
    let others = || {
        of_name
            .clone()
            .filter(|other| other.record_type != *record_type)
    };
    if record_type == "CNAME" {
        if name == zone {
            return Some(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"
            ));
        }
        if others().next().is_some() {
            return Some(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other \
                 records with the same DNS name in zone {zone}"
            ));
        }
    }
    if others().any(|other| other.record_type == "CNAME") {
        return Some(format!(
            "RRSet of type {record_type} with DNS name {name} is not permitted because a conflicting \
             RRSet of type CNAME with the same DNS name already exists in zone {zone}"
        ));
    }
    let mut same_type = of_name.filter(|other| other.record_type == *record_type);
    let kind = std::mem::discriminant(&set.routing);
    let differs = |other: &&RecordSet| std::mem::discriminant(&other.routing) != kind;
    if same_type.any(|other| differs(&other)) {
        let identifier = set.set_identifier.as_deref().unwrap_or("null");
        return Some(format!(
            "RRSet with DNS name {name}, type {record_type}, SetIdentifier {identifier} cannot be \
             created as other RRSets exist with the same name and type."
        ));
    }
    None
}

fn same(found: &RecordSet, given: &RecordSet) -> bool {
    let data = match (&found.data, &given.data) {
        (
            RecordData::Records { ttl, values },
            RecordData::Records {
                ttl: of,
                values: given,
            },
        ) => {
            let sorted = |values: &Vec<String>| values.iter().cloned().collect::<BTreeSet<_>>();
            ttl == of && sorted(values) == sorted(given)
        }
        (found, given) => found == given,
    };
    data && found.routing == given.routing && found.health_check_id == given.health_check_id
}

fn shown(set: &RecordSet) -> String {
    let identifier = match &set.set_identifier {
        Some(identifier) => format!(", set-identifier='{identifier}'"),
        None => String::new(),
    };
    format!(
        "[name='{}', type='{}'{identifier}]",
        set.name, set.record_type
    )
}

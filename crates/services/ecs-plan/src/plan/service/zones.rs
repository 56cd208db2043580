//! Availability zone rebalancing: when a settled service has two tasks more in one zone than in
//! another, a task of the fuller zone is replaced, start before stop. A move under way is known
//! by the time of the attempt: until it is over the task that moves stays the same one.
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html>).

use super::View;
use super::replica::{Limits, is_protected};
use crate::model::{Deployment, Rollout};
use crate::plan::placement::rebalance;
use crate::row::Row;
use neargate_base::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A move that did not even the zones out is not tried again before: the emptier zone may have
/// no room.
const TRIED_AGAIN: Duration = Duration::from_secs(300);

/// Tasks that are to move to another zone.
#[derive(Debug, Default)]
pub(super) struct Misplaced {
    /// Their store keys.
    pub(super) tasks: BTreeSet<String>,
    pub(super) look_at: Option<Timestamp>,
    /// A move begins: how many tasks each zone has.
    pub(super) begins: Option<Vec<(String, usize)>>,
}

pub(super) fn misplaced(
    view: &View,
    primary: &Deployment,
    limits: Limits,
    now: Timestamp,
) -> Misplaced {
    let spec = &view.service.spec;
    // With no room above the desired count a task would have to stop first.
    let possible = spec.az_rebalancing
        && primary.rollout == Rollout::Completed
        && limits.maximum > limits.desired
        && view.zones.len() > 1;
    if !possible {
        return Misplaced::default();
    }
    let live: Vec<&Arc<Row>> = view.rows.iter().filter(|row| row.is_live()).collect();
    let tried = view.service.status.rebalanced_at;
    let again = tried
        .map(|at| at + TRIED_AGAIN)
        .filter(|at| *at > now && *at <= now + TRIED_AGAIN);
    let moving = again.is_some() && live.len() > limits.desired;
    let settled = live.iter().all(|row| view.settling.counts(row)) && live.len() == limits.desired;
    if !moving && !settled {
        return Misplaced::default();
    }
    let mut zones: BTreeMap<&str, Vec<&Arc<Row>>> = BTreeMap::new();
    for zone in &view.zones {
        zones.entry(zone).or_default();
    }
    for row in &live {
        zones.entry(&row.availability_zone).or_default().push(row);
    }
    let counts: BTreeMap<&str, usize> = zones.iter().map(|(z, rows)| (*z, rows.len())).collect();
    let fullest = match rebalance(&counts) {
        Some(step) => step.from,
        None if moving => fullest(&counts),
        None => return Misplaced::default(),
    };
    if !moving && again.is_some() {
        return Misplaced {
            look_at: again,
            ..Misplaced::default()
        };
    }
    let movable = zones.get(fullest).into_iter().flatten();
    let movable = movable.filter(|row| !is_protected(row, now));
    let oldest = movable.min_by_key(|row| (row.created_at, &row.key));
    Misplaced {
        tasks: oldest.map(|row| row.key.clone()).into_iter().collect(),
        look_at: None,
        begins: (!moving).then(|| {
            let zones = counts.iter();
            zones.map(|(zone, n)| ((*zone).to_owned(), *n)).collect()
        }),
    }
}

fn fullest<'a>(counts: &BTreeMap<&'a str, usize>) -> &'a str {
    let most = counts.iter().max_by_key(|(_, n)| **n);
    most.map_or("", |(zone, _)| *zone)
}

//! DAEMON services: one task on each active container instance that the constraints allow. A
//! task is replaced where it is, so the old one stops before the new one starts, and never so
//! many at once that fewer than the minimum count as healthy
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html>).

use super::replica::{Limits, is_protected};
use super::settling::Settling;
use crate::row::Row;
use neargate_base::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What to do.
#[derive(Debug, Default, PartialEq)]
pub struct Choice {
    /// The instances to start a task on.
    pub start: Vec<String>,
    pub stop: Vec<Arc<Row>>,
}

/// What the choice of a DAEMON service's tasks goes by.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The ids of the instances that are to have a task.
    pub seats: &'a BTreeSet<String>,
    /// Instances that are being emptied and still have tasks of other services, after which the
    /// daemon's stops.
    pub busy: &'a BTreeSet<String>,
    /// `ecs-svc/…` of the primary.
    pub primary: &'a str,
    /// It failed: nothing is started any more, so nothing makes room for it.
    pub failed: bool,
    pub settling: &'a Settling,
    pub now: Timestamp,
}

/// One step.
pub fn choose(rows: &[Arc<Row>], limits: Limits, inputs: &Inputs<'_>) -> Choice {
    let (seats, settling) = (inputs.seats, inputs.settling);
    let live = || rows.iter().filter(|row| row.is_live());
    let mut healthy = live().filter(|row| settling.counts(row)).count();
    let mut well = live().filter(|row| row.is_well()).count();
    let mut choice = Choice::default();
    let mut seated: BTreeMap<&str, &Arc<Row>> = BTreeMap::new();
    let mut old: Vec<&Arc<Row>> = Vec::new();
    for row in live() {
        let of_primary = row
            .service
            .as_ref()
            .is_some_and(|link| link.deployment == inputs.primary);
        let on = row.container_instance.as_deref().unwrap_or_default();
        if !seats.contains(on) {
            if !inputs.busy.contains(on) {
                choice.stop.push(row.clone());
            }
        } else if !of_primary || row.is_unhealthy() {
            old.push(row);
        } else if let Some(other) = seated.insert(on, row) {
            // Two on one instance: the one that is further stays.
            let how_far = |row: &Row| (settling.counts(row), row.is_running());
            let surplus = match how_far(other) >= how_far(row) {
                true => row,
                false => other,
            };
            if surplus.key == row.key {
                seated.insert(on, other);
            }
            choice.stop.push(surplus.clone());
        }
    }
    if inputs.failed {
        return choice;
    }
    let mut order: Vec<&Arc<Row>> = Vec::new();
    order.extend(old.iter().filter(|row| !settling.counts(row)));
    order.extend(old.iter().filter(|row| settling.counts(row)));
    for row in order {
        if is_protected(row, inputs.now) && !row.is_unhealthy() {
            continue;
        }
        let counts = settling.counts(row);
        let left = if counts { healthy } else { well };
        if row.is_well() && left <= limits.minimum {
            continue;
        }
        healthy -= usize::from(counts);
        well -= usize::from(row.is_well());
        choice.stop.push(row.clone());
    }
    let taken: BTreeSet<&str> = rows
        .iter()
        .filter(|row| !row.is_stopped())
        .filter_map(|row| row.container_instance.as_deref())
        .collect();
    let free = seats.iter().filter(|seat| !taken.contains(seat.as_str()));
    choice.start = free.cloned().collect();
    choice
}

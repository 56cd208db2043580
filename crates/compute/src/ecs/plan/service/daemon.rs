//! DAEMON services: one task on each active container instance that the constraints allow. A
//! task is replaced where it is, so the old one stops before the new one starts, and never so
//! many at once that fewer than the minimum stay healthy
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html>).

use super::replica::{Limits, is_protected};
use crate::ecs::fleet::Row;
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

/// One step. `seats`: the ids of the instances that are to have a task; `busy`: instances that
/// are being emptied and still have tasks of other services, after which the daemon's stops.
pub fn choose(
    rows: &[Arc<Row>],
    seats: &BTreeSet<String>,
    busy: &BTreeSet<String>,
    primary: &str,
    limits: Limits,
    now: Timestamp,
) -> Choice {
    let live = || rows.iter().filter(|row| row.is_live());
    let mut healthy = live().filter(|row| row.is_healthy()).count();
    let mut choice = Choice::default();
    let mut seated: BTreeMap<&str, &Arc<Row>> = BTreeMap::new();
    let mut old: Vec<&Arc<Row>> = Vec::new();
    for row in live() {
        let of_primary = row
            .service
            .as_ref()
            .is_some_and(|link| link.deployment == primary);
        let on = row.container_instance.as_deref().unwrap_or_default();
        if !seats.contains(on) {
            if !busy.contains(on) {
                choice.stop.push(row.clone());
            }
        } else if !of_primary || row.is_unhealthy() {
            old.push(row);
        } else if let Some(other) = seated.insert(on, row) {
            // Two on one instance: the one that runs stays.
            let surplus = if other.is_running() { row } else { other };
            if surplus.key == row.key {
                seated.insert(on, other);
            }
            choice.stop.push(surplus.clone());
        }
    }
    let mut order: Vec<&Arc<Row>> = Vec::new();
    order.extend(old.iter().filter(|row| !row.is_healthy()));
    order.extend(old.iter().filter(|row| row.is_healthy()));
    for row in order {
        if is_protected(row, now) && !row.is_unhealthy() {
            continue;
        }
        if row.is_healthy() {
            if healthy <= limits.minimum {
                continue;
            }
            healthy -= 1;
        }
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

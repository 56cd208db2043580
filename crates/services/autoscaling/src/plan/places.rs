//! Where the next instance goes: zones are kept in balance, and so are the subnets of a zone
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html#arch-AutoScalingMultiAZ>).

use crate::model::{Group, Place};
use std::collections::BTreeMap;

/// How many instances each zone of the group has, with those about to be started.
pub(super) fn by_zone(group: &Group) -> BTreeMap<String, u32> {
    let mut zones: BTreeMap<String, u32> = group.zones().into_iter().map(|z| (z, 0)).collect();
    for place in taken(group) {
        *zones.entry(place.zone.clone()).or_default() += 1;
    }
    zones
}

fn taken(group: &Group) -> impl Iterator<Item = &Place> {
    let counting = group.instances.values().filter(|m| m.state.counts());
    let launches = group.launches.values().map(|l| &l.place);
    counting.map(|m| &m.place).chain(launches)
}

/// The place with the fewest, outside of zones in which launches failed, if there are others.
pub(super) fn next(group: &Group) -> Option<Place> {
    let zones = by_zone(group);
    let failed = |place: &Place| {
        let failing = group.failing.as_ref();
        failing.is_some_and(|f| f.zones.contains(&place.zone))
    };
    let in_place = |place: &Place| taken(group).filter(|p| *p == place).count();
    let rank = |place: &&Place| {
        let in_zone = zones.get(&place.zone).copied().unwrap_or(0);
        (failed(place), in_zone, in_place(place))
    };
    group.places.iter().min_by_key(rank).cloned()
}

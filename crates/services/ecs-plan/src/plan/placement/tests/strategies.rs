//! The strategies by examples: balance, packing, chance.

use super::*;
use std::collections::BTreeMap;

fn counted<K: Ord>(keys: impl IntoIterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Instances `a0`, `a1`, `b0` ...: so many in each zone.
fn cluster(zones: &[(&str, usize)]) -> Vec<Instance> {
    zones
        .iter()
        .flat_map(|(zone, n)| (0..*n).map(move |i| instance(&format!("{zone}{i}"), zone)))
        .collect()
}

fn zone(id: &InstanceId) -> String {
    id[..1].to_owned()
}

#[test]
fn services_spread_over_zones_then_instances() {
    let mut c = capacity(cluster(&[("a", 3), ("b", 2), ("c", 1)]));
    let placed = place(&mut c, &request(claim(), &Strategy::service_default()), 12);
    assert_eq!(
        counted(placed.iter().map(zone)),
        [("a", 4), ("b", 4), ("c", 4)]
            .map(|(z, n)| (z.into(), n))
            .into()
    );
    let instances = counted(placed);
    assert_eq!(instances["c0"], 4);
    assert_eq!(instances["b0"], 2);
    assert!(
        ["a0", "a1", "a2"]
            .iter()
            .all(|i| (1..=2).contains(&instances[*i]))
    );
}

#[test]
fn spread_counts_the_group_only_and_all_its_tasks() {
    let mut c = capacity(cluster(&[("a", 1), ("b", 1)]));
    let other = Arc::new(Claim {
        group: "service:other".into(),
        ..claim()
    });
    for n in 0..5 {
        c.take("a0", &format!("o{n}"), Arc::clone(&other));
    }
    let asks = request(claim(), &[zones()]);
    // Told twice what is there already, and once of one that is no longer placeable.
    c.take("b0", "old", Arc::clone(&asks.claim));
    c.take("b0", "old", Arc::clone(&asks.claim));
    assert_eq!(c.place(&asks, "t", 9).as_deref(), Ok("a0"));
    let mut away = instance("b1", "b");
    away.agent_connected = false;
    c.upsert(away);
    c.take("b1", "there", Arc::clone(&asks.claim));
    assert_eq!(c.place(&asks, "u", 9).as_deref(), Ok("a0"));
}

#[test]
fn an_attribute_after_another_spreads_within_it() {
    let rack = |id: &str, zone: &str, rack: &str| {
        let mut i = instance(id, zone);
        i.attributes.insert("rack".into(), Some(rack.into()));
        i
    };
    let mut c = capacity([
        rack("1", "a", "r1"),
        rack("2", "a", "r1"),
        rack("3", "a", "r2"),
        rack("4", "b", "r1"),
        rack("5", "b", "r3"),
    ]);
    let racks = Strategy::Spread(SpreadBy::Attribute("rack".into()));
    let placed = counted(place(&mut c, &request(claim(), &[zones(), racks]), 8));
    assert_eq!(placed["1"] + placed["2"], 2);
    assert_eq!((placed["3"], placed["4"], placed["5"]), (2, 2, 2));
}

#[test]
fn a_missing_attribute_is_one_more_value() {
    let mut bare = instance("x0", "x");
    bare.attributes.clear();
    let mut c = capacity([instance("a0", "a"), instance("b0", "b"), bare]);
    let placed = place(&mut c, &request(claim(), &[zones()]), 6);
    assert!(counted(placed).values().all(|n| *n == 2));
}

#[test]
fn binpack_fills_one_instance_before_the_next() {
    for (resource, fits) in [(Resource::Memory, 4), (Resource::Cpu, 16)] {
        let mut c = capacity(cluster(&[("a", 4)]));
        let heavy = Claim {
            memory_mib: 8192 / fits,
            ..claim()
        };
        let asks = request(heavy, &[Strategy::Binpack(resource)]);
        let placed = place(&mut c, &asks, 2 * fits as usize);
        let used = counted(placed);
        assert!(
            used.len() == 2 && used.values().all(|n| *n == fits as usize),
            "{used:?}"
        );
    }
}

#[test]
fn binpack_within_zones() {
    let mut c = capacity(cluster(&[("a", 2), ("b", 2)]));
    let asks = request(claim(), &[zones(), Strategy::Binpack(Resource::Memory)]);
    let used = counted(place(&mut c, &asks, 12));
    assert!(
        used.len() == 2 && used.values().all(|n| *n == 6),
        "{used:?}"
    );
}

#[test]
fn binpack_takes_the_least_that_still_fits() {
    let sized = |id: &str, memory| {
        let mut i = instance(id, "a");
        i.registered.memory_mib = memory;
        i
    };
    let mut c = capacity([sized("big", 4000), sized("mid", 700), sized("small", 511)]);
    let asks = request(claim(), &[Strategy::Binpack(Resource::Memory)]);
    assert_eq!(place(&mut c, &asks, 3), ["mid", "big", "big"]);
}

#[test]
fn chance_reaches_every_instance_that_fits() {
    let mut full = instance("full", "a");
    full.registered.memory_mib = 0;
    for strategies in [
        vec![],
        vec![Strategy::Random],
        vec![Strategy::Random, zones()],
    ] {
        let mut c = capacity(cluster(&[("a", 5), ("b", 2)]));
        c.upsert(full.clone());
        let asks = request(claim(), &strategies);
        let mut seen = Vec::new();
        for seed in 0..700 {
            seen.push(c.place(&asks, "t", seed).expect("fits"));
            c.give_back("t");
        }
        let seen = counted(seen);
        assert_eq!(seen.len(), 7);
        assert!(seen.values().all(|n| (50..150).contains(n)), "{seen:?}");
    }
}

#[test]
fn the_seed_alone_decides_between_equals() {
    let forward = cluster(&[("a", 5), ("b", 5)]);
    let backward: Vec<_> = forward.iter().rev().cloned().collect();
    let asks = request(claim(), &Strategy::service_default());
    let one = place(&mut capacity(forward), &asks, 40);
    assert_eq!(one, place(&mut capacity(backward), &asks, 40));
}

#[test]
fn a_placed_task_keeps_its_place() {
    let mut c = capacity(cluster(&[("a", 9)]));
    let asks = request(claim(), &[]);
    let first = c.place(&asks, "t", 1).expect("fits");
    for seed in 2..20 {
        assert_eq!(c.place(&asks, "t", seed), Ok(first.clone()));
    }
    assert_eq!(c.remaining(&first).map(|r| r.cpu_units), Some(4096 - 256));
}

#[test]
fn many_requests_share_the_instances() {
    // More requests than the indexes have room for, in turn.
    let mut c = capacity(cluster(&[("a", 3), ("b", 3)]));
    let asks: Vec<_> = (0..30)
        .map(|n| {
            let group = format!("service:{n}");
            request(Claim { group, ..claim() }, &Strategy::service_default())
        })
        .collect();
    let mut placed = vec![Vec::new(); asks.len()];
    for round in 0..3 {
        for (n, asks) in asks.iter().enumerate() {
            let id = format!("{n}/{round}");
            placed[n].push(c.place(asks, &id, round).expect("fits"));
        }
    }
    for of_one in placed {
        assert_eq!(counted(of_one).len(), 3);
    }
}

#[test]
fn strategies_are_read_from_the_api() {
    for (kind, field, is) in [
        ("random", None, Strategy::Random),
        ("binpack", Some("cpu"), Strategy::Binpack(Resource::Cpu)),
        (
            "binpack",
            Some("MEMORY"),
            Strategy::Binpack(Resource::Memory),
        ),
        ("spread", Some("host"), Strategy::Spread(SpreadBy::Instance)),
        (
            "spread",
            Some("instanceid"),
            Strategy::Spread(SpreadBy::Instance),
        ),
        ("spread", Some("attribute:ecs.availability-zone"), zones()),
    ] {
        assert_eq!(Strategy::from_api(kind, field), Ok(is));
    }
    for (kind, field) in [
        ("spread", None),
        ("spread", Some("attribute:")),
        ("spread", Some("zone")),
        ("binpack", Some("gpu")),
        ("pack", None),
    ] {
        assert!(Strategy::from_api(kind, field).is_err());
    }
}

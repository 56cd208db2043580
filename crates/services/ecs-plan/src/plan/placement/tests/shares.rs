//! Capacity providers, and Fargate's subnets.

use super::fargate::{Subnet, spread, surplus as fargate_surplus};
use super::provider::{Share, next, surplus};
use super::{Move, rebalance};
use std::collections::BTreeMap;

fn share(provider: &str, base: u32, weight: u32) -> Share {
    Share {
        provider: provider.into(),
        base,
        weight,
        tasks: 0,
    }
}

fn after(strategy: &mut [Share], tasks: u32) -> Vec<u32> {
    for _ in 0..tasks {
        let provider = next(strategy).expect("a weight").provider.clone();
        let chosen = strategy.iter_mut().find(|s| s.provider == provider);
        chosen.expect("one of them").tasks += 1;
    }
    strategy.iter().map(|s| s.tasks).collect()
}

#[test]
fn bases_first_then_weights() {
    // The API reference's examples: weights 1 and 1, 1 and 4.
    let mut even = [share("A", 0, 1), share("B", 0, 1)];
    assert_eq!(after(&mut even, 10), [5, 5]);
    let mut four = [share("A", 0, 1), share("B", 0, 4)];
    assert_eq!(after(&mut four, 10), [2, 8]);
    let mut based = [share("FARGATE", 2, 1), share("FARGATE_SPOT", 0, 3)];
    assert_eq!(after(&mut based, 2), [2, 0]);
    assert_eq!(after(&mut based, 8), [4, 6]);
    let mut only = [share("A", 1, 0), share("B", 0, 1)];
    assert_eq!(after(&mut only, 5), [1, 4]);
    let mut none = [share("A", 1, 0)];
    assert_eq!(after(&mut none, 1), [1]);
    assert_eq!(next(&none), None);
    assert_eq!(next(&[]), None);
}

#[test]
fn going_down_goes_the_way_it_came() {
    let mut strategy = [share("A", 2, 1), share("B", 1, 3), share("C", 0, 2)];
    let mut ways = vec![after(&mut strategy, 0)];
    for _ in 0..30 {
        ways.push(after(&mut strategy, 1));
    }
    for way in ways.iter().rev().skip(1) {
        let provider = surplus(&strategy).expect("tasks").provider.clone();
        let chosen = strategy.iter_mut().find(|s| s.provider == provider);
        chosen.expect("one of them").tasks -= 1;
        let tasks: Vec<_> = strategy.iter().map(|s| s.tasks).collect();
        assert_eq!(tasks, *way);
    }
    assert_eq!(surplus(&strategy), None);
}

#[test]
fn fargate_tasks_spread_over_zones_then_subnets() {
    let subnet = |zone, tasks| Subnet { zone, tasks };
    assert_eq!(spread(&[], &BTreeMap::new()), None);
    let mut subnets = [subnet("a", 0), subnet("a", 0), subnet("b", 0)];
    let mut zones = BTreeMap::from([("b", 0)]);
    let mut order = Vec::new();
    for _ in 0..8 {
        let n = spread(&subnets, &zones).expect("some");
        subnets[n].tasks += 1;
        *zones.entry(subnets[n].zone).or_default() += 1;
        order.push(n);
    }
    assert_eq!(order, [0, 2, 1, 2, 0, 2, 1, 2]);
}

#[test]
fn fargate_tasks_go_from_the_fullest_zone() {
    assert_eq!(
        fargate_surplus(&["a", "b", "a", "a", "b"], 0),
        Vec::<usize>::new()
    );
    assert_eq!(fargate_surplus(&["a", "b", "a", "a", "b"], 2), [3, 4]);
    assert_eq!(fargate_surplus(&["a", "b"], 9), [1, 0]);
}

#[test]
fn zones_are_balanced_within_one() {
    let zones = |counts: &[(&'static str, usize)]| counts.iter().copied().collect();
    assert_eq!(rebalance(&zones(&[])), None);
    assert_eq!(rebalance(&zones(&[("a", 3)])), None);
    assert_eq!(rebalance(&zones(&[("a", 3), ("b", 2), ("c", 2)])), None);
    let moved = Some(Move { from: "b", to: "a" });
    assert_eq!(
        rebalance(&zones(&[("a", 0), ("b", 2), ("c", 2), ("d", 0)])),
        moved
    );
}

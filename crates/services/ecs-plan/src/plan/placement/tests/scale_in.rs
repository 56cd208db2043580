//! Which tasks stop.

use super::*;
use std::collections::BTreeMap;

/// Tasks `NAME0`, `NAME1` ... on each instance, in three zones named by their first letter.
fn running(on: &[(&str, usize)], claim: Claim) -> (Capacity, Vec<String>) {
    let claim = Arc::new(claim);
    let mut c = capacity(on.iter().map(|(id, _)| instance(id, &id[..1])));
    let mut tasks = Vec::new();
    for (id, n) in on {
        for n in 0..*n {
            tasks.push(format!("{id}-{n}"));
            c.take(id, &tasks[tasks.len() - 1], Arc::clone(&claim));
        }
    }
    (c, tasks)
}

fn stopped(on: &[(&str, usize)], strategies: &[Strategy], count: usize) -> BTreeMap<String, usize> {
    let (c, tasks) = running(on, claim());
    let tasks: Vec<_> = tasks.iter().map(String::as_str).collect();
    let gone = c.surplus(&tasks, strategies, count, 7);
    assert_eq!(gone, c.surplus(&tasks, strategies, count, 7));
    let mut left: BTreeMap<_, _> = on.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect();
    assert_eq!(gone.len(), count.min(tasks.len()));
    for task in gone {
        *left.get_mut(&task[..2]).expect("an instance") -= 1;
    }
    left
}

#[test]
fn the_balance_stays() {
    let default = Strategy::service_default();
    let left = stopped(&[("a0", 4), ("b0", 2), ("b1", 3), ("c0", 1)], &default, 5);
    assert_eq!(left["a0"], 2);
    assert_eq!((left["b0"], left["b1"]), (1, 1));
    assert_eq!(left["c0"], 1);
    let left = stopped(
        &[("a0", 6), ("a1", 1), ("a2", 2)],
        &[Strategy::Spread(SpreadBy::Instance)],
        5,
    );
    assert_eq!((left["a0"], left["a1"], left["a2"]), (2, 1, 1));
}

#[test]
fn binpack_empties_the_emptiest() {
    for resource in [Resource::Cpu, Resource::Memory] {
        let left = stopped(
            &[("a0", 6), ("a1", 3), ("a2", 5)],
            &[Strategy::Binpack(resource)],
            4,
        );
        assert_eq!((left["a0"], left["a1"]), (6, 0));
        assert_eq!(left["a2"], 4);
    }
}

#[test]
fn chance_is_by_the_seed_and_spares_none() {
    let (c, tasks) = running(&[("a0", 5), ("b0", 5)], claim());
    let tasks: Vec<_> = tasks.iter().map(String::as_str).collect();
    let mut first = BTreeMap::new();
    for seed in 0..1000 {
        *first
            .entry(c.surplus(&tasks, &[], 1, seed).remove(0))
            .or_insert(0) += 1;
    }
    assert!(
        first.len() == 10 && first.values().all(|n| (50..200).contains(n)),
        "{first:?}"
    );
}

#[test]
fn what_has_no_place_goes_first() {
    let (c, mut tasks) = running(&[("a0", 2)], claim());
    tasks.push("lost".into());
    let tasks: Vec<_> = tasks.iter().map(String::as_str).collect();
    assert_eq!(c.surplus(&tasks, &[], 1, 0), ["lost"]);
    assert_eq!(c.surplus(&tasks, &[], 9, 0).len(), 3);
    assert_eq!(c.surplus(&tasks, &[], 0, 0), Vec::<String>::new());
    assert_eq!(c.surplus(&[], &[], 2, 0), Vec::<String>::new());
}

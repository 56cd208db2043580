//! Availability Zone rebalancing of a service's tasks.
//!
//! ECS starts tasks "in the Availability Zones with the fewest tasks" and stops some "in the
//! overloaded Availability Zones"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html>).

/// A task to start in one zone and, once it is healthy, one to stop in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move<'a> {
    pub from: &'a str,
    pub to: &'a str,
}

/// What to move, given the tasks of each zone that could have some; nothing while no two zones
/// differ by more than one. The first by name when equal.
pub fn rebalance<'a>(zones: &std::collections::BTreeMap<&'a str, usize>) -> Option<Move<'a>> {
    let (to, least) = zones.iter().min_by_key(|(name, tasks)| (**tasks, **name))?;
    let (from, most) = zones.iter().rev().max_by_key(|(_, tasks)| **tasks)?;
    (most - least > 1).then_some(Move { from, to })
}

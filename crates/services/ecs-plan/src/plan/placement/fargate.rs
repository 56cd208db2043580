//! Where a Fargate task runs: a node of ours, and a subnet of the caller's.

use std::collections::BTreeMap;

/// A node that can take tasks now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: String,
    /// Tasks it runs already.
    pub tasks: usize,
}

/// The least loaded node; the lower id when equal.
pub fn node(nodes: &[Node]) -> Option<&Node> {
    nodes.iter().min_by_key(|n| (n.tasks, &n.id))
}

/// The subnet for the `n`th task of a caller who counts: in turn.
pub fn subnet<T>(subnets: &[T], n: u64) -> Option<&T> {
    let count = u64::try_from(subnets.len()).ok().filter(|c| *c > 0)?;
    subnets.get(usize::try_from(n % count).ok()?)
}

/// A subnet a task may get its address from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet<'a> {
    pub zone: &'a str,
    /// Tasks of the same group that have their address there.
    pub tasks: usize,
}

/// Which of the subnets comes next for a group whose tasks per zone are `zones` (also those in
/// subnets that are no longer given): the zone with the fewest tasks, in it the subnet with
/// the fewest, then the first. "By default, Fargate tasks are spread across Availability
/// Zones" (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement.html>).
pub fn spread(subnets: &[Subnet<'_>], zones: &BTreeMap<&str, usize>) -> Option<usize> {
    let load = |s: &Subnet<'_>| (zones.get(s.zone).copied().unwrap_or(0), s.tasks);
    (0..subnets.len()).min_by_key(|n| (load(&subnets[*n]), *n))
}

/// Which `count` of the tasks, given by their zones, stop so that the zones stay balanced:
/// always one of the zone with the most, the last given first. In the order to stop them.
pub fn surplus(tasks: &[&str], count: usize) -> Vec<usize> {
    let mut zones: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (n, zone) in tasks.iter().enumerate() {
        zones.entry(zone).or_default().push(n);
    }
    let mut gone = Vec::new();
    while gone.len() < count {
        let fullest = zones
            .values_mut()
            .max_by_key(|of| (of.len(), of.last().copied()));
        let Some(task) = fullest.and_then(Vec::pop) else {
            break;
        };
        gone.push(task);
    }
    gone
}

//! Which node runs a Fargate task, and in which subnet.

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

/// The subnet for the `n`th task: Fargate spreads over the subnets it is given.
pub fn subnet<T>(subnets: &[T], n: u64) -> Option<&T> {
    let count = u64::try_from(subnets.len()).ok().filter(|c| *c > 0)?;
    subnets.get(usize::try_from(n % count).ok()?)
}

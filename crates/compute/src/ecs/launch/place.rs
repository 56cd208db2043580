//! Where a task goes: on Fargate to the node with the fewest tasks, in the subnet with the
//! fewest of its group; else to a container instance of its cluster.

use super::{Launch, Unplaced};
use crate::ecs::Ecs;
use crate::ecs::fleet::ClusterId;
use crate::ecs::plan::placement::fargate;
use neargate_domain::LaunchType;
use std::collections::BTreeMap;

/// What a task is to run on.
#[derive(Debug, Clone, PartialEq)]
pub enum Capacity {
    /// `spot`: by way of the capacity provider FARGATE_SPOT.
    Fargate { provider: Option<String> },
}

impl Capacity {
    pub fn launch_type(&self) -> LaunchType {
        match self {
            Capacity::Fargate { .. } => LaunchType::Fargate,
        }
    }

    pub fn provider(&self) -> Option<&str> {
        match self {
            Capacity::Fargate { provider } => provider.as_deref(),
        }
    }
}

/// A place for one task.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) node: String,
    pub(super) container_instance: Option<String>,
    /// For the task's own interface.
    pub(super) subnet: Option<String>,
    pub(super) availability_zone: String,
}

/// What one launch has placed so far; given back when dropped, unless it was written.
pub(super) struct Taken<'a> {
    ecs: &'a Ecs,
    /// Tasks of this launch by node: the index does not have them yet.
    by_node: BTreeMap<String, usize>,
}

impl<'a> Taken<'a> {
    pub(super) fn new(ecs: &'a Ecs) -> Self {
        Taken {
            ecs,
            by_node: BTreeMap::new(),
        }
    }

    /// The tasks are written: the index has them from here on.
    pub(super) fn keep(self) {}

    pub(super) fn place(
        &mut self,
        _cluster: &ClusterId,
        launch: &Launch,
        _task_id: &str,
    ) -> Result<Placed, Unplaced> {
        match &launch.capacity {
            Capacity::Fargate { .. } => self.on_fargate(launch),
        }
    }

    fn on_fargate(&mut self, launch: &Launch) -> Result<Placed, Unplaced> {
        let nodes = self.ecs.nodes.fargate();
        let load = |id: &String| {
            self.ecs.fleet.load(id) + self.by_node.get(id).copied().unwrap_or_default()
        };
        let nodes: Vec<fargate::Node> = nodes
            .into_iter()
            .map(|id| fargate::Node {
                tasks: load(&id),
                id,
            })
            .collect();
        let Some(node) = fargate::node(&nodes) else {
            return Err(no_capacity());
        };
        *self.by_node.entry(node.id.clone()).or_default() += 1;
        let subnets = launch.network.as_ref().map_or(&[][..], |n| &n.subnets);
        let subnet = fargate::subnet(subnets, self.ecs.nodes.turn()).cloned();
        Ok(Placed {
            node: node.id.clone(),
            container_instance: None,
            subnet,
            availability_zone: String::new(),
        })
    }
}

/// No node for Fargate tasks is connected.
fn no_capacity() -> Unplaced {
    let words = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
    Unplaced {
        reason: words.into(),
        arn: None,
        detail: None,
        event: format!("was unable to place a task. Reason: {words}."),
    }
}

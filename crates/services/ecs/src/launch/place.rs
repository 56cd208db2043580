//! Where a task goes: on Fargate to the node with the fewest tasks, in the zone with the fewest
//! of its group; else to a container instance of its cluster.

use super::{Launch, Unplaced, failure};
use crate::Ecs;
use crate::fleet::ClusterId;
use crate::model::{ContainerInstance, InstanceStatus};
use crate::plan::placement::fargate::{self, Node, Subnet};
use crate::plan::placement::{Claim, Constraint, Port, Refusal, Request, Strategy};
use crate::plan::task_definition;
use neargate_domain::LaunchType;
use neargate_service::{House, Stored};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a task is to run on.
#[derive(Debug, Clone, PartialEq)]
pub enum Capacity {
    /// `provider`: by way of FARGATE or FARGATE_SPOT.
    Fargate { provider: Option<String> },
    /// A container instance of the cluster.
    Instances(Instances),
}

/// Which container instances, and how to choose.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Instances {
    pub external: bool,
    pub provider: Option<String>,
    /// The definition's and the caller's; all must hold.
    pub constraints: Vec<Constraint>,
    pub strategies: Vec<Strategy>,
    /// This one or none (StartTask, DAEMON).
    pub on: Option<String>,
}

impl Capacity {
    pub fn launch_type(&self) -> LaunchType {
        match self {
            Capacity::Fargate { .. } => LaunchType::Fargate,
            Capacity::Instances(i) if i.external => LaunchType::External,
            Capacity::Instances(_) => LaunchType::Ec2,
        }
    }

    pub fn provider(&self) -> Option<&str> {
        match self {
            Capacity::Fargate { provider } => provider.as_deref(),
            Capacity::Instances(i) => i.provider.as_deref(),
        }
    }
}

/// A place for one task.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) node: String,
    pub(super) container_instance: Option<String>,
    /// As it was when it was chosen: the transaction must find it so.
    pub(super) instance: Option<Arc<Stored<ContainerInstance>>>,
    /// For the task's own interface.
    pub(super) subnet: Option<String>,
    pub(super) availability_zone: String,
}

/// What one launch has placed so far; given back when dropped, unless it was written.
pub(super) struct Reservations<'a> {
    ecs: &'a Ecs,
    cluster: &'a ClusterId,
    launch: &'a Launch,
    /// Tasks of this launch by node: the index does not have them yet.
    by_node: BTreeMap<String, usize>,
    /// What each node had free when this launch first asked.
    free_mib: BTreeMap<String, u64>,
    /// Tasks of the group by zone, this launch's included.
    by_zone: Option<BTreeMap<String, usize>>,
    requests: Vec<(Instances, Arc<Request>)>,
    task_ids: Vec<String>,
    written: bool,
}

impl Drop for Reservations<'_> {
    fn drop(&mut self) {
        if !self.task_ids.is_empty() {
            self.ecs.fleet.settle(&self.task_ids, self.written);
        }
    }
}

impl<'a> Reservations<'a> {
    pub(super) fn new(ecs: &'a Ecs, cluster: &'a ClusterId, launch: &'a Launch) -> Self {
        Reservations {
            ecs,
            cluster,
            launch,
            by_node: BTreeMap::new(),
            free_mib: BTreeMap::new(),
            by_zone: None,
            requests: Vec::new(),
            task_ids: Vec::new(),
            written: false,
        }
    }

    /// The tasks are written: the index has them from here on.
    pub(super) fn keep(mut self) {
        self.written = true;
    }

    pub(super) fn place(
        &mut self,
        house: &House,
        capacity: &Capacity,
        task_id: &str,
    ) -> Result<Placed, Unplaced> {
        match capacity {
            Capacity::Fargate { .. } => self.on_fargate(),
            Capacity::Instances(instances) => self.on_instance(house, instances, task_id),
        }
    }

    /// The last one placed is not to be.
    pub(super) fn give_back(&mut self, task_id: &str) {
        if self.task_ids.last().is_some_and(|last| last == task_id) {
            self.ecs
                .fleet
                .settle(&self.task_ids.split_off(self.task_ids.len() - 1), false);
        }
    }

    /// The last one placed is in another zone than it was to be.
    pub(super) fn moved(&mut self, from: &str, to: &str) {
        if let Some(by_zone) = self.by_zone.as_mut().filter(|_| from != to) {
            *by_zone.entry(from.to_owned()).or_default() -= 1;
            *by_zone.entry(to.to_owned()).or_default() += 1;
        }
    }

    /// Tasks on the same capacity share a request.
    fn request(&mut self, instances: &Instances) -> Arc<Request> {
        let known = self.requests.iter().find(|(of, _)| of == instances);
        if let Some((_, request)) = known {
            return request.clone();
        }
        let request = Arc::new(request(self.launch, instances));
        self.requests.push((instances.clone(), request.clone()));
        request
    }

    fn on_fargate(&mut self) -> Result<Placed, Unplaced> {
        let load = |id: &String| {
            self.ecs.fleet.load(id) + self.by_node.get(id).copied().unwrap_or_default()
        };
        let nodes = self.ecs.nodes.fargate();
        if nodes.is_empty() {
            return Err(failure::no_fargate());
        }
        let wanted = self.launch.memory_mib.unwrap_or(0);
        for id in &nodes {
            self.free_mib
                .entry(id.clone())
                .or_insert_with(|| self.ecs.nodes.free_mib(id).unwrap_or(u64::MAX));
        }
        let free = |id: &String| {
            let here = self.by_node.get(id).copied().unwrap_or_default() as u64;
            self.free_mib[id].saturating_sub(here * u64::from(wanted))
        };
        let most = nodes.iter().map(free).max().unwrap_or(0);
        let nodes = nodes.into_iter();
        let nodes: Vec<Node> = nodes
            .filter(|id| free(id) >= u64::from(wanted))
            .map(|id| Node {
                tasks: load(&id),
                id,
            })
            .collect();
        let node = fargate::node(&nodes).ok_or_else(|| failure::no_memory(wanted, most))?;
        *self.by_node.entry(node.id.clone()).or_default() += 1;
        let subnets = self.launch.network.as_ref();
        let subnets: Vec<&String> = subnets.iter().flat_map(|n| &n.subnets).collect();
        let network = self.launch.network.as_ref();
        let zone = |id: &str| network.and_then(|n| n.zone(id)).unwrap_or_default();
        let (fleet, group) = (&self.ecs.fleet, &self.launch.group);
        let by_zone = self
            .by_zone
            .get_or_insert_with(|| fleet.group_by_zone(self.cluster, group));
        let tasks = |of: &str| by_zone.get(of).copied().unwrap_or(0);
        let zones: BTreeMap<&str, usize> = subnets
            .iter()
            .map(|id| (zone(id), tasks(zone(id))))
            .collect();
        let choices: Vec<Subnet<'_>> = subnets
            .iter()
            .map(|id| Subnet {
                zone: zone(id),
                tasks: 0,
            })
            .collect();
        let chosen = fargate::spread(&choices, &zones).map(|n| subnets[n].clone());
        let availability_zone = zone(chosen.as_deref().unwrap_or_default()).to_owned();
        *by_zone.entry(availability_zone.clone()).or_default() += 1;
        Ok(Placed {
            node: node.id.clone(),
            container_instance: None,
            instance: None,
            subnet: chosen,
            availability_zone,
        })
    }

    fn on_instance(
        &mut self,
        house: &House,
        instances: &Instances,
        task_id: &str,
    ) -> Result<Placed, Unplaced> {
        let request = &*self.request(instances);
        let (fleet, cluster) = (&self.ecs.fleet, self.cluster);
        let arn = |id: &str| {
            let of = format!("container-instance/{}/{id}", cluster.name);
            self.launch.scope.arn("ecs", of)
        };
        let id = match &instances.on {
            Some(id) => {
                let placed = fleet.place_on(cluster, id, request, task_id);
                placed.map_err(|lacks| failure::lacks(arn(id), id, &lacks))?;
                id.clone()
            }
            None => {
                let placed = fleet.place(cluster, request, task_id, house.rng.below(u64::MAX));
                placed.map_err(|refusal: Refusal| failure::refused(arn, &refusal))?
            }
        };
        self.task_ids.push(task_id.to_owned());
        let found = fleet.instance(cluster, &id);
        // Since it was chosen it may have begun to drain or leave.
        let found = found.filter(|i| i.node.is_some() && i.status == InstanceStatus::Active);
        let instance = found.ok_or_else(|| failure::gone(arn(&id)))?;
        let zone = instance
            .attribute("ecs.availability-zone")
            .unwrap_or_default();
        let given = self.launch.network.iter().flat_map(|n| &n.subnets);
        let network = self.launch.network.as_ref();
        let in_zone = |id: &&String| network.and_then(|n| n.zone(id)) == Some(zone);
        Ok(Placed {
            node: instance.node.clone().unwrap_or_default(),
            container_instance: Some(id),
            subnet: given
                .clone()
                .find(in_zone)
                .or(given.clone().next())
                .cloned(),
            availability_zone: zone.to_owned(),
            instance: Some(instance.clone()),
        })
    }
}

/// What placement is asked for each task of a launch.
pub(super) fn request(launch: &Launch, instances: &Instances) -> Request {
    let eni = launch.with_interface();
    let demand = super::spec::demand_of(launch, eni);
    let ports: Vec<Port> = demand.ports;
    let required = launch.definition.requires_attributes.iter().flatten();
    let required = required.map(|a| (a.name.clone(), a.value.clone()));
    let platform = task_definition::platform(&launch.definition).into_iter();
    let platform = platform.map(|(name, value)| (name.to_owned(), Some(value)));
    let mut constraints = instances.constraints.clone();
    if eni {
        constraints.extend(in_zones_of(launch));
    }
    Request {
        claim: Arc::new(Claim {
            group: launch.group.clone(),
            cpu_units: demand.cpu_units,
            memory_mib: demand.memory_mib,
            ports,
            gpus: demand.gpus,
            eni,
        }),
        required_attributes: required.chain(platform).collect(),
        constraints,
        strategies: instances.strategies.clone(),
        capacity_provider: instances.provider.clone(),
        external: instances.external,
    }
}

/// A task's interface is in the zone of its instance: only instances in the zones of the given
/// subnets come into question
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-networking-awsvpc.html>).
fn in_zones_of(launch: &Launch) -> Option<Constraint> {
    let network = launch.network.iter();
    let zones: BTreeSet<String> = network.flat_map(|n| n.zones.values().cloned()).collect();
    if zones.is_empty() || zones.len() == launch.scope.region.zones().len() {
        return None;
    }
    Some(Constraint::Zones(zones))
}

//! What container instances have free, kept in step with tasks, instances and connections, and
//! the placements whose transaction is under way.

use super::Fleet;
use super::state::State;
use super::{ClusterId, Row};
use crate::Nodes;
use crate::model::{ContainerInstance, InstanceStatus};
use crate::plan::placement::{self, Capacity, Claim, InstanceId, Refusal, Request};
use neargate_domain::{LaunchType, Protocol, Resources};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Once more different claims than this are kept, those that no task has any more are dropped.
const CLAIMS_KEPT: usize = 4_096;

/// The clusters' capacities.
#[derive(Debug, Default)]
pub(super) struct Capacities {
    clusters: HashMap<ClusterId, Capacity>,
    /// Equal claims are one: tasks of a service all take the same.
    claims: HashSet<Arc<Claim>>,
    /// By task id: placed, but not yet known to be written.
    under_way: HashMap<String, Place>,
    /// The connected nodes as last told.
    connected: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Place {
    cluster: ClusterId,
    instance: InstanceId,
    claim: Arc<Claim>,
}

impl Capacities {
    pub(super) fn of(&mut self, cluster: &ClusterId) -> &mut Capacity {
        self.clusters.entry(cluster.clone()).or_default()
    }

    pub(super) fn put_task(&mut self, row: &Row) {
        let Some(instance) = &row.container_instance else {
            return;
        };
        if row.is_stopped() {
            self.remove_task(row);
            return;
        }
        let claim = self.claim(Claim {
            group: row.group.clone(),
            cpu_units: row.demand.cpu_units,
            memory_mib: row.demand.memory_mib,
            ports: row.demand.ports.clone(),
            gpus: row.demand.gpus,
            eni: row.demand.eni,
        });
        let capacity = self.of(&row.cluster);
        capacity.take(instance, &row.task_id, claim);
        capacity.set_running(&row.task_id, row.is_running());
        if row.is_stopping() {
            capacity.set_stopping(&row.task_id);
        }
    }

    pub(super) fn remove_task(&mut self, row: &Row) {
        if row.container_instance.is_some() {
            self.of(&row.cluster).give_back(&row.task_id);
        }
    }

    pub(super) fn put_instance(&mut self, cluster: &ClusterId, instance: &ContainerInstance) {
        let node = instance.node.as_ref();
        let connected = node.is_some_and(|n| self.connected.contains(n));
        let seen = seen(instance, connected);
        self.of(cluster).upsert(seen);
    }

    pub(super) fn remove_instance(&mut self, cluster: &ClusterId, id: &str) {
        self.of(cluster).remove(id);
    }

    fn claim(&mut self, claim: Claim) -> Arc<Claim> {
        if let Some(known) = self.claims.get(&claim) {
            return known.clone();
        }
        if self.claims.len() >= CLAIMS_KEPT {
            self.claims.retain(|c| Arc::strong_count(c) > 1);
        }
        let claim = Arc::new(claim);
        self.claims.insert(claim.clone());
        claim
    }
}

/// A container instance as placement sees it.
fn seen(instance: &ContainerInstance, agent_connected: bool) -> placement::Instance {
    let Resources {
        cpu_units,
        memory_mib,
        reserved_tcp_ports: tcp,
        reserved_udp_ports: udp,
        gpus,
        eni_slots,
    } = &instance.registered;
    let tcp = tcp.iter().map(|p| (Protocol::Tcp, *p));
    let udp = udp.iter().map(|p| (Protocol::Udp, *p));
    placement::Instance {
        id: instance.id.clone(),
        ec2_instance_id: Some(instance.ec2_instance_id.clone()),
        attributes: instance.attributes.clone(),
        registered: placement::Resources {
            cpu_units: i64::from(*cpu_units),
            memory_mib: i64::from(*memory_mib),
            gpus: i64::try_from(gpus.len()).unwrap_or(i64::MAX),
            ports: tcp.chain(udp).collect(),
        },
        eni_slots: *eni_slots,
        agent_version: instance.agent_version.clone(),
        registered_at: instance.registered_at,
        status: match instance.status {
            InstanceStatus::Active => placement::InstanceStatus::Active,
            InstanceStatus::Draining => placement::InstanceStatus::Draining,
            InstanceStatus::Deregistering | InstanceStatus::Inactive => {
                placement::InstanceStatus::Inactive
            }
        },
        agent_connected,
        capacity_provider: instance.capacity_provider.clone(),
        external: instance.launch_type == LaunchType::External,
    }
}

impl State {
    /// Take over from an index that a gap made stale: connections, and what is under way.
    pub(super) fn succeed(&mut self, old: &mut State) {
        self.connect(std::mem::take(&mut old.capacities.connected));
        for (task_id, place) in std::mem::take(&mut old.capacities.under_way) {
            let capacity = self.capacities.of(&place.cluster);
            capacity.take(&place.instance, &task_id, place.claim.clone());
            self.capacities.under_way.insert(task_id, place);
        }
    }

    /// The connected nodes are these now.
    pub(super) fn connect(&mut self, connected: BTreeSet<String>) {
        let old = std::mem::replace(&mut self.capacities.connected, connected);
        let changed: HashSet<&String> = old
            .symmetric_difference(&self.capacities.connected)
            .collect();
        if changed.is_empty() {
            return;
        }
        let of_changed: Vec<_> = self
            .instances()
            .filter(|(_, i)| i.node.as_ref().is_some_and(|n| changed.contains(n)))
            .map(|(cluster, instance)| (cluster.clone(), instance.clone()))
            .collect();
        for (cluster, instance) in of_changed {
            self.capacities.put_instance(&cluster, &instance);
        }
    }
}

impl Fleet {
    /// Read or ask the cluster's capacity. Short: everything else waits meanwhile.
    pub fn capacity<R>(&self, cluster: &ClusterId, ask: impl FnOnce(&mut Capacity) -> R) -> R {
        ask(self.state.lock().capacities.of(cluster))
    }

    /// Choose an instance for the task and take its place there; [`Fleet::settle`] must follow.
    pub(crate) fn place(
        &self,
        cluster: &ClusterId,
        request: &Request,
        task_id: &str,
        seed: u64,
    ) -> Result<InstanceId, Refusal> {
        let mut state = self.state.lock();
        let capacities = &mut state.capacities;
        let instance = capacities.of(cluster).place(request, task_id, seed)?;
        capacities.hold(cluster, &instance, request, task_id);
        Ok(instance)
    }

    /// As [`Fleet::place`], on this instance or not at all.
    pub(crate) fn place_on(
        &self,
        cluster: &ClusterId,
        instance: &str,
        request: &Request,
        task_id: &str,
    ) -> Result<(), Vec<placement::Lack>> {
        let mut state = self.state.lock();
        let capacities = &mut state.capacities;
        let capacity = capacities.of(cluster);
        capacity.place_on(instance, request, task_id)?;
        capacities.hold(cluster, instance, request, task_id);
        Ok(())
    }

    /// The transaction of these placements is over; those not written are given back.
    pub(crate) fn settle(&self, task_ids: &[String], written: bool) {
        let mut state = self.state.lock();
        for task_id in task_ids {
            let place = state.capacities.under_way.remove(task_id);
            if let Some(place) = place.filter(|_| !written) {
                state.capacities.of(&place.cluster).give_back(task_id);
            }
        }
    }

    /// The connected nodes changed.
    pub(super) fn connected(&self, nodes: &Nodes) {
        let ids = nodes.ids().into_iter().collect();
        self.state.lock().connect(ids);
    }
}

impl Capacities {
    fn hold(&mut self, cluster: &ClusterId, instance: &str, request: &Request, task_id: &str) {
        let place = Place {
            cluster: cluster.clone(),
            instance: instance.to_owned(),
            claim: request.claim.clone(),
        };
        self.under_way.insert(task_id.to_owned(), place);
    }
}

//! The index itself: maps that every change keeps in step.

use super::capacity::Capacities;
use super::{ClusterId, Row, ServiceId};
use crate::model::{ContainerInstance, InstanceStatus, Service, Task};
use neargate_service::{Scope, Stored};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct State {
    tasks: HashMap<String, Arc<Row>>,
    of_service: HashMap<ServiceId, BTreeMap<String, Arc<Row>>>,
    of_cluster: HashMap<ClusterId, BTreeMap<String, Arc<Row>>>,
    /// The tasks that wait for capacity.
    waiting: HashMap<ClusterId, BTreeMap<String, Arc<Row>>>,
    /// Store keys of the tasks that have not stopped.
    of_node: HashMap<String, BTreeSet<String>>,
    instances: HashMap<ClusterId, BTreeMap<String, Arc<Stored<ContainerInstance>>>>,
    /// Ids of the container instances that are not `ACTIVE`.
    closed: HashMap<ClusterId, BTreeSet<String>>,
    pub(super) capacities: Capacities,
    services: HashMap<ClusterId, BTreeMap<String, Arc<Stored<Service>>>>,
}

impl State {
    pub(super) fn put_task(&mut self, task: &Stored<Task>) {
        let before = self.tasks.get(&task.key);
        let row = Arc::new(Row::of(task).after(before.map(|row| &**row), Instant::now()));
        self.capacities.put_task(&row);
        if let Some(service) = row.service_id() {
            let rows = self.of_service.entry(service).or_default();
            rows.insert(row.key.clone(), row.clone());
        }
        let rows = self.of_cluster.entry(row.cluster.clone()).or_default();
        rows.insert(row.key.clone(), row.clone());
        if row.is_waiting() {
            let rows = self.waiting.entry(row.cluster.clone()).or_default();
            rows.insert(row.key.clone(), row.clone());
        } else {
            remove(&mut self.waiting, &row.cluster, &row.key);
        }
        if row.is_stopped() {
            self.unload(&row);
        } else if !row.node.is_empty() {
            let keys = self.of_node.entry(row.node.clone()).or_default();
            keys.insert(row.key.clone());
        }
        self.tasks.insert(row.key.clone(), row);
    }

    pub(super) fn remove_task(&mut self, key: &str) {
        let Some(row) = self.tasks.remove(key) else {
            return;
        };
        if let Some(service) = row.service_id() {
            remove(&mut self.of_service, &service, key);
        }
        remove(&mut self.of_cluster, &row.cluster, key);
        remove(&mut self.waiting, &row.cluster, key);
        self.capacities.remove_task(&row);
        self.unload(&row);
    }

    fn unload(&mut self, row: &Row) {
        if let Some(keys) = self.of_node.get_mut(&row.node) {
            keys.remove(&row.key);
            if keys.is_empty() {
                self.of_node.remove(&row.node);
            }
        }
    }

    pub(super) fn put_instance(&mut self, scope: &Scope, instance: Stored<ContainerInstance>) {
        let cluster = ClusterId::new(scope, &instance.cluster);
        self.capacities.put_instance(&cluster, &instance);
        match instance.status {
            InstanceStatus::Active => self.open(&cluster, &instance.id),
            _ => {
                let closed = self.closed.entry(cluster.clone()).or_default();
                closed.insert(instance.id.clone());
            }
        }
        let of = self.instances.entry(cluster).or_default();
        of.insert(instance.id.clone(), Arc::new(instance));
    }

    pub(super) fn remove_instance(&mut self, cluster: &ClusterId, id: &str) {
        self.capacities.remove_instance(cluster, id);
        remove(&mut self.instances, cluster, id);
        self.open(cluster, id);
    }

    /// The instance is not closed (any more).
    fn open(&mut self, cluster: &ClusterId, id: &str) {
        if let Some(closed) = self.closed.get_mut(cluster) {
            closed.remove(id);
            if closed.is_empty() {
                self.closed.remove(cluster);
            }
        }
    }

    pub(super) fn closed_instances(&self, cluster: &ClusterId) -> BTreeSet<String> {
        self.closed.get(cluster).cloned().unwrap_or_default()
    }

    /// Every container instance with its cluster.
    pub(super) fn instances(
        &self,
    ) -> impl Iterator<Item = (&ClusterId, &Arc<Stored<ContainerInstance>>)> {
        let of = self.instances.iter();
        of.flat_map(|(cluster, of)| of.values().map(move |instance| (cluster, instance)))
    }

    pub(super) fn put_service(&mut self, cluster: &ClusterId, service: Stored<Service>) {
        let of = self.services.entry(cluster.clone()).or_default();
        of.insert(service.spec.name.clone(), Arc::new(service));
    }

    pub(super) fn remove_service(&mut self, cluster: &ClusterId, name: &str) {
        remove(&mut self.services, cluster, name);
    }

    pub(super) fn services_of(&self, cluster: &ClusterId) -> Vec<Arc<Stored<Service>>> {
        let of = self.services.get(cluster).into_iter().flatten();
        of.map(|(_, service)| service.clone()).collect()
    }

    /// The store keys of all services.
    pub(super) fn service_keys(&self) -> Vec<String> {
        let of = self.services.values().flat_map(BTreeMap::values);
        of.map(|service| service.key.clone()).collect()
    }

    pub(super) fn rows_of_service(&self, service: &ServiceId) -> Vec<Arc<Row>> {
        let rows = self.of_service.get(service).into_iter().flatten();
        rows.map(|(_, row)| row.clone()).collect()
    }

    pub(super) fn of_service(&self, service: &ServiceId) -> Vec<Arc<Row>> {
        let mut rows = self.rows_of_service(service);
        rows.sort_by(|a, b| (a.created_at, &a.key).cmp(&(b.created_at, &b.key)));
        rows
    }

    pub(super) fn of_cluster(&self, cluster: &ClusterId) -> Vec<Arc<Row>> {
        let rows = self.of_cluster.get(cluster).into_iter().flatten();
        rows.map(|(_, row)| row.clone()).collect()
    }

    /// The oldest first.
    pub(super) fn waiting(&self, cluster: &ClusterId) -> Vec<Arc<Row>> {
        let rows = self.waiting.get(cluster).into_iter().flatten();
        let mut rows: Vec<Arc<Row>> = rows.map(|(_, row)| row.clone()).collect();
        rows.sort_by(|a, b| (a.created_at, &a.key).cmp(&(b.created_at, &b.key)));
        rows
    }

    /// The clusters in which tasks wait.
    pub(super) fn with_waiting(&self) -> Vec<ClusterId> {
        self.waiting.keys().cloned().collect()
    }

    pub(super) fn of_node(&self, node: &str) -> Vec<Arc<Row>> {
        let keys = self.of_node.get(node).into_iter().flatten();
        keys.filter_map(|key| self.tasks.get(key).cloned())
            .collect()
    }

    pub(super) fn task(&self, key: &str) -> Option<Arc<Row>> {
        self.tasks.get(key).cloned()
    }

    /// An id does not tell its cluster, and there are few of those.
    pub(super) fn find(&self, task_id: &str) -> Option<Arc<Row>> {
        let mut clusters = self.of_cluster.keys();
        clusters.find_map(|cluster| self.task(&cluster.key::<Task>(task_id)))
    }

    pub(super) fn runs(&self, scope: &Scope, family: &str, revision: u32) -> bool {
        self.tasks.values().any(|row| {
            row.cluster.scope == *scope
                && row.revision_number == revision
                && row.family == family
                && !row.is_stopped()
        })
    }

    pub(super) fn load(&self, node: &str) -> usize {
        self.of_node.get(node).map_or(0, BTreeSet::len)
    }

    pub(super) fn instance(
        &self,
        cluster: &ClusterId,
        id: &str,
    ) -> Option<Arc<Stored<ContainerInstance>>> {
        self.instances.get(cluster)?.get(id).cloned()
    }

    pub(super) fn instances_of(&self, cluster: &ClusterId) -> Vec<Arc<Stored<ContainerInstance>>> {
        let of = self.instances.get(cluster).into_iter().flatten();
        of.map(|(_, instance)| instance.clone()).collect()
    }
}

impl State {
    pub(super) fn group_by_zone(
        &self,
        cluster: &ClusterId,
        group: &str,
    ) -> BTreeMap<String, usize> {
        let of_service = group.strip_prefix("service:").map(|name| ServiceId {
            cluster: cluster.clone(),
            name: name.to_owned(),
        });
        let rows = match &of_service {
            Some(service) => self.of_service.get(service),
            None => self.of_cluster.get(cluster),
        };
        let mut zones = BTreeMap::new();
        for (_, row) in rows.into_iter().flatten() {
            if row.group == group && !row.is_stopped() && !row.is_stopping() {
                *zones.entry(row.availability_zone.clone()).or_default() += 1;
            }
        }
        zones
    }
}

/// Remove an entry of an inner map, and the inner map with its last entry.
fn remove<K: std::hash::Hash + Eq, V>(
    map: &mut HashMap<K, BTreeMap<String, V>>,
    outer: &K,
    inner: &str,
) {
    if let Some(of) = map.get_mut(outer) {
        of.remove(inner);
        if of.is_empty() {
            map.remove(outer);
        }
    }
}

//! A capacity provider, its group and the container instances that are of the group.

use super::group;
use crate::Ecs;
use crate::fleet::{ClusterId, Row};
use crate::model::{
    CapacityProvider, Cluster, ContainerInstance, InstanceStatus, Scheduling, Service,
};
use crate::plan::capacity::{group_name, is_managed};
use crate::plan::scaling::{Asked, Life, Machine, Registered, Size, View};
use neargate_api_autoscaling as api;
use neargate_domain::instance_type;
use neargate_service::{AwsError, House, Scope, Stored};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A provider's view, and what else there is to do for it.
#[derive(Debug)]
pub struct Seen {
    pub(super) provider: String,
    pub(super) scope: Scope,
    pub(super) group: String,
    pub(super) view: View,
    /// The names of the clusters that use the provider.
    pub(super) clusters: Vec<String>,
    /// Keys of container instances of the group that are not the provider's yet.
    pub(super) foreign: Vec<String>,
    pub(super) unmarked: bool,
    pub(super) wants_hook: bool,
    pub(super) has_hook: bool,
    /// Instances that are to be spoken for once more.
    pub(super) beats: Vec<String>,
}

impl Seen {
    /// Those that wait to end and have tasks.
    pub(super) fn emptied(&self) -> Vec<String> {
        let waits = |m: &&Machine| {
            m.life == Life::Waits && m.registered.as_ref().is_some_and(|r| r.tasks > 0)
        };
        let machines = self.view.machines.iter().filter(waits);
        machines.map(|m| m.id.clone()).collect()
    }
}

/// `None`: there is no such group, or nothing to do for one that nobody uses.
pub(super) async fn view(
    ecs: &Ecs,
    house: &Arc<House>,
    provider: &Stored<CapacityProvider>,
) -> Result<Option<Seen>, AwsError> {
    let scope = Scope::of_key(&provider.key);
    let (Some(scope), Some(asked)) = (scope, &provider.auto_scaling_group) else {
        return Ok(None);
    };
    let name = group_name(&asked.auto_scaling_group_arn);
    let Some(found) = group::find(house, &scope, name).await? else {
        return Ok(None);
    };
    let mut clusters = house.db.list::<Cluster>(&scope).await?;
    clusters.retain(|c| c.active && c.capacity_providers.contains(&provider.name));
    ecs.fleet.current(&house.db).await?;
    let (mut of_machine, mut waiting) = (BTreeMap::new(), Vec::new());
    for cluster in &clusters {
        let cluster = ClusterId::new(&scope, &cluster.name);
        for instance in ecs.fleet.instances(&cluster) {
            let goes = matches!(
                instance.status,
                InstanceStatus::Deregistering | InstanceStatus::Inactive
            );
            if !goes {
                of_machine.insert(
                    instance.ec2_instance_id.clone(),
                    (cluster.clone(), instance),
                );
            }
        }
        let of_provider =
            |r: &Arc<Row>| r.is_live() && r.capacity_provider.as_ref() == Some(&provider.name);
        let rows = ecs.fleet.waiting(&cluster).into_iter();
        waiting.extend(rows.filter(of_provider).map(|r| r.demand.clone()));
    }
    let is_used = provider.active && !clusters.is_empty();
    let drains = asked.managed_draining.as_deref() == Some("ENABLED");
    let (mut machines, mut foreign, mut size) = (Vec::new(), Vec::new(), None);
    for member in found.instances.iter().flatten() {
        let Some(id) = &member.instance_id else {
            continue;
        };
        let known = of_machine.get(id);
        if let Some((cluster, instance)) = known {
            if instance.capacity_provider.as_ref() != Some(&provider.name) {
                foreign.push(cluster.key::<ContainerInstance>(&instance.id));
            }
            size = size.or(Some(Size {
                cpu_units: instance.registered.cpu_units,
                memory_mib: instance.registered.memory_mib,
                interfaces: instance.registered.eni_slots,
            }));
        }
        machines.push(Machine {
            id: id.clone(),
            life: life(member),
            protected: member.protected_from_scale_in == Some(true),
            registered: known.map(|(cluster, instance)| registered(ecs, cluster, instance)),
        });
    }
    if size.is_none() && !waiting.is_empty() {
        let kind = group::instance_type(house, &scope, &found).await?;
        size = kind
            .as_deref()
            .and_then(instance_type::find)
            .map(|kind| Size {
                cpu_units: kind.vcpus * 1_024,
                // Less is registered than there is: what the system itself takes.
                memory_mib: kind.memory_mib - kind.memory_mib / 16,
                interfaces: kind.interfaces.saturating_sub(1),
            });
    }
    let has_hook = group::has_hook(house, &scope, name).await?;
    let count = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let scaling = asked.managed_scaling.clone().unwrap_or_default();
    let is_deleting = found.status.is_some();
    Ok(Some(Seen {
        provider: provider.name.clone(),
        group: name.to_owned(),
        view: View {
            asked: Asked {
                scales: is_used && is_managed(asked) && !is_deleting,
                target: scaling.target_capacity.map_or(100, |n| count(Some(n))),
                least_step: scaling
                    .minimum_scaling_step_size
                    .map_or(1, |n| count(Some(n))),
                most_step: scaling
                    .maximum_scaling_step_size
                    .map_or(10_000, |n| count(Some(n))),
                warmup: Duration::from_secs(
                    scaling
                        .instance_warmup_period
                        .and_then(|n| u64::try_from(n).ok())
                        .unwrap_or(300),
                ),
                protects: is_used
                    && asked.managed_termination_protection.as_deref() == Some("ENABLED"),
                drains: drains && is_used,
                patience: ecs.times.scale_in_after,
            },
            desired: count(found.desired_capacity),
            min: count(found.min_size),
            max: count(found.max_size),
            machines,
            waiting,
            size,
            low_since: None,
        },
        clusters: clusters.iter().map(|c| c.name.clone()).collect(),
        foreign: if is_used { foreign } else { Vec::new() },
        unmarked: provider.active && !is_deleting && !group::is_marked(&found),
        wants_hook: is_used && drains,
        has_hook,
        beats: Vec::new(),
        scope,
    }))
}

fn life(member: &api::Instance) -> Life {
    match member.lifecycle_state.as_deref() {
        Some("Pending" | "Pending:Wait" | "Pending:Proceed") => Life::Starts,
        Some("InService") => Life::InService,
        Some("Terminating:Wait") => Life::Waits,
        _ => Life::Other,
    }
}

fn registered(ecs: &Ecs, cluster: &ClusterId, instance: &ContainerInstance) -> Registered {
    let services = ecs.fleet.services(cluster);
    let daemon = |s: &Arc<Stored<Service>>| s.spec.scheduling == Scheduling::Daemon;
    let daemons: BTreeSet<&String> = services
        .iter()
        .filter(|s| daemon(s))
        .map(|s| &s.spec.name)
        .collect();
    let is_daemons = |row: &Row| {
        let link = row.service.as_ref();
        link.is_some_and(|link| daemons.contains(&link.service))
    };
    let rows = ecs.fleet.of_instance(cluster, &instance.id);
    Registered {
        key: cluster.key::<ContainerInstance>(&instance.id),
        at: instance.registered_at,
        drains: instance.status == InstanceStatus::Draining,
        tasks: rows.iter().filter(|row| !is_daemons(row)).count(),
    }
}

//! Services that are found by Cloud Map: their tasks are instances there while they run, and are
//! deregistered before they end
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-discovery.html>).
//!
//! [`Registrar`] is the controller, [`crate::plan::registries`] its planner; Cloud Map is asked through
//! the internal caller, under the service's role.

mod calls;
mod check;

pub(crate) use check::{checked, fit};

use crate::Ecs;
use crate::fleet::Row;
use crate::model::{ServiceRegistry, Task, TaskInstance};
use crate::plan::registries::{Step, concerns, plan};
use crate::plan::stop;
use crate::service::prefixes_of;
use crate::targets::{self, Port};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_domain::TaskNetwork;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::instance::Instance;
use neargate_service::{AwsError, House, Resource, Scope, Stored};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Registers and deregisters the tasks of services.
#[derive(Debug)]
pub struct Registrar {
    pub ecs: Arc<Ecs>,
    pub house: Arc<House>,
}

/// A task that has to do with registries.
pub struct View {
    task: Stored<Task>,
    row: Row,
    /// What each registry is told of it; `None`: its port is not open.
    places: BTreeMap<String, Option<Place>>,
}

/// Where a task is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    address: Ipv4Addr,
    port: Option<u16>,
}

/// A step and the task that it was planned for.
#[derive(Debug)]
pub struct Work {
    task: Box<Stored<Task>>,
    places: BTreeMap<String, Option<Place>>,
    step: Step,
}

#[async_trait]
impl Controller for Registrar {
    type View = View;
    type Action = Work;

    fn name(&self) -> &'static str {
        "ecs-registrar"
    }

    fn prefixes(&self) -> Vec<String> {
        prefixes_of(&[Task::KIND])
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        // One that is not known yet may have to do with registries.
        let row = self.ecs.fleet.task(store_key);
        let concerned = row.is_none_or(|row| concerns(&row));
        concerned.then(|| store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let Some(task) = self.house.db.get_key::<Task>(key).await? else {
            return Ok(None);
        };
        let row = Row::of(&task);
        if !concerns(&row) {
            return Ok(None);
        }
        let mut places = BTreeMap::new();
        if row.is_running() {
            for registry in &task.spec.registries {
                let place = self.place(&task, registry).await?;
                places.insert(registry.registry_arn.clone(), place);
            }
        }
        Ok(Some(View { task, row, places }))
    }

    fn plan(&self, view: &View, _: Timestamp) -> Plan<Work> {
        let is_reachable = view.places.values().all(Option::is_some);
        let step = plan(&view.row, &view.task, is_reachable);
        if step == Step::Idle {
            return Plan::idle("nothing is due in Cloud Map");
        }
        Plan {
            actions: vec![Work {
                task: Box::new(view.task.clone()),
                places: view.places.clone(),
                step,
            }],
            wake_at: None,
            reason: "an instance comes, goes or turns",
        }
    }

    async fn apply(&self, work: Work) -> Result<Applied, AwsError> {
        let Work { task, places, step } = work;
        let house = &self.house;
        let scope = scope_of(&task);
        let mut changed = task.value.clone();
        match step {
            Step::Idle => return Ok(Applied::Done),
            Step::Note(instances) => changed.status.instances = instances,
            Step::Register(arns) => {
                for registry in task.spec.registries.iter() {
                    let place = places.get(&registry.registry_arn).copied().flatten();
                    if let Some(place) = place.filter(|_| arns.contains(&registry.registry_arn)) {
                        let attributes = attributes(&task, registry, place);
                        calls::register(house, &scope, &task, registry, attributes).await?;
                    }
                }
                set(&mut changed, &arns, |i| i.registered = true);
            }
            Step::Report {
                registries,
                healthy,
            } => {
                let takes =
                    |r: &&ServiceRegistry| r.takes_health && registries.contains(&r.registry_arn);
                for registry in task.spec.registries.iter().filter(takes) {
                    calls::report(house, &scope, &task, registry, healthy).await?;
                }
                set(&mut changed, &registries, |i| i.healthy = healthy);
            }
            Step::Deregister => {
                for instance in &task.status.instances {
                    calls::deregister(house, &scope, &task, &instance.registry_arn).await?;
                }
                changed.status.instances.clear();
                if changed.status.targets.is_empty() {
                    stop::release(&mut changed);
                }
            }
            Step::Release => {
                stop::release(&mut changed);
            }
        }
        let tx = house.db.tx().update(&task, &changed);
        let _ = tx.commit().await?;
        // The task is another one now, whoever wrote it.
        Ok(Applied::Conflict)
    }
}

impl Registrar {
    async fn place(
        &self,
        task: &Task,
        registry: &ServiceRegistry,
    ) -> Result<Option<Place>, AwsError> {
        if registry.container_name.is_some() {
            let port = Port {
                container: registry.container_name.clone(),
                container_port: registry.container_port,
            };
            let target = targets::of_task(&self.house, task, &port).await?;
            return Ok(target.map(|target| Place {
                address: *target.address.ip(),
                port: Some(target.address.port()),
            }));
        }
        let address = match &task.spec.assignment.network {
            TaskNetwork::Awsvpc(eni) => Some(eni.private_ipv4),
            TaskNetwork::Instance(_) => {
                let scope = scope_of(task);
                let node = &task.spec.node;
                let instance = self.house.db.get::<Instance>(&scope, node).await?;
                instance.map(|instance| instance.interface.private_ipv4)
            }
        };
        Ok(address.map(|address| Place {
            address,
            port: registry.port,
        }))
    }
}

fn scope_of(task: &Task) -> Scope {
    Scope {
        account: task.spec.assignment.account.clone(),
        region: task.spec.assignment.region.clone(),
    }
}

fn set(task: &mut Task, arns: &[String], change: impl Fn(&mut TaskInstance)) {
    let instances = task.status.instances.iter_mut();
    instances
        .filter(|i| arns.contains(&i.registry_arn))
        .for_each(change);
}

/// What ECS says of its tasks, as seen in
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/create-service-discovery.html>.
fn attributes(task: &Task, registry: &ServiceRegistry, place: Place) -> BTreeMap<String, String> {
    let assignment = &task.spec.assignment;
    let service = task.spec.service.as_ref();
    let on_instance = task.spec.container_instance.as_ref();
    let all = [
        ("AWS_INSTANCE_IPV4", Some(place.address.to_string())),
        ("AWS_INSTANCE_PORT", place.port.map(|port| port.to_string())),
        (
            "AWS_INIT_HEALTH_STATUS",
            registry.takes_health.then(|| "HEALTHY".to_owned()),
        ),
        (
            "AVAILABILITY_ZONE",
            Some(task.spec.availability_zone.clone()),
        ),
        ("REGION", Some(assignment.region.to_string())),
        (
            "EC2_INSTANCE_ID",
            on_instance.map(|_| task.spec.node.clone()),
        ),
        ("ECS_CLUSTER_NAME", Some(assignment.cluster.clone())),
        ("ECS_SERVICE_NAME", service.map(|of| of.service.clone())),
        (
            "ECS_TASK_DEFINITION_FAMILY",
            Some(assignment.family.clone()),
        ),
    ];
    let given = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    given
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

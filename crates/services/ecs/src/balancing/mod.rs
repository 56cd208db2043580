//! Services behind load balancers: their tasks are registered as targets once they run, count as
//! healthy when their target groups say so, and are deregistered before they end
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-load-balancing.html>).
//!
//! [`Balancer`] is the controller, [`crate::plan::balancing`] its planner; Elastic Load Balancing is
//! asked through the internal caller, under the service's role. What edges observed of targets is
//! read from `neargate_service::target_health`.

mod apply;
mod calls;
mod check;
mod health;
mod shift;

pub(crate) use check::{checked, fit, has_port, links, shiftable};
pub(crate) use health::judged;
pub(crate) use shift::{associated, shift};

use crate::Ecs;
use crate::fleet::{ServiceId, service_of};
use crate::model::{Registration, Service, Task, TaskTarget};
use crate::plan::balancing::{Seen, Step, is_due, plan};
use crate::service::{is_of, prefixes_of};
use crate::targets::{self, Port};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_domain::load_balancer::TargetKey;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::target_health::{TargetGroupHealth, id as group_id};
use neargate_service::{AwsError, House, Resource, Scope, Stored};
use neargate_store::Revision;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How often a draining target is asked after: what an edge sees wakes its service before that.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Tasks looked at in one step.
const AT_ONCE: usize = 200;

/// Which services have to do with which target groups, and since when their targets fail.
#[derive(Debug, Default)]
pub struct Balancing(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By a service's store key: ids of target groups.
    groups: HashMap<String, BTreeSet<String>>,
    /// By a task's store key: the store's revision at which its targets were first seen to fail.
    failing: HashMap<String, Revision>,
}

impl Balancing {
    /// What the service has to do with, from now on.
    fn note(&self, service: &str, groups: BTreeSet<String>) {
        let mut known = self.0.lock();
        match groups.is_empty() {
            true => known.groups.remove(service),
            false => known.groups.insert(service.to_owned(), groups),
        };
    }

    /// The services that a target group's record concerns, by their store keys.
    pub(crate) fn services_of(&self, health_key: &str) -> Vec<String> {
        let group = health_key.rsplit('/').next().unwrap_or_default();
        let known = self.0.lock();
        let of = known.groups.iter().filter(|(_, g)| g.contains(group));
        of.map(|(service, _)| service.clone()).collect()
    }

    fn failing_since(&self, task: &str, now: Revision) -> Revision {
        *self.0.lock().failing.entry(task.to_owned()).or_insert(now)
    }

    fn forget(&self, task: &str) {
        self.0.lock().failing.remove(task);
    }
}

/// Registers and deregisters the tasks of services.
#[derive(Debug)]
pub struct Balancer {
    pub ecs: Arc<Ecs>,
    pub house: Arc<House>,
}

/// A service's tasks of which something is due.
pub struct Due {
    id: ServiceId,
    tasks: Vec<DueTask>,
}

struct DueTask {
    task: Stored<Task>,
    places: Vec<Option<TargetKey>>,
    gone: Vec<TaskTarget>,
}

/// A step and what it was planned for.
#[derive(Debug)]
pub struct Work {
    id: ServiceId,
    tasks: Vec<Stored<Task>>,
    step: Step,
}

#[async_trait]
impl Controller for Balancer {
    type View = Due;
    type Action = Work;

    fn name(&self) -> &'static str {
        "ecs-balancer"
    }

    fn prefixes(&self) -> Vec<String> {
        prefixes_of(&[Service::KIND, Task::KIND, TargetGroupHealth::KIND])
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        self.keys_of(store_key).pop()
    }

    fn keys_of(&self, store_key: &str) -> Vec<String> {
        if is_of(store_key, TargetGroupHealth::KIND) {
            return self.ecs.balancing.services_of(store_key);
        }
        if is_of(store_key, Task::KIND) {
            let row = self.ecs.fleet.task(store_key);
            let row = row.filter(|row| row.target_groups > 0 || !row.targets.is_empty());
            let service = row.and_then(|row| row.service_id());
            return service.iter().map(ServiceId::store_key).collect();
        }
        let service = service_of(store_key);
        service.iter().map(ServiceId::store_key).collect()
    }

    async fn view(&self, key: &str) -> Result<Option<Due>, AwsError> {
        let Some(id) = service_of(key) else {
            return Ok(None);
        };
        self.ecs.fleet.current(&self.house.db).await?;
        let rows = self.ecs.fleet.of_service(&id);
        let mut tasks = Vec::new();
        for row in rows.iter().filter(|row| is_due(row)).take(AT_ONCE) {
            let Some(task) = self.house.db.get_key::<Task>(&row.key).await? else {
                continue;
            };
            let places = self.places(&task).await?;
            tasks.push(DueTask {
                task,
                places,
                gone: Vec::new(),
            });
        }
        self.ask_after(&id.cluster.scope, &mut tasks).await?;
        Ok((!tasks.is_empty()).then_some(Due { id, tasks }))
    }

    fn plan(&self, due: &Due, now: Timestamp) -> Plan<Work> {
        let step = plan(due.tasks.iter().map(|of| Seen {
            key: &of.task.key,
            task: &of.task.value,
            places: of.places.clone(),
            gone: of.gone.clone(),
        }));
        if step.is_idle() {
            return Plan {
                wake_at: Some(now + ASK_AGAIN),
                ..Plan::idle("targets drain, or ports open")
            };
        }
        Plan {
            actions: vec![Work {
                id: due.id.clone(),
                tasks: due.tasks.iter().map(|of| of.task.clone()).collect(),
                step,
            }],
            wake_at: Some(now + ASK_AGAIN),
            reason: "targets come or go",
        }
    }

    async fn apply(&self, work: Work) -> Result<Applied, AwsError> {
        apply::apply(&self.house, work).await
    }
}

impl Balancer {
    /// Where each of a running task's target groups would reach it.
    async fn places(&self, task: &Task) -> Result<Vec<Option<TargetKey>>, AwsError> {
        let mut places = Vec::new();
        for link in &task.spec.target_groups {
            let port = Port {
                container: Some(link.container_name.clone()),
                container_port: Some(link.container_port),
            };
            let target = targets::of_task(&self.house, task, &port).await?;
            places.push(target.map(|target| TargetKey {
                id: match link.by_instance {
                    true => target.node,
                    false => target.address.ip().to_string(),
                },
                port: target.address.port(),
            }));
        }
        Ok(places)
    }

    /// Finds out which draining targets are gone.
    async fn ask_after(&self, scope: &Scope, tasks: &mut [DueTask]) -> Result<(), AwsError> {
        let mut asked: BTreeMap<String, Vec<TargetKey>> = BTreeMap::new();
        let draining = |t: &&TaskTarget| t.state == Registration::Draining;
        for target in tasks
            .iter()
            .flat_map(|of| &of.task.status.targets)
            .filter(draining)
        {
            let keys = asked.entry(target.target_group_arn.clone()).or_default();
            keys.push(target.key.clone());
        }
        let mut known = BTreeMap::new();
        for (group, keys) in asked {
            let there = calls::known(&self.house, scope, &group, &keys).await?;
            known.insert(group, there);
        }
        for of in tasks {
            let targets = of.task.status.targets.iter().filter(draining);
            let gone = targets.filter(|t| {
                let known = known.get(&t.target_group_arn);
                known.is_some_and(|known| !known.contains(&t.key))
            });
            of.gone = gone.cloned().collect();
        }
        Ok(())
    }
}

/// The ids of the target groups that the tasks have to do with.
fn groups_of<'a>(arns: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    arns.into_iter()
        .map(|arn| group_id(arn).to_owned())
        .collect()
}

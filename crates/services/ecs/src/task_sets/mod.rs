//! Task sets: the controller of services whose deployments a caller controls. What it does next
//! is decided by [`crate::plan::task_set`]; its means are the service scheduler's.
//!
//! Invariants: as of services — whatever changes a set's tasks finds the service unchanged; every
//! change of a task set through the API rewrites its service, so that none crosses a step.

use crate::Ecs;
use crate::balancing::judged;
use crate::fleet::{ServiceId, place, service_of};
use crate::model::{ContainerInstance, Service, ServiceRevision, Task, TaskSet};
use crate::plan::service::replica;
use crate::plan::task_set::{Step, View, name, plan};
use crate::service::{Journal, draining, is_of, prefixes_of, settling, start_tasks, stop_tasks};
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::target_health::TargetGroupHealth;
use neargate_service::{AwsError, Committed, House, Resource, Stored};
use std::fmt;
use std::sync::Arc;

/// Keeps task sets at their size.
#[derive(Debug)]
pub struct TaskSets {
    pub ecs: Arc<Ecs>,
    pub house: Arc<House>,
}

/// A view and the stored values it is of.
pub struct Seen {
    view: View,
    read: Stored<Service>,
    sets: Vec<Stored<TaskSet>>,
}

/// A step and what it was planned for.
pub struct Work {
    id: ServiceId,
    read: Stored<Service>,
    sets: Vec<Stored<TaskSet>>,
    step: Step,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = &self.step;
        f.debug_struct("Work")
            .field("start", &step.start)
            .field("stop", &step.stop.len())
            .field("forget", &step.forget)
            .finish_non_exhaustive()
    }
}

fn is_external(service: &Service) -> bool {
    service.spec.controller.has_task_sets()
}

#[async_trait]
impl Controller for TaskSets {
    type View = Seen;
    type Action = Work;

    fn name(&self) -> &'static str {
        "ecs-task-sets"
    }

    fn prefixes(&self) -> Vec<String> {
        prefixes_of(&[
            Service::KIND,
            TaskSet::KIND,
            Task::KIND,
            ContainerInstance::KIND,
            TargetGroupHealth::KIND,
        ])
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        self.keys_of(store_key).pop()
    }

    fn keys_of(&self, store_key: &str) -> Vec<String> {
        if is_of(store_key, TargetGroupHealth::KIND) {
            return self.ecs.balancing.services_of(store_key);
        }
        let is = |kind| is_of(store_key, kind);
        let Some((cluster, _)) = place(store_key) else {
            return Vec::new();
        };
        if !is(Task::KIND) && !is(ContainerInstance::KIND) {
            let service = service_of(store_key);
            return service.iter().map(ServiceId::store_key).collect();
        }
        // Only the services with task sets are woken: they are few.
        let services = self.ecs.fleet.services(&cluster).into_iter();
        let mut external = services.filter(|s| is_external(s)).map(|s| s.key.clone());
        if is(ContainerInstance::KIND) {
            return external.collect();
        }
        let row = self.ecs.fleet.task(store_key);
        let of = row.and_then(|row| row.service_id()).map(|s| s.store_key());
        external
            .find(|key| Some(key) == of.as_ref())
            .into_iter()
            .collect()
    }

    /// Nodes come and go.
    fn wakes(&self) -> BoxStream<'static, Vec<String>> {
        let changes = self.ecs.nodes.changes();
        let ecs = self.ecs.clone();
        stream::unfold((changes, ecs), |(mut changes, ecs)| async move {
            changes.changed().await.ok()?;
            let keys = ecs.fleet.service_keys();
            Some((keys, (changes, ecs)))
        })
        .boxed()
    }

    async fn view(&self, key: &str) -> Result<Option<Seen>, AwsError> {
        let Some(id) = service_of(key) else {
            return Ok(None);
        };
        let db = &self.house.db;
        let read = db.get_key::<Service>(key).await?;
        let Some(read) = read.filter(|service| is_external(service)) else {
            return Ok(None);
        };
        let sets = db.list_prefix::<TaskSet>(&id.key::<TaskSet>("")).await?;
        self.ecs.fleet.current(db).await?;
        let rows = self.ecs.fleet.of_service(&id);
        let (rows, look_at) = judged(&self.ecs, &self.house, &id, &read, rows).await?;
        let view = View {
            draining: draining(&self.ecs, &id, &rows),
            settling: settling(&self.ecs, &self.house, &rows),
            service: read.value.clone(),
            sets: sets.iter().map(|set| set.value.clone()).collect(),
            rows,
            look_at,
            id,
        };
        Ok(Some(Seen { view, read, sets }))
    }

    fn plan(&self, seen: &Seen, now: Timestamp) -> Plan<Work> {
        let step = plan(&seen.view, now, &|rows, count| {
            replica::balanced(rows, count)
        });
        let wake_at = step.wake_at;
        let idle = step.is_idle();
        let work = Work {
            id: seen.view.id.clone(),
            read: seen.read.clone(),
            sets: seen.sets.clone(),
            step,
        };
        Plan {
            actions: if idle { Vec::new() } else { vec![work] },
            wake_at,
            reason: "task sets",
        }
    }

    async fn apply(&self, work: Work) -> Result<Applied, AwsError> {
        apply(&self.ecs, &self.house, work).await
    }
}

async fn apply(ecs: &Ecs, house: &House, work: Work) -> Result<Applied, AwsError> {
    let Work {
        id,
        read,
        sets,
        step,
    } = work;
    let stored = |id: &String| sets.iter().find(|set| set.id == *id);
    let mut journal = Journal::new(id.clone(), read);
    if step.status.is_some() || !step.events.is_empty() || !step.sets.is_empty() {
        let status = step.status.as_ref().unwrap_or(&journal.read.status);
        let (mut tx, service) = journal.write(house, house.db.tx(), status, &step.events);
        for set in &step.sets {
            if let Some(read) = stored(&set.id) {
                tx = tx.update(read, set);
            }
        }
        let committed = tx.commit().await?;
        if committed == Committed::Conflict || !journal.wrote(committed, service) {
            return Ok(Applied::Conflict);
        }
    }
    for (set, tasks) in &step.stop {
        journal.who = name(&id.name, set);
        if !stop_tasks(house, &mut journal, tasks).await? {
            return Ok(Applied::Conflict);
        }
    }
    for starting in &step.start {
        journal.who = name(&id.name, &starting.deployment);
        if !start_tasks(ecs, house, &mut journal, starting).await? {
            return Ok(Applied::Conflict);
        }
    }
    for set in step.forget.iter().filter_map(stored) {
        let revision = id.key::<ServiceRevision>(&set.value.revision);
        let tx = house.db.tx().unchanged(&journal.read);
        if tx.delete(set).delete_key(revision).commit().await? == Committed::Conflict {
            return Ok(Applied::Conflict);
        }
    }
    Ok(Applied::Done)
}

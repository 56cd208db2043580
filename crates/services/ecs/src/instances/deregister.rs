//! The way out: an instance without tasks is `INACTIVE` at once; one that is made to leave stops
//! its tasks first, and becomes it with the last of them.

use crate::fleet::{ClusterId, Fleet};
use crate::model::{ContainerInstance, InstanceStatus, Registered, Task};
use crate::plan::instances::{Leave, leave};
use crate::plan::stop::{self, Cause, code};
use crate::{Ecs, error};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::db::{self, Tx};
use neargate_service::{AwsError, Committed, Db, House, Resource, Scope, Stored};
use neargate_store::Revision;
use std::sync::Arc;

/// What a task stopped by a forced deregistration says.
const FORCED: &str = "Container instance deregistration forced by user";

/// Take the instance out of its cluster. With `force` its tasks are stopped, and it is
/// `DEREGISTERING` (no tasks are placed on it) until the last of them has stopped.
///
/// # Errors
/// `InvalidParameterException` for an instance that does not exist, or has tasks and `force` is
/// not set.
pub async fn deregister(
    ecs: &Ecs,
    house: &House,
    scope: &Scope,
    cluster: &str,
    id: &str,
    force: bool,
) -> Result<Stored<ContainerInstance>, AwsError> {
    let key = ClusterId::new(scope, cluster).key::<ContainerInstance>(id);
    let (mut before, mut found) = (None, false);
    loop {
        let read = house.db.get_key::<ContainerInstance>(&key).await?;
        let read = read.ok_or_else(error::container_instance_not_found)?;
        match read.status {
            // The controller, or another call, ends what this call has made to leave.
            InstanceStatus::Inactive if found => return Ok(read),
            InstanceStatus::Inactive => return Err(error::container_instance_not_found()),
            _ => found = true,
        }
        // Everything placed while it was as read is in the index then.
        ecs.fleet.current(&house.db).await?;
        let tasks = ecs.fleet.of_instance(&ClusterId::new(scope, cluster), id);
        if !tasks.is_empty() && !force {
            if let Some(before) = before {
                set(house, &read, before).await?;
            }
            return Err(error::instance_has_tasks());
        }
        let changed = match read.status {
            InstanceStatus::Deregistering if !tasks.is_empty() => return Ok(read),
            // A task may be on its way to it: none can be while it drains.
            InstanceStatus::Active if !force => {
                before = Some(read.status);
                set(house, &read, InstanceStatus::Draining).await?;
                continue;
            }
            InstanceStatus::Active if tasks.is_empty() => {
                set(house, &read, InstanceStatus::Deregistering).await?;
                continue;
            }
            _ if tasks.is_empty() => {
                let mut gone = read.value.clone();
                let tx = inactive(&house.db, &read, &mut gone, house.now()).await?;
                match tx.commit().await? {
                    Committed::At(revision) => Some((revision, gone)),
                    Committed::Conflict => None,
                }
            }
            _ => set(house, &read, InstanceStatus::Deregistering).await?,
        };
        if let Some((revision, value)) = changed {
            return Ok(Stored {
                key,
                revision,
                value,
            });
        }
    }
}

/// Gives the instance another status; `None` when somebody else changed it meanwhile.
async fn set(
    house: &House,
    read: &Stored<ContainerInstance>,
    status: InstanceStatus,
) -> Result<Option<(Revision, ContainerInstance)>, AwsError> {
    let mut changed = read.value.clone();
    changed.status = status;
    changed.version += 1;
    let tx = house.db.tx().update(read, &changed);
    Ok(match tx.commit().await? {
        Committed::At(revision) => Some((revision, changed)),
        Committed::Conflict => None,
    })
}

/// Ends the tasks of instances that are `DEREGISTERING`, then makes them `INACTIVE`, and
/// forgets them a day later.
#[derive(Debug)]
pub struct Deregistration {
    pub db: Db,
    pub fleet: Arc<Fleet>,
}

fn leaves(status: InstanceStatus) -> bool {
    match status {
        InstanceStatus::Active | InstanceStatus::Draining => false,
        InstanceStatus::Deregistering | InstanceStatus::Inactive => true,
    }
}

/// An instance and what is left on it.
#[derive(Debug)]
pub struct Leaving {
    instance: Stored<ContainerInstance>,
    /// Store keys of its tasks that have not stopped, and whether each was asked to.
    tasks: Vec<(String, bool)>,
}

/// What is to be done for an instance that leaves.
#[derive(Debug)]
pub enum Action {
    /// The task of this key.
    Stop(String, Timestamp),
    Inactive(Box<Stored<ContainerInstance>>, Timestamp),
    Forget(Box<Stored<ContainerInstance>>),
}

#[async_trait]
impl Controller for Deregistration {
    type View = Leaving;
    type Action = Action;

    fn name(&self) -> &'static str {
        "ecs-deregistration"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![
            format!("{}/", ContainerInstance::KIND),
            format!("{}/", Task::KIND),
        ]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        if store_key.starts_with(ContainerInstance::KIND) {
            return Some(store_key.to_owned());
        }
        // The index may be a moment behind. A task it does not know yet is looked at later; of
        // an instance that leaves without its knowledge the change is still to come.
        let Some(row) = self.fleet.task(store_key) else {
            return Some(store_key.to_owned());
        };
        let instance = row.container_instance.as_ref()?;
        let known = self.fleet.instance(&row.cluster, instance);
        known
            .is_none_or(|i| leaves(i.status))
            .then(|| row.cluster.key::<ContainerInstance>(instance))
    }

    async fn view(&self, key: &str) -> Result<Option<Leaving>, AwsError> {
        let mut key = key.to_owned();
        if key.starts_with(Task::KIND) {
            self.fleet.current(&self.db).await?;
            let Some(row) = self.fleet.task(&key) else {
                return Ok(None);
            };
            let Some(instance) = &row.container_instance else {
                return Ok(None);
            };
            key = row.cluster.key::<ContainerInstance>(instance);
        }
        let Some(instance) = self.db.get_key::<ContainerInstance>(&key).await? else {
            return Ok(None);
        };
        let mut tasks = Vec::new();
        if leaves(instance.status) {
            self.fleet.current(&self.db).await?;
            let scope = Scope::of_key(&key);
            let cluster = scope.map(|scope| ClusterId::new(&scope, &instance.cluster));
            let left = cluster.map(|c| self.fleet.of_instance(&c, &instance.id));
            let left = left.into_iter().flatten();
            tasks = left
                .map(|row| (row.key.clone(), row.is_stopping()))
                .collect();
        }
        Ok(Some(Leaving { instance, tasks }))
    }

    fn plan(&self, view: &Leaving, now: Timestamp) -> Plan<Action> {
        let instance = || Box::new(view.instance.clone());
        let one = |action| Plan {
            actions: vec![action],
            wake_at: None,
            reason: "leaves",
        };
        match leave(&view.instance, &view.tasks, now) {
            Leave::Stays => Plan::idle("stays"),
            Leave::Stop(keys) => Plan {
                actions: keys.into_iter().map(|k| Action::Stop(k, now)).collect(),
                wake_at: None,
                reason: "its tasks stop first",
            },
            Leave::Gone => one(Action::Inactive(instance(), now)),
            Leave::Kept(at) => Plan {
                wake_at: Some(at),
                ..Plan::idle("still described")
            },
            Leave::Forget => one(Action::Forget(instance())),
        }
    }

    async fn apply(&self, action: Action) -> Result<Applied, AwsError> {
        let tx = match action {
            Action::Stop(key, now) => {
                stop_task(&self.db, &key, now).await?;
                return Ok(Applied::Done);
            }
            Action::Inactive(read, now) => {
                let mut gone = read.value.clone();
                inactive(&self.db, &read, &mut gone, now).await?
            }
            Action::Forget(read) => self.db.tx().delete(&read),
        };
        Ok(match tx.commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

/// `gone` is no part of its cluster any more; its machine may register again, as a new instance.
async fn inactive(
    db: &Db,
    instance: &Stored<ContainerInstance>,
    gone: &mut ContainerInstance,
    now: Timestamp,
) -> Result<Tx, AwsError> {
    gone.status = InstanceStatus::Inactive;
    gone.version += 1;
    gone.left_at = Some(now);
    let tx = db.tx().update(instance, gone);
    let machine = instance
        .node
        .as_deref()
        .unwrap_or(&instance.ec2_instance_id);
    let Some(scope) = Scope::of_key(&instance.key) else {
        return Ok(tx);
    };
    let key = db::key::<Registered>(&scope, &format!("{}/{machine}", instance.cluster));
    let slot = db.get_key::<Registered>(&key).await?;
    Ok(match slot.filter(|s| s.instance == instance.id) {
        Some(slot) => tx.delete(&slot),
        None => tx,
    })
}

async fn stop_task(db: &Db, key: &str, now: Timestamp) -> Result<(), AwsError> {
    let stopped = db.modify::<Task, _>(key, |task| {
        let cause = Cause {
            code: code::USER_INITIATED,
            reason: FORCED,
            at: now,
        };
        Ok(stop::ask(task, cause))
    });
    stopped.await.map(|_| ())
}

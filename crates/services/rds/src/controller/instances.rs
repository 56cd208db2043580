//! Keeps the tasks of instances.

use super::{Action, TASKS, applied, is_of, place_of, task_of};
use crate::happening::{self, To};
use crate::model::{
    Instance, ParameterGroup, Password, Place, Purpose, Snapshot, SnapshotStatus, Status, TaskSlot,
    Wanted,
};
use crate::plan::definition::{self, Around};
use crate::plan::engine;
use crate::plan::next::{self, FAILURES, Seen, Step};
use crate::tasks::{self, Network};
use crate::{credentials, endpoint};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Fault, House, Resource, Scope, Stored};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub struct Instances {
    house: Arc<House>,
    /// The key of the instance that has the task of this id, as far as instances were looked at.
    owners: Mutex<HashMap<String, String>>,
}

pub struct View {
    key: String,
    instance: Stored<Instance>,
    seen: Option<Seen>,
}

impl Instances {
    pub fn new(house: Arc<House>) -> Instances {
        Instances {
            house,
            owners: Mutex::default(),
        }
    }
}

#[async_trait]
impl Controller for Instances {
    type View = View;
    type Action = Action<Instance>;

    fn name(&self) -> &'static str {
        "rds-instances"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Instance::KIND), TASKS.to_owned()]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        if is_of::<Instance>(store_key) {
            return Some(store_key.to_owned());
        }
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.get(task_of(store_key)?).cloned()
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let found = self.house.db.get_key::<Instance>(key).await?;
        let task = found.as_ref().and_then(|i| i.task.as_ref()?.arn.clone());
        {
            let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
            owners.retain(|_, owner| owner != key);
            let id = task.as_deref().and_then(|arn| arn.rsplit('/').next());
            if let Some(id) = id {
                owners.insert(id.to_owned(), key.to_owned());
            }
        }
        let Some((instance, (scope, _))) = found.zip(place_of(key)) else {
            return Ok(None);
        };
        let seen = match &task {
            Some(arn) => Some(tasks::see(&self.house, &scope, arn).await?),
            None => None,
        };
        Ok(Some(View {
            key: key.to_owned(),
            instance,
            seen,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Action<Instance>> {
        let step = match next::instance(&view.instance, view.seen.as_ref(), now) {
            Step::Rest if view.instance.status == Status::Stopped => Step::Wait(None),
            step => step,
        };
        let wake_at = match &step {
            Step::Wait(at) => *at,
            _ => None,
        };
        let action = Action {
            key: view.key.clone(),
            read: view.instance.clone(),
            seen: view.seen.clone(),
            step,
        };
        let waits = matches!(action.step, Step::Wait(_));
        Plan {
            actions: if waits { Vec::new() } else { vec![action] },
            wake_at,
            reason: "the next step of a database instance",
        }
    }

    async fn apply(&self, action: Action<Instance>) -> Result<Applied, AwsError> {
        let Some((scope, identifier)) = place_of(&action.key) else {
            return Ok(Applied::Done);
        };
        let one = One {
            house: &self.house,
            scope,
            identifier,
            read: &action.read,
            seen: action.seen.as_ref(),
        };
        match action.step {
            Step::Wait(_) => Ok(Applied::Done),
            Step::Take(purpose) => one.take(purpose).await,
            Step::Define => one.define().await,
            Step::Run => one.run().await,
            Step::Stop(reason) => one.stop(reason).await,
            Step::Done => one.done().await,
            Step::Failed(reason) => one.failed(&reason).await,
            Step::Available => one.available().await,
            Step::Maintain => one.maintain().await,
            Step::Rest => one.rest().await,
            Step::Forget => one.forget().await,
        }
    }
}

/// An instance that a step is taken of.
struct One<'a> {
    house: &'a Arc<House>,
    scope: Scope,
    identifier: &'a str,
    read: &'a Stored<Instance>,
    seen: Option<&'a Seen>,
}

impl One<'_> {
    /// The record as it is, to be changed.
    fn changed(&self) -> Instance {
        let mut instance = self.read.value.clone();
        let ran = |seen: &Seen| seen.exit_code.is_some() || seen.last_status == "RUNNING";
        instance.touched |= self.seen.is_some_and(ran);
        instance
    }

    async fn write(&self, changed: &Instance) -> Result<Applied, AwsError> {
        let tx = self.house.db.tx().update(self.read, changed);
        Ok(applied(tx.within_reserve().commit().await?))
    }

    /// Writes with what it tells.
    async fn tell(
        &self,
        changed: &Instance,
        said: (&str, &str, &str),
    ) -> Result<Applied, AwsError> {
        let tx = self.house.db.tx().update(self.read, changed);
        let of = (To::Instance, self.identifier);
        let tx = happening::add(tx, self.house, &self.scope, of, said);
        Ok(applied(tx.within_reserve().commit().await?))
    }

    async fn take(&self, purpose: Purpose) -> Result<Applied, AwsError> {
        let mut changed = self.changed();
        changed.generation += 1;
        let is_engine = purpose == Purpose::Engine;
        if is_engine {
            changed.restart = false;
            changed.parameters_are_new = false;
            if changed.status == Status::Stopped {
                changed.status = Status::Starting;
            }
        }
        changed.task = Some(TaskSlot {
            purpose,
            generation: changed.generation,
            definition: None,
            arn: None,
            stopping: false,
            sets_password: is_engine && changed.password_is_new,
        });
        self.write(&changed).await
    }

    async fn define(&self) -> Result<Applied, AwsError> {
        let mut changed = self.changed();
        let Some(slot) = &mut changed.task else {
            return Ok(Applied::Done);
        };
        let db = &self.house.db;
        let asked = &self.read.asked;
        let group = db
            .get::<ParameterGroup>(&self.scope, &asked.parameter_group)
            .await?;
        let parameters = group.map_or_else(BTreeMap::new, |group| group.value.values);
        let snapshot = match &slot.purpose {
            Purpose::Backup(name) => db.get::<Snapshot>(&self.scope, name).await?,
            _ => None,
        };
        let images = &self.house.settings.rds_images;
        let around = Around {
            scope: &self.scope,
            identifier: self.identifier,
            image: engine::image(images, &asked.engine, &asked.engine_version),
            parameters: &parameters,
            snapshot: snapshot.as_ref().map(|s| s.file_system.as_str()),
        };
        let input = definition::of_instance(&self.read.value, &slot.purpose, &around);
        match tasks::define(self.house, &self.scope, &input).await {
            Ok(arn) => slot.definition = Some(arn),
            Err(error) if error.fault == Fault::Client => {
                return self.failed(&error.message).await;
            }
            Err(error) => return Err(error),
        }
        self.write(&changed).await
    }

    async fn run(&self) -> Result<Applied, AwsError> {
        let mut changed = self.changed();
        let Some(slot) = &mut changed.task else {
            return Ok(Applied::Done);
        };
        let network = Network {
            subnets: &self.read.subnets,
            security_groups: &self.read.asked.security_groups,
            public: slot.purpose == Purpose::Engine && self.read.asked.publicly_accessible,
        };
        let token = format!("{}-{}", self.read.resource_id, slot.generation);
        let definition = slot.definition.clone().unwrap_or_default();
        let ran = tasks::run(self.house, &self.scope, &definition, &token, &network).await;
        match ran {
            Ok(Ok(arn)) => slot.arn = Some(arn),
            Ok(Err(why)) => return self.failed(&why).await,
            Err(error) if error.fault == Fault::Client => {
                return self.failed(&error.message).await;
            }
            Err(error) => return Err(error),
        }
        self.write(&changed).await
    }

    async fn stop(&self, reason: &str) -> Result<Applied, AwsError> {
        let mut changed = self.changed();
        let Some(arn) = changed.task.as_ref().and_then(|slot| slot.arn.clone()) else {
            return Ok(Applied::Done);
        };
        let unhealthy = self.seen.is_some_and(|seen| seen.health == "UNHEALTHY");
        if unhealthy && changed.status == Status::Available {
            changed.status = Status::Rebooting;
        }
        // The volume is known to have been in use before it is said to be wanted back.
        tasks::stop(self.house, &self.scope, &arn, reason).await?;
        if let Some(slot) = &mut changed.task {
            slot.stopping = true;
        }
        self.write(&changed).await
    }

    /// The slot's task did what it was for, or was stopped for something else.
    async fn done(&self) -> Result<Applied, AwsError> {
        let mut changed = self.changed();
        let Some(slot) = changed.task.take() else {
            return Ok(Applied::Done);
        };
        let succeeded = self.seen.is_some_and(|seen| seen.exit_code == Some(0));
        changed.failures = 0;
        changed.retry_at = None;
        match slot.purpose {
            Purpose::Restore(_) if succeeded => {
                changed.restore_from = None;
                self.write(&changed).await
            }
            Purpose::Backup(name) if succeeded => self.backed_up(changed, &name).await,
            _ => self.write(&changed).await,
        }
    }

    async fn backed_up(&self, mut changed: Instance, name: &str) -> Result<Applied, AwsError> {
        changed.backups.retain(|backup| backup != name);
        let next = match changed.wanted {
            Wanted::Deleted => Status::Deleting,
            Wanted::Stopped => Status::Stopped,
            // It is available once the engine answers again.
            Wanted::Running => changed.status,
        };
        changed.status = next;
        let db = &self.house.db;
        let mut tx = db.tx().update(self.read, &changed);
        if let Some(snapshot) = db.get::<Snapshot>(&self.scope, name).await? {
            let mut made = snapshot.value.clone();
            if made.status == SnapshotStatus::Creating {
                made.status = SnapshotStatus::Available;
            }
            tx = tx.update(&snapshot, &made);
            let said = ("RDS-EVENT-0042", "creation", "Manual snapshot created");
            tx = happening::add(tx, self.house, &self.scope, (To::Snapshot, name), said);
        }
        let said = ("RDS-EVENT-0002", "backup", "Finished DB Instance backup");
        let of = (To::Instance, self.identifier);
        tx = happening::add(tx, self.house, &self.scope, of, said);
        Ok(applied(tx.within_reserve().commit().await?))
    }

    async fn failed(&self, reason: &str) -> Result<Applied, AwsError> {
        let mut changed = self.changed();
        let slot = changed.task.take();
        changed.failures += 1;
        changed.retry_at = Some(self.house.now() + next::pause(changed.failures));
        let is_engine = slot.is_some_and(|slot| slot.purpose == Purpose::Engine);
        let is_new = changed.status == Status::Creating && changed.wanted == Wanted::Running;
        tracing::info!(
            instance = self.identifier,
            reason,
            "a task of RDS has ended"
        );
        if is_new && changed.failures >= FAILURES {
            changed.status = Status::Failed;
            let message = format!("The DB instance could not be created: {reason}");
            return self
                .tell(&changed, ("RDS-EVENT-0031", "failure", &message))
                .await;
        }
        if is_engine && changed.status == Status::Available {
            changed.status = Status::Starting;
        }
        let message = format!("DB instance shutdown: {reason}");
        self.tell(&changed, ("RDS-EVENT-0004", "availability", &message))
            .await
    }

    async fn available(&self) -> Result<Applied, AwsError> {
        let mut changed = self.changed();
        let (Some(seen), Some(slot)) = (self.seen, changed.task.clone()) else {
            return Ok(Applied::Done);
        };
        let Some(private_ipv4) = seen.private_ipv4.clone() else {
            return Ok(Applied::Done);
        };
        let interface = seen.interface_id.as_deref();
        let public_ipv4 = tasks::public_ipv4(self.house, &self.scope, interface).await?;
        let place = Place {
            private_ipv4,
            public_ipv4,
            availability_zone: seen.availability_zone.clone(),
        };
        let before = changed.status;
        changed.status = Status::Available;
        changed.failures = 0;
        changed.retry_at = None;
        changed.touched = true;
        changed.password_is_new &= !slot.sets_password;
        changed.place = Some(place.clone());
        let now = self.house.now();
        let mut tx = self.house.db.tx().update(self.read, &changed);
        tx = endpoint::lead(tx, &self.scope, (self.identifier, &changed), &place, now);
        let said = match before {
            Status::Creating => ("RDS-EVENT-0005", "creation", "DB instance created"),
            Status::Modifying | Status::ResettingMasterCredentials => (
                "RDS-EVENT-0014",
                "configuration change",
                "Finished applying modification to DB instance",
            ),
            Status::BackingUp => ("RDS-EVENT-0006", "availability", "DB instance restarted"),
            Status::Starting => ("RDS-EVENT-0088", "notification", "DB instance started"),
            _ => ("RDS-EVENT-0006", "availability", "DB instance restarted"),
        };
        let of = (To::Instance, self.identifier);
        tx = happening::add(tx, self.house, &self.scope, of, said);
        Ok(applied(tx.within_reserve().commit().await?))
    }

    async fn maintain(&self) -> Result<Applied, AwsError> {
        let mut changed = self.changed();
        if let Some(next) = changed.pending.take() {
            changed.asked = next;
            changed.restart = true;
            changed.status = Status::Modifying;
        }
        let message = "Applying modification to DB instance in its maintenance window";
        self.tell(
            &changed,
            ("RDS-EVENT-0016", "configuration change", message),
        )
        .await
    }

    async fn rest(&self) -> Result<Applied, AwsError> {
        let mut changed = self.changed();
        changed.status = Status::Stopped;
        changed.restart = false;
        self.tell(
            &changed,
            ("RDS-EVENT-0087", "notification", "DB instance stopped"),
        )
        .await
    }

    async fn forget(&self) -> Result<Applied, AwsError> {
        let family = definition::family(self.identifier);
        tasks::forget_family(self.house, &self.scope, &family).await?;
        if let Password::Managed { .. } = self.read.password {
            credentials::forget(self.house, &self.scope, &self.read.password).await?;
        }
        let tx = self.house.db.tx().delete(self.read);
        let tx = endpoint::forget(tx, &self.scope, self.identifier, self.read);
        let said = ("RDS-EVENT-0003", "deletion", "DB instance deleted");
        let of = (To::Instance, self.identifier);
        let tx = happening::add(tx, self.house, &self.scope, of, said);
        Ok(applied(tx.within_reserve().commit().await?))
    }
}

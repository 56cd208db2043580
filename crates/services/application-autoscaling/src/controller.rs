//! One controller a scalable target: views it with its service and what alarms say, takes the step
//! that `plan` answers, and carries out what was written.

use crate::activity::{Activity, Recorded};
use crate::alarms;
use crate::ecs::{self, Seen};
use crate::model::Target;
use crate::plan::{self, Step};
use crate::readings::Readings;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use neargate_base::Timestamp;
use neargate_domain::alarm::AlarmReading;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored, Tx};
use std::sync::Arc;

/// Scales what is registered.
#[derive(Debug)]
pub struct Scaler {
    house: Arc<House>,
    readings: Arc<Readings>,
}

#[derive(Debug)]
pub struct View {
    scope: Scope,
    target: Stored<Target>,
    service: Option<Seen>,
    readings: Vec<AlarmReading>,
}

#[derive(Debug)]
pub enum Action {
    /// The next step, which nothing may have crossed.
    Write(Box<Stored<Target>>, Box<Step>),
    /// Tell ECS of the desired count of what is under way.
    Tell(String),
    /// Make and delete alarms.
    Alarms(String),
    /// It is deregistered, and owns nothing any more.
    Forget(Box<Stored<Target>>),
}

impl Scaler {
    pub fn new(house: Arc<House>, readings: Arc<Readings>) -> Scaler {
        Scaler { house, readings }
    }

    async fn tell(&self, key: &str) -> Result<Applied, AwsError> {
        let found = self.house.db.get_key::<Target>(key).await?;
        let (Some(read), Some(scope)) = (found, Scope::of_key(key)) else {
            return Ok(Applied::Done);
        };
        let Some(acting) = read.acting.as_ref().filter(|a| !a.is_set) else {
            return Ok(Applied::Done);
        };
        let set = ecs::set_desired_count(&self.house, &scope, &read.named(), acting.to).await;
        let refused = match set {
            Ok(()) => None,
            Err(e) if e.status < 500 => Some(e.message),
            Err(e) => return Err(e),
        };
        let mut target = read.value.clone();
        let activity = plan::told(&mut target, refused.as_deref(), self.house.now());
        let tx = self.house.db.tx().update(&read, &target);
        let tx = record(tx, &scope, &target, activity.as_slice());
        Ok(applied(tx.commit().await?))
    }
}

fn applied(committed: Committed) -> Applied {
    match committed {
        Committed::At(_) => Applied::Done,
        Committed::Conflict => Applied::Conflict,
    }
}

/// Records of activities as they are now.
fn record(tx: Tx, scope: &Scope, target: &Target, activities: &[Activity]) -> Tx {
    let named = target.named();
    activities.iter().fold(tx, |tx, activity| {
        let recorded = Recorded::of(&named, activity);
        tx.put(recorded.key(scope), &recorded)
    })
}

#[async_trait]
impl Controller for Scaler {
    type View = View;
    type Action = Action;

    fn name(&self) -> &'static str {
        "scalable-target"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Target::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    fn wakes(&self) -> BoxStream<'static, Vec<String>> {
        self.readings.clone().follow(self.house.clone())
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let found = self.house.db.get_key::<Target>(key).await?;
        let (Some(target), Some(scope)) = (found, Scope::of_key(key)) else {
            return Ok(None);
        };
        let service = ecs::see(&self.house, &scope, &target.named()).await?;
        Ok(Some(View {
            scope,
            target,
            service,
            readings: self.readings.of(key),
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Action> {
        let seen = plan::View {
            scope: &view.scope,
            service: view.service.as_ref(),
            readings: &view.readings,
            now,
        };
        let target = &view.target;
        let step = plan::next(target, &seen, &|| self.house.rng.uuid());
        let wake_at = step.wake_at;
        let plan = |actions, reason| Plan {
            actions,
            wake_at,
            reason,
        };
        if step.target != target.value {
            let write = Action::Write(Box::new(target.clone()), Box::new(step));
            return plan(vec![write], "the next step");
        }
        let key = || target.key.clone();
        if target.deregistered && !alarms::are_due(target) {
            return plan(vec![Action::Forget(Box::new(target.clone()))], "it is over");
        }
        let mut actions = Vec::new();
        if target.acting.as_ref().is_some_and(|a| !a.is_set) && !target.deregistered {
            actions.push(Action::Tell(key()));
        }
        // Last: what ECS is told does not wait for CloudWatch.
        if alarms::are_due(target) {
            actions.push(Action::Alarms(key()));
        }
        plan(actions, "what was written")
    }

    async fn apply(&self, action: Action) -> Result<Applied, AwsError> {
        match action {
            Action::Write(read, step) => {
                let Some(scope) = Scope::of_key(&read.key) else {
                    return Ok(Applied::Done);
                };
                let tx = self.house.db.tx().update(&read, &step.target);
                let tx = record(tx, &scope, &step.target, &step.activities);
                Ok(applied(tx.commit().await?))
            }
            Action::Tell(key) => self.tell(&key).await,
            Action::Alarms(key) => alarms::settle(&self.house, &key)
                .await
                .map(|()| Applied::Done),
            Action::Forget(read) => Ok(applied(self.house.db.tx().delete(&read).commit().await?)),
        }
    }
}

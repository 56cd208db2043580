//! Forgets stopped tasks and client tokens once AWS would, and ends tasks whose time limit is over.

use crate::model::{ClientToken, Task};
use crate::plan::expiry::{Expiry, expiry, token_expiry};
use crate::plan::extension;
use crate::plan::stop::{self, Cause, code};
use async_trait::async_trait;
use neargate_base::{Clock, Timestamp};
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Committed, Db, Resource, Stored};
use std::sync::Arc;
use std::time::Duration;

/// Deletes a task an hour after it stopped, and asks one to stop that has run for its time limit.
#[derive(Debug)]
pub struct Expire {
    pub db: Db,
    pub clock: Arc<dyn Clock>,
}

/// A task, how long ago it stopped, and how long it may run and has.
#[derive(Debug)]
pub struct Ageing {
    task: Stored<Task>,
    stopped_for: Option<Duration>,
    /// Of a task that runs and was not asked to stop: its time limit, and how long it has run.
    timed: Option<(Duration, Duration)>,
}

/// What is done about a task.
#[derive(Debug)]
pub enum Due {
    Forget(Stored<Task>),
    /// It has run for so long.
    Stop(Stored<Task>, Duration),
}

#[async_trait]
impl Controller for Expire {
    type View = Ageing;
    type Action = Due;

    fn name(&self) -> &'static str {
        "ecs-task-expiry"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Task::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<Self::View>, AwsError> {
        let task = self.db.get_key::<Task>(key).await?;
        Ok(task.map(|task| Ageing {
            stopped_for: task.status.stopped_at.map(|at| self.clock.age(at)),
            timed: extension::time_limit(&task.spec.assignment.containers)
                .filter(|_| task.spec.stop.is_none() && task.status.stopped_at.is_none())
                .zip(task.status.running_at.map(|at| self.clock.age(at))),
            task,
        }))
    }

    fn plan(&self, seen: &Self::View, now: Timestamp) -> Plan<Self::Action> {
        match expiry(seen.stopped_for, now) {
            Expiry::NotStopped => match seen.timed {
                Some((limit, ran)) if ran >= limit => Plan {
                    actions: vec![Due::Stop(seen.task.clone(), limit)],
                    wake_at: None,
                    reason: "its time limit is over",
                },
                Some((limit, ran)) => Plan {
                    wake_at: Some(now + (limit - ran)),
                    ..Plan::idle("within its time limit")
                },
                None => Plan::idle("not stopped"),
            },
            Expiry::At(at) => Plan {
                wake_at: Some(at),
                ..Plan::idle("still described")
            },
            Expiry::Now => Plan {
                actions: vec![Due::Forget(seen.task.clone())],
                wake_at: None,
                reason: "expired",
            },
        }
    }

    async fn apply(&self, due: Self::Action) -> Result<Applied, AwsError> {
        let tx = self.db.tx();
        let tx = match due {
            Due::Forget(task) => tx.delete(&task),
            Due::Stop(seen, limit) => {
                let mut task = seen.value.clone();
                let cause = Cause {
                    code: code::USER_INITIATED,
                    reason: &extension::out_of_time(limit),
                    at: self.clock.now(),
                };
                stop::ask(&mut task, cause);
                tx.update(&seen, &task)
            }
        };
        Ok(match tx.commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

/// Deletes a client token a day after its use, or once its tasks are forgotten.
#[derive(Debug)]
pub struct ForgetTokens {
    pub db: Db,
}

/// A token, and whether any of its tasks can still be described.
#[derive(Debug)]
pub struct Used {
    token: Stored<ClientToken>,
    tasks_left: bool,
}

#[async_trait]
impl Controller for ForgetTokens {
    type View = Used;
    type Action = Stored<ClientToken>;

    fn name(&self) -> &'static str {
        "ecs-token-expiry"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", ClientToken::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<Used>, AwsError> {
        let Some(token) = self.db.get_key::<ClientToken>(key).await? else {
            return Ok(None);
        };
        // KIND has one slash; account and region follow.
        let scope: Vec<&str> = key.split('/').skip(2).take(2).collect();
        let mut tasks_left = false;
        for id in &token.tasks {
            let task = format!("{}/{}/{id}", Task::KIND, scope.join("/"));
            tasks_left |= self.db.store().get(&task).await?.is_some();
        }
        Ok(Some(Used { token, tasks_left }))
    }

    fn plan(&self, used: &Used, now: Timestamp) -> Plan<Self::Action> {
        match token_expiry(used.token.at, used.tasks_left, now) {
            Some(at) => Plan {
                wake_at: Some(at),
                ..Plan::idle("still remembered")
            },
            None => Plan {
                actions: vec![used.token.clone()],
                wake_at: None,
                reason: "expired",
            },
        }
    }

    async fn apply(&self, token: Self::Action) -> Result<Applied, AwsError> {
        Ok(match self.db.tx().delete(&token).commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

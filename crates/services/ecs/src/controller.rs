//! Forgets stopped tasks and client tokens once AWS would.

use crate::model::{ClientToken, Task};
use crate::plan::expiry::{Expiry, expiry, token_expiry};
use async_trait::async_trait;
use neargate_base::{Clock, Timestamp};
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Committed, Db, Resource, Stored};
use std::sync::Arc;
use std::time::Duration;

/// Deletes a task an hour after it stopped.
#[derive(Debug)]
pub struct Expire {
    pub db: Db,
    pub clock: Arc<dyn Clock>,
}

/// A task, and how long ago it stopped.
#[derive(Debug)]
pub struct Ageing {
    task: Stored<Task>,
    stopped_for: Option<Duration>,
}

#[async_trait]
impl Controller for Expire {
    type View = Ageing;
    type Action = Stored<Task>;

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
            task,
        }))
    }

    fn plan(&self, seen: &Self::View, now: Timestamp) -> Plan<Self::Action> {
        match expiry(seen.stopped_for, now) {
            Expiry::NotStopped => Plan::idle("not stopped"),
            Expiry::At(at) => Plan {
                wake_at: Some(at),
                ..Plan::idle("still described")
            },
            Expiry::Now => Plan {
                actions: vec![seen.task.clone()],
                wake_at: None,
                reason: "expired",
            },
        }
    }

    async fn apply(&self, task: Self::Action) -> Result<Applied, AwsError> {
        Ok(match self.db.tx().delete(&task).commit().await? {
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

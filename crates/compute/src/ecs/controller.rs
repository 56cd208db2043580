//! Forgets stopped tasks once AWS would.

use crate::ecs::model::Task;
use crate::ecs::plan::expiry::{Expiry, expiry};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Committed, Db, Resource, Stored};

/// Deletes a task an hour after it stopped.
#[derive(Debug)]
pub struct Expire {
    pub db: Db,
}

#[async_trait]
impl Controller for Expire {
    type View = Stored<Task>;
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
        self.db.get_key(key).await
    }

    fn plan(&self, task: &Self::View, now: Timestamp) -> Plan<Self::Action> {
        match expiry(task.status.stopped_at, now) {
            Expiry::NotStopped => Plan::idle("not stopped"),
            Expiry::At(at) => Plan { wake_at: Some(at), ..Plan::idle("still described") },
            Expiry::Now => Plan { actions: vec![task.clone()], wake_at: None, reason: "expired" },
        }
    }

    async fn apply(&self, task: Self::Action) -> Result<Applied, AwsError> {
        Ok(match self.db.tx().delete(&task).commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

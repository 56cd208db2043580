//! Places the tasks that wait for the capacity of their provider: the oldest first, whenever
//! something of their cluster changes.

use crate::Ecs;
use crate::fleet::{ClusterId, Row, place};
use crate::launch::waiting::{self, LONGEST, Tried};
use crate::model::{Cluster, ContainerInstance, Task};
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, House, Resource, Scope, db};
use std::sync::Arc;
use std::time::Duration;

/// Many tasks that start or end at once cost few looks.
const REST: Duration = Duration::from_millis(20);

/// One run a cluster.
#[derive(Debug)]
pub struct Waiting {
    pub ecs: Arc<Ecs>,
    pub house: Arc<House>,
}

/// What a task that waits needs.
#[derive(Debug)]
pub enum Action {
    Place(String),
    End(String),
}

fn key_of(cluster: &ClusterId) -> String {
    db::key::<Cluster>(&cluster.scope, &cluster.name)
}

#[async_trait]
impl Controller for Waiting {
    type View = Vec<Arc<Row>>;
    type Action = Action;

    fn name(&self) -> &'static str {
        "ecs-waiting-tasks"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![
            format!("{}/", Task::KIND),
            format!("{}/", ContainerInstance::KIND),
        ]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        let (cluster, _) = place(store_key)?;
        let is_task = store_key.starts_with(&format!("{}/", Task::KIND));
        // One that the index does not have yet may wait.
        let may_wait = is_task && self.ecs.fleet.task(store_key).is_none();
        let waits = || !self.ecs.fleet.waiting(&cluster).is_empty();
        (may_wait || waits()).then(|| key_of(&cluster))
    }

    /// Nodes come and go.
    fn wakes(&self) -> BoxStream<'static, Vec<String>> {
        let state = (self.ecs.nodes.changes(), self.ecs.clone());
        stream::unfold(state, |(mut changes, ecs)| async move {
            changes.changed().await.ok()?;
            let keys = ecs.fleet.with_waiting().iter().map(key_of).collect();
            Some((keys, (changes, ecs)))
        })
        .boxed()
    }

    async fn view(&self, key: &str) -> Result<Option<Self::View>, AwsError> {
        let scope = Scope::of_key(key);
        let name = key.rsplit('/').next();
        let (Some(scope), Some(name)) = (scope, name) else {
            return Ok(None);
        };
        self.ecs.fleet.current(&self.house.db).await?;
        let rows = self.ecs.fleet.waiting(&ClusterId::new(&scope, name));
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }

    fn plan(&self, rows: &Self::View, now: Timestamp) -> Plan<Action> {
        let over = |row: &Row| row.is_stopping() || row.created_at + LONGEST <= now;
        let action = |row: &Arc<Row>| match over(row) {
            true => Action::End(row.key.clone()),
            false => Action::Place(row.key.clone()),
        };
        let times = rows.iter().map(|row| row.created_at + LONGEST);
        Plan {
            actions: rows.iter().map(action).collect(),
            wake_at: times.filter(|at| *at > now).min(),
            reason: "tasks wait for capacity",
        }
    }

    async fn apply(&self, action: Action) -> Result<Applied, AwsError> {
        match action {
            Action::End(key) => waiting::end(&self.house, &key).await?,
            Action::Place(key) => match waiting::place(&self.ecs, &self.house, &key).await {
                Ok(Tried::Conflict) => return Ok(Applied::Conflict),
                Ok(Tried::Over | Tried::NoPlace) => {}
                Err(error) if error.status < 500 => {
                    tracing::warn!(task = key, %error, "a task that waits cannot be placed");
                }
                Err(error) => return Err(error),
            },
        }
        Ok(Applied::Done)
    }

    fn rest(&self, _: &Self::View) -> Duration {
        REST
    }
}

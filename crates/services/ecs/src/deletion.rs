//! Task definitions that are to be deleted: gone once nothing runs from them any more
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/delete-task-definition-v2.html>).

use crate::fleet::Fleet;
use crate::model::{Service, ServiceRevision, State, TaskDefinition, TaskSet};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Committed, Db, Resource, Scope, Stored, db};
use neargate_store::Entry;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at what still uses a definition.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

const DOOMED: &str = "DELETE_IN_PROGRESS";

/// Deletes revisions that are `DELETE_IN_PROGRESS`.
#[derive(Debug)]
pub struct Deletion {
    pub db: Db,
    pub fleet: Arc<Fleet>,
}

/// A revision, and whether a task or a service still uses it.
#[derive(Debug)]
pub struct Doomed {
    definition: Stored<TaskDefinition>,
    in_use: bool,
}

#[async_trait]
impl Controller for Deletion {
    /// `None`: not to be deleted.
    type View = Option<Doomed>;
    type Action = Stored<TaskDefinition>;

    fn name(&self) -> &'static str {
        "ecs-task-definition-deletion"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", TaskDefinition::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    /// Every definition there is comes by at the start, and hardly one is to be deleted: the text tells
    /// without being read.
    fn concerns(&self, entry: &Entry) -> bool {
        memchr::memmem::find(&entry.value, DOOMED.as_bytes()).is_some()
    }

    async fn view(&self, key: &str) -> Result<Option<Self::View>, AwsError> {
        let Some(entry) = self.db.store().get(key).await? else {
            return Ok(None);
        };
        if !self.concerns(&entry) {
            return Ok(Some(None));
        }
        let definition = db::decode::<TaskDefinition>(&entry)?;
        if definition.definition.0.status.as_deref() != Some(DOOMED) {
            return Ok(Some(None));
        }
        let in_use = self.in_use(&definition).await?;
        Ok(Some(Some(Doomed { definition, in_use })))
    }

    fn plan(&self, view: &Self::View, now: Timestamp) -> Plan<Self::Action> {
        match view {
            None => Plan::idle("not to be deleted"),
            Some(doomed) if doomed.in_use => Plan {
                wake_at: Some(now + LOOK_AGAIN),
                ..Plan::idle("still used")
            },
            Some(doomed) => Plan {
                actions: vec![doomed.definition.clone()],
                wake_at: None,
                reason: "unused",
            },
        }
    }

    async fn apply(&self, definition: Self::Action) -> Result<Applied, AwsError> {
        Ok(match self.db.tx().delete(&definition).commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

impl Deletion {
    async fn in_use(&self, definition: &Stored<TaskDefinition>) -> Result<bool, AwsError> {
        let d = &definition.definition.0;
        let arn = d.task_definition_arn.as_deref().unwrap_or_default();
        let Some(scope) = Scope::of_key(&definition.key) else {
            return Ok(false);
        };
        self.fleet.current(&self.db).await?;
        let family = d.family.as_deref().unwrap_or_default();
        let revision = d.revision.and_then(|r| u32::try_from(r).ok()).unwrap_or(0);
        if self.fleet.runs(&scope, family, revision) {
            return Ok(true);
        }
        for service in self.db.list::<Service>(&scope).await? {
            if service.state() == State::Inactive {
                continue;
            }
            let of = &service.value;
            let target = of.spec.target.iter().map(|t| &t.revision);
            let deployed = of.status.deployments.iter().map(|d| &d.revision);
            let own = format!("{}/{}/", of.spec.cluster, of.spec.name);
            let sets = db::key::<TaskSet>(&scope, &own);
            let sets = self.db.list_prefix::<TaskSet>(&sets).await?;
            let in_sets = sets.iter().map(|s| &s.value.revision);
            for id in target.chain(deployed).chain(in_sets) {
                let id = format!("{own}{id}");
                let found = self
                    .db
                    .get_key::<ServiceRevision>(&db::key::<ServiceRevision>(&scope, &id))
                    .await?;
                if found.is_some_and(|r| r.task_definition == arn) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

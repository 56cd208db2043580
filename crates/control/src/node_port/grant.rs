//! What a node may do, by the tasks it has: learned from the store, kept in memory. A task not
//! heard of yet is found by the fleet's index, so that no question costs more for being wrong.
//!
//! A grant lasts as long as the store has the task: an ended task's output may still be on its
//! way.

use neargate_base::{AccountId, Region};
use neargate_domain::LogTarget;
use neargate_ecs::fleet::Fleet;
use neargate_ecs::model::Task;
use neargate_service::{AwsError, Db, Scope};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one task entitles its node to.
#[derive(Debug)]
pub(super) struct Grant {
    /// The key of the task in the store.
    pub(super) key: String,
    account: AccountId,
    region: Region,
    images: Vec<String>,
    /// Where the output of each container goes.
    logs: Vec<(String, LogTarget)>,
}

impl Grant {
    fn of(key: &str, task: &Task) -> Grant {
        let assignment = &task.spec.assignment;
        let containers = assignment.containers.iter();
        Grant {
            key: key.to_owned(),
            account: assignment.account.clone(),
            region: assignment.region.clone(),
            images: containers.clone().map(|c| c.image.name.clone()).collect(),
            logs: containers
                .filter_map(|c| Some((c.name.clone(), c.log.clone()?)))
                .collect(),
        }
    }

    pub(super) fn logs_to(&self, container: &str, target: &LogTarget) -> bool {
        let mut logs = self.logs.iter();
        logs.any(|(name, to)| name == container && to == target)
    }
}

/// The grants of one node, by task id.
#[derive(Debug, Default)]
pub(super) struct Grants {
    by_task: Mutex<HashMap<String, Arc<Grant>>>,
    /// All tasks that have not ended are in.
    complete: AtomicBool,
    /// They are read once, however many questions come.
    reading: tokio::sync::Mutex<()>,
}

impl Grants {
    pub(super) fn add(&self, key: &str, task: &Task) -> Arc<Grant> {
        let id = task.spec.assignment.task_id.clone();
        let grant = Arc::new(Grant::of(key, task));
        self.by_task.lock().insert(id, grant.clone());
        grant
    }

    pub(super) fn complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Answers whether it was there.
    pub(super) fn remove(&self, task_id: &str) -> bool {
        self.by_task.lock().remove(task_id).is_some()
    }

    /// The grant by the task `task_id`; `None` when there is no such task.
    ///
    /// # Errors
    /// When it is another node's; the store's.
    pub(super) async fn of(
        &self,
        (db, fleet): (&Db, &Fleet),
        node: &str,
        task_id: &str,
    ) -> Result<Option<Arc<Grant>>, AwsError> {
        if let Some(grant) = self.by_task.lock().get(task_id).cloned() {
            return Ok(Some(grant));
        }
        fleet.current(db).await?;
        match fleet.find(task_id) {
            None => Ok(None),
            Some(row) if row.node != node => Err(denied("The task is not assigned to this node.")),
            Some(row) => {
                let task = db.get_key::<Task>(&row.key).await?;
                Ok(task.map(|task| self.add(&task.key, &task)))
            }
        }
    }

    /// Does a task of this node, in this account and region, name this image?
    pub(super) async fn has_image(
        &self,
        (db, fleet): (&Db, &Fleet),
        node: &str,
        scope: &Scope,
        name: &str,
    ) -> Result<bool, AwsError> {
        if !self.complete.load(Ordering::Acquire) {
            // A node that was restarted goes on before it has heard its assignments.
            let _one = self.reading.lock().await;
            if !self.complete.load(Ordering::Acquire) {
                fleet.current(db).await?;
                for row in fleet.of_node(node) {
                    if let Some(task) = db.get_key::<Task>(&row.key).await? {
                        self.add(&task.key, &task);
                    }
                }
                self.complete();
            }
        }
        let grants = self.by_task.lock();
        Ok(grants.values().any(|g| {
            g.account == scope.account
                && g.region == scope.region
                && g.images.iter().any(|i| i == name)
        }))
    }
}

/// A node asks for what is not its own.
pub(super) fn denied(message: &str) -> AwsError {
    AwsError::client("AccessDeniedException", message)
}

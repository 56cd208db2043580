//! What a node may do, by the tasks it has: learned from the store, kept in memory.
//!
//! A grant lasts as long as the store has the task: an ended task's output may still be on its
//! way.

use neargate_base::{AccountId, Region};
use neargate_compute::ecs::model::Task;
use neargate_domain::{LogTarget, TaskStatus};
use neargate_service::{AwsError, Db, Resource, Scope, Stored, db};
use neargate_store::MAX_PAGE;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one task entitles its node to.
#[derive(Debug)]
pub(super) struct Grant {
    /// Of the task in the store.
    pub(super) key: String,
    account: AccountId,
    region: Region,
    images: Vec<String>,
    /// By container.
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
    /// One search of the store at a time, however many questions come.
    searching: tokio::sync::Mutex<()>,
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
        db: &Db,
        node: &str,
        task_id: &str,
    ) -> Result<Option<Arc<Grant>>, AwsError> {
        let known = || self.by_task.lock().get(task_id).cloned();
        if let Some(grant) = known() {
            return Ok(Some(grant));
        }
        let _one = self.searching.lock().await;
        if let Some(grant) = known() {
            return Ok(Some(grant));
        }
        let task = search(db, |key| key.rsplit('/').next() == Some(task_id), |_| false).await?;
        match task {
            Some(task) if task.spec.node == node => Ok(Some(self.add(&task.key, &task))),
            Some(_) => Err(denied("The task is not assigned to this node.")),
            None => Ok(None),
        }
    }

    /// Does a task of this node, in this account and region, name this image?
    pub(super) async fn has_image(
        &self,
        db: &Db,
        node: &str,
        scope: &Scope,
        name: &str,
    ) -> Result<bool, AwsError> {
        if !self.complete.load(Ordering::Acquire) {
            // A node that was restarted goes on before it has heard its assignments.
            let _one = self.searching.lock().await;
            let each = |task: &Stored<Task>| {
                let ours = task.spec.node == node;
                if ours && task.status.last_status != TaskStatus::Stopped {
                    self.add(&task.key, task);
                }
                true
            };
            search(db, |_| true, each).await?;
            self.complete();
        }
        let grants = self.by_task.lock();
        Ok(grants.values().any(|g| {
            g.account == scope.account
                && g.region == scope.region
                && g.images.iter().any(|i| i == name)
        }))
    }
}

/// The first task whose key `wanted` picks and whom `skip` does not pass over.
async fn search(
    db: &Db,
    wanted: impl Fn(&str) -> bool,
    skip: impl Fn(&Stored<Task>) -> bool,
) -> Result<Option<Stored<Task>>, AwsError> {
    let prefix = format!("{}/", Task::KIND);
    let mut after = None::<String>;
    loop {
        let page = db
            .store()
            .range(&prefix, after.as_deref(), MAX_PAGE, None)
            .await?;
        for entry in page.entries.iter().filter(|e| wanted(&e.key)) {
            let task = db::decode::<Task>(entry)?;
            if !skip(&task) {
                return Ok(Some(task));
            }
        }
        after = page.entries.last().map(|e| e.key.clone());
        if !page.more {
            return Ok(None);
        }
    }
}

/// A node asks for what is not its own.
pub(super) fn denied(message: &str) -> AwsError {
    AwsError::client("AccessDeniedException", message)
}

//! Stopping the tasks of a service: SIGTERM, and SIGKILL after the stop timeout, are the node's.

use super::Journal;
use crate::model::Task;
use crate::plan::service::{Stopping, sentence};
use crate::plan::stop::{self, Cause, code};
use neargate_service::db::Committed;
use neargate_service::{AwsError, House, Stored};

/// Tasks of one transaction.
const BATCH: usize = 50;
/// Tasks change under the plan: their nodes report. So often the batch is read again.
const ATTEMPTS: usize = 4;

/// Ask the tasks to stop, in one event a batch; false when the service changed meanwhile.
///
/// # Errors
/// The store's.
pub async fn stop_tasks(
    house: &House,
    journal: &mut Journal,
    tasks: &[Stopping],
) -> Result<bool, AwsError> {
    for batch in tasks.chunks(BATCH) {
        if !stop_batch(house, journal, batch).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn stop_batch(
    house: &House,
    journal: &mut Journal,
    batch: &[Stopping],
) -> Result<bool, AwsError> {
    for _ in 0..ATTEMPTS {
        let mut tx = house.db.tx();
        let (mut stopped, mut events) = (Vec::new(), Vec::new());
        let name = &journal.who;
        for stopping in batch {
            let read: Option<Stored<Task>> = house.db.get_key(&stopping.row.key).await?;
            let Some(read) = read else { continue };
            let mut task = read.value.clone();
            let cause = Cause {
                code: code::SERVICE_SCHEDULER_INITIATED,
                reason: &stopping.reason,
                at: house.now(),
            };
            if !stop::ask(&mut task, cause) {
                continue;
            }
            tx = tx.update(&read, &task);
            if stopping.unhealthy {
                events.push(match &stopping.row.failing {
                    Some(failing) => sentence::failing(name, failing),
                    None => sentence::unhealthy(name, &stopping.row.task_id),
                });
            }
            stopped.push(stopping.row.task_id.as_str());
        }
        if stopped.is_empty() {
            return Ok(true);
        }
        events.push(sentence::stopped(name, stopped.into_iter()));
        let status = journal.read.status.clone();
        let (tx, service) = journal.write(house, tx, &status, &events);
        match tx.commit().await? {
            committed @ Committed::At(_) => return Ok(journal.wrote(committed, service)),
            Committed::Conflict => {}
        }
        let now = house.db.store().get(&journal.read.key).await?;
        if now.is_none_or(|entry| entry.mod_revision != journal.read.revision) {
            return Ok(false);
        }
    }
    Ok(false)
}

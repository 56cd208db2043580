//! Carries out the tasks that move dead letters. Where each is, is in the store: a start goes on with them.

use crate::Sqs;
use crate::engine::Handle;
use crate::model::{MoveStatus, MoveTask, Queue};
use neargate_service::{AwsError, House, Scope, Stored, db};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// So many messages are moved at once, where no rate is asked for.
const BATCH: u32 = 500;

pub async fn run(sqs: Arc<Sqs>, house: Arc<House>) {
    loop {
        match round(&sqs, &house).await {
            Ok(true) => tokio::time::sleep(Duration::from_secs(1)).await,
            Ok(false) => sqs.moves.notified().await,
            Err(error) => {
                tracing::error!(%error, "dead letters cannot be moved");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Moves some messages of each task. Answers whether any task goes on.
async fn round(sqs: &Sqs, house: &House) -> Result<bool, AwsError> {
    let tasks = house.db.list_prefix::<MoveTask>("sqs/move-task/").await?;
    let mut goes_on = false;
    for task in tasks {
        if task.status == MoveStatus::Running {
            goes_on |= step(sqs, house, &task).await?;
        }
    }
    Ok(goes_on)
}

async fn step(sqs: &Sqs, house: &House, task: &Stored<MoveTask>) -> Result<bool, AwsError> {
    let Some(scope) = Scope::of_key(&task.key) else {
        return Ok(false);
    };
    let queues: BTreeMap<String, Arc<Handle>> = house
        .db
        .list::<Queue>(&scope)
        .await?
        .iter()
        .map(|q| {
            (
                scope.arn("sqs", &*q.name),
                sqs.engine.queue(q.id, q.is_fifo()),
            )
        })
        .collect();
    let from = queues.get(&scope.arn("sqs", &*task.source));
    let (mut moved, mut outcome) = (0, None);
    match from {
        None => {
            outcome = Some((
                MoveStatus::Failed,
                Some("AWS.SimpleQueueService.NonExistentQueue"),
            ))
        }
        Some(from) => {
            let to = |source: Option<&str>| {
                let arn = task.destination.as_deref().or(source)?;
                queues.get(arn).filter(|to| !Arc::ptr_eq(to, from)).cloned()
            };
            let max = task.per_second.unwrap_or(BATCH) as usize;
            moved = sqs.engine.redrive(from, max, to).await?;
            if moved == 0 {
                let left = sqs.engine.counts(from).visible;
                outcome = Some(match left {
                    0 => (MoveStatus::Completed, None),
                    _ => (MoveStatus::Failed, Some("CouldNotDetermineMessageSource")),
                });
            }
        }
    }
    let mut goes_on = false;
    let key = db::key::<MoveTask>(&scope, task.id());
    let noted = house.db.modify::<MoveTask, _>(&key, |task| {
        task.moved += moved as u64;
        if let (MoveStatus::Running, Some((status, failure))) = (task.status, outcome) {
            task.status = status;
            task.failure = failure.map(str::to_owned);
        }
        goes_on = task.status == MoveStatus::Running;
        Ok(true)
    });
    noted.await?;
    Ok(goes_on)
}

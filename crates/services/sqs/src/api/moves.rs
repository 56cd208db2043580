//! Tasks that move the messages of a dead-letter queue back, or elsewhere
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>).

use super::{Found, by_arn};
use crate::attributes::Rules;
use crate::model::{MoveStatus, MoveTask, Queue};
use crate::{Sqs, error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_sqs as api;
use neargate_service::{AwsError, Ctx, Stored, db};
use serde_json::{Value, json};
use std::sync::Arc;

/// Finished tasks are told of for so many, the latest.
const MAX_RESULTS: i32 = 10;

async fn source(sqs: &Sqs, cx: &Ctx, arn: &str) -> Result<Found, AwsError> {
    if arn.split(':').count() != 6 {
        return Err(error::invalid_value(
            "You must use this format to specify the SourceArn: \
             arn:<partition>:<service>:<region>:<account-id>:<resource-id>",
        ));
    }
    let found = by_arn(sqs, cx, arn).await?;
    found.ok_or_else(|| error::no_resource("SourceArn"))
}

async fn tasks_of(cx: &Ctx, found: &Found) -> Result<Vec<Stored<MoveTask>>, AwsError> {
    let mut tasks = cx.db().list::<MoveTask>(&found.scope).await?;
    tasks.retain(|task| task.source == found.queue.name);
    tasks.sort_by_key(|task| std::cmp::Reverse(task.started_at));
    Ok(tasks)
}

pub async fn start_message_move_task(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::StartMessageMoveTaskInput,
) -> Result<api::StartMessageMoveTaskOutput, AwsError> {
    let found = source(&sqs, &cx, &input.source_arn).await?;
    let arn = found.arn();
    let queues = cx.db().list::<Queue>(&found.scope).await?;
    let is_target = |queue: &Stored<Queue>| Rules(queue).redrive().is_some_and(|r| r.target == arn);
    if !queues.iter().any(is_target) {
        return Err(error::invalid_value(
            "Source queue must be configured as a Dead Letter Queue.",
        ));
    }
    let per_second = input.max_number_of_messages_per_second;
    if per_second.is_some_and(|n| !(1..=500).contains(&n)) {
        return Err(error::invalid_value(
            "Value for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: You must enter a value between 1 and 500.",
        ));
    }
    if let Some(to) = &input.destination_arn {
        let there = by_arn(&sqs, &cx, to).await?;
        let there = there.ok_or_else(|| error::no_resource("DestinationArn"))?;
        if there.queue.is_fifo() != found.queue.is_fifo() {
            return Err(error::invalid_value(
                "Source queue and destination queue must be of the same type.",
            ));
        }
    }
    let running = tasks_of(&cx, &found).await?;
    if running.iter().any(|t| t.status == MoveStatus::Running) {
        return Err(error::invalid_value(
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        ));
    }
    let id = cx.house.rng.uuid();
    let task = MoveTask {
        source: found.queue.name.clone(),
        destination: input.destination_arn,
        per_second: per_second.map(|n| n as u32),
        status: MoveStatus::Running,
        moved: 0,
        to_move: sqs.engine.counts(&found.handle).visible as u64,
        failure: None,
        started_at: cx.now(),
    };
    let key = db::key::<MoveTask>(&found.scope, &id);
    // A new key has no conflict.
    let _ = cx.db().tx().create(key, &task).commit().await?;
    sqs.moves.notify_one();
    Ok(api::StartMessageMoveTaskOutput {
        task_handle: Some(handle(&id, &arn)),
    })
}

fn handle(id: &str, arn: &str) -> String {
    STANDARD.encode(json!({"taskId": id, "sourceArn": arn}).to_string())
}

pub async fn list_message_move_tasks(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::ListMessageMoveTasksInput,
) -> Result<api::ListMessageMoveTasksOutput, AwsError> {
    let found = source(&sqs, &cx, &input.source_arn).await?;
    let most = input.max_results.unwrap_or(1);
    if !(1..=MAX_RESULTS).contains(&most) {
        return Err(error::invalid_value(
            "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 10.",
        ));
    }
    let tasks = tasks_of(&cx, &found).await?;
    let shown = tasks.iter().take(most as usize).map(|task| {
        let is_running = task.status == MoveStatus::Running;
        api::ListMessageMoveTasksResultEntry {
            task_handle: is_running.then(|| handle(task.id(), &found.arn())),
            status: Some(task.status.word().into()),
            source_arn: Some(found.arn()),
            destination_arn: task.destination.clone(),
            max_number_of_messages_per_second: task.per_second.map(|n| n as i32),
            approximate_number_of_messages_moved: Some(task.moved as i64),
            approximate_number_of_messages_to_move: Some(task.to_move as i64),
            failure_reason: task.failure.clone(),
            started_timestamp: Some(task.started_at.as_millis()),
        }
    });
    Ok(api::ListMessageMoveTasksOutput {
        results: Some(shown.collect()),
    })
}

pub async fn cancel_message_move_task(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::CancelMessageMoveTaskInput,
) -> Result<api::CancelMessageMoveTaskOutput, AwsError> {
    let invalid = || error::invalid_value("Value for parameter TaskHandle is invalid.");
    let decoded = STANDARD.decode(&input.task_handle).map_err(|_| invalid())?;
    let decoded: Value = serde_json::from_slice(&decoded).map_err(|_| invalid())?;
    let (Some(id), Some(arn)) = (decoded["taskId"].as_str(), decoded["sourceArn"].as_str()) else {
        return Err(invalid());
    };
    if id.contains('/') {
        return Err(invalid());
    }
    let found = source(&sqs, &cx, arn).await?;
    if found.scope.account != cx.scope.account {
        // Whoever else it is cannot be judged by a handle that names no queue.
        return Err(error::no_resource("SourceArn"));
    }
    let missing =
        || AwsError::client("ResourceNotFoundException", "Task does not exist.").status(404);
    let key = db::key::<MoveTask>(&found.scope, id);
    let task = cx.db().modify::<MoveTask, _>(&key, |task| {
        if task.status != MoveStatus::Running {
            return Err(error::invalid_value("Only active tasks can be cancelled."));
        }
        task.status = MoveStatus::Cancelled;
        Ok(true)
    });
    let task = task.await?.ok_or_else(missing)?;
    Ok(api::CancelMessageMoveTaskOutput {
        approximate_number_of_messages_moved: Some(task.moved as i64),
    })
}

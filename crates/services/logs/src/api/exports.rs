//! Export tasks.

use crate::model::DESCRIBED;
use crate::model::exports::{ExportStatus, ExportTask, MAX_TASKS};
use crate::{Logs, error, exports, reference};
use neargate_api_logs as api;
use neargate_service::db::{self, Stored};
use neargate_service::{AwsError, Committed, Ctx, page};
use std::sync::Arc;

/// "If you don't specify a value, the default is exportedlogs."
const PREFIX: &str = "exportedlogs";

pub async fn create_export_task(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::CreateExportTaskInput,
) -> Result<api::CreateExportTaskOutput, AwsError> {
    let group = reference::group(cx.db(), &cx.scope, &input.log_group_name).await?;
    if input.to < input.from {
        return Err(error::export_ends_before_start());
    }
    let prefix = input.destination_prefix.unwrap_or_else(|| PREFIX.into());
    let all = cx.db().list::<ExportTask>(&cx.scope).await?;
    // "Each account can only have one active (RUNNING or PENDING) export task at a time."
    if all.iter().any(|task| !task.status.is_over()) {
        return Err(error::limit_exceeded());
    }
    exports::try_bucket(&cx.house, &cx.scope, &input.destination, &prefix).await?;
    let task = ExportTask {
        name: input.task_name,
        group: group.name.clone(),
        stream_prefix: input.log_stream_name_prefix,
        from: input.from,
        to: input.to,
        bucket: input.destination,
        prefix,
        status: ExportStatus::Pending,
        message: Some("Task is pending".into()),
        created: cx.now(),
        completed: None,
    };
    let id = cx.house.rng.uuid();
    let mut tx = cx.db().tx().unchanged(&group);
    let mut old: Vec<&Stored<ExportTask>> = all.iter().collect();
    old.sort_by_key(|task| std::cmp::Reverse(task.created));
    for forgotten in old.into_iter().skip(MAX_TASKS - 1).take(10) {
        tx = tx.delete_key(forgotten.key.clone());
    }
    let key = db::key::<ExportTask>(&cx.scope, &id);
    match tx.create(key, &task).commit().await? {
        Committed::At(_) => Ok(api::CreateExportTaskOutput { task_id: Some(id) }),
        Committed::Conflict => Err(error::aborted()),
    }
}

pub async fn describe_export_tasks(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DescribeExportTasksInput,
) -> Result<api::DescribeExportTasksOutput, AwsError> {
    let mut tasks = match &input.task_id {
        Some(id) => {
            let task = cx.db().get::<ExportTask>(&cx.scope, id).await?;
            vec![task.ok_or_else(error::export_not_found)?]
        }
        None => cx.db().list::<ExportTask>(&cx.scope).await?,
    };
    tasks.retain(|task| {
        input
            .status_code
            .as_ref()
            .is_none_or(|code| task.status.name() == code)
    });
    let place =
        |task: &Stored<ExportTask>| format!("{:020}/{}", task.created.as_millis(), task.id());
    tasks.sort_by_key(place);
    let limit = DESCRIBED.clamp(input.limit);
    let page = page::page(tasks, input.next_token.as_deref(), limit, place)
        .map_err(|_| error::invalid_token())?;
    Ok(api::DescribeExportTasksOutput {
        export_tasks: Some(page.items.iter().map(shape).collect()),
        next_token: page.next_token,
    })
}

fn shape(task: &Stored<ExportTask>) -> api::ExportTask {
    api::ExportTask {
        task_id: Some(task.id().to_owned()),
        task_name: task.name.clone(),
        log_group_name: Some(task.group.clone()),
        from: Some(task.from),
        to: Some(task.to),
        destination: Some(task.bucket.clone()),
        destination_prefix: Some(task.prefix.clone()),
        status: Some(api::ExportTaskStatus {
            code: Some(task.status.name().into()),
            message: task.message.clone(),
        }),
        execution_info: Some(api::ExportTaskExecutionInfo {
            creation_time: Some(task.created.as_millis()),
            completion_time: task.completed.map(|at| at.as_millis()),
        }),
    }
}

pub async fn cancel_export_task(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::CancelExportTaskInput,
) -> Result<api::CancelExportTaskOutput, AwsError> {
    let key = db::key::<ExportTask>(&cx.scope, &input.task_id);
    let cancel = |task: &mut ExportTask| {
        if task.status.is_over() {
            return Err(error::export_over());
        }
        task.status = ExportStatus::PendingCancel;
        Ok(true)
    };
    let task = cx.db().modify(&key, cancel).await?;
    task.ok_or_else(error::export_not_found)?;
    Ok(api::CancelExportTaskOutput::default())
}

//! Tasks after their start: stop, describe, list
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html>).

use super::clusters::tasks_of;
use super::{active_cluster, describe, page_size};
use crate::ecs::model::{StopRequest, Task};
use crate::ecs::plan::observe::{desired_status, stop_requested};
use crate::ecs::{Ecs, error, reference};
use neargate_api::ecs as api;
use neargate_domain::{DesiredState, TaskStatus};
use neargate_service::{AwsError, Ctx, db, page};
use std::sync::Arc;

pub use super::run_task::run_task;

/// What `stoppedReason` says when the caller gives none.
const STOPPED_BY_USER: &str = "Task stopped by user";

/// Asks a task to stop; one that is stopping or stopped already is answered as it is.
pub async fn stop_task(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::StopTaskInput,
) -> Result<api::StopTaskOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    let id = reference::task(&cx.scope, &cluster.name, &input.task)?;
    let reason = input
        .reason
        .filter(|r| !r.is_empty())
        .unwrap_or_else(|| STOPPED_BY_USER.into());
    if reason.chars().count() > 1_024 {
        return Err(error::invalid_parameter("reason longer than 1024."));
    }
    let key = db::key::<Task>(&cx.scope, &Task::id(&cluster.name, &id));
    let now = cx.now();
    let stopped = cx.db().modify::<Task, _>(&key, |task| {
        if task.spec.stop.is_some() || task.status.last_status == TaskStatus::Stopped {
            return Ok(false);
        }
        let code = "UserInitiated";
        task.spec.stop = Some(StopRequest {
            code: code.into(),
            reason: reason.clone(),
            at: now,
        });
        task.spec.assignment.desired = DesiredState::Stopped;
        task.spec.assignment.generation += 1;
        task.status = stop_requested(&task.status, code, &reason, now);
        Ok(true)
    });
    let task = stopped.await?.ok_or_else(error::task_not_found)?;
    Ok(api::StopTaskOutput {
        task: Some(describe::task(&task, true)),
    })
}

/// At most 100 tasks; unknown ones come back as failures.
pub async fn describe_tasks(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DescribeTasksInput,
) -> Result<api::DescribeTasksOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    if input.tasks.is_empty() {
        return Err(error::invalid_parameter("Tasks cannot be empty."));
    }
    if input.tasks.len() > 100 {
        return Err(error::invalid_parameter(
            "taskIds can have at most 100 items.",
        ));
    }
    let with_tags = input.include.iter().flatten().any(|i| i == "TAGS");
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for named in &input.tasks {
        let id = reference::task(&cx.scope, &cluster.name, named)?;
        match cx
            .db()
            .get::<Task>(&cx.scope, &Task::id(&cluster.name, &id))
            .await?
        {
            Some(task) => tasks.push(describe::task(&task, with_tags)),
            None => failures.push(api::Failure {
                arn: Some(cx.arn("ecs", format!("task/{}/{id}", cluster.name))),
                reason: Some("MISSING".into()),
                ..Default::default()
            }),
        }
    }
    Ok(api::DescribeTasksOutput {
        tasks: Some(tasks),
        failures: Some(failures),
    })
}

/// ARNs of the cluster's tasks whose desired status is `RUNNING`, unless filtered otherwise.
pub async fn list_tasks(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::ListTasksInput,
) -> Result<api::ListTasksOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    if input.container_instance.is_some() {
        return Err(error::invalid_parameter(
            "The specified container instance was not found.",
        ));
    }
    if input.service_name.is_some() || input.daemon_name.is_some() {
        return Err(AwsError::client(
            "ServiceNotFoundException",
            "Service not found.",
        ));
    }
    let desired = input.desired_status.as_deref().unwrap_or("RUNNING");
    let launch_type = input.launch_type.as_deref().unwrap_or("FARGATE");
    let tasks = tasks_of(&cx, &cluster.name).await?;
    let wanted = tasks.into_iter().filter(|task| {
        desired_status(task) == desired
            && launch_type == "FARGATE"
            && input
                .family
                .as_ref()
                .is_none_or(|f| *f == task.spec.assignment.family)
            && input
                .started_by
                .as_ref()
                .is_none_or(|s| task.spec.started_by.as_ref() == Some(s))
    });
    let limit = page_size(input.max_results)?;
    let page = page::page(wanted, input.next_token.as_deref(), limit, |t| {
        t.key.clone()
    })
    .map_err(|_| error::invalid_next_token())?;
    let arns = page.items.into_iter().map(|t| t.value.spec.arn).collect();
    Ok(api::ListTasksOutput {
        task_arns: Some(arns),
        next_token: page.next_token,
    })
}

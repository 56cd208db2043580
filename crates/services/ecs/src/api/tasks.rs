//! Tasks after their start: stop, describe, list
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html>).

use super::{active_cluster, instances, page_size};
use crate::describe;
use crate::fleet::{ClusterId, ServiceId};
use crate::model::{Service, State, Task};
use crate::plan::stop::{self, Cause, code};
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
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
        let cause = Cause {
            code: code::USER_INITIATED,
            reason: &reason,
            at: now,
        };
        Ok(stop::ask(task, cause))
    });
    let task = stopped.await?.ok_or_else(error::task_not_found)?;
    Ok(api::StopTaskOutput {
        task: Some(describe::task(&task, false)),
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

/// Some filters go with no other; the desired status goes with all.
fn one_filter(input: &api::ListTasksInput) -> Result<(), AwsError> {
    let family = input.family.is_some() || input.container_instance.is_some();
    let service = input.service_name.is_some();
    if input.started_by.is_some() && (family || service || input.launch_type.is_some()) {
        return Err(error::only_filter("startedBy"));
    }
    if service && family {
        return Err(error::only_filter("serviceName"));
    }
    Ok(())
}

/// ARNs of the cluster's tasks whose desired status is `RUNNING`, unless filtered otherwise, by id.
pub async fn list_tasks(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::ListTasksInput,
) -> Result<api::ListTasksOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    let limit = page_size(input.max_results)?;
    one_filter(&input)?;
    let instance = match input.container_instance.as_deref() {
        Some(named) => {
            let id = reference::container_instance(&cx.scope, &cluster.name, named)?;
            let found = instances::find(&cx, &cluster, &id).await?;
            found.ok_or_else(error::container_instance_not_found)?;
            Some(id)
        }
        None => None,
    };
    let service = match input.service_name.as_deref() {
        Some(named) => {
            let name = reference::service_name(&cx.scope, &cluster.name, named)?;
            let id = Service::key_id(&cluster.name, &name);
            let found = cx.db().get::<Service>(&cx.scope, &id).await?;
            found
                .filter(|s| s.state() != State::Inactive)
                .ok_or_else(error::service_not_found)?;
            Some(name)
        }
        None => None,
    };
    if input.daemon_name.is_some() {
        return Err(error::service_not_found());
    }
    ecs.fleet.current(cx.db()).await?;
    let desired = input.desired_status.as_deref().unwrap_or("RUNNING");
    let tasks = match &service {
        Some(name) => {
            let of = ServiceId::new(&cx.scope, &cluster.name, name);
            let mut tasks = ecs.fleet.of_service(&of);
            tasks.sort_by(|a, b| a.key.cmp(&b.key));
            tasks
        }
        None => ecs
            .fleet
            .of_cluster(&ClusterId::new(&cx.scope, &cluster.name)),
    };
    // Each filter that is given must hold.
    let same = |given: &Option<String>, of: Option<&str>| match given {
        Some(given) => of == Some(given.as_str()),
        None => true,
    };
    let wanted = tasks.into_iter().filter(|row| {
        let status = if row.is_stopping() {
            "STOPPED"
        } else {
            "RUNNING"
        };
        status == desired
            && same(&input.launch_type, Some(row.launch_type.as_str()))
            && same(&input.family, Some(&row.family))
            && same(&input.started_by, row.started_by.as_deref())
            && same(&instance, row.container_instance.as_deref())
    });
    let token = input.next_token.as_deref();
    let page = page::page(wanted, token, limit, |row| row.key.clone());
    let page = page.map_err(|_| error::invalid_next_token())?;
    let arn = |id: &str| cx.arn("ecs", format!("task/{}/{id}", cluster.name));
    let arns = page.items.iter().map(|row| arn(&row.task_id));
    Ok(api::ListTasksOutput {
        task_arns: Some(arns.collect()),
        next_token: page.next_token,
    })
}

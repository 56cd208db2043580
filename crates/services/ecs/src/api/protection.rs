//! Task scale-in protection
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html>).

use super::active_cluster;
use crate::fleet::{ClusterId, Row, ServiceId};
use crate::model::{Cluster, Protection, Task};
use crate::plan::protection::{blocked, until};
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The most tasks that one call updates, and reads.
const MAX_UPDATED: usize = 10;
const MAX_READ: usize = 100;

/// Protects tasks of services until a time, or ends their protection.
pub async fn update_task_protection(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateTaskProtectionInput,
) -> Result<api::UpdateTaskProtectionOutput, AwsError> {
    let cluster = active_cluster(&cx, Some(&input.cluster)).await?;
    let until = until(input.protection_enabled, input.expires_in_minutes, cx.now())
        .map_err(error::invalid_parameter)?;
    let ids = ids(&cx, &cluster, &input.tasks, MAX_UPDATED)?;
    if ids.is_empty() {
        return Err(error::invalid_parameter("Tasks cannot be empty."));
    }
    ecs.fleet.current(cx.db()).await?;
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for id in ids {
        let row = match valid(&ecs, &cx, &cluster, &id) {
            Ok(row) => row,
            Err(failure) => {
                failures.push(*failure);
                continue;
            }
        };
        if until.is_some() && is_blocked(&ecs, &row, cx.now()) {
            failures.push(failure(&cx, &cluster, &id, BLOCKED));
            continue;
        }
        let changed = cx.db().modify::<Task, _>(&row.key, |task| {
            let protection = until.map(|until| Protection { until });
            let differs = task.spec.protection != protection;
            task.spec.protection = protection;
            Ok(differs)
        });
        match changed.await? {
            Some(task) => shown.push(protected(&task.spec.arn, until)),
            None => failures.push(failure(&cx, &cluster, &id, MISSING)),
        }
    }
    Ok(api::UpdateTaskProtectionOutput {
        protected_tasks: Some(shown),
        failures: Some(failures),
    })
}

/// The protection of tasks of services.
pub async fn get_task_protection(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::GetTaskProtectionInput,
) -> Result<api::GetTaskProtectionOutput, AwsError> {
    let cluster = active_cluster(&cx, Some(&input.cluster)).await?;
    let ids = ids(&cx, &cluster, &input.tasks.unwrap_or_default(), MAX_READ)?;
    if ids.is_empty() {
        return Err(error::invalid_parameter("Tasks cannot be empty."));
    }
    ecs.fleet.current(cx.db()).await?;
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for id in ids {
        match valid(&ecs, &cx, &cluster, &id) {
            Ok(row) => {
                let until = row.protection.map(|p| p.until);
                let arn = cx.arn("ecs", format!("task/{}/{id}", cluster.name));
                shown.push(protected(&arn, until.filter(|until| *until > cx.now())));
            }
            Err(failure) => failures.push(*failure),
        }
    }
    Ok(api::GetTaskProtectionOutput {
        protected_tasks: Some(shown),
        failures: Some(failures),
    })
}

fn ids(
    cx: &Ctx,
    cluster: &Cluster,
    named: &[String],
    most: usize,
) -> Result<Vec<String>, AwsError> {
    if named.len() > most {
        return Err(error::invalid_parameter(format!(
            "taskIds can have at most {most} items."
        )));
    }
    let ids = named.iter();
    ids.map(|named| reference::task(&cx.scope, &cluster.name, named))
        .collect()
}

/// A failure's reason and what explains it.
type Why = (&'static str, Option<&'static str>);

const MISSING: Why = ("MISSING", None);
const NOT_VALID: Why = (
    "TASK_NOT_VALID",
    Some("The task is not part of a service: only tasks of services can be protected."),
);
const BLOCKED: Why = (
    "DEPLOYMENT_BLOCKED",
    Some(
        "The task is of an earlier deployment, whose protected tasks keep the service's newest deployment from reaching a steady state.",
    ),
);

fn failure(cx: &Ctx, cluster: &Cluster, id: &str, (reason, detail): Why) -> api::Failure {
    api::Failure {
        arn: Some(cx.arn("ecs", format!("task/{}/{id}", cluster.name))),
        reason: Some(reason.into()),
        detail: detail.map(Into::into),
    }
}

/// The task, when it is of a service and has not ended.
fn valid(ecs: &Ecs, cx: &Ctx, cluster: &Cluster, id: &str) -> Result<Arc<Row>, Box<api::Failure>> {
    let key = ClusterId::new(&cx.scope, &cluster.name).key::<Task>(id);
    let why = match ecs.fleet.task(&key) {
        None => MISSING,
        Some(row) if row.service.is_none() || row.is_stopped() => NOT_VALID,
        Some(row) => return Ok(row),
    };
    Err(Box::new(failure(cx, cluster, id, why)))
}

fn is_blocked(ecs: &Ecs, row: &Row, now: Timestamp) -> bool {
    let service: Option<ServiceId> = row.service_id();
    let rows = service
        .map(|s| ecs.fleet.of_service(&s))
        .unwrap_or_default();
    blocked(row, &rows, now)
}

fn protected(arn: &str, until: Option<Timestamp>) -> api::ProtectedTask {
    api::ProtectedTask {
        task_arn: Some(arn.into()),
        protection_enabled: Some(until.is_some()),
        expiration_date: until,
    }
}

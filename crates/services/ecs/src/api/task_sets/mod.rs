//! Task sets of services with the EXTERNAL deployment controller, or CodeDeploy's
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-external.html>).
//! The handlers write what is asked for; [`crate::TaskSets`] makes it so. Each rewrites the
//! service too, so that calls and the controller's steps come one after the other.

mod create;
mod show;

pub use create::{create_task_set, primary};
pub use show::of_service;

use super::services;
use crate::fleet::ServiceId;
use crate::model::{Service, TaskSet, task_set_key};
use crate::{Ecs, error};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use show::describe;
use std::sync::Arc;

/// The active service a call names, if it is one of task sets.
async fn external(
    cx: &Ctx,
    cluster: &str,
    named: &str,
) -> Result<(ServiceId, Stored<Service>), AwsError> {
    let (id, service) = services::active(cx, Some(cluster), named).await?;
    if !service.spec.controller.has_task_sets() {
        return Err(error::not_external());
    }
    Ok((id, service))
}

/// The task sets of a service, oldest first.
async fn all(cx: &Ctx, id: &ServiceId) -> Result<Vec<Stored<TaskSet>>, AwsError> {
    let prefix = id.key::<TaskSet>("");
    let mut sets = cx.db().list_prefix::<TaskSet>(&prefix).await?;
    sets.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(sets)
}

/// The one that `named` (`ecs-svc/…` or its ARN) is.
fn find<'a>(sets: &'a [Stored<TaskSet>], named: &str) -> Option<&'a Stored<TaskSet>> {
    let digits = task_set_key(named);
    let by_arn = named.starts_with("arn:");
    sets.iter()
        .find(|set| (by_arn && set.arn == named) || (!by_arn && set.key_id() == digits))
}

/// Change a task set and write it with its service.
async fn change(
    ecs: &Ecs,
    cx: &Ctx,
    (cluster, service, named): (&str, &str, &str),
    change: impl Fn(&mut TaskSet, &Service) -> Result<(), AwsError>,
) -> Result<api::TaskSet, AwsError> {
    loop {
        let (id, read) = external(cx, cluster, service).await?;
        let sets = all(cx, &id).await?;
        let set = find(&sets, named).ok_or_else(error::task_set_not_found)?;
        let mut changed = set.value.clone();
        change(&mut changed, &read)?;
        if changed == set.value {
            return describe(ecs, cx, &id, &read, &changed, true).await;
        }
        changed.updated_at = cx.now();
        let tx = cx
            .db()
            .tx()
            .update(&read, &read.value)
            .update(set, &changed);
        if let Committed::At(_) = tx.commit().await? {
            return describe(ecs, cx, &id, &read, &changed, true).await;
        }
    }
}

/// Sets the share of the service's desired count that the set has.
pub async fn update_task_set(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateTaskSetInput,
) -> Result<api::UpdateTaskSetOutput, AwsError> {
    let percent = create::percent(Some(&input.scale))?;
    let of = (&*input.cluster, &*input.service, &*input.task_set);
    let set = change(&ecs, &cx, of, |set, _| {
        if set.deleted_at.is_some() {
            return Err(error::task_set_not_found());
        }
        set.scale_percent = percent;
        Ok(())
    });
    Ok(api::UpdateTaskSetOutput {
        task_set: Some(set.await?),
    })
}

/// The set drains from now on; by force also when it is not scaled to 0.
pub async fn delete_task_set(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::DeleteTaskSetInput,
) -> Result<api::DeleteTaskSetOutput, AwsError> {
    let force = input.force == Some(true);
    let now = cx.now();
    let of = (&*input.cluster, &*input.service, &*input.task_set);
    let set = change(&ecs, &cx, of, |set, service| {
        if set.desired(service.spec.desired_count) > 0 && !force {
            return Err(error::task_set_is_scaled());
        }
        set.deleted_at.get_or_insert(now);
        set.primary = false;
        Ok(())
    });
    Ok(api::DeleteTaskSetOutput {
        task_set: Some(set.await?),
    })
}

/// The set is `PRIMARY`, and what was it is `ACTIVE`.
pub async fn update_service_primary_task_set(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateServicePrimaryTaskSetInput,
) -> Result<api::UpdateServicePrimaryTaskSetOutput, AwsError> {
    loop {
        let (id, read) = external(&cx, &input.cluster, &input.service).await?;
        let sets = all(&cx, &id).await?;
        let chosen = find(&sets, &input.primary_task_set);
        let chosen = chosen.filter(|set| set.deleted_at.is_none());
        let chosen = chosen.ok_or_else(error::task_set_not_found)?.id.clone();
        let mut tx = cx.db().tx().update(&read, &read.value);
        let mut primary = None;
        for set in &sets {
            let mut changed = set.value.clone();
            changed.primary = changed.id == chosen;
            if changed.primary != set.primary {
                changed.updated_at = cx.now();
                tx = tx.update(set, &changed);
            }
            if changed.primary {
                primary = Some(changed);
            }
        }
        if let (Committed::At(_), Some(set)) = (tx.commit().await?, primary) {
            let task_set = Some(describe(&ecs, &cx, &id, &read, &set, true).await?);
            return Ok(api::UpdateServicePrimaryTaskSetOutput { task_set });
        }
    }
}

/// All of the service's, or those named; unknown ones come back as failures.
pub async fn describe_task_sets(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::DescribeTaskSetsInput,
) -> Result<api::DescribeTaskSetsOutput, AwsError> {
    let (id, service) = external(&cx, &input.cluster, &input.service).await?;
    let with_tags = input.include.iter().flatten().any(|i| i == "TAGS");
    let sets = all(&cx, &id).await?;
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    let named = input.task_sets.unwrap_or_default();
    let mut wanted: Vec<&Stored<TaskSet>> = Vec::new();
    for named in &named {
        match find(&sets, named) {
            Some(set) => wanted.push(set),
            None => failures.push(api::Failure {
                arn: Some(named.clone()),
                reason: Some("MISSING".into()),
                ..Default::default()
            }),
        }
    }
    if named.is_empty() {
        wanted.extend(&sets);
    }
    for set in wanted {
        shown.push(describe(&ecs, &cx, &id, &service, set, with_tags).await?);
    }
    Ok(api::DescribeTaskSetsOutput {
        task_sets: Some(shown),
        failures: Some(failures),
    })
}

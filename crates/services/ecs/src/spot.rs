//! Fargate Spot takes a task back, on request: what AWS does when it needs the capacity
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html>):
//! SIGTERM, the container's `stopTimeout`, then SIGKILL.

use crate::api::{active_cluster_of, describe};
use crate::model::{StopRequest, Task};
use crate::plan::observe::stop_requested;
use crate::{error, reference};
use neargate_api_ecs as api;
use neargate_domain::{DesiredState, TaskStatus};
use neargate_service::{AwsError, House, Scope, db};

/// As AWS's task state change event shows them.
const CODE: &str = "SpotInterruption";
const REASON: &str = "Your Spot Task was interrupted.";

/// The capacity provider whose tasks can be interrupted.
const PROVIDER: &str = "FARGATE_SPOT";

/// Interrupts a task; one that is stopping already is answered as it is.
///
/// # Errors
/// `ClusterNotFoundException`; `InvalidParameterException` when there is no such task, or when it
/// does not run on Fargate Spot.
pub async fn interrupt(
    house: &House,
    scope: &Scope,
    cluster: Option<&str>,
    task: &str,
) -> Result<api::Task, AwsError> {
    let cluster = active_cluster_of(&house.db, scope, cluster).await?;
    let id = reference::task(scope, &cluster.name, task)?;
    let key = db::key::<Task>(scope, &Task::id(&cluster.name, &id));
    let now = house.now();
    let stopped = house.db.modify::<Task, _>(&key, |task| {
        if task.spec.capacity_provider.as_deref() != Some(PROVIDER) {
            let text = format!("The task {id} does not run on {PROVIDER}.");
            return Err(error::invalid_parameter(text));
        }
        if task.spec.stop.is_some() || task.status.last_status == TaskStatus::Stopped {
            return Ok(false);
        }
        task.spec.stop = Some(StopRequest {
            code: CODE.into(),
            reason: REASON.into(),
            at: now,
        });
        task.spec.assignment.desired = DesiredState::Stopped;
        task.spec.assignment.generation += 1;
        task.status = stop_requested(&task.status, CODE, REASON, now);
        Ok(true)
    });
    let task = stopped.await?.ok_or_else(error::task_not_found)?;
    Ok(describe::task(&task, true))
}

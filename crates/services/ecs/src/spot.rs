//! Fargate Spot takes a task back, on request: what AWS does when it needs the capacity
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html>):
//! SIGTERM, the container's `stopTimeout`, then SIGKILL.

use crate::describe;
use crate::model::Task;
use crate::plan::stop::{self, Cause, code};
use crate::{clusters, error, reference};
use neargate_api_ecs as api;
use neargate_service::{AwsError, House, Scope, db};

/// The `stoppedReason`, as AWS's task state change event shows it.
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
    let cluster = clusters::active(&house.db, scope, cluster).await?;
    let id = reference::task(scope, &cluster.name, task)?;
    let key = db::key::<Task>(scope, &Task::id(&cluster.name, &id));
    let stopped = house.db.modify::<Task, _>(&key, |task| {
        if task.spec.capacity_provider.as_deref() != Some(PROVIDER) {
            let text = format!("The task {id} does not run on {PROVIDER}.");
            return Err(error::invalid_parameter(text));
        }
        let cause = Cause {
            code: code::SPOT_INTERRUPTION,
            reason: REASON,
            at: house.now(),
        };
        Ok(stop::ask(task, cause))
    });
    let task = stopped.await?.ok_or_else(error::task_not_found)?;
    Ok(describe::task(&task, true))
}

//! Taking a slice away.

use crate::error;
use crate::model::Task;
use neargate_domain::TaskStatus;
use neargate_service::instance::{Instance, Power};
use neargate_service::{AwsError, House, Scope, Stored, db};

/// Asks for the end of an instance. Its host does the rest.
///
/// # Errors
/// `InvalidParameterException` when there is no such slice, or when tasks run in it and `force`
/// is not set.
pub async fn remove(
    house: &House,
    scope: &Scope,
    id: &str,
    force: bool,
) -> Result<Instance, AwsError> {
    let key = db::key::<Instance>(scope, id);
    let unknown = || {
        error::invalid_parameter(format!(
            "There is no instance {id} here; `neargate instance list` shows those there are."
        ))
    };
    let found = house.db.get_key::<Instance>(&key).await?;
    let found = found.filter(|i| i.agent.is_some() && !i.has_ended());
    let instance = found.ok_or_else(unknown)?;
    if !force && instance.wanted != Power::Terminated {
        let running = running_in(house, scope, id, &instance).await?;
        if running > 0 {
            return Err(error::invalid_parameter(format!(
                "{running} task(s) run on {id}. Drain it first (aws ecs \
                 update-container-instances-state --status DRAINING), or force its removal."
            )));
        }
    }
    let gone = house.db.modify::<Instance, _>(&key, |i| {
        Ok(std::mem::replace(&mut i.wanted, Power::Terminated) != Power::Terminated)
    });
    Ok(gone.await?.ok_or_else(unknown)?.value)
}

/// How many tasks of its cluster the instance's node holds.
async fn running_in(
    house: &House,
    scope: &Scope,
    id: &str,
    instance: &Instance,
) -> Result<usize, AwsError> {
    let Some(agent) = &instance.agent else {
        return Ok(0);
    };
    let prefix = format!("{}{}/", db::prefix::<Task>(scope), agent.cluster);
    let tasks = house.db.list_prefix::<Task>(&prefix).await?;
    let holds =
        |t: &&Stored<Task>| t.spec.node == id && t.status.last_status != TaskStatus::Stopped;
    Ok(tasks.iter().filter(holds).count())
}

//! Taking a slice away, and what its host writes.

use crate::error;
use crate::model::{InstanceSlice, Task};
use neargate_domain::TaskStatus;
use neargate_service::db::Committed;
use neargate_service::{AwsError, House, Scope, Stored, db, eni};

/// Marks a slice as going. Its host does the rest.
///
/// # Errors
/// `InvalidParameterException` when there is no such slice, or when tasks run in it and `force`
/// is not set.
pub async fn remove(
    house: &House,
    scope: &Scope,
    id: &str,
    force: bool,
) -> Result<InstanceSlice, AwsError> {
    let key = db::key::<InstanceSlice>(scope, id);
    let unknown = || {
        error::invalid_parameter(format!(
            "There is no instance {id} here; `neargate instance list` shows those there are."
        ))
    };
    let found = house.db.get_key::<InstanceSlice>(&key).await?;
    let slice = found.ok_or_else(unknown)?;
    if !force && !slice.removing {
        let running = running_in(house, scope, &slice).await?;
        if running > 0 {
            return Err(error::invalid_parameter(format!(
                "{running} task(s) run on {id}. Drain it first (aws ecs \
                 update-container-instances-state --status DRAINING), or force its removal."
            )));
        }
    }
    let gone = house
        .db
        .modify::<InstanceSlice, _>(&key, |s| Ok(!std::mem::replace(&mut s.removing, true)));
    Ok(gone.await?.ok_or_else(unknown)?.value)
}

/// How many tasks of its cluster the slice's node holds.
async fn running_in(
    house: &House,
    scope: &Scope,
    slice: &InstanceSlice,
) -> Result<usize, AwsError> {
    let prefix = format!("{}{}/", db::prefix::<Task>(scope), slice.cluster);
    let tasks = house.db.list_prefix::<Task>(&prefix).await?;
    let holds =
        |t: &&Stored<Task>| t.spec.node == slice.id && t.status.last_status != TaskStatus::Stopped;
    Ok(tasks.iter().filter(holds).count())
}

/// Deletes the record of a slice of which nothing is left, and gives its interface back.
///
/// # Errors
/// The store's.
pub async fn forget(house: &House, slice: &Stored<InstanceSlice>) -> Result<(), AwsError> {
    let tx = house.db.tx().delete(slice);
    let scope = scope_of(&slice.key);
    let tx = tx.with(Vec::new(), eni::release_interface(&scope, &slice.interface));
    match tx.commit().await? {
        // Changed meanwhile: whoever follows the records comes back.
        Committed::At(_) | Committed::Conflict => Ok(()),
    }
}

/// Says why a slice does not run, or that nothing is wrong any more.
///
/// # Errors
/// The store's.
pub async fn set_problem(house: &House, key: &str, problem: Option<&str>) -> Result<(), AwsError> {
    let change = house.db.modify::<InstanceSlice, _>(key, |slice| {
        let changed = slice.problem.as_deref() != problem;
        slice.problem = problem.map(str::to_owned);
        Ok(changed)
    });
    change.await.map(|_| ())
}

/// The account and region within a key, `ecs/instance-slice/<account>/<region>/<id>`.
pub fn scope_of(key: &str) -> Scope {
    let mut parts = key.split('/').skip(2);
    let mut next = || parts.next().unwrap_or_default();
    let (account, region) = (next().parse(), next().parse());
    Scope {
        account: account.expect("keys hold an account"),
        region: region.expect("keys hold a region"),
    }
}

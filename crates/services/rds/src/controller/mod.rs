//! Keeps what runs as the records say: one controller for instances, one for snapshots. What is next decides
//! [`crate::plan::next`]; each step is one transaction, or one call of ECS whose token makes it the same call
//! when it is made again.

mod instances;
mod snapshots;

pub use instances::Instances;
pub use snapshots::Snapshots;

use neargate_service::controller::Applied;
use neargate_service::{Committed, Resource, Scope, managed};

/// What the keys of tasks begin with.
const TASKS: &str = "ecs/task/";

/// A step of what a record says.
#[derive(Debug)]
pub struct Action<T> {
    pub key: String,
    pub read: neargate_service::Stored<T>,
    pub seen: Option<crate::plan::next::Seen>,
    pub step: crate::plan::next::Step,
}

/// `ecs/task/<account>/<region>/<cluster>/<task id>`: the id, if it is a task of RDS.
fn task_of(store_key: &str) -> Option<&str> {
    let mut parts = store_key.strip_prefix(TASKS)?.split('/').skip(2);
    (parts.next()? == managed::cluster("rds")).then(|| parts.next())?
}

/// Scope and identifier of a record's key.
fn place_of(key: &str) -> Option<(Scope, &str)> {
    Some((Scope::of_key(key)?, key.rsplit('/').next()?))
}

fn is_of<T: Resource>(store_key: &str) -> bool {
    store_key
        .strip_prefix(T::KIND)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn applied(committed: Committed) -> Applied {
    match committed {
        Committed::At(_) => Applied::Done,
        Committed::Conflict => Applied::Conflict,
    }
}

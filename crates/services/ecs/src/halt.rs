//! Stops tasks of every account at once: for the development-mode reset and `neargate down`.

use crate::model::{KnownNode, Task};
use crate::plan::stop::{self, Cause, code};
use neargate_domain::TaskStatus;
use neargate_service::{AwsError, House, Resource, Stored};
use std::collections::HashSet;
use std::time::Duration;

/// A node may go away while it is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Kill the tasks of the nodes that `of` picks without a grace period, and wait until they have
/// released them.
pub async fn halt(house: &House, of: impl Fn(&str) -> bool) -> Result<(), AwsError> {
    let prefix = format!("{}/", Task::KIND);
    let mut watch = house.db.store().watch(&prefix, None).await?;
    loop {
        let mut left = unstopped(house).await?;
        left.retain(|task| of(&task.spec.node));
        if left.is_empty() {
            return Ok(());
        }
        for task in &left {
            kill(house, &task.key).await?;
        }
        tokio::select! {
            batch = watch.next() => drop(batch?),
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// How many tasks have not stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub on_this_host: usize,
    pub elsewhere: usize,
}

/// How many tasks have not stopped, here and on the nodes of other hosts.
pub async fn running(house: &House) -> Result<Left, AwsError> {
    let nodes = elsewhere(house).await?;
    let (away, here): (Vec<_>, Vec<_>) = unstopped(house)
        .await?
        .into_iter()
        .partition(|task| nodes.contains(&task.spec.node));
    Ok(Left {
        on_this_host: here.len(),
        elsewhere: away.len(),
    })
}

/// The ids of the nodes of other hosts.
pub async fn elsewhere(house: &House) -> Result<HashSet<String>, AwsError> {
    let prefix = KnownNode::prefix();
    let known = house.db.list_prefix::<KnownNode>(&prefix).await?;
    Ok(known.into_iter().map(|n| n.value.id).collect())
}

/// Are there nodes of other hosts that were not removed?
pub async fn have_joined(house: &House) -> Result<bool, AwsError> {
    let prefix = KnownNode::prefix();
    let known = house.db.list_prefix::<KnownNode>(&prefix).await?;
    Ok(known.iter().any(|n| !n.value.dismissed))
}

async fn unstopped(house: &House) -> Result<Vec<Stored<Task>>, AwsError> {
    let prefix = format!("{}/", Task::KIND);
    let mut tasks = house.db.list_prefix::<Task>(&prefix).await?;
    tasks.retain(|task| task.status.last_status != TaskStatus::Stopped);
    Ok(tasks)
}

async fn kill(house: &House, key: &str) -> Result<(), AwsError> {
    let now = house.now();
    let killed = house.db.modify::<Task, _>(key, |task| {
        let cause = Cause {
            code: code::USER_INITIATED,
            reason: "Task stopped by user",
            at: now,
        };
        Ok(stop::kill(task, cause))
    });
    killed.await.map(|_| ())
}

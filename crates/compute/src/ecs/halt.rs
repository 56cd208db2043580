//! Stops every task of every account at once: for the development-mode reset and `neargate down`.

use crate::ecs::model::{StopRequest, Task};
use crate::ecs::plan::observe::stop_requested;
use neargate_domain::{DesiredState, TaskStatus};
use neargate_service::{AwsError, House, Resource};

/// Kill all tasks without a grace period, and wait until their nodes have released them.
pub async fn halt(house: &House) -> Result<(), AwsError> {
    let prefix = format!("{}/", Task::KIND);
    let mut watch = house.db.store().watch(&prefix, None).await?;
    loop {
        let left = unstopped(house).await?;
        if left.is_empty() {
            return Ok(());
        }
        for key in &left {
            kill(house, key).await?;
        }
        watch.next().await?;
    }
}

/// How many tasks have not stopped.
pub async fn running(house: &House) -> Result<usize, AwsError> {
    Ok(unstopped(house).await?.len())
}

/// Their keys.
async fn unstopped(house: &House) -> Result<Vec<String>, AwsError> {
    let mut keys = Vec::new();
    for task in house
        .db
        .list_prefix::<Task>(&format!("{}/", Task::KIND))
        .await?
    {
        if task.status.last_status != TaskStatus::Stopped {
            keys.push(task.key);
        }
    }
    Ok(keys)
}

async fn kill(house: &House, key: &str) -> Result<(), AwsError> {
    let now = house.now();
    let killed = house.db.modify::<Task, _>(key, |task| {
        let assignment = &mut task.spec.assignment;
        let asked = assignment.desired == DesiredState::Stopped
            && assignment
                .containers
                .iter()
                .all(|c| c.stop_timeout_secs == 0);
        if asked {
            return Ok(false);
        }
        assignment.desired = DesiredState::Stopped;
        assignment.generation += 1;
        assignment
            .containers
            .iter_mut()
            .for_each(|c| c.stop_timeout_secs = 0);
        let (code, reason) = ("UserInitiated", "Task stopped by user");
        let stop = StopRequest {
            code: code.into(),
            reason: reason.into(),
            at: now,
        };
        task.spec.stop.get_or_insert(stop);
        task.status = stop_requested(&task.status, code, reason, now);
        Ok(true)
    });
    killed.await.map(|_| ())
}

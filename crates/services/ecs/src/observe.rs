//! The one writer of what a node reports of a task. That a task is to stop writes
//! [`crate::plan::stop`].

use crate::model::Task;
use crate::plan::observe::observe;
use crate::plan::stop::has_stopped;
use neargate_domain::{TaskReport, TaskStatus};
use neargate_service::{AwsError, Committed, House, eni};

/// Record what the node saw; durable when it answers. A report of a task that is no longer
/// known, or that says nothing new, changes nothing. The task that ends gives its network
/// interface back in the same transaction.
pub async fn report(house: &House, key: &str, report: &TaskReport) -> Result<(), AwsError> {
    loop {
        let Some(read) = house.db.get_key::<Task>(key).await? else {
            return Ok(());
        };
        let Some(status) = observe(&read.value, report, house.now()) else {
            return Ok(());
        };
        let ended = status.last_status == TaskStatus::Stopped;
        let mut task = read.value.clone();
        task.status = status;
        let mut tx = house.db.tx();
        if ended && read.status.last_status != TaskStatus::Stopped {
            has_stopped(&mut task);
            tx = tx.with(Vec::new(), eni::release(&task.spec.assignment));
        }
        if let Committed::At(_) = tx.update(&read, &task).commit().await? {
            return Ok(());
        }
    }
}

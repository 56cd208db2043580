//! The life of an ECS task
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html>).
//!
//! ```text
//! PROVISIONING -> PENDING -> ACTIVATING -> RUNNING
//!       |            |           |            |
//!       |            |           +------------+--> DEACTIVATING -> STOPPING
//!       |            +-------------------------------------------> STOPPING
//!       |                                                             |
//!       +------------------------------------------> DEPROVISIONING <-+
//!                                                          |
//!                                                       STOPPED
//! ```
//! States only move forward; a report that would move one back is stale and dropped.

use serde::{Deserialize, Serialize};

/// A task's `lastStatus`, in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskStatus {
    Provisioning,
    Pending,
    Activating,
    Running,
    Deactivating,
    Stopping,
    Deprovisioning,
    Stopped,
}

/// What was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent {
    /// A node has taken the task and its network interface is attached.
    Provisioned,
    /// Every container that must run has started.
    ContainersStarted,
    /// Everything that had to know of the running task knows it.
    Activated,
    /// The task is asked to stop, or an essential container ended.
    StopBegan,
    /// Every container has ended.
    ContainersStopped,
    /// Network and other resources are given back.
    Released,
}

/// The event does not move the state forward: it is late or doubled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} does not apply to a task that is {status:?}")]
pub struct Illegal {
    pub status: TaskStatus,
    pub event: TaskEvent,
}

impl TaskStatus {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskStatus::Provisioning => "PROVISIONING",
            TaskStatus::Pending => "PENDING",
            TaskStatus::Activating => "ACTIVATING",
            TaskStatus::Running => "RUNNING",
            TaskStatus::Deactivating => "DEACTIVATING",
            TaskStatus::Stopping => "STOPPING",
            TaskStatus::Deprovisioning => "DEPROVISIONING",
            TaskStatus::Stopped => "STOPPED",
        }
    }

    /// The state after `event`.
    pub fn on(self, event: TaskEvent) -> Result<TaskStatus, Illegal> {
        use TaskStatus::*;
        let next = match event {
            TaskEvent::Provisioned => Pending,
            TaskEvent::ContainersStarted => Activating,
            TaskEvent::Activated => Running,
            TaskEvent::StopBegan => match self {
                Activating | Running => Deactivating,
                Provisioning | Pending | Deactivating | Stopping | Deprovisioning | Stopped => {
                    Stopping
                }
            },
            TaskEvent::ContainersStopped => Deprovisioning,
            TaskEvent::Released => Stopped,
        };
        if next > self {
            Ok(next)
        } else {
            Err(Illegal {
                status: self,
                event,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_life() {
        let mut s = TaskStatus::Provisioning;
        for (event, next) in [
            (TaskEvent::Provisioned, TaskStatus::Pending),
            (TaskEvent::ContainersStarted, TaskStatus::Activating),
            (TaskEvent::Activated, TaskStatus::Running),
            (TaskEvent::StopBegan, TaskStatus::Deactivating),
            (TaskEvent::ContainersStopped, TaskStatus::Deprovisioning),
            (TaskEvent::Released, TaskStatus::Stopped),
        ] {
            s = s.on(event).expect("moves forward");
            assert_eq!(s, next);
        }
    }

    #[test]
    fn late_events_change_nothing() {
        for (status, event) in [
            (TaskStatus::Stopped, TaskEvent::Provisioned),
            (TaskStatus::Running, TaskEvent::ContainersStarted),
            (TaskStatus::Stopping, TaskEvent::StopBegan),
            (TaskStatus::Stopped, TaskEvent::Released),
        ] {
            assert_eq!(status.on(event), Err(Illegal { status, event }));
        }
    }
}

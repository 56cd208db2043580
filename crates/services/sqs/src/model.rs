//! What SQS stores beside messages, all of it written by the API.

use crate::engine::QueueId;
use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `sqs/queue/…/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    pub name: String,
    /// By which the engine knows it.
    pub id: QueueId,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    /// Those that were set, by AWS's names.
    pub attributes: BTreeMap<String, String>,
    pub tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged_at: Option<Timestamp>,
}

impl Resource for Queue {
    const KIND: &'static str = "sqs/queue";
}

impl Queue {
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// `sqs/deleted/…/<name>`: for 60 seconds, no queue of this name is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deleted {
    pub at: Timestamp,
}

impl Resource for Deleted {
    const KIND: &'static str = "sqs/deleted";
}

/// `sqs/move-task/…/<id>`. The API makes it and cancels it; [`crate::mover`] writes everything else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MoveTask {
    /// The name of the dead-letter queue.
    pub source: String,
    /// An ARN; without one, messages go where they came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    pub status: MoveStatus,
    pub moved: u64,
    pub to_move: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    pub started_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MoveStatus {
    Running,
    Completed,
    Cancelled,
    Failed,
}

impl MoveStatus {
    pub fn word(self) -> &'static str {
        match self {
            MoveStatus::Running => "RUNNING",
            MoveStatus::Completed => "COMPLETED",
            MoveStatus::Cancelled => "CANCELLED",
            MoveStatus::Failed => "FAILED",
        }
    }
}

impl Resource for MoveTask {
    const KIND: &'static str = "sqs/move-task";
}

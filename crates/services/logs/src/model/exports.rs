//! Export tasks as the store keeps them. The API writes a task and asks for its end; the
//! controller alone writes every other change of its status.

use neargate_base::Timestamp;
use neargate_service::Resource;
use serde::{Deserialize, Serialize};

/// Finished tasks that are remembered for an account and region; the oldest go first.
pub const MAX_TASKS: usize = 500;

/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ExportTask.html>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportTask {
    pub name: Option<String>,
    pub group: String,
    pub stream_prefix: Option<String>,
    /// Both ends are part of the range, in milliseconds.
    pub from: i64,
    pub to: i64,
    pub bucket: String,
    pub prefix: String,
    pub status: ExportStatus,
    pub message: Option<String>,
    pub created: Timestamp,
    pub completed: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExportStatus {
    Pending,
    Running,
    PendingCancel,
    Cancelled,
    Completed,
    Failed,
}

impl ExportStatus {
    pub fn name(self) -> &'static str {
        match self {
            ExportStatus::Pending => "PENDING",
            ExportStatus::Running => "RUNNING",
            ExportStatus::PendingCancel => "PENDING_CANCEL",
            ExportStatus::Cancelled => "CANCELLED",
            ExportStatus::Completed => "COMPLETED",
            ExportStatus::Failed => "FAILED",
        }
    }

    pub fn is_over(self) -> bool {
        matches!(
            self,
            ExportStatus::Cancelled | ExportStatus::Completed | ExportStatus::Failed
        )
    }
}

impl Resource for ExportTask {
    const KIND: &'static str = "logs/export-task";
}

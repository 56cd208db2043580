//! What the process around the gateway knows of its host, for the pages that show it.

use futures_util::future::BoxFuture;
use neargate_base::AccountId;
use neargate_domain::Resources;
use serde::{Deserialize, Serialize};

/// Answered by the binary: the gateway cannot see nodes.
pub trait Host: Send + Sync {
    /// What the account's tasks on this host use now.
    fn usage(&self, account: &AccountId) -> BoxFuture<'_, Vec<TaskUsage>>;

    /// What a container instance of that type offers on this host, or why there can be none.
    ///
    /// # Errors
    /// A sentence for the caller: the type is unknown, or larger than the host.
    fn instance_resources(&self, instance_type: &str) -> Result<Resources, String>;
}

/// What one task uses, as the kernel counted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskUsage {
    pub task_id: String,
    /// When it was read, in milliseconds since the epoch.
    pub at_millis: i64,
    /// Processor time since the task began.
    pub cpu_nanos: u64,
    /// Without page cache that can be dropped at once.
    pub memory_bytes: u64,
    pub memory_limit_bytes: Option<u64>,
    pub processes: u64,
    /// Since the task's network was made; `None` when it shares its host's.
    pub network: Option<Traffic>,
}

/// What went over a task's interfaces, seen from the task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    pub received_bytes: u64,
    pub sent_bytes: u64,
}

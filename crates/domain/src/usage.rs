//! What a node saw that tasks use, for metrics. It is told every now and then, and may be lost.

use neargate_base::Timestamp;
use serde::{Deserialize, Serialize};

/// The use of one task since the node last looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskUsage {
    pub task_id: String,
    pub at: Timestamp,
    /// Since then it looked.
    pub over_millis: u64,
    /// Processor time in that while.
    pub cpu_nanos: u64,
    /// Memory now, without page cache that can be dropped at once.
    pub memory_bytes: u64,
}

impl TaskUsage {
    /// ECS's CPU units: 1,024 are one processor.
    pub fn cpu_units(&self) -> f64 {
        let nanos = self.over_millis.max(1) as f64 * 1e6;
        self.cpu_nanos as f64 / nanos * 1_024.0
    }

    pub fn memory_mib(&self) -> f64 {
        self.memory_bytes as f64 / f64::from(1 << 20)
    }
}

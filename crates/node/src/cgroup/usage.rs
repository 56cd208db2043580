//! What a group uses now, for the metadata endpoint's statistics and for metrics.

use super::{Cgroup, Version, field};
use serde::{Deserialize, Serialize};

/// A group's use of the machine, its children included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All memory charged, page cache included.
    pub memory_bytes: u64,
    /// Without page cache that can be dropped at once: what Docker and ECS report as used.
    pub working_set_bytes: u64,
    /// `None`: no limit in this very group.
    pub memory_limit_bytes: Option<u64>,
    /// Processor time since the group was made.
    pub cpu_nanos: u64,
    pub pids: u64,
}

impl Cgroup {
    /// Reads the counters; a file that is missing counts as zero.
    pub fn usage(&self) -> Usage {
        let number = |controller: &str, file: &str| -> Option<u64> {
            self.read(controller, file)?.trim().parse().ok()
        };
        let stat = self.read("memory", "memory.stat").unwrap_or_default();
        let (memory, inactive, limit, cpu_nanos) = match self.hierarchy.version() {
            Version::V1 => (
                number("memory", "memory.usage_in_bytes").unwrap_or(0),
                field(&stat, "total_inactive_file").unwrap_or(0),
                // Without a limit the file shows the largest page-aligned number.
                number("memory", "memory.limit_in_bytes").filter(|&bytes| bytes < 1 << 60),
                number("cpuacct", "cpuacct.usage").unwrap_or(0),
            ),
            Version::V2 => {
                let cpu = self.read("cpu", "cpu.stat").unwrap_or_default();
                (
                    number("memory", "memory.current").unwrap_or(0),
                    field(&stat, "inactive_file").unwrap_or(0),
                    number("memory", "memory.max"),
                    field(&cpu, "usage_usec").unwrap_or(0) * 1_000,
                )
            }
        };
        Usage {
            memory_bytes: memory,
            working_set_bytes: memory.saturating_sub(inactive),
            memory_limit_bytes: limit,
            cpu_nanos,
            pids: number("pids", "pids.current").unwrap_or(0),
        }
    }
}

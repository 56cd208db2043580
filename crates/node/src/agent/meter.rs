//! What tasks use, told to the control plane every now and then for metrics.

use super::driver::Shared;
use neargate_base::Timestamp;
use neargate_domain::usage::TaskUsage;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Between two looks: four a minute, which is the period of ECS's metrics.
pub(super) const EVERY: Duration = Duration::from_secs(15);

/// The last look at each task: when, and its processor time then.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<HashMap<String, (Timestamp, u64)>>);

impl Meter {
    /// Looks at these tasks and tells what they used since the look before.
    pub(super) async fn look(&self, shared: Arc<Shared>, tasks: Vec<String>) {
        let mut last = self.0.lock().await;
        last.retain(|task_id, _| tasks.contains(task_id));
        let mut used = Vec::new();
        for task_id in tasks {
            let Ok(usage) = shared.runtime.usage(&task_id).await else {
                continue;
            };
            let at = shared.clock.now();
            let before = last.insert(task_id.clone(), (at, usage.cpu_nanos));
            // A task that was not seen before, or began anew, has no while to tell of.
            let Some((since, nanos)) = before.filter(|(_, nanos)| *nanos <= usage.cpu_nanos) else {
                continue;
            };
            if usage.cpu_nanos == 0 && usage.memory_bytes == 0 {
                continue;
            }
            used.push(TaskUsage {
                task_id,
                at,
                over_millis: u64::try_from(at.since(since).as_millis()).unwrap_or(u64::MAX),
                cpu_nanos: usage.cpu_nanos - nanos,
                memory_bytes: usage.working_set_bytes,
            });
        }
        drop(last);
        if used.is_empty() {
            return;
        }
        if let Err(error) = shared.upstream.usage(used).await {
            tracing::debug!(%error, "what tasks use could not be told");
        }
    }
}

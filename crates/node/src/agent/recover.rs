//! After a restart: from a ledger entry and what the runtime still finds to a driver that goes
//! on by the ordinary path. Nothing is repaired here; each finding is an ordinary event.

use super::driver::{Driver, Handle, Shared};
use super::ledger::Entry;
use super::observe::Event;
use super::proxy;
use super::state::{Once, Phase, TaskState};
use crate::runtime::Adopted;
use neargate_base::Timestamp;
use std::sync::Arc;

/// What was found of container `i`, as an observation like any other.
pub fn take_in(state: &mut TaskState, i: usize, event: Event, now: Timestamp) {
    let c = &mut state.containers[i];
    if matches!(c.phase, Phase::Waiting) {
        // The entry was written before the start had answered.
        c.phase = Phase::Starting;
    }
    c.log_ready = Once::Done;
    state.on(event, now);
}

/// A driver for the task of `entry`, holding the containers that still run.
pub async fn recover(shared: &Arc<Shared>, entry: Entry) -> (Driver, Handle) {
    let other_boot = entry.boot_id != shared.ledger.boot_id();
    let state = entry.into_state(shared.clock.now());
    let (mut driver, handle) = Driver::new(Arc::clone(shared), state);
    let task_id = driver.state.assignment.task_id.clone();
    for i in 0..driver.state.containers.len() {
        let ran = match driver.state.containers[i].phase {
            Phase::Ended(_) => continue,
            Phase::Running { .. } => true,
            // An agent that was killed on the way to start it again leaves nothing to adopt.
            Phase::Restarting { .. } => false,
            Phase::Waiting | Phase::Pulling | Phase::Pulled | Phase::Starting => false,
        };
        let name = driver.state.assignment.containers[i].name.clone();
        let found = match shared.runtime.adopt(&task_id, &name).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(
                    task_id,
                    name,
                    error = &error as &dyn std::error::Error,
                    "container not adopted"
                );
                Adopted::Lost
            }
        };
        let now_it = match &found {
            Adopted::Running(_) => "runs",
            Adopted::Exited(_) => "has ended",
            Adopted::Lost => "is lost",
            Adopted::Unknown => "was not started",
        };
        tracing::info!(task_id, name, "a container of an earlier start {now_it}");
        let now = shared.clock.now();
        let event = match &found {
            Adopted::Running(container) => Event::Started(i, container.started_at()),
            Adopted::Exited(exit) => Event::Exited(i, exit.clone()),
            Adopted::Lost => Event::Lost(i),
            // It ran, or may have run, before the machine went down; its state directory went too.
            Adopted::Unknown if ran || other_boot => Event::Lost(i),
            Adopted::Unknown => continue,
        };
        take_in(&mut driver.state, i, event, now);
        if let Adopted::Running(container) = found {
            let spec = &driver.state.assignment.containers[i];
            if proxy::is_proxy(spec)
                && let Err(error) = proxy::listen(shared, &task_id, &name)
            {
                tracing::warn!(task_id, name, %error, "a proxy cannot be told anything new");
            }
            driver.hold(i, container);
        }
    }
    (driver, handle)
}

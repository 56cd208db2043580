//! Says in the store which agents are connected, so that a change of it is a stored change like
//! any other: it has a revision, its event is made once, and a restart does not repeat it.

use super::Events;
use super::memory::agent_key;
use crate::model::{Agent, InstanceStatus};
use crate::{Ecs, Nodes};
use neargate_base::Rng;
use neargate_base::backoff::Backoff;
use neargate_service::{AwsError, Db};
use std::sync::Arc;
use std::time::Duration;

/// Nodes that were connected before a restart have this long to come back unnoticed.
const RETURN: Duration = Duration::from_secs(15);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Keep what is stored of the agents in step with who is connected until the future is dropped.
pub async fn announce(ecs: Arc<Ecs>, db: Db, rng: Arc<Rng>) {
    announce_after(RETURN, ecs, db, rng).await;
}

pub(super) async fn announce_after(patience: Duration, ecs: Arc<Ecs>, db: Db, rng: Arc<Rng>) {
    let (events, nodes) = (&ecs.events, &ecs.nodes);
    let mut changes = nodes.changes();
    let mut instances = events.instances.subscribe();
    // Before the first listing there is nothing to compare with.
    let _ = instances.wait_for(|listings| *listings > 0).await;
    let patient = tokio::time::sleep(patience);
    tokio::pin!(patient);
    let mut waiting = true;
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    loop {
        changes.mark_unchanged();
        instances.mark_unchanged();
        if let Err(error) = step(events, nodes, &db, waiting).await {
            tracing::warn!(%error, "the agents' connections are written again");
            tokio::time::sleep(backoff.next_delay(&rng)).await;
            continue;
        }
        backoff.reset();
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = instances.changed() => if changed.is_err() { return },
            () = &mut patient, if waiting => waiting = false,
        }
    }
}

/// Write every difference between what was said and what is.
async fn step(events: &Events, nodes: &Nodes, db: &Db, waiting: bool) -> Result<(), AwsError> {
    let (agents, orphans) = {
        let memory = events.memory.lock();
        (memory.agents(), memory.orphans())
    };
    for (key, instance, said) in agents {
        let active = instance.status != InstanceStatus::Inactive;
        let node = instance.node.as_deref();
        let connected = active && node.is_some_and(|node| nodes.is_connected(node));
        let silent = waiting && !connected && active;
        if said.unwrap_or(false) != connected && !silent {
            let tx = db.tx().put(agent_key(&key), &Agent { connected });
            let _ = tx.commit().await?;
        }
    }
    for key in orphans {
        let _ = db.tx().delete_key(agent_key(&key)).commit().await?;
    }
    Ok(())
}

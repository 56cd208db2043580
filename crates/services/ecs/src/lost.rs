//! Nodes elsewhere that stay away for longer than their lease: their tasks are asked to stop, so
//! that services replace them. What became of the containers nobody saw, so their status stays as
//! it was observed last; a node that comes back finds its tasks asked to stop, stops them and
//! reports. Only removing the node for good ([`dismiss`]) ends its tasks without it.
//!
//! Absence is counted on the monotonic clock from when the node's last stream ended; after a
//! start of the control plane, every node has a full lease to come back.

use super::Ecs;
use super::model::{KnownNode, Task};
use super::plan::lost::{due, reason};
use super::plan::stop::{self, Cause, code};
use neargate_domain::{NodeKind, TaskStatus};
use neargate_service::{AwsError, Committed, House, eni};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Unless the operator says otherwise.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(60);
/// After an error of the store.
const AGAIN: Duration = Duration::from_secs(1);

/// Watch over the nodes until the future is dropped.
pub async fn watch(house: Arc<House>, ecs: Arc<Ecs>, lease: Duration) {
    let mut changes = ecs.nodes.changes();
    let mut away: HashMap<String, Instant> = HashMap::new();
    loop {
        changes.mark_unchanged();
        let wait = match look(&house, &ecs, lease, &mut away).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(%error, "cannot look after the nodes");
                Some(AGAIN)
            }
        };
        // A node that joins shows itself by connecting; until then it has no tasks.
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

/// Looks at every node once; answers when the next look is due.
async fn look(
    house: &House,
    ecs: &Ecs,
    lease: Duration,
    away: &mut HashMap<String, Instant>,
) -> Result<Option<Duration>, AwsError> {
    let prefix = KnownNode::prefix();
    let known = house.db.list_prefix::<KnownNode>(&prefix).await?;
    let absent: HashMap<&str, &KnownNode> = known
        .iter()
        .filter(|n| !n.dismissed && !ecs.nodes.is_connected(&n.id))
        .map(|n| (n.id.as_str(), &n.value))
        .collect();
    away.retain(|id, _| absent.contains_key(id.as_str()));
    for id in absent.keys() {
        away.entry((*id).to_owned()).or_insert_with(Instant::now);
    }
    let since = away
        .iter()
        .map(|(id, since)| (id.as_str(), since.elapsed()));
    let (lost, wait) = due(since, lease);
    if !lost.is_empty() {
        ecs.fleet.current(&house.db).await?;
    }
    for node in known.iter().filter(|n| n.dismissed) {
        // Placed on it while it was being removed.
        end_all(house, ecs, node).await?;
    }
    for id in lost {
        let node = absent[id];
        for row in ecs.fleet.of_node(id) {
            if abandon(house, &row.key, node).await? {
                tracing::warn!(node = id, task = row.key, "its node is lost: asked to stop");
            }
        }
    }
    Ok(wait)
}

/// Ask a task of a lost node to stop; answers whether that is new.
async fn abandon(house: &House, key: &str, node: &KnownNode) -> Result<bool, AwsError> {
    let now = house.now();
    let reason = reason(node);
    let mut new = false;
    let modified = house.db.modify::<Task, _>(key, |task| {
        let cause = Cause {
            code: code::TERMINATION_NOTICE,
            reason: &reason,
            at: now,
        };
        new = stop::abandon(task, cause);
        Ok(new)
    });
    modified.await?;
    Ok(new)
}

/// Remove a node for good. Its tasks end here and now, as AWS ends those of an instance that is
/// deregistered by force: nobody will ever report on them. Should the node come back, it is told
/// to stop what it has. `None`: there is no such node.
pub async fn dismiss(house: &House, ecs: &Ecs, id: &str) -> Result<Option<KnownNode>, AwsError> {
    let key = KnownNode::key(id);
    let known = house.db.modify::<KnownNode, _>(&key, |n| {
        let new = !n.dismissed;
        n.dismissed = true;
        Ok(new)
    });
    let Some(node) = known.await? else {
        return Ok(None);
    };
    ecs.fleet.current(&house.db).await?;
    end_all(house, ecs, &node).await?;
    Ok(Some(node.value))
}

async fn end_all(house: &House, ecs: &Ecs, node: &KnownNode) -> Result<(), AwsError> {
    for row in ecs.fleet.of_node(&node.id) {
        end(house, &row.key, node).await?;
    }
    Ok(())
}

/// End a task whose node is gone for good, and give its network interface back.
async fn end(house: &House, key: &str, node: &KnownNode) -> Result<(), AwsError> {
    let reason = match node.kind {
        NodeKind::Fargate => reason(node),
        NodeKind::Ec2 | NodeKind::External => {
            "Container instance deregistration forced by user".to_owned()
        }
    };
    loop {
        let Some(read) = house.db.get_key::<Task>(key).await? else {
            return Ok(());
        };
        if read.status.last_status == TaskStatus::Stopped {
            return Ok(());
        }
        let mut task = read.value.clone();
        let cause = Cause {
            code: code::TERMINATION_NOTICE,
            reason: &reason,
            at: house.now(),
        };
        stop::end(&mut task, cause);
        let tx = house.db.tx();
        let tx = tx.with(Vec::new(), eni::release(&task.spec.assignment));
        if let Committed::At(_) = tx.update(&read, &task).commit().await? {
            return Ok(());
        }
    }
}

//! Feeds the index: a listing, then every change; after a gap, again.

use super::state::State;
use super::{Began, ClusterId, Fleet, ServiceId};
use crate::Nodes;
use crate::model::{ContainerInstance, Service, Task};
use neargate_base::backoff::Backoff;
use neargate_base::{AccountId, Region, Rng};
use neargate_service::{AwsError, Db, Resource, Scope, db};
use neargate_store::{Event, MAX_PAGE, Revision};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const REOPEN_FIRST: Duration = Duration::from_millis(50);
const REOPEN_MAX: Duration = Duration::from_secs(5);
/// What it follows: all of ECS, so that every revision is seen and nobody waits for one in vain.
const EVERYTHING: &str = "";

/// Keep `fleet` in step with the store until the future is dropped.
pub async fn follow(fleet: Arc<Fleet>, nodes: Arc<Nodes>, db: Db, rng: Arc<Rng>) {
    let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
    loop {
        let Err(error) = once(&fleet, &nodes, &db, &mut backoff).await;
        tracing::warn!(%error, "the fleet is read again");
        tokio::time::sleep(backoff.next_delay(&rng)).await;
    }
}

async fn once(
    fleet: &Fleet,
    nodes: &Nodes,
    db: &Db,
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, AwsError> {
    let mut changes = nodes.changes();
    let mut state = State::default();
    let mut at = None;
    list::<Task>(db, &mut at, &mut state).await?;
    list::<ContainerInstance>(db, &mut at, &mut state).await?;
    list::<Service>(db, &mut at, &mut state).await?;
    let mut revision = at.unwrap_or_default();
    fleet.replace(state, revision);
    fleet.connected(nodes);
    let mut watch = db.store().watch(EVERYTHING, Some(revision + 1)).await?;
    loop {
        let batch = tokio::select! {
            batch = watch.next() => batch?,
            Ok(()) = changes.changed() => {
                fleet.connected(nodes);
                continue;
            }
        };
        backoff.reset();
        let mut state = fleet.state.lock();
        for event in &batch.events {
            apply(&mut state, event)?;
        }
        revision = revision.max(batch.revision);
        drop(state);
        fleet.seen.send_replace(revision);
    }
}

/// Every `T` of one snapshot, `at` when it is set.
async fn list<T: Resource>(
    db: &Db,
    at: &mut Option<Revision>,
    state: &mut State,
) -> Result<(), AwsError> {
    let prefix = format!("{}/", T::KIND);
    let mut after: Option<String> = None;
    loop {
        let page = db
            .store()
            .range(&prefix, after.as_deref(), MAX_PAGE, *at)
            .await?;
        for entry in &page.entries {
            apply(state, &Event::Put(entry.clone()))?;
        }
        *at = Some(page.revision);
        after = page.entries.last().map(|e| e.key.clone());
        if !page.more {
            return Ok(());
        }
    }
}

fn apply(state: &mut State, event: &Event) -> Result<(), AwsError> {
    let (Event::Put(neargate_store::Entry { key, .. }) | Event::Delete { key, .. }) = event;
    match (event, kind(key)) {
        (Event::Put(entry), Task::KIND) => state.put_task(&db::decode(entry)?),
        (Event::Delete { key, .. }, Task::KIND) => state.remove_task(key),
        (Event::Put(entry), ContainerInstance::KIND) => {
            if let Some((cluster, _)) = place(key) {
                state.put_instance(&cluster.scope, db::decode(entry)?);
            }
        }
        (Event::Delete { key, .. }, ContainerInstance::KIND) => {
            if let Some((cluster, id)) = place(key) {
                state.remove_instance(&cluster, &id);
            }
        }
        (Event::Put(entry), Service::KIND) => {
            if let Some((cluster, _)) = place(key) {
                state.put_service(&cluster, db::decode(entry)?);
            }
        }
        (Event::Delete { key, .. }, Service::KIND) => {
            if let Some((cluster, name)) = place(key) {
                state.remove_service(&cluster, &name);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The first two parts of a store key.
fn kind(key: &str) -> &str {
    let end = key.match_indices('/').nth(1).map_or(key.len(), |(i, _)| i);
    &key[..end]
}

/// The cluster and the last part of `service/kind/account/region/cluster/id`.
pub(crate) fn place(key: &str) -> Option<(ClusterId, String)> {
    let mut parts = key.splitn(6, '/').skip(2);
    let account: AccountId = parts.next()?.parse().ok()?;
    let region: Region = parts.next()?.parse().ok()?;
    let cluster = ClusterId {
        scope: Scope { account, region },
        name: parts.next()?.to_owned(),
    };
    Some((cluster, parts.next()?.to_owned()))
}

/// The service of `kind/account/region/cluster/service`, or more.
pub(crate) fn service_of(store_key: &str) -> Option<ServiceId> {
    let (cluster, rest) = place(store_key)?;
    let name = rest.split('/').next()?.to_owned();
    Some(ServiceId { cluster, name })
}

impl Fleet {
    fn replace(&self, mut state: State, revision: Revision) {
        let mut current = self.state.lock();
        state.succeed(&mut current);
        *current = state;
        drop(current);
        let since = Instant::now();
        self.began.get_or_init(|| Began {
            at: revision,
            since,
        });
        self.seen.send_replace(revision);
    }
}

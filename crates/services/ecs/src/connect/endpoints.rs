//! Which tasks are behind each name of Service Connect, in memory: those that run, are well, and are known to
//! Cloud Map. One that is asked to stop is left out before its containers get their signal.

use crate::fleet::Row;
use crate::model::Task;
use neargate_base::Rng;
use neargate_base::backoff::Backoff;
use neargate_domain::{Health, TaskNetwork};
use neargate_service::{AwsError, Db, Resource, Stored, db};
use neargate_store::{Event, MAX_PAGE};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const REOPEN_FIRST: Duration = Duration::from_millis(50);
const REOPEN_MAX: Duration = Duration::from_secs(5);
/// What a record has that has to do with Service Connect: the others are not decoded.
const MARK: &[u8] = b"\"connect\":";

/// By task, what is found of it, by the ARN of the service of Cloud Map.
type ByTask = HashMap<String, Vec<(String, SocketAddrV4)>>;

/// The index.
#[derive(Debug, Default)]
pub struct Endpoints {
    tasks: Mutex<ByTask>,
    /// Counts changes.
    version: watch::Sender<u64>,
}

impl Endpoints {
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Where a name leads.
    pub(super) fn of(&self, registry_arn: &str) -> BTreeSet<SocketAddrV4> {
        let tasks = self.tasks.lock();
        let all = tasks.values().flatten();
        all.filter(|(arn, _)| arn == registry_arn)
            .map(|(_, at)| *at)
            .collect()
    }

    fn set(&self, key: &str, found: Vec<(String, SocketAddrV4)>) {
        let mut tasks = self.tasks.lock();
        let changed = match found.is_empty() {
            true => tasks.remove(key).is_some(),
            false => tasks.insert(key.to_owned(), found.clone()) != Some(found),
        };
        drop(tasks);
        if changed {
            self.version.send_modify(|version| *version += 1);
        }
    }
}

/// What is found of a task.
fn found(task: &Stored<Task>) -> Vec<(String, SocketAddrV4)> {
    let (Some(connect), TaskNetwork::Awsvpc(eni)) =
        (&task.spec.connect, &task.spec.assignment.network)
    else {
        return Vec::new();
    };
    let row = Row::of(task);
    let serves = row.is_running() && task.spec.stop.is_none() && row.health != Health::Unhealthy;
    let known = |arn: &str| {
        let mut instances = task.status.instances.iter();
        instances.any(|i| i.registered && i.registry_arn == arn)
    };
    let endpoints = connect.connect.endpoints.iter();
    endpoints
        .filter(|endpoint| serves && known(&endpoint.registry_arn))
        .map(|endpoint| {
            let at = SocketAddrV4::new(eni.private_ipv4, endpoint.port());
            (endpoint.registry_arn.clone(), at)
        })
        .collect()
}

/// Keeps the index in step with the store until the future is dropped.
pub(crate) async fn follow(endpoints: Arc<Endpoints>, db: Db, rng: Arc<Rng>) {
    let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
    loop {
        let Err(error) = once(&endpoints, &db, &mut backoff).await;
        tracing::warn!(%error, "the endpoints of Service Connect are read again");
        tokio::time::sleep(backoff.next_delay(&rng)).await;
    }
}

async fn once(
    endpoints: &Endpoints,
    db: &Db,
    backoff: &mut Backoff,
) -> Result<Infallible, AwsError> {
    let prefix = format!("{}/", Task::KIND);
    let (mut at, mut after) = (None, None::<String>);
    let mut seen = BTreeSet::new();
    loop {
        let page = db.store().range(&prefix, after.as_deref(), MAX_PAGE, at);
        let page = page.await?;
        at = Some(page.revision);
        for entry in &page.entries {
            seen.insert(entry.key.clone());
            take(endpoints, &Event::Put(entry.clone()))?;
        }
        after = page.entries.last().map(|entry| entry.key.clone());
        if !page.more {
            break;
        }
    }
    let gone: Vec<String> = {
        let tasks = endpoints.tasks.lock();
        tasks
            .keys()
            .filter(|key| !seen.contains(*key))
            .cloned()
            .collect()
    };
    gone.iter().for_each(|key| endpoints.set(key, Vec::new()));
    let revision = at.unwrap_or_default();
    let mut watch = db.store().watch(&prefix, Some(revision + 1)).await?;
    loop {
        let batch = watch.next().await?;
        backoff.reset();
        for event in &batch.events {
            take(endpoints, event)?;
        }
    }
}

fn take(endpoints: &Endpoints, event: &Event) -> Result<(), AwsError> {
    match event {
        Event::Delete { key, .. } => endpoints.set(key, Vec::new()),
        Event::Put(entry) => {
            if entry.value.windows(MARK.len()).any(|word| word == MARK) {
                endpoints.set(&entry.key, found(&db::decode::<Task>(entry)?));
            }
        }
    }
    Ok(())
}

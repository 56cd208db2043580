//! All alarms in memory, fed by watching the store.

use crate::model::Alarm;
use neargate_base::backoff::Backoff;
use neargate_service::{AwsError, House, Resource, Scope, Stored, db};
use neargate_store::Event;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Index {
    alarms: RwLock<BTreeMap<String, Arc<Stored<Alarm>>>>,
    /// Something changed.
    pub changed: Notify,
}

impl Index {
    pub fn all(&self) -> Vec<Arc<Stored<Alarm>>> {
        self.alarms.read().values().cloned().collect()
    }

    pub fn get(&self, scope: &Scope, name: &str) -> Option<Arc<Stored<Alarm>>> {
        let key = db::key::<Alarm>(scope, &neargate_service::alarm::id(name));
        self.alarms.read().get(&key).cloned()
    }
}

const REOPEN_FIRST: Duration = Duration::from_millis(50);
const REOPEN_MAX: Duration = Duration::from_secs(5);

/// Keeps the index in step with the store until the future is dropped.
pub async fn follow(index: Arc<Index>, house: Arc<House>) {
    let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
    loop {
        let Err(error) = once(&index, &house, &mut backoff).await;
        tracing::warn!(%error, "the alarms are read again");
        tokio::time::sleep(backoff.next_delay(&house.rng)).await;
    }
}

async fn once(index: &Index, house: &House, backoff: &mut Backoff) -> Result<Infallible, AwsError> {
    let prefix = format!("{}/", Alarm::KIND);
    let store = house.db.store();
    // What is written between the listing and the watch is seen by both.
    let revision = store.range(&prefix, None, 1, None).await?.revision;
    let mut watch = store.watch(&prefix, Some(revision + 1)).await?;
    let all = house.db.list_prefix::<Alarm>(&prefix).await?;
    *index.alarms.write() = all
        .into_iter()
        .map(|a| (a.key.clone(), Arc::new(a)))
        .collect();
    index.changed.notify_one();
    loop {
        let batch = watch.next().await?;
        backoff.reset();
        {
            let mut alarms = index.alarms.write();
            for event in &batch.events {
                match event {
                    Event::Put(entry) => {
                        let alarm = db::decode::<Alarm>(entry)?;
                        let newer = alarms
                            .get(&alarm.key)
                            .is_none_or(|a| a.revision < alarm.revision);
                        if newer {
                            alarms.insert(alarm.key.clone(), Arc::new(alarm));
                        }
                    }
                    Event::Delete { key, .. } => {
                        alarms.remove(key);
                    }
                }
            }
        }
        index.changed.notify_one();
    }
}

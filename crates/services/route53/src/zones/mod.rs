//! What resolvers are told of hosted zones and their records.
//!
//! One task follows the store; each edge has a stream, which begins with everything and goes on with
//! changes. An edge that falls behind loses its stream and begins anew.

mod records;
#[cfg(test)]
mod tests;

use futures_util::stream::{FuturesUnordered, StreamExt};
use neargate_base::backoff::Backoff;
use neargate_domain::dns::ZoneChange;
use neargate_service::{AwsError, House};
use neargate_store::{Batch, Event, MAX_PAGE, Revision, StoreError, Watch};
use parking_lot::Mutex;
use records::{Records, Touched};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How many changes may be under way to an edge.
const QUEUE: usize = 16_384;
/// Everything that answers are made from. A revision has been told once all of it has.
const PREFIX: &str = "route53/";

/// The hosted zones as they are now, and who is told of changes.
#[derive(Debug)]
pub struct Zones {
    told: Mutex<Told>,
    /// The revision of the store up to which everything was told.
    seen: watch::Sender<Option<Revision>>,
}

#[derive(Debug, Default)]
struct Told {
    records: Records,
    edges: Vec<mpsc::Sender<ZoneChange>>,
}

impl Default for Zones {
    fn default() -> Self {
        Zones {
            told: Mutex::default(),
            seen: watch::Sender::new(None),
        }
    }
}

impl Zones {
    /// Everything as [`ZoneChange::Snapshot`], then each change. The stream ends when its reader falls
    /// too far behind.
    pub async fn subscribe(&self) -> mpsc::Receiver<ZoneChange> {
        // Before the first look there is nothing to tell, which is not the same as no zones.
        let mut seen = self.seen.subscribe();
        let _ = seen.wait_for(Option::is_some).await;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut told = self.told.lock();
        let all = told.records.snapshot();
        sender.try_send(all).expect("the queue is new");
        told.edges.push(sender);
        receiver
    }

    /// Has everything up to `revision` been told?
    pub fn has_told(&self, revision: Revision) -> bool {
        self.seen.borrow().is_some_and(|seen| seen >= revision)
    }

    /// Follows the store until the future is dropped.
    pub(crate) async fn follow(self: Arc<Self>, house: Arc<House>) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            if let Err(error) = self.once(&house, &mut backoff).await {
                tracing::debug!(%error, "the hosted zones are read again");
            }
            tokio::time::sleep(backoff.next_delay(&house.rng)).await;
        }
    }

    async fn once(&self, house: &House, backoff: &mut Backoff) -> Result<(), AwsError> {
        let store = house.db.store();
        let mut records = Records::default();
        let mut at = None;
        let mut after = None::<String>;
        loop {
            let page = store.range(PREFIX, after.as_deref(), MAX_PAGE, at).await?;
            for entry in &page.entries {
                records.put(entry)?;
            }
            at = Some(page.revision);
            after = page.entries.last().map(|last| last.key.clone());
            if !page.more {
                break;
            }
        }
        let revision = at.unwrap_or_default();
        self.begin_anew(records);
        self.seen.send_replace(Some(revision));
        let watch = store.watch(PREFIX, Some(revision + 1)).await?;
        let mut changes = FuturesUnordered::new();
        changes.push(next(watch));
        while let Some(change) = changes.next().await {
            let (watch, batch) = change?;
            backoff.reset();
            self.take_in(&batch)?;
            self.seen.send_replace(Some(batch.revision));
            changes.push(next(watch));
        }
        Ok(())
    }

    /// Nobody knows what was missed: everybody is told everything.
    fn begin_anew(&self, records: Records) {
        let mut told = self.told.lock();
        told.records = records;
        let all = told.records.snapshot();
        told.edges.retain(|edge| edge.try_send(all.clone()).is_ok());
    }

    fn take_in(&self, batch: &Batch) -> Result<(), AwsError> {
        let mut told = self.told.lock();
        let mut touched: BTreeSet<Touched> = BTreeSet::new();
        for event in &batch.events {
            touched.extend(match event {
                Event::Put(entry) => told.records.put(entry)?,
                Event::Delete { key, .. } => told.records.delete(key),
            });
        }
        let Told { records, edges } = &mut *told;
        for one in touched {
            let change = records.change(one);
            edges.retain(|edge| edge.try_send(change.clone()).is_ok());
        }
        Ok(())
    }
}

/// The next batch of a watch, and the watch for those behind it.
async fn next(mut watch: Box<dyn Watch>) -> Result<(Box<dyn Watch>, Batch), StoreError> {
    let batch = watch.next().await?;
    Ok((watch, batch))
}

//! What edges are told of load balancers, and what they say of them.
//!
//! One task follows the store; each edge has a stream, which begins with everything and goes on with
//! changes. An edge that falls behind loses its stream and begins anew.

mod compile;
mod keys;
mod records;
mod report;
#[cfg(test)]
mod tests;

pub use report::{report, set_state};

use crate::registration;
use futures_util::stream::{FuturesUnordered, StreamExt};
use keys::Keys;
use neargate_base::Timestamp;
use neargate_base::backoff::Backoff;
use neargate_domain::load_balancer::{LoadBalancer, LoadBalancerChange};
use neargate_service::{AwsError, House, Scope};
use neargate_store::{Batch, Event, MAX_PAGE, Revision, StoreError, Watch};
use parking_lot::Mutex;
use records::{Records, Touched};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How many changes may be under way to an edge.
const QUEUE: usize = 4_096;
/// Of the records that load balancers are made from. The first is what [`LoadBalancers::at`] is of.
const PREFIXES: [&str; 3] = ["elbv2/", "ec2/instance/", "acm/certificate/"];
/// Between two looks for targets whose registration is over.
const LOOK: Duration = Duration::from_secs(1);

/// The load balancers as they are now, and who is told of changes.
#[derive(Debug)]
pub struct LoadBalancers {
    told: Mutex<Told>,
    /// The revision of the store up to which everything is known.
    seen: watch::Sender<Option<Revision>>,
}

#[derive(Debug, Default)]
struct Told {
    /// By their ids.
    load_balancers: BTreeMap<String, LoadBalancer>,
    /// Of those who issue tokens that rules ask for.
    keys: Keys,
    /// Store keys of targets that go, and when.
    ending: BTreeMap<String, Timestamp>,
    edges: Vec<mpsc::Sender<LoadBalancerChange>>,
}

impl Default for LoadBalancers {
    fn default() -> Self {
        LoadBalancers {
            told: Mutex::default(),
            seen: watch::Sender::new(None),
        }
    }
}

impl LoadBalancers {
    /// Everything as [`LoadBalancerChange::Snapshot`], then each change. The stream ends when its
    /// reader falls too far behind.
    pub async fn subscribe(&self) -> mpsc::Receiver<LoadBalancerChange> {
        // Before the first look there is nothing to tell, which is not the same as no load balancers.
        let mut seen = self.seen.subscribe();
        let _ = seen.wait_for(Option::is_some).await;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut told = self.told.lock();
        let all = told.load_balancers.values().cloned().collect();
        let all = LoadBalancerChange::Snapshot(all);
        sender.try_send(all).expect("the queue is new");
        told.edges.push(sender);
        receiver
    }

    /// The one of this name, as it was told.
    pub fn named(&self, scope: &Scope, name: &str) -> Option<LoadBalancer> {
        let told = self.told.lock();
        let is_it = |lb: &&LoadBalancer| {
            // `…:loadbalancer/app/<name>/<id>`
            let named = lb.arn.split('/').nth(2) == Some(name);
            named && Scope::of_arn(&lb.arn).as_ref() == Some(scope)
        };
        told.load_balancers.values().find(is_it).cloned()
    }

    /// Waits until everything up to `revision` has been told.
    pub async fn at(&self, revision: Revision) {
        let mut seen = self.seen.subscribe();
        let _ = seen
            .wait_for(|at| at.is_some_and(|at| at >= revision))
            .await;
    }

    /// Follows the store until the future is dropped.
    pub(crate) async fn follow(self: Arc<Self>, house: Arc<House>) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            if let Err(error) = self.once(&house, &mut backoff).await {
                tracing::debug!(%error, "the load balancers are read again");
            }
            tokio::time::sleep(backoff.next_delay(&house.rng)).await;
        }
    }

    async fn once(&self, house: &House, backoff: &mut Backoff) -> Result<(), AwsError> {
        let store = house.db.store();
        let mut records = Records::default();
        let mut at = None;
        for prefix in PREFIXES {
            let mut after = None::<String>;
            loop {
                let page = store.range(prefix, after.as_deref(), MAX_PAGE, at).await?;
                for entry in &page.entries {
                    records.put(house, entry)?;
                }
                at = Some(page.revision);
                after = page.entries.last().map(|last| last.key.clone());
                if !page.more {
                    break;
                }
            }
        }
        let revision = at.unwrap_or_default();
        self.tell_all(&records);
        self.seen.send_replace(Some(revision));
        let mut changes = FuturesUnordered::new();
        for (which, prefix) in PREFIXES.into_iter().enumerate() {
            let watch = store.watch(prefix, Some(revision + 1)).await?;
            changes.push(next(which, watch));
        }
        while let Some(change) = changes.next().await {
            let (which, watch, batch) = change?;
            backoff.reset();
            let mut touched = Touched::default();
            for event in &batch.events {
                touched.extend(match event {
                    Event::Put(entry) => records.put(house, entry)?,
                    Event::Delete { key, .. } => records.delete(key),
                });
            }
            self.tell(&records, &touched);
            if which == 0 {
                self.seen.send_replace(Some(batch.revision));
            }
            changes.push(next(which, watch));
        }
        Ok(())
    }

    /// What was told before is compared with what there is.
    fn tell_all(&self, records: &Records) {
        let mut touched = records.all();
        touched.extend(self.told.lock().load_balancers.keys().cloned());
        self.tell(records, &touched);
    }

    fn tell(&self, records: &Records, touched: &Touched) {
        let mut told = self.told.lock();
        let mut changes = Vec::new();
        for id in touched {
            let mut new = compile::load_balancer(records, id);
            if let Some(new) = &mut new {
                keys::fill(new, &told.keys);
            }
            match new {
                Some(new) if told.load_balancers.get(id) != Some(&new) => {
                    told.load_balancers.insert(id.clone(), new.clone());
                    changes.push(LoadBalancerChange::LoadBalancer(Box::new(new)));
                }
                Some(_) => {}
                None => {
                    if let Some(gone) = told.load_balancers.remove(id) {
                        changes.push(LoadBalancerChange::Gone(gone.arn));
                    }
                }
            }
        }
        told.ending = records.ending();
        for change in changes {
            told.edges
                .retain(|edge| edge.try_send(change.clone()).is_ok());
        }
    }

    /// Ends registrations of targets until the future is dropped.
    pub(crate) async fn end_registrations(self: Arc<Self>, house: Arc<House>) {
        let mut seen = self.seen.subscribe();
        loop {
            let none = self.told.lock().ending.is_empty();
            if none {
                if seen.changed().await.is_err() {
                    return;
                }
                continue;
            }
            self.end_due(&house).await;
            // The clock may be set meanwhile: so it is not slept until the first one ends.
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends the registrations whose time is over.
    pub(crate) async fn end_due(&self, house: &House) {
        let now = house.now();
        let due: Vec<String> = {
            let told = self.told.lock();
            let due = told.ending.iter().filter(|(_, at)| **at <= now);
            due.map(|(key, _)| key.clone()).collect()
        };
        for key in due {
            if let Err(error) = registration::end(house, &key).await {
                tracing::warn!(%error, key, "a target that has drained is kept for longer");
            }
        }
    }
}

/// The next batch of a watch, and the watch for those behind it.
async fn next(
    which: usize,
    mut watch: Box<dyn Watch>,
) -> Result<(usize, Box<dyn Watch>, Batch), StoreError> {
    let batch = watch.next().await?;
    Ok((which, watch, batch))
}

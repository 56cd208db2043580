//! Telling watchers: a bounded queue each, and a dropped watcher instead of a slow store.

use super::Commit;
use crate::{Batch, Event, Revision, StoreError, Watch};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// Batches a watcher may be behind before it is dropped.
pub(crate) const QUEUE_BATCHES: usize = 1_024;

/// Why a watcher's queue ended.
type Ending = Arc<OnceLock<StoreError>>;

#[derive(Debug, Default)]
pub(crate) struct Watchers(Vec<Sink>);

#[derive(Debug)]
struct Sink {
    prefix: String,
    queue: mpsc::Sender<Batch>,
    ending: Ending,
}

impl Watchers {
    /// A watcher that first gets `backlog`, then what is published from now on.
    pub(crate) fn add(&mut self, prefix: &str, backlog: VecDeque<Arc<Commit>>) -> Watcher {
        let (queue, live) = mpsc::channel(QUEUE_BATCHES);
        let ending = Ending::default();
        self.0.push(Sink {
            prefix: prefix.to_owned(),
            queue,
            ending: ending.clone(),
        });
        Watcher {
            prefix: prefix.to_owned(),
            backlog,
            live,
            ending,
        }
    }

    pub(crate) fn publish(&mut self, commit: &Commit) {
        self.0.retain(|sink| sink.offer(commit));
    }

    /// Ends every watch with `why`.
    pub(crate) fn end_all(&mut self, why: &StoreError) {
        for sink in self.0.drain(..) {
            let _ = sink.ending.set(why.clone());
        }
    }
}

impl Sink {
    /// False when the watcher is gone or must go.
    fn offer(&self, commit: &Commit) -> bool {
        let Some(batch) = batch_under(&self.prefix, commit) else {
            return !self.queue.is_closed();
        };
        match self.queue.try_send(batch) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(batch)) => {
                let _ = self.ending.set(StoreError::Lagged {
                    resume_from: batch.revision,
                });
                false
            }
        }
    }
}

fn batch_under(prefix: &str, commit: &Commit) -> Option<Batch> {
    let under = commit.changes.iter().filter(|c| c.key.starts_with(prefix));
    let events: Vec<Event> = under.map(|c| c.event()).collect();
    (!events.is_empty()).then_some(Batch {
        revision: commit.revision,
        events,
    })
}

/// The reading end of a watch. Dropping a call to [`Watch::next`] loses nothing.
#[derive(Debug)]
pub(crate) struct Watcher {
    prefix: String,
    backlog: VecDeque<Arc<Commit>>,
    live: mpsc::Receiver<Batch>,
    ending: Ending,
}

#[async_trait]
impl Watch for Watcher {
    async fn next(&mut self) -> Result<Batch, StoreError> {
        while let Some(commit) = self.backlog.pop_front() {
            if let Some(batch) = batch_under(&self.prefix, &commit) {
                return Ok(batch);
            }
        }
        match self.live.recv().await {
            Some(batch) => Ok(batch),
            None => Err(self.why_ended()),
        }
    }
}

impl Watcher {
    fn why_ended(&self) -> StoreError {
        let closed = || StoreError::Unavailable("the store was closed".into());
        self.ending.get().cloned().unwrap_or_else(closed)
    }
}

/// The error for watchers whose next batch, at `revision` or later, cannot be had any more.
pub(crate) fn lagged(revision: Revision) -> StoreError {
    StoreError::Lagged {
        resume_from: revision,
    }
}

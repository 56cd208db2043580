//! The controller driver: runs a reconciler of three parts, `view -> plan -> apply`.
//!
//! A wake-up carries a key, never what changed. The driver owns de-duplication, one run at a
//! time per key, timers and backoff; a start and a gap in the watch take the usual path, by
//! waking every key once. A key whose run failed is left alone until its backoff is over, even
//! if it is woken meanwhile: a run that writes and then fails must not wake itself at once.

mod queue;

use crate::db::Db;
use crate::error::AwsError;
use async_trait::async_trait;
use futures_util::stream::{BoxStream, FuturesUnordered, StreamExt};
use neargate_base::backoff::Backoff;
use neargate_base::{Clock, Rng, Timestamp};
use neargate_store::{Event, MAX_PAGE, Revision, StoreError, Watch};
use queue::Queue;
use std::collections::HashMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// What a planner wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<A> {
    pub actions: Vec<A>,
    /// Look again then, even if nothing changes.
    pub wake_at: Option<Timestamp>,
    /// For the log.
    pub reason: &'static str,
}

impl<A> Plan<A> {
    /// Nothing to do.
    pub fn idle(reason: &'static str) -> Self {
        Plan {
            actions: Vec::new(),
            wake_at: None,
            reason,
        }
    }
}

/// Did an action take effect?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Done,
    /// The world changed under the plan: plan again at once.
    Conflict,
}

/// A reconciler. `plan` is pure; `apply` is idempotent and decides nothing.
#[async_trait]
pub trait Controller: Send + Sync + 'static {
    type View: Send + Sync;
    type Action: Debug + Send;

    fn name(&self) -> &'static str;

    /// The store prefixes whose changes wake it.
    fn prefixes(&self) -> Vec<String>;

    /// The reconciled key that a change of `store_key` concerns.
    fn key_of(&self, store_key: &str) -> Option<String>;

    /// The same for a change that may concern several: instead of [`Controller::key_of`].
    fn keys_of(&self, store_key: &str) -> Vec<String> {
        self.key_of(store_key).into_iter().collect()
    }

    /// May what is stored there be something to reconcile? Asked of every entry at the start, before it
    /// wakes anything: the cheaper of two questions where hardly one is.
    fn concerns(&self, _entry: &neargate_store::Entry) -> bool {
        true
    }

    /// Keys to wake for reasons that are not in the store. Asked for once, when the driver starts.
    fn wakes(&self) -> BoxStream<'static, Vec<String>> {
        futures_util::stream::pending().boxed()
    }

    /// `None`: there is nothing to reconcile under this key any more.
    async fn view(&self, key: &str) -> Result<Option<Self::View>, AwsError>;

    fn plan(&self, view: &Self::View, now: Timestamp) -> Plan<Self::Action>;

    async fn apply(&self, action: Self::Action) -> Result<Applied, AwsError>;

    /// How long the key is left alone after a look at `view`, whatever wakes it meanwhile: so
    /// that many small changes of something large cost few looks.
    fn rest(&self, _view: &Self::View) -> Duration {
        Duration::ZERO
    }
}

/// Runs of different keys at the same time.
const PARALLEL: usize = 16;
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// The wall clock may be set while the driver sleeps: it looks again at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Run `controller` until the future is dropped.
pub async fn run<C: Controller>(controller: Arc<C>, db: Db, clock: Arc<dyn Clock>, rng: Arc<Rng>) {
    let mut queue = Queue::default();
    let mut failures: HashMap<String, Backoff> = HashMap::new();
    let mut running = FuturesUnordered::new();
    let mut resting = FuturesUnordered::new();
    let mut watches = FuturesUnordered::new();
    let mut wakes = controller.wakes();
    let mut reopen = Backoff::new(RETRY_FIRST, RETRY_MAX);
    // When to list and watch; `None` while the watches are open.
    let mut opening = Some(Box::pin(sleep(Duration::ZERO)));
    let mut time = Time::of(clock);
    loop {
        let now = time.now(&mut queue);
        while running.len() < PARALLEL
            && let Some(key) = queue.pop(now)
        {
            running.push(reconcile(controller.clone(), key, time.clock.clone()));
        }
        let due = queue.next_due().filter(|_| running.len() < PARALLEL);
        let wait = due.map(|at| at.since(time.clock.now()).min(LONGEST_SLEEP));
        tokio::select! {
            () = elapsed(&mut opening) => {
                let now = time.now(&mut queue);
                match wake_all(&*controller, &db, &mut queue, now).await {
                    Ok(opened) => {
                        watches = opened.into_iter().map(next_batch).collect();
                        opening = None;
                    }
                    Err(error) => {
                        tracing::warn!(controller = controller.name(), %error, "cannot watch");
                        opening = Some(Box::pin(sleep(reopen.next_delay(&rng))));
                    }
                }
            }
            Some((watch, batch)) = watches.next() => match batch {
                Ok(batch) => {
                    reopen.reset();
                    let now = time.now(&mut queue);
                    for event in &batch.events {
                        let (Event::Put(neargate_store::Entry { key, .. })
                        | Event::Delete { key, .. }) = event;
                        for key in controller.keys_of(key) {
                            queue.wake(key, now);
                        }
                    }
                    watches.push(next_batch(watch));
                }
                Err(error) => {
                    tracing::debug!(controller = controller.name(), %error, "watch ended");
                    watches.clear();
                    opening = Some(Box::pin(sleep(reopen.next_delay(&rng))));
                }
            },
            Some(keys) = wakes.next() => {
                let now = time.now(&mut queue);
                for key in keys {
                    queue.wake(key, now);
                }
            }
            Some((key, outcome)) = running.next() => match outcome {
                Ok(Looked { wake_at, rest }) => {
                    failures.remove(&key);
                    time.now(&mut queue);
                    if rest.is_zero() {
                        queue.done(key, wake_at);
                    } else {
                        resting.push(async move {
                            sleep(rest).await;
                            (key, wake_at)
                        });
                    }
                }
                Err(error) => {
                    let new = || Backoff::new(RETRY_FIRST, RETRY_MAX);
                    let backoff = failures.entry(key.clone()).or_insert_with(new);
                    let cause = error.source.as_ref().map(ToString::to_string);
                    tracing::warn!(controller = controller.name(), key, %error, cause, "will retry");
                    let now = time.now(&mut queue);
                    queue.failed(key, now + backoff.next_delay(&rng));
                }
            },
            Some((key, wake_at)) = resting.next() => {
                time.now(&mut queue);
                queue.done(key, wake_at);
            }
            () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

/// The clock, and what of its being set the queue knows already.
struct Time {
    clock: Arc<dyn Clock>,
    set_by_millis: i64,
}

impl Time {
    fn of(clock: Arc<dyn Clock>) -> Time {
        let set_by_millis = clock.set_by_millis();
        Time {
            clock,
            set_by_millis,
        }
    }

    /// What the clock shows, once `queue` knows whether it was set.
    fn now(&mut self, queue: &mut Queue) -> Timestamp {
        let by = self.clock.set_by_millis() - self.set_by_millis;
        let now = self.clock.now();
        if by != 0 {
            self.set_by_millis += by;
            queue.clock_set(by, now);
        }
        now
    }
}

/// Waits for a timer that may not be set.
async fn elapsed(timer: &mut Option<Pin<Box<Sleep>>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}

/// What a round that went well leads to.
#[derive(Default)]
struct Looked {
    wake_at: Option<Timestamp>,
    rest: Duration,
}

/// One round: view, plan, apply; again at once while the world moves under the plan.
async fn reconcile<C: Controller>(
    controller: Arc<C>,
    key: String,
    clock: Arc<dyn Clock>,
) -> (String, Result<Looked, AwsError>) {
    let outcome = async {
        'again: loop {
            let Some(view) = controller.view(&key).await? else {
                return Ok(Looked::default());
            };
            let plan = controller.plan(&view, clock.now());
            let rest = controller.rest(&view);
            if !plan.actions.is_empty() {
                tracing::debug!(
                    controller = controller.name(), key, reason = plan.reason,
                    actions = ?plan.actions, "plan"
                );
            }
            for action in plan.actions {
                if controller.apply(action).await? == Applied::Conflict {
                    continue 'again;
                }
            }
            let wake_at = plan.wake_at;
            return Ok(Looked { wake_at, rest });
        }
    };
    let outcome = outcome.await;
    (key, outcome)
}

/// Open the watches, then wake every key that exists: changes in between are seen twice, not lost.
async fn wake_all<C: Controller>(
    controller: &C,
    db: &Db,
    queue: &mut Queue,
    now: Timestamp,
) -> Result<Vec<Box<dyn Watch>>, StoreError> {
    let mut watches = Vec::new();
    for prefix in controller.prefixes() {
        let mut after: Option<String> = None;
        let mut at: Option<Revision> = None;
        let revision = loop {
            let page = db
                .store()
                .range(&prefix, after.as_deref(), MAX_PAGE, at)
                .await?;
            for entry in page.entries.iter().filter(|e| controller.concerns(e)) {
                for key in controller.keys_of(&entry.key) {
                    queue.wake(key, now);
                }
            }
            at = Some(page.revision);
            after = page.entries.last().map(|e| e.key.clone());
            if !page.more {
                break page.revision;
            }
        };
        watches.push(db.store().watch(&prefix, Some(revision + 1)).await?);
    }
    Ok(watches)
}

async fn next_batch(
    mut watch: Box<dyn Watch>,
) -> (Box<dyn Watch>, Result<neargate_store::Batch, StoreError>) {
    let batch = watch.next().await;
    (watch, batch)
}

//! From the store's changes to events: a listing as it was at the cursor, then every change; after
//! a gap, what differs.

use super::Events;
use super::event::{DetailType, Event, SOURCE, Subject};
use super::instance::InstanceChange;
use super::memory::{Due, Memory, part};
use crate::fleet::{ClusterId, Fleet, Row};
use crate::model::{Agent, ContainerInstance, EventCursor, Service, ServiceEvent, Task};
use crate::plan::resources;
use neargate_base::backoff::Backoff;
use neargate_base::time::Stopwatch;
use neargate_base::{Rng, Timestamp};
use neargate_domain::TaskStatus;
use neargate_service::events::{DEFAULT_BUS, Posted};
use neargate_service::{AwsError, Db, House, Resource, db, managed};
use neargate_store::{self as store, MAX_PAGE, Revision, StoreError};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

const REOPEN_FIRST: Duration = Duration::from_millis(50);
const REOPEN_MAX: Duration = Duration::from_secs(5);
/// Between two writes of the cursor.
const CURSOR_PAUSE: Duration = Duration::from_secs(1);
/// The cursor is written after so many revisions at the latest, events or not, so that it does
/// not fall out of the store's history.
const CURSOR_STRIDE: Revision = 2_000;
/// How far before the cursor a start looks to fill the list of the newest events.
const LOOK_BACK: Revision = 2_000;
/// Events that are sent in one transaction; each is some kilobytes.
const POSTED_TOGETHER: usize = 16;
/// All revisions, so that nobody waits in vain for one that changed nothing of ECS.
const EVERYTHING: &str = "";
/// What is listed at the start, in the order of its keys: all that [`Memory`] takes in. What else
/// there is of ECS, task definitions above all, may be far more.
const LISTED: [&str; 5] = [
    Agent::KIND,
    ContainerInstance::KIND,
    Service::KIND,
    ServiceEvent::KIND,
    Task::KIND,
];

/// Turn changes into events until the future is dropped. `fleet` knows what runs on an instance.
pub async fn follow(events: Arc<Events>, fleet: Arc<Fleet>, house: Arc<House>) {
    // Whoever wants events is asked about each.
    house.events.ready().await;
    let mut follower = Follower::new(events, fleet, house.clone());
    let rng: &Rng = &house.rng;
    let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
    loop {
        let Err(error) = follower.once(&mut backoff).await;
        tracing::warn!(%error, "the events are followed again");
        tokio::time::sleep(backoff.next_delay(rng)).await;
    }
}

pub(super) struct Follower {
    events: Arc<Events>,
    fleet: Arc<Fleet>,
    house: Arc<House>,
    /// Everything up to here has become events; `None` before the first listing.
    at: Option<Revision>,
    /// Events up to here were handed out by an earlier process.
    handed: Revision,
    cursor: Cursor,
}

/// What is known of the stored cursor.
struct Cursor {
    written: Revision,
    since: Stopwatch,
    /// There are events that it does not cover.
    behind: bool,
}

impl Follower {
    pub(super) fn new(events: Arc<Events>, fleet: Arc<Fleet>, house: Arc<House>) -> Follower {
        Follower {
            events,
            fleet,
            house,
            at: None,
            handed: 0,
            cursor: Cursor {
                written: 0,
                since: Stopwatch::start(),
                behind: false,
            },
        }
    }

    pub(super) async fn once(&mut self, backoff: &mut Backoff) -> Result<Infallible, AwsError> {
        let at = match self.at {
            Some(at) => at,
            None => self.start().await?,
        };
        let mut watch = match self.house.db.store().watch(EVERYTHING, Some(at + 1)).await {
            Err(StoreError::Compacted { .. }) => {
                let at = self.catch_up(at).await?;
                self.house
                    .db
                    .store()
                    .watch(EVERYTHING, Some(at + 1))
                    .await?
            }
            opened => opened?,
        };
        loop {
            let left = CURSOR_PAUSE.saturating_sub(self.cursor.since.elapsed());
            tokio::select! {
                batch = watch.next() => {
                    let batch = batch?;
                    backoff.reset();
                    self.take(&batch.events, batch.revision).await;
                }
                () = tokio::time::sleep(left), if self.cursor.behind => {}
            }
            self.write_cursor().await;
        }
    }

    /// Remember everything as it was when the last process ended, or a little earlier.
    async fn start(&mut self) -> Result<Revision, AwsError> {
        let cursor = self
            .house
            .db
            .get_key::<EventCursor>(&EventCursor::key())
            .await?;
        let handed = cursor.map(|c| c.revision);
        let listed = match handed {
            Some(handed) => self.listing_before(handed).await?,
            None => None,
        };
        let (memory, at) = match listed {
            Some(listed) => listed,
            None => {
                let (memory, at) = self.listing(None).await?;
                if let Some(handed) = handed {
                    tracing::warn!(
                        handed,
                        now = at,
                        "the changes since the last event are no longer in the store's history: \
                         events start from now"
                    );
                }
                // Before any event, so that a crash loses none.
                self.put_cursor(at).await?;
                (memory, at)
            }
        };
        self.handed = handed.unwrap_or(at).max(at);
        self.cursor.written = self.handed;
        self.remember(memory, at);
        Ok(at)
    }

    /// Everything as it was `LOOK_BACK` before the cursor, or as near as history goes; `None`
    /// when history does not reach the cursor.
    async fn listing_before(
        &self,
        handed: Revision,
    ) -> Result<Option<(Memory, Revision)>, AwsError> {
        let mut at = handed.saturating_sub(LOOK_BACK);
        loop {
            match self.listing(Some(at)).await {
                Ok(listed) => return Ok(Some(listed)),
                Err(StoreError::Compacted { compacted }) if compacted > handed => return Ok(None),
                Err(StoreError::Compacted { compacted }) => at = compacted.max(at + 1),
                // The store is younger than its cursor: it was replaced.
                Err(StoreError::FutureRev { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn listing(&self, at: Option<Revision>) -> Result<(Memory, Revision), StoreError> {
        let mut memory = Memory::default();
        let now = self.house.now();
        let mut pages = Pages::at(&self.house.db, at);
        while let Some(puts) = pages.next().await? {
            memory.apply(&puts, now);
        }
        Ok((memory, pages.revision.unwrap_or_default()))
    }

    /// History has a gap: one event for each resource that is not as it was. What came and went
    /// in between left no trace.
    async fn catch_up(&mut self, from: Revision) -> Result<Revision, AwsError> {
        let now = self.house.now();
        let mut fresh = Memory::default();
        let mut due = Vec::new();
        let mut pages = Pages::at(&self.house.db, None);
        while let Some(puts) = pages.next().await? {
            fresh.apply(&puts, now);
            let newer = puts.into_iter().filter(|e| revision_of(e) > from);
            let newer: Vec<_> = newer.collect();
            due.extend(self.events.memory.lock().apply(&newer, now));
        }
        let at = pages.revision.unwrap_or(from);
        tracing::warn!(
            from,
            to = at,
            "changes are no longer in the store's history: events tell of the differences"
        );
        // Deleted resources are in the old memory only.
        *self.events.memory.lock() = fresh;
        self.publish(due, at, now).await;
        self.advance(at);
        Ok(at)
    }

    fn remember(&mut self, memory: Memory, at: Revision) {
        *self.events.memory.lock() = memory;
        self.advance(at);
        self.events.instances.send_modify(|n| *n += 1);
    }

    /// The events of one batch.
    async fn take(&mut self, changes: &[store::Event], revision: Revision) {
        let now = self.house.now();
        let cursor = EventCursor::key();
        let is_cursor =
            |e: &store::Event| matches!(e, store::Event::Delete { key, .. } if *key == cursor);
        // A reset, which forgets everything.
        if changes.iter().any(is_cursor) {
            self.events.ring.clear();
            self.cursor.behind = true;
        }
        let (due, instances) = {
            let mut memory = self.events.memory.lock();
            let before = memory.instance_changes();
            let due = memory.apply(changes, now);
            (due, memory.instance_changes() != before)
        };
        self.publish(due, revision, now).await;
        self.advance(revision);
        if instances {
            self.events.instances.send_modify(|n| *n += 1);
        }
    }

    fn advance(&mut self, revision: Revision) {
        self.at = Some(revision);
        self.events.seen.send_replace(revision);
    }

    async fn publish(&mut self, due: Vec<Due>, revision: Revision, now: Timestamp) {
        let mut posts = Vec::new();
        for due in due {
            let event = match due {
                Due::Task {
                    cluster,
                    entry,
                    time,
                    group,
                } => {
                    let (key, at) = (entry.key.clone(), entry.mod_revision);
                    let subject = Subject::Task(entry);
                    let event = Event::new(DetailType::Task, &key, at, cluster, time, subject);
                    event.of(&group)
                }
                Due::Instance {
                    cluster,
                    key,
                    cause,
                } => {
                    self.fleet.at(revision).await;
                    let Some(change) = self.instance(&cluster, &key, cause) else {
                        continue;
                    };
                    let subject = Subject::Instance(Box::new(change));
                    let of = DetailType::ContainerInstance;
                    Event::new(of, &key, cause, cluster, now, subject)
                }
                Due::Service {
                    cluster,
                    key,
                    cause,
                    index,
                    made,
                } => {
                    let subject = Subject::Plain(made.resources, made.detail);
                    let of = made.detail_type;
                    let mut event = Event::new(of, &key, cause, cluster, made.time, subject);
                    event.index = index;
                    let name = part(&key, 5).unwrap_or_default();
                    event.of(&format!("service:{name}"))
                }
            };
            let old = event.revision <= self.handed;
            self.cursor.behind |= !old;
            if !old {
                posts.extend(self.post(&event));
            }
            self.events.ring.push(event, old);
        }
        self.send(posts).await;
    }

    /// What is written so that rules see the event, if one might want it.
    fn post(&self, event: &Event) -> Option<(String, Posted)> {
        let (scope, of) = (&event.cluster.scope, event.detail_type.as_str());
        let wanted =
            !managed::is_managed(&event.cluster.name) && self.house.events.wants(scope, SOURCE, of);
        wanted.then(|| {
            let key = db::key::<Posted>(scope, &event.id());
            (key, Posted::to(DEFAULT_BUS, event.to_value()))
        })
    }

    /// Sends events to their bus. The cursor goes no further before that is done.
    async fn send(&self, posts: Vec<(String, Posted)>) {
        let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
        for few in posts.chunks(POSTED_TOGETHER) {
            loop {
                let tx = few.iter().fold(self.house.db.tx(), |tx, (key, posted)| {
                    tx.put(key.clone(), posted)
                });
                let Err(error) = tx.commit().await else {
                    break;
                };
                tracing::warn!(%error, "events are sent to their bus again");
                tokio::time::sleep(backoff.next_delay(&self.house.rng)).await;
            }
        }
    }

    /// The instance with what runs on it now.
    fn instance(&self, cluster: &ClusterId, key: &str, cause: Revision) -> Option<InstanceChange> {
        let (instance, agent_connected) = {
            let memory = self.events.memory.lock();
            (memory.instance(key)?, memory.agent(key))
        };
        let mut tasks = match &instance.node {
            Some(node) => self.fleet.of_node(node),
            None => self.fleet.of_instance(cluster, &instance.id),
        };
        tasks.retain(|row| row.container_instance.as_ref() == Some(&instance.id));
        let count = |of: fn(&Row) -> bool| tasks.iter().filter(|row| of(row)).count();
        Some(InstanceChange {
            agent_connected,
            remaining: resources::remaining(
                &instance.registered,
                tasks.iter().map(|row| &row.demand),
            ),
            running: count(|row| row.last_status == TaskStatus::Running),
            pending: count(|row| row.last_status < TaskStatus::Running),
            revision: cause,
            instance,
        })
    }

    async fn write_cursor(&mut self) {
        let at = self.at.unwrap_or_default();
        let due = self.cursor.behind && self.cursor.since.elapsed() >= CURSOR_PAUSE;
        if at <= self.handed || !due && at < self.cursor.written + CURSOR_STRIDE {
            return;
        }
        if let Err(error) = self.put_cursor(at).await {
            tracing::warn!(%error, "the events' cursor is written later");
        }
    }

    async fn put_cursor(&mut self, at: Revision) -> Result<(), AwsError> {
        self.cursor.since = Stopwatch::start();
        let cursor = EventCursor { revision: at };
        let put = self.house.db.tx().put(EventCursor::key(), &cursor).commit();
        let _ = put.await?;
        self.cursor.written = at;
        self.cursor.behind = false;
        Ok(())
    }
}

fn revision_of(event: &store::Event) -> Revision {
    match event {
        store::Event::Put(entry) => entry.mod_revision,
        store::Event::Delete { mod_revision, .. } => *mod_revision,
    }
}

/// ECS's records of one snapshot, page by page.
struct Pages<'a> {
    db: &'a Db,
    /// Those of [`LISTED`] that are listed already.
    listed: usize,
    after: Option<String>,
    revision: Option<Revision>,
}

impl<'a> Pages<'a> {
    /// At a revision, or now.
    fn at(db: &'a Db, revision: Option<Revision>) -> Self {
        Pages {
            db,
            listed: 0,
            after: None,
            revision,
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<store::Event>>, StoreError> {
        let Some(kind) = LISTED.get(self.listed) else {
            return Ok(None);
        };
        let store = self.db.store();
        let prefix = format!("{kind}/");
        let page = store
            .range(&prefix, self.after.as_deref(), MAX_PAGE, self.revision)
            .await?;
        self.revision = Some(page.revision);
        self.after = page.entries.last().map(|e| e.key.clone());
        if !page.more {
            (self.listed, self.after) = (self.listed + 1, None);
        }
        Ok(Some(
            page.entries.into_iter().map(store::Event::Put).collect(),
        ))
    }
}

//! The queries that were asked: which wait, which run, and what they found.
//!
//! They are kept in memory, the latest of them in bounded space, until a restart; a query reads
//! events where they are and changes nothing. Few run at a time, each on a thread of its own.

use super::record::{Event, Source};
use super::run::{Plan, Row, Run, TooMuch};
use crate::engine::{Candidate, EngineError, LogEngine, Selection, Times};
use neargate_base::{Timestamp, task};
use neargate_service::{House, Scope};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// "You can have up to 100 concurrent CloudWatch Logs insights queries."
pub const MAX_CONCURRENT: usize = 100;
/// "Queries time out after 60 minutes of runtime."
const TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Queries that run at the same time; others are scheduled.
const RUNNING: usize = 2;
/// Queries that are remembered, and the bytes of their results.
const REMEMBERED: usize = 1_000;
const RESULT_BYTES: usize = 128 << 20;
/// Events between two looks at the clock.
const LOOK_EVERY: u64 = 4_096;

/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_QueryInfo.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Scheduled,
    Running,
    Complete,
    Failed,
    Cancelled,
    Timeout,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Scheduled => "Scheduled",
            Status::Running => "Running",
            Status::Complete => "Complete",
            Status::Failed => "Failed",
            Status::Cancelled => "Cancelled",
            Status::Timeout => "Timeout",
        }
    }

    pub fn is_over(self) -> bool {
        !matches!(self, Status::Scheduled | Status::Running)
    }
}

/// One query.
#[derive(Debug)]
pub struct Query {
    pub id: String,
    pub scope: Scope,
    pub text: String,
    /// Names of its log groups.
    pub groups: Vec<String>,
    pub user: String,
    pub created: Timestamp,
    state: Mutex<State>,
    cancelled: AtomicBool,
    counts: Counts,
}

#[derive(Debug)]
struct State {
    status: Status,
    rows: Arc<Vec<Row>>,
    took: Option<Duration>,
}

#[derive(Debug, Default)]
struct Counts {
    matched: AtomicU64,
    scanned: AtomicU64,
    bytes: AtomicU64,
    groups: AtomicU64,
}

/// How far a query is.
#[derive(Debug, Clone)]
pub struct Progress {
    pub status: Status,
    pub rows: Arc<Vec<Row>>,
    pub took: Option<Duration>,
    pub matched: f64,
    pub scanned: f64,
    pub bytes: f64,
    pub groups: f64,
}

impl Query {
    pub fn progress(&self) -> Progress {
        let state = self.state.lock();
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        Progress {
            status: state.status,
            rows: state.rows.clone(),
            took: state.took,
            matched: count(&self.counts.matched),
            scanned: count(&self.counts.scanned),
            bytes: count(&self.counts.bytes),
            groups: count(&self.counts.groups),
        }
    }

    /// Only a query that is not over ends; answers whether it did.
    fn end(&self, status: Status, rows: Vec<Row>, now: Timestamp) -> bool {
        let mut state = self.state.lock();
        if state.status.is_over() {
            return false;
        }
        *state = State {
            status,
            rows: Arc::new(rows),
            took: Some(now.since(self.created)),
        };
        true
    }

    fn begin(&self) -> bool {
        let mut state = self.state.lock();
        let begins = state.status == Status::Scheduled;
        if begins {
            state.status = Status::Running;
        }
        begins
    }

    fn is_over(&self) -> bool {
        self.state.lock().status.is_over()
    }
}

/// What is asked.
#[derive(Debug)]
pub struct Asked {
    pub text: String,
    pub plan: Plan,
    pub user: String,
    pub groups: Vec<Searched>,
}

/// A group of a query, and what may be seen of it.
#[derive(Debug, Clone)]
pub struct Searched {
    pub source: Source,
    pub engine_key: String,
    pub times: Times,
}

#[derive(Debug)]
pub struct Queries {
    /// The oldest first.
    all: Mutex<VecDeque<Arc<Query>>>,
    places: Arc<Semaphore>,
}

impl Default for Queries {
    fn default() -> Self {
        Queries {
            all: Mutex::default(),
            places: Arc::new(Semaphore::new(RUNNING)),
        }
    }
}

impl Queries {
    /// Start a query; `None` when too many are not over.
    pub fn start(
        &self,
        house: &Arc<House>,
        engine: &Arc<LogEngine>,
        scope: &Scope,
        asked: Asked,
    ) -> Option<Arc<Query>> {
        let Asked {
            text,
            plan,
            user,
            groups,
        } = asked;
        let query = Arc::new(Query {
            id: house.rng.uuid(),
            scope: scope.clone(),
            text,
            groups: groups.iter().map(|g| g.source.name.clone()).collect(),
            user,
            created: house.now(),
            state: Mutex::new(State {
                status: Status::Scheduled,
                rows: Arc::default(),
                took: None,
            }),
            cancelled: AtomicBool::new(false),
            counts: Counts::default(),
        });
        {
            let mut all = self.all.lock();
            let open = all.iter().filter(|q| q.scope == *scope && !q.is_over());
            if open.count() >= MAX_CONCURRENT {
                return None;
            }
            forget(&mut all);
            all.push_back(query.clone());
        }
        let work = carry_out(
            house.clone(),
            engine.clone(),
            self.places.clone(),
            query.clone(),
            plan,
            groups,
        );
        task::spawn("log query", work);
        Some(query)
    }

    pub fn get(&self, scope: &Scope, id: &str) -> Option<Arc<Query>> {
        let all = self.all.lock();
        all.iter()
            .find(|q| q.scope == *scope && q.id == id)
            .cloned()
    }

    /// The latest first.
    pub fn list(&self, scope: &Scope) -> Vec<Arc<Query>> {
        let all = self.all.lock();
        all.iter()
            .rev()
            .filter(|q| q.scope == *scope)
            .cloned()
            .collect()
    }

    /// End a query early; answers whether it was not over.
    pub fn stop(&self, query: &Query, now: Timestamp) -> bool {
        query.cancelled.store(true, Ordering::Relaxed);
        query.end(Status::Cancelled, Vec::new(), now)
    }

    /// Forget all of them.
    pub fn reset(&self, now: Timestamp) {
        for query in std::mem::take(&mut *self.all.lock()) {
            self.stop(&query, now);
        }
    }
}

/// Drop the oldest that are over, until there is room for one more.
fn forget(all: &mut VecDeque<Arc<Query>>) {
    let size = |q: &Arc<Query>| {
        let state = q.state.lock();
        let cells = state.rows.iter().flatten();
        cells.map(|(_, value)| value.len() + 64).sum::<usize>()
    };
    let mut bytes: usize = all.iter().map(size).sum();
    let mut count = all.len();
    all.retain(|query| {
        let full = count >= REMEMBERED || bytes > RESULT_BYTES;
        let goes = full && query.is_over();
        if goes {
            count -= 1;
            bytes -= size(query);
        }
        !goes
    });
}

async fn carry_out(
    house: Arc<House>,
    engine: Arc<LogEngine>,
    places: Arc<Semaphore>,
    query: Arc<Query>,
    plan: Plan,
    groups: Vec<Searched>,
) {
    let Ok(_place) = places.acquire_owned().await else {
        return;
    };
    if !query.begin() {
        return;
    }
    let (clock, on_thread) = (house.clock.clone(), query.clone());
    let work = move || search(&engine, &on_thread, plan, &groups, &|| clock.now());
    let (status, rows) = match task::spawn_blocking(work).await {
        Ok(Ok(rows)) => (Status::Complete, rows),
        Ok(Err(ended)) => (ended, Vec::new()),
        Err(error) => {
            tracing::error!(%error, "a log query ended by a panic");
            (Status::Failed, Vec::new())
        }
    };
    query.end(status, rows, house.now());
}

/// Read all groups, the latest events first.
fn search(
    engine: &LogEngine,
    query: &Query,
    plan: Plan,
    groups: &[Searched],
    now: &dyn Fn() -> Timestamp,
) -> Result<Vec<Row>, Status> {
    let failed = |error: EngineError| {
        tracing::error!(%error, "a log query failed");
        Status::Failed
    };
    let mut run = Run::new(Arc::new(plan));
    let deadline = now() + TIMEOUT;
    let (mut scanned, mut bytes) = (0, 0);
    let count = |run: &Run, scanned: u64, bytes: u64| {
        query.counts.matched.store(run.matched, Ordering::Relaxed);
        query.counts.scanned.store(scanned, Ordering::Relaxed);
        query.counts.bytes.store(bytes, Ordering::Relaxed);
    };
    for group in groups {
        let mut ended = None;
        let visit = |c: Candidate<'_>| {
            scanned += 1;
            bytes += c.message.len() as u64;
            let ingested = c.ingested.as_millis();
            let event = Event::new(c.at, ingested, c.stream, c.message, &group.source);
            if let Err(TooMuch) = run.event(&event) {
                ended = Some(Status::Failed);
                return ControlFlow::Break(());
            }
            if run.has_enough() {
                return ControlFlow::Break(());
            }
            if scanned % LOOK_EVERY == 0 {
                count(&run, scanned, bytes);
                if now() > deadline {
                    ended = Some(Status::Timeout);
                }
            }
            if query.cancelled.load(Ordering::Relaxed) {
                ended = Some(Status::Cancelled);
            }
            match ended {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        };
        engine
            .visit(&group.engine_key, &Selection::All, group.times, true, visit)
            .map_err(failed)?;
        query.counts.groups.fetch_add(1, Ordering::Relaxed);
        count(&run, scanned, bytes);
        if let Some(status) = ended {
            return Err(status);
        }
        if run.has_enough() {
            break;
        }
    }
    run.finish().map_err(|TooMuch| Status::Failed)
}

//! The controller driver under faults: runs that fail, watches that end, clocks that jump.

mod faulty;
mod rest;

use async_trait::async_trait;
use faulty::Faulty;
use neargate_base::time::{ManualClock, Stopwatch, SystemClock};
use neargate_base::{Clock, Rng, Timestamp, task};
use neargate_service::controller::{Applied, Controller, Plan, run};
use neargate_service::{AwsError, Committed, Db, Resource};
use neargate_store::StoreError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Something to bring about: `observed` follows `wanted`, from `not_before` on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Item {
    wanted: u32,
    observed: u32,
    not_before: Timestamp,
    /// Counts runs that wrote and then failed.
    scratches: u32,
}

impl Resource for Item {
    const KIND: &'static str = "test/item";
}

/// What the controller did, by key.
#[derive(Debug, Default)]
struct Deeds {
    running: BTreeMap<String, u32>,
    most_at_once: usize,
    /// Milliseconds since the start of each run that failed or succeeded.
    runs: BTreeMap<String, Vec<u128>>,
}

struct Follower {
    db: Db,
    deeds: Arc<Mutex<Deeds>>,
    started: Stopwatch,
    /// How many runs fail, by key.
    failing: Mutex<BTreeMap<String, u32>>,
}

#[async_trait]
impl Controller for Follower {
    type View = (String, Item);
    type Action = (String, Item);

    fn name(&self) -> &'static str {
        "follower"
    }

    fn prefixes(&self) -> Vec<String> {
        vec!["test/item/".into()]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.into())
    }

    async fn view(&self, key: &str) -> Result<Option<Self::View>, AwsError> {
        Ok(self
            .db
            .get_key::<Item>(key)
            .await?
            .map(|i| (i.key.clone(), i.value)))
    }

    fn plan(&self, (key, item): &Self::View, now: Timestamp) -> Plan<Self::Action> {
        if item.wanted == item.observed {
            return Plan::idle("done");
        }
        if item.not_before > now {
            return Plan {
                wake_at: Some(item.not_before),
                ..Plan::idle("too early")
            };
        }
        Plan {
            actions: vec![(key.clone(), item.clone())],
            wake_at: None,
            reason: "follow",
        }
    }

    async fn apply(&self, (key, item): Self::Action) -> Result<Applied, AwsError> {
        {
            let mut deeds = self.deeds.lock().expect("whole");
            let running = deeds.running.entry(key.clone()).or_default();
            *running += 1;
            assert_eq!(*running, 1, "{key} runs twice at once");
            deeds.most_at_once = deeds
                .most_at_once
                .max(deeds.running.values().filter(|n| **n > 0).count());
            let at = self.started.elapsed().as_millis();
            deeds.runs.entry(key.clone()).or_default().push(at);
        }
        for _ in 0..20 {
            task_switch().await;
        }
        let outcome = self.follow(&key, &item).await;
        *self
            .deeds
            .lock()
            .expect("whole")
            .running
            .get_mut(&key)
            .expect("counted") -= 1;
        outcome
    }
}

impl Follower {
    async fn follow(&self, key: &str, item: &Item) -> Result<Applied, AwsError> {
        let fails = {
            let mut failing = self.failing.lock().expect("whole");
            let left = failing.get_mut(key).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_some()
        };
        let Some(read) = self.db.get_key::<Item>(key).await? else {
            return Ok(Applied::Done);
        };
        let mut new = read.value.clone();
        if fails {
            // Its own write wakes the key, which must not shorten the backoff.
            new.scratches += 1;
            let _ = self.db.tx().update(&read, &new).commit().await?;
            return Err(AwsError::server("Flaky", "not this time"));
        }
        new.observed = item.wanted;
        Ok(match self.db.tx().update(&read, &new).commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

async fn task_switch() {
    tokio::task::yield_now().await;
}

struct Lab {
    store: Arc<Faulty>,
    db: Db,
    clock: Arc<dyn Clock>,
    deeds: Arc<Mutex<Deeds>>,
    driver: JoinHandle<()>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Lab {
    fn new() -> Lab {
        Lab::with(Arc::new(SystemClock), &[])
    }

    fn with(clock: Arc<dyn Clock>, failing: &[(&str, u32)]) -> Lab {
        let store = Faulty::new(clock.clone());
        let db = Db::new(store.clone());
        let deeds: Arc<Mutex<Deeds>> = Arc::default();
        let driver = drive(&db, &clock, &deeds, failing);
        Lab {
            store,
            db,
            clock,
            deeds,
            driver,
        }
    }

    async fn put(&self, key: &str, wanted: u32) {
        self.put_at(key, wanted, Timestamp::default()).await;
    }

    async fn put_at(&self, key: &str, wanted: u32, not_before: Timestamp) {
        let item = Item {
            wanted,
            observed: 0,
            not_before,
            scratches: 0,
        };
        let _ = self
            .db
            .tx()
            .put(format!("test/item/{key}"), &item)
            .commit()
            .await
            .expect("stored");
    }

    /// Waits, on the store itself, until every item was followed.
    async fn settled(&self) {
        let mut watch = neargate_store::Store::watch(&*self.inner(), "test/item/", None)
            .await
            .expect("watch");
        loop {
            let items = self
                .db
                .list_prefix::<Item>("test/item/")
                .await
                .expect("listed");
            if items.iter().all(|i| i.wanted == i.observed) {
                return;
            }
            watch.next().await.expect("more comes");
        }
    }

    fn inner(&self) -> Arc<neargate_store::memory::MemoryStore> {
        self.store.inner()
    }

    fn runs(&self, key: &str) -> Vec<u128> {
        let deeds = self.deeds.lock().expect("whole");
        deeds
            .runs
            .get(&format!("test/item/{key}"))
            .cloned()
            .unwrap_or_default()
    }
}

fn drive(
    db: &Db,
    clock: &Arc<dyn Clock>,
    deeds: &Arc<Mutex<Deeds>>,
    failing: &[(&str, u32)],
) -> JoinHandle<()> {
    let failing = failing
        .iter()
        .map(|(key, n)| (format!("test/item/{key}"), *n))
        .collect();
    let controller = Follower {
        db: db.clone(),
        deeds: deeds.clone(),
        started: Stopwatch::start(),
        failing: Mutex::new(failing),
    };
    let rng = Arc::new(Rng::seeded(1));
    task::spawn(
        "follower",
        run(Arc::new(controller), db.clone(), clock.clone(), rng),
    )
}

#[tokio::test]
async fn a_failing_key_backs_off_and_holds_nobody_up() {
    let lab = Lab::with(Arc::new(SystemClock), &[("bad", 4)]);
    lab.put("bad", 1).await;
    for n in 0..20 {
        lab.put(&format!("good{n}"), 1).await;
    }
    lab.settled().await;
    let runs = lab.runs("bad");
    assert_eq!(runs.len(), 5, "four failures, one success: {runs:?}");
    let gaps: Vec<u128> = runs.windows(2).map(|w| w[1] - w[0]).collect();
    for (gap, least) in gaps.iter().zip([50, 100, 200, 400]) {
        // Timestamps are whole milliseconds.
        assert!(*gap + 2 >= least, "{gaps:?}");
    }
    for n in 0..20 {
        let ran = lab.runs(&format!("good{n}"));
        assert!(ran[0] < runs[4], "before the failing key was done");
    }
}

#[tokio::test]
async fn a_key_never_runs_twice_at_once() {
    let lab = Lab::new();
    for n in 1..=200 {
        // Overwrites `observed` too, so the last one must be followed anew.
        lab.put("busy", n).await;
        task_switch().await;
    }
    lab.settled().await;
    let items = lab
        .db
        .list_prefix::<Item>("test/item/")
        .await
        .expect("listed");
    assert_eq!((items[0].wanted, items[0].observed), (200, 200));
}

#[tokio::test]
async fn many_keys_run_beside_each_other_within_bounds() {
    let lab = Lab::new();
    for n in 0..100 {
        lab.put(&n.to_string(), 1).await;
    }
    lab.settled().await;
    let most = lab.deeds.lock().expect("whole").most_at_once;
    assert!((2..=16).contains(&most), "{most}");
}

#[tokio::test]
async fn changes_lost_in_a_gap_are_found_again() {
    for why in [
        StoreError::Lagged { resume_from: 1 },
        StoreError::Compacted { compacted: 9 },
    ] {
        let lab = Lab::new();
        lab.put("before", 1).await;
        lab.settled().await;
        lab.store.deaf.store(true, Ordering::SeqCst);
        lab.put("lost", 1).await;
        lab.put("before", 2).await;
        task_switch().await;
        lab.store.end_watches(why);
        lab.settled().await;
    }
}

#[tokio::test]
async fn a_watch_that_cannot_be_opened_is_tried_again() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let lab = Lab::with(clock, &[]);
    lab.store.refuse.store(2, Ordering::SeqCst);
    lab.put("a", 1).await;
    while lab.store.opened.load(Ordering::SeqCst) < 3 {
        task_switch().await;
    }
    lab.put("b", 1).await;
    lab.settled().await;
}

/// Neither a hot loop, nor a stop of the runs that go on meanwhile.
#[tokio::test]
async fn a_watch_that_ends_at_once_is_reopened_ever_more_slowly() {
    let since = Stopwatch::start();
    let lab = Lab::new();
    lab.store.break_at_once.store(4, Ordering::SeqCst);
    // Each list wakes every key, so the items are followed even though no watch holds.
    lab.put("a", 1).await;
    lab.settled().await;
    while lab.store.opened.load(Ordering::SeqCst) < 5 {
        task_switch().await;
    }
    assert!(
        since.elapsed() >= Duration::from_millis(50 + 100 + 200 + 400),
        "{:?}",
        since.elapsed()
    );
    lab.put("b", 1).await;
    lab.settled().await;
}

#[tokio::test]
async fn a_timer_follows_the_clock_it_is_given() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let hour = Duration::from_secs(3_600);
    let lab = Lab::with(clock.clone(), &[]);
    lab.put_at("later", 1, clock.now() + hour).await;
    lab.put("now", 1).await;
    while lab.runs("now").is_empty() {
        task_switch().await;
    }
    assert!(lab.runs("later").is_empty(), "it is not time");
    clock.advance(hour - Duration::from_millis(1));
    lab.put("still", 1).await;
    while lab.runs("still").is_empty() {
        task_switch().await;
    }
    assert!(lab.runs("later").is_empty(), "it is still not time");
    clock.advance(Duration::from_millis(1));
    // Whatever wakes the driver makes it look at the clock; left alone it would within a minute.
    lab.put("other", 1).await;
    lab.settled().await;
    assert_eq!(lab.runs("later").len(), 1);
}

#[tokio::test]
async fn a_short_timer_needs_no_other_wake_up() {
    let lab = Lab::new();
    let at = lab.clock.now() + Duration::from_millis(150);
    lab.put_at("soon", 1, at).await;
    lab.settled().await;
    assert!(lab.clock.now() >= at);
    assert_eq!(lab.runs("soon").len(), 1);
}

#[tokio::test]
async fn a_restart_takes_up_what_was_left() {
    let mut lab = Lab::new();
    for n in 0..50 {
        lab.put(&n.to_string(), 1).await;
    }
    while lab.deeds.lock().expect("whole").runs.len() < 5 {
        task_switch().await;
    }
    lab.driver.abort();
    let ended = (&mut lab.driver).await;
    assert!(ended.is_err_and(|e| e.is_cancelled()));
    lab.deeds.lock().expect("whole").running.clear();
    lab.driver = drive(&lab.db, &lab.clock, &lab.deeds, &[]);
    lab.settled().await;
}

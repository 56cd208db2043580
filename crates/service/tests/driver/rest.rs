//! A controller that rests: what happens meanwhile is seen by one look. And one that looks at a part of
//! what there is at the start.

use async_trait::async_trait;
use neargate_base::time::SystemClock;
use neargate_base::{Clock, Rng, Timestamp, task};
use neargate_service::controller::{Applied, Controller, Plan, run};
use neargate_service::{AwsError, Db, Resource, db};
use neargate_store::Entry;
use neargate_store::memory::MemoryStore;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::sleep;

const REST: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Number(u32);

impl Resource for Number {
    const KIND: &'static str = "test/number";
}

/// Remembers the number it saw last and how often it looked.
#[derive(Clone)]
struct Looker {
    db: Db,
    saw: Arc<AtomicU32>,
    looks: Arc<AtomicU32>,
}

#[async_trait]
impl Controller for Looker {
    type View = ();
    type Action = ();

    fn name(&self) -> &'static str {
        "looker"
    }
    fn prefixes(&self) -> Vec<String> {
        vec!["test/number/".into()]
    }
    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.into())
    }
    /// Zero is nothing to look at.
    fn concerns(&self, entry: &Entry) -> bool {
        db::decode::<Number>(entry).is_ok_and(|number| number.value.0 != 0)
    }
    async fn view(&self, key: &str) -> Result<Option<()>, AwsError> {
        let Some(number) = self.db.get_key::<Number>(key).await? else {
            return Ok(None);
        };
        self.saw.store(number.value.0, Ordering::SeqCst);
        self.looks.fetch_add(1, Ordering::SeqCst);
        Ok(Some(()))
    }
    fn plan(&self, (): &(), _: Timestamp) -> Plan<()> {
        Plan::idle("looked")
    }
    async fn apply(&self, (): ()) -> Result<Applied, AwsError> {
        Ok(Applied::Done)
    }
    fn rest(&self, (): &()) -> Duration {
        REST
    }
}

#[tokio::test(start_paused = true)]
async fn changes_during_a_rest_are_one_look_after_it() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = Db::new(MemoryStore::new(clock.clone()));
    let looker = Looker {
        db: db.clone(),
        saw: Arc::default(),
        looks: Arc::default(),
    };
    let rng = Arc::new(Rng::seeded(1));
    let driver = run(Arc::new(looker.clone()), db.clone(), clock, rng);
    let driver = task::spawn("looker", driver);
    for n in 1..=20 {
        let put = db.tx().put("test/number/a".into(), &Number(n)).commit();
        let _ = put.await.expect("stored");
        sleep(REST / 20).await;
    }
    assert_eq!(looker.looks.load(Ordering::SeqCst), 1);
    sleep(REST).await;
    assert_eq!(looker.saw.load(Ordering::SeqCst), 20);
    assert_eq!(looker.looks.load(Ordering::SeqCst), 2);
    sleep(REST * 5).await;
    assert_eq!(looker.looks.load(Ordering::SeqCst), 2, "nothing more came");
    driver.abort();
}

#[tokio::test(start_paused = true)]
async fn what_concerns_it_at_the_start_is_looked_at_and_every_change() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let db = Db::new(MemoryStore::new(clock.clone()));
    let looker = Looker {
        db: db.clone(),
        saw: Arc::default(),
        looks: Arc::default(),
    };
    let put = async |id: &str, n: u32| {
        let put = db
            .tx()
            .put(format!("test/number/{id}"), &Number(n))
            .commit();
        let _ = put.await.expect("stored");
    };
    put("a", 0).await;
    put("b", 7).await;
    let rng = Arc::new(Rng::seeded(1));
    let driver = run(Arc::new(looker.clone()), db.clone(), clock, rng);
    let driver = task::spawn("looker", driver);
    sleep(REST / 2).await;
    assert_eq!(looker.looks.load(Ordering::SeqCst), 1);
    assert_eq!(looker.saw.load(Ordering::SeqCst), 7);
    put("a", 0).await;
    sleep(REST / 2).await;
    assert_eq!(looker.looks.load(Ordering::SeqCst), 2);
    driver.abort();
}

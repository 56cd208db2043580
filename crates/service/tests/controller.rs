//! The driver on a real (in-memory) store: a controller that copies a number.

use async_trait::async_trait;
use neargate_base::time::SystemClock;
use neargate_base::{Clock, Rng, Timestamp};
use neargate_service::controller::{Applied, Controller, Plan, run};
use neargate_service::{AwsError, Committed, Db, Resource};
use neargate_store::Store;
use neargate_store::memory::MemoryStore;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair {
    wanted: u32,
    observed: u32,
}

impl Resource for Pair {
    const KIND: &'static str = "test/pair";
}

struct Copier(Db);

#[async_trait]
impl Controller for Copier {
    type View = (String, Pair);
    type Action = (String, u32);

    fn name(&self) -> &'static str {
        "copier"
    }
    fn prefixes(&self) -> Vec<String> {
        vec!["test/pair/".into()]
    }
    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.into())
    }
    async fn view(&self, key: &str) -> Result<Option<Self::View>, AwsError> {
        Ok(self
            .0
            .get_key::<Pair>(key)
            .await?
            .map(|p| (p.key.clone(), p.value)))
    }
    fn plan(&self, (key, pair): &Self::View, _: Timestamp) -> Plan<Self::Action> {
        if pair.wanted == pair.observed {
            return Plan::idle("same");
        }
        // One step a plan, so that it takes several rounds.
        let next = pair.observed + 1;
        Plan {
            actions: vec![(key.clone(), next)],
            wake_at: None,
            reason: "step",
        }
    }
    async fn apply(&self, (key, n): Self::Action) -> Result<Applied, AwsError> {
        let Some(read) = self.0.get_key::<Pair>(&key).await? else {
            return Ok(Applied::Done);
        };
        let new = Pair {
            observed: n,
            ..read.value.clone()
        };
        Ok(match self.0.tx().update(&read, &new).commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

#[tokio::test]
async fn converges_for_keys_old_and_new() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store: Arc<dyn Store> = MemoryStore::new(clock.clone());
    let db = Db::new(store);
    let put = |id: u32, wanted: u32| {
        db.tx()
            .put(
                format!("test/pair/{id}"),
                &Pair {
                    wanted,
                    observed: 0,
                },
            )
            .commit()
    };
    for id in 0..20 {
        let _ = put(id, 3).await.expect("stored");
    }
    let driver = neargate_base::task::spawn(
        "copier",
        run(
            Arc::new(Copier(db.clone())),
            db.clone(),
            clock,
            Arc::new(Rng::seeded(1)),
        ),
    );
    for id in 20..40 {
        let _ = put(id, 5).await.expect("stored");
    }
    let mut watch = db.store().watch("test/pair/", None).await.expect("watch");
    loop {
        let pairs = db.list_prefix::<Pair>("test/pair/").await.expect("list");
        if pairs.len() == 40 && pairs.iter().all(|p| p.wanted == p.observed) {
            break;
        }
        watch.next().await.expect("more changes come");
    }
    driver.abort();
}

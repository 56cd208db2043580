//! Takes out of archives what they have kept long enough.

use crate::archive::{Archive, Archived, archived_id};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, House, Resource, Scope, Stored, db};
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// Between two looks at an archive.
const EVERY: Duration = Duration::from_secs(3_600);
/// Events that one transaction takes out.
const TOGETHER: usize = 100;

/// See the module.
pub struct Retention {
    house: Arc<House>,
}

impl Retention {
    pub fn new(house: Arc<House>) -> Retention {
        Retention { house }
    }
}

/// The store keys of an archive's oldest events, up to those that it keeps.
pub struct View {
    old: Vec<String>,
    keeps_all: bool,
}

#[async_trait]
impl Controller for Retention {
    type View = View;
    type Action = Vec<String>;

    fn name(&self) -> &'static str {
        "events-retention"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Archive::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let archive: Option<Stored<Archive>> = self.house.db.get_key(key).await?;
        let Some((archive, scope)) = archive.zip(Scope::of_key(key)) else {
            return Ok(None);
        };
        if archive.retention_days == 0 {
            return Ok(Some(View {
                old: Vec::new(),
                keeps_all: true,
            }));
        }
        let of = |id: &str| db::key::<Archived>(&scope, id);
        let prefix = of(&format!("{}/", archive.name));
        let kept = (DAY * archive.retention_days).as_millis();
        let kept = i64::try_from(kept).unwrap_or(i64::MAX);
        let since = self.house.now().as_millis().saturating_sub(kept);
        let end = of(&archived_id(
            &archive.name,
            Timestamp::from_millis(since),
            "",
        ));
        let page = self
            .house
            .db
            .store()
            .range(&prefix, None, TOGETHER, None)
            .await?;
        let old = page.entries.into_iter().map(|entry| entry.key);
        Ok(Some(View {
            old: old.take_while(|key| *key < end).collect(),
            keeps_all: false,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Vec<String>> {
        if view.old.is_empty() {
            return Plan {
                wake_at: (!view.keeps_all).then(|| now + EVERY),
                ..Plan::idle("nothing is too old")
            };
        }
        Plan {
            actions: vec![view.old.clone()],
            wake_at: Some(now),
            reason: "events are too old",
        }
    }

    async fn apply(&self, keys: Vec<String>) -> Result<Applied, AwsError> {
        let gone = keys.into_iter();
        let tx = gone.fold(self.house.db.tx(), |tx, key| tx.delete_key(key));
        let _ = tx.commit().await?;
        Ok(Applied::Done)
    }
}

//! Drops what retention has expired.

use super::engine::LogEngine;
use super::error;
use super::model::Group;
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Db, Resource, Scope};
use std::sync::Arc;
use std::time::Duration;

/// Queries hide expired events at once; their space is freed this much later, so that a busy
/// group is swept once in that time and not with every event.
const SLACK: Duration = Duration::from_secs(3_600);

/// Frees the space of expired events.
#[derive(Debug)]
pub struct Retention {
    pub db: Db,
    pub engine: Arc<LogEngine>,
}

/// A group with a retention policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub engine_key: String,
    pub retention: Option<Duration>,
    /// The oldest thing the engine could drop of it.
    pub oldest: Option<Timestamp>,
}

/// Drop what is older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expire {
    pub engine_key: String,
    pub before: Timestamp,
}

/// What to do about a group now.
pub(super) fn plan(view: &View, now: Timestamp) -> Plan<Expire> {
    let Some(retention) = view.retention else {
        return Plan::idle("kept for ever");
    };
    match view.oldest.map(|oldest| oldest + retention + SLACK) {
        Some(due) if due <= now => Plan {
            actions: vec![Expire {
                engine_key: view.engine_key.clone(),
                before: now - retention,
            }],
            wake_at: Some(now + SLACK),
            reason: "events have expired",
        },
        Some(due) => Plan {
            wake_at: Some(due.min(now + SLACK)),
            ..Plan::idle("nothing has expired")
        },
        None => Plan {
            wake_at: Some(now + SLACK),
            ..Plan::idle("no events")
        },
    }
}

#[async_trait]
impl Controller for Retention {
    type View = View;
    type Action = Expire;

    fn name(&self) -> &'static str {
        "logs-retention"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Group::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let Some(scope) = scope_of(key) else {
            return Ok(None);
        };
        let Some(group) = self.db.get_key::<Group>(key).await? else {
            return Ok(None);
        };
        let engine_key = group.engine_key(&scope);
        let oldest = self.engine.oldest(&engine_key);
        Ok(Some(View {
            engine_key,
            retention: group.retention(),
            oldest,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Expire> {
        plan(view, now)
    }

    async fn apply(&self, action: Expire) -> Result<Applied, AwsError> {
        let Expire { engine_key, before } = action;
        self.engine
            .expire(&engine_key, before)
            .await
            .map_err(error::engine)?;
        Ok(Applied::Done)
    }
}

/// The account and region of a group's store key.
fn scope_of(key: &str) -> Option<Scope> {
    let mut parts = key
        .strip_prefix(Group::KIND)?
        .strip_prefix('/')?
        .splitn(3, '/');
    let account = parts.next()?.parse().ok()?;
    let region = parts.next()?.parse().ok()?;
    Some(Scope { account, region })
}

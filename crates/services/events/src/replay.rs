//! Replays: an archive's events are posted again, in the order of their times, some at a time; how far a replay
//! is is written with what it posts.

use crate::archive::{Archived, archived_id};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::events::Posted;
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored, db};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub const STARTING: &str = "STARTING";
pub const RUNNING: &str = "RUNNING";
pub const COMPLETED: &str = "COMPLETED";
pub const CANCELLED: &str = "CANCELLED";
/// The states of one that goes on.
pub const ACTIVE: [&str; 2] = [STARTING, RUNNING];

/// Events that one transaction posts, and their bytes.
const TOGETHER: usize = 50;
const TOGETHER_BYTES: usize = 512 << 10;

/// `events/replay/…/<name>`. The API makes and cancels it; its controller writes how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub archive: String,
    pub bus: String,
    /// The names of the rules that it is for; all where there are none.
    pub rules: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_arns: Option<Vec<String>>,
    pub from: Timestamp,
    /// Up to here, but not this.
    pub to: Timestamp,
    pub state: String,
    /// The store key of the last event that was posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The time of that event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Resource for Replay {
    const KIND: &'static str = "events/replay";
}

impl Replay {
    pub fn arn(&self, scope: &Scope) -> String {
        scope.arn("events", format!("replay/{}", self.name))
    }
}

/// See the module.
pub struct Replays {
    house: Arc<House>,
}

impl Replays {
    pub fn new(house: Arc<House>) -> Replays {
        Replays { house }
    }
}

/// A replay with the events that come next.
pub struct View {
    scope: Scope,
    replay: Stored<Replay>,
    next: Vec<Stored<Archived>>,
    more: bool,
}

/// The next events, and what the replay is then.
pub struct Step {
    replay: Stored<Replay>,
    then: Replay,
    posts: Vec<(String, Posted)>,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.posts.len(), self.replay.key)
    }
}

#[async_trait]
impl Controller for Replays {
    type View = View;
    type Action = Step;

    fn name(&self) -> &'static str {
        "events-replays"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Replay::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let Some(replay) = self.house.db.get_key::<Replay>(key).await? else {
            return Ok(None);
        };
        let Some(scope) = Scope::of_key(key) else {
            return Ok(None);
        };
        if !ACTIVE.contains(&replay.state.as_str()) {
            return Ok(None);
        }
        let of = |id: &str| db::key::<Archived>(&scope, id);
        let prefix = of(&format!("{}/", replay.archive));
        // Keys are in the order of times, and a time alone comes before any key of it.
        let begin = of(archived_id(&replay.archive, replay.from, "").trim_end_matches('-'));
        let end = of(archived_id(&replay.archive, replay.to, "").trim_end_matches('-'));
        let after = replay.cursor.clone().unwrap_or(begin);
        let page = self
            .house
            .db
            .store()
            .range(&prefix, Some(&after), TOGETHER, None)
            .await?;
        let (mut next, mut bytes) = (Vec::new(), 0);
        let mut more = page.more;
        for entry in &page.entries {
            if entry.key >= end {
                more = false;
                break;
            }
            bytes += entry.value.len();
            if bytes > TOGETHER_BYTES && !next.is_empty() {
                more = true;
                break;
            }
            next.push(db::decode::<Archived>(entry)?);
        }
        Ok(Some(View {
            scope,
            replay,
            next,
            more,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Step> {
        Plan {
            actions: vec![step(view, now)],
            wake_at: None,
            reason: "it goes on",
        }
    }

    async fn apply(&self, step: Step) -> Result<Applied, AwsError> {
        let tx = self.house.db.tx().update(&step.replay, &step.then);
        let posts = step.posts.into_iter();
        let tx = posts.fold(tx, |tx, (key, posted)| tx.put(key, &posted));
        Ok(match tx.commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

fn step(view: &View, now: Timestamp) -> Step {
    let View {
        scope,
        replay,
        next,
        more,
    } = view;
    let arn = replay.arn(scope);
    let posts = next.iter().map(|archived| {
        let mut event = archived.event.clone();
        event["replay-name"] = replay.name.clone().into();
        let posted = Posted {
            replay: Some(arn.clone()),
            rules: replay.rules.clone(),
            ..Posted::to(&replay.bus, event)
        };
        let id = archived.event["id"].as_str().unwrap_or_default();
        let id = format!("{id}.{}", replay.name);
        (db::key::<Posted>(scope, &id), posted)
    });
    let last = next.last().map(|archived| archived.key.clone());
    let time = next.last().and_then(|archived| {
        let time = archived.event["time"].as_str()?;
        neargate_wire::timestamp::parse_any(time)
    });
    Step {
        posts: posts.collect(),
        then: Replay {
            state: if *more { RUNNING } else { COMPLETED }.into(),
            ended_at: (!more).then_some(now),
            cursor: last.or_else(|| replay.cursor.clone()),
            last: time.or(replay.last),
            ..replay.value.clone()
        },
        replay: replay.clone(),
    }
}

//! Schedules of rules: when they are due, and the controller that posts their events
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>).
//!
//! A time is written down in the transaction that posts its event: it acts once, across restarts and when the
//! clock is set back. Of times that passed while nothing ran, the last one acts.

use crate::error;
use crate::model::{Fired, Rule};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::events::{DEFAULT_BUS, Event, Posted};
use neargate_service::schedule::{Schedule, Units};
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored, db};
use std::sync::Arc;

/// The schedule of a rule, in UTC.
///
/// # Errors
/// When it is none.
pub fn parse(text: &str) -> Result<Schedule, AwsError> {
    let parsed = Schedule::parse(text, "UTC", Units::Grammatical);
    match parsed {
        Ok(schedule @ (Schedule::Rate(_) | Schedule::Cron(_))) => Ok(schedule),
        _ => Err(error::parameter("ScheduleExpression", "")),
    }
}

/// See the module.
pub struct Schedules {
    house: Arc<House>,
}

impl Schedules {
    pub fn new(house: Arc<House>) -> Schedules {
        Schedules { house }
    }
}

/// A rule with its schedule.
pub struct View {
    scope: Scope,
    rule: Stored<Rule>,
    fired: Option<Stored<Fired>>,
    schedule: Schedule,
}

/// The event of a time.
pub struct Fire {
    scope: Scope,
    rule: Stored<Rule>,
    fired: Option<Stored<Fired>>,
    at: Timestamp,
}

impl std::fmt::Debug for Fire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.rule.key, self.at)
    }
}

/// The store key of the record of a rule's last time.
pub fn fired_key(scope: &Scope, bus: &str, name: &str) -> String {
    db::key::<Fired>(scope, &Rule::id(bus, name))
}

#[async_trait]
impl Controller for Schedules {
    type View = View;
    type Action = Fire;

    fn name(&self) -> &'static str {
        "events-schedules"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Rule::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let Some(rule) = self.house.db.get_key::<Rule>(key).await? else {
            return Ok(None);
        };
        let (Some(scope), Some(schedule), true) =
            (Scope::of_key(key), &rule.schedule, rule.is_enabled())
        else {
            return Ok(None);
        };
        let schedule = parse(schedule)?;
        let fired = fired_key(&scope, &rule.bus, &rule.name);
        let fired = self.house.db.get_key::<Fired>(&fired).await?;
        Ok(Some(View {
            scope,
            rule,
            fired,
            schedule,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Fire> {
        let fired = view.fired.as_ref().map(|fired| fired.at);
        let begun = view.rule.scheduled_since;
        let since = fired.map_or(begun, |fired| fired.max(begun));
        let around = view.schedule.around(begun, since, now);
        let fire = around.last.map(|at| Fire {
            scope: view.scope.clone(),
            rule: view.rule.clone(),
            fired: view.fired.clone(),
            at,
        });
        Plan {
            actions: fire.into_iter().collect(),
            wake_at: around.next,
            reason: "a time of its schedule",
        }
    }

    async fn apply(&self, fire: Fire) -> Result<Applied, AwsError> {
        let Fire {
            scope,
            rule,
            fired,
            at,
        } = fire;
        let arn = rule.arn(&scope);
        let event = Event {
            id: self.house.rng.uuid(),
            source: "aws.events".into(),
            detail_type: "Scheduled Event".into(),
            time: at,
            resources: vec![arn],
            detail: serde_json::json!({}),
        };
        let posted = Posted {
            rules: vec![rule.name.clone()],
            ..Posted::to(DEFAULT_BUS, event.to_json(&scope))
        };
        let tx = self.house.db.tx().unchanged(&rule);
        let record = Fired { at };
        let tx = match &fired {
            Some(before) => tx.update(before, &record),
            None => tx.create(fired_key(&scope, &rule.bus, &rule.name), &record),
        };
        let tx = tx.put(db::key::<Posted>(&scope, &event.id), &posted);
        match tx.commit().await? {
            Committed::At(_) => Ok(Applied::Done),
            Committed::Conflict => Ok(Applied::Conflict),
        }
    }
}

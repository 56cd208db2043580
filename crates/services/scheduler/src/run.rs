//! The controller of schedules: writes the invocation of each time that is due, once, and what becomes of a
//! schedule that is over.

use crate::model::{DELETE, ENABLED, Ran, Schedule};
use crate::target::{self, Occasion};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::invocation::{DeadLetter, Invocation, Origin, Retry};
use neargate_service::schedule::{self, Schedule as Times, Units, before};
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored, db};
use std::sync::Arc;
use std::time::Duration;

/// See the module.
pub struct Schedules {
    house: Arc<House>,
}

impl Schedules {
    pub fn new(house: Arc<House>) -> Schedules {
        Schedules { house }
    }
}

/// A schedule, and what it last acted for.
#[derive(Clone)]
pub struct View {
    scope: Scope,
    schedule: Stored<Schedule>,
    ran: Option<Stored<Ran>>,
    times: Times,
}

pub enum Action {
    /// The invocation of this time, after which the schedule may be over.
    Run(Box<View>, Timestamp, bool),
    /// It is over, and is to go.
    Delete(Box<View>),
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Action::Run(view, at, _) => write!(f, "run {} of {at}", view.schedule.key),
            Action::Delete(view) => write!(f, "delete {}", view.schedule.key),
        }
    }
}

pub fn ran_key(scope: &Scope, group: &str, name: &str) -> String {
    db::key::<Ran>(scope, &Schedule::id(group, name))
}

#[async_trait]
impl Controller for Schedules {
    type View = View;
    type Action = Action;

    fn name(&self) -> &'static str {
        "scheduler"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Schedule::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let db = &self.house.db;
        let Some(schedule) = db.get_key::<Schedule>(key).await? else {
            return Ok(None);
        };
        let Some(scope) = Scope::of_key(key) else {
            return Ok(None);
        };
        if schedule.state != ENABLED {
            return Ok(None);
        }
        let times = Times::parse(&schedule.expression, &schedule.zone, Units::Any);
        let Ok(times) = times else {
            return Ok(None);
        };
        let ran = ran_key(&scope, &schedule.group, &schedule.name);
        Ok(Some(View {
            ran: db.get_key::<Ran>(&ran).await?,
            scope,
            schedule,
            times,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Action> {
        let Due { at, next } = due(view, now);
        let is_over = next.is_none();
        let boxed = || Box::new(view.clone());
        let deletes = view.schedule.after_completion == DELETE;
        let action = match at {
            Some(at) => Some(Action::Run(boxed(), at, is_over)),
            None if is_over && deletes => Some(Action::Delete(boxed())),
            None => None,
        };
        Plan {
            actions: action.into_iter().collect(),
            wake_at: next,
            reason: "a time of the schedule",
        }
    }

    async fn apply(&self, action: Action) -> Result<Applied, AwsError> {
        let committed = match action {
            Action::Run(view, at, is_over) => self.run(&view, at, is_over).await?,
            Action::Delete(view) => self.house.db.tx().delete(&view.schedule).commit().await?,
        };
        Ok(match committed {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

/// What is due, and when something is again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub at: Option<Timestamp>,
    pub next: Option<Timestamp>,
}

/// Of times that passed while nothing ran, the last one is due. What was changed begins anew: times before the
/// change are over.
fn due(view: &View, now: Timestamp) -> Due {
    let schedule = &view.schedule;
    let once = matches!(view.times, schedule::Schedule::At(_));
    let bound = |time: Option<Timestamp>| time.filter(|_| !once);
    let begun = bound(schedule.start).unwrap_or(schedule.created_at);
    let behind = match view.times {
        // A rate acts at once, where it begins.
        Times::Rate(_) => before(schedule.modified_at.max(begun)),
        _ => schedule.modified_at.max(before(begun)),
    };
    let since = view.ran.as_ref().map_or(behind, |ran| ran.at.max(behind));
    let around = view.times.around(begun, since, now);
    let in_time = |at: &Timestamp| bound(schedule.end).is_none_or(|end| *at <= end);
    Due {
        at: around.last.filter(in_time),
        next: around.next.filter(in_time),
    }
}

impl Schedules {
    async fn run(&self, view: &View, at: Timestamp, is_over: bool) -> Result<Committed, AwsError> {
        let View {
            scope,
            schedule,
            ran,
            ..
        } = view;
        let arn = schedule.arn(scope);
        let execution = self.house.rng.uuid();
        let occasion = Occasion {
            scope,
            arn: &arn,
            name: &schedule.name,
            execution: &execution,
            at,
        };
        let (to, text) = target::invocation(&schedule.target, occasion);
        let retry = schedule.target.retry_policy.clone().unwrap_or_default();
        let number = |given: Option<i32>, default| {
            given.and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
        };
        let dead_letter = schedule.target.dead_letter_config.as_ref();
        let dead_letter = dead_letter.and_then(|config| config.arn.clone());
        let begins = at + self.within(schedule.window_minutes);
        let invocation = Invocation {
            origin: Origin::Schedule {
                arn: arn.clone(),
                group: schedule.group.clone(),
                name: schedule.name.clone(),
                execution: execution.clone(),
                scheduled_at: at,
            },
            target_arn: schedule.target.arn.clone(),
            to,
            role: Some(schedule.target.role_arn.clone()),
            retry: Retry {
                attempts: number(retry.maximum_retry_attempts, Retry::DEFAULT.attempts),
                seconds: number(retry.maximum_event_age_in_seconds, Retry::DEFAULT.seconds),
            },
            dead_letter: dead_letter.map(|arn| DeadLetter { arn, body: text }),
            made_at: begins,
            attempts: 0,
            next_at: begins,
        };
        let key = db::key::<Invocation>(scope, &execution);
        let tx = self.house.db.tx().put(key, &invocation);
        let goes = is_over && schedule.after_completion == DELETE;
        let tx = match (goes, ran) {
            (true, _) => {
                let key = ran_key(scope, &schedule.group, &schedule.name);
                tx.delete(schedule).delete_key(key)
            }
            (false, Some(ran)) => tx.unchanged(schedule).update(ran, &Ran { at }),
            (false, None) => {
                let key = ran_key(scope, &schedule.group, &schedule.name);
                tx.unchanged(schedule).create(key, &Ran { at })
            }
        };
        tx.commit().await
    }

    /// A moment of the window.
    fn within(&self, window_minutes: u32) -> Duration {
        let millis = u64::from(window_minutes) * 60_000;
        match millis {
            0 => Duration::ZERO,
            millis => Duration::from_millis(self.house.rng.below(millis)),
        }
    }
}

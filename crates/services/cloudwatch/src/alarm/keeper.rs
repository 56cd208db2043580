//! Looks at alarms: metric alarms when they are due, composite alarms when another has changed.

use super::change::{Next, Release, again, change, is_scaling, reading, release, suppressor};
use super::index::Index;
use super::rule::Rule;
use super::{arn, mute, watch, wording};
use crate::engine::Engine;
use crate::model::{Alarm, Watches};
use neargate_base::Timestamp;
use neargate_domain::alarm::AlarmState;
use neargate_service::{AwsError, Committed, House, Scope, Stored};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Alarms of high resolution are looked at every ten seconds.
const FAST: i64 = 10;
const MINUTE: i64 = 60;
/// "If the number of evaluation periods multiplied by the length of each exceeds one day, the alarm is evaluated
/// once per hour."
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// So long after a period's end an alarm looks at it: what was put at its end has come by then.
const LATE_MILLIS: i64 = 2_000;

/// See the [module](self).
#[derive(Debug)]
pub struct Keeper {
    pub house: Arc<House>,
    pub engine: Arc<Engine>,
    pub index: Arc<Index>,
}

impl Keeper {
    /// Until the future is dropped.
    pub async fn run(self) {
        let mut looked = HashMap::new();
        loop {
            let now = self.house.now().as_millis() - LATE_MILLIS;
            let wait = (now.div_euclid(FAST * 1_000) + 1) * FAST * 1_000 - now;
            let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(10_000));
            tokio::select! {
                () = tokio::time::sleep(wait) => self.metrics(&mut looked).await,
                () = self.index.changed.notified() => {}
            }
            self.composites().await;
            self.unmute().await;
        }
    }

    /// Looks at the metric alarms that are due. `looked` has the number of the interval in which each was last.
    pub async fn metrics(&self, looked: &mut HashMap<String, i64>) {
        let now = self.house.now();
        let all = self.index.all();
        let mut seen = HashMap::new();
        for stored in &all {
            let (Some(metric), Some(scope)) = (stored.metric(), Scope::of_key(&stored.key)) else {
                continue;
            };
            let read = match watch::read(&scope, metric) {
                Ok(Some(read)) => read,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(alarm = stored.name, %error, "cannot be evaluated");
                    continue;
                }
            };
            let every = match read.period {
                period if period < MINUTE => FAST,
                period if period * i64::from(metric.evaluation_periods) > DAY => HOUR,
                _ => MINUTE,
            };
            let interval = (now.as_millis() - LATE_MILLIS).div_euclid(every * 1_000);
            let before = looked.get(&stored.key).copied();
            seen.insert(stored.key.clone(), interval);
            if before == Some(interval) {
                continue;
            }
            let at = Timestamp::from_millis(now.as_millis() - LATE_MILLIS);
            let evaluated = read.evaluate(&self.engine.state(), &scope, stored, metric, at);
            if let Err(error) = self.settle(&scope, stored, evaluated).await {
                tracing::warn!(alarm = stored.name, %error, "its state cannot be written");
            }
        }
        *looked = seen;
    }

    async fn settle(
        &self,
        scope: &Scope,
        stored: &Stored<Alarm>,
        evaluated: watch::Evaluated,
    ) -> Result<(), AwsError> {
        let state = evaluated.state.unwrap_or(stored.state.value);
        if state != stored.state.value {
            let next = Next {
                value: state,
                reason: evaluated.reason,
                reason_data: Some(evaluated.reason_data),
                seen: evaluated.value,
                by_hand: false,
            };
            // Whoever was first is looked at by the next round.
            let _: Committed = change(&self.house, scope, stored, next).await?;
            return Ok(());
        }
        if !stored
            .actions(state)
            .iter()
            .any(|action| is_scaling(action))
        {
            return Ok(());
        }
        let seen = evaluated.value;
        let tx = self.house.db.tx().unchanged(stored);
        let now = self.house.now();
        let tx = match mute::muted_by(&self.house, scope, &stored.name).await? {
            None => {
                let tx = reading(tx, scope, stored, seen, now);
                again(tx, &self.house, scope, stored, seen)
            }
            Some(_) => {
                let muted = Alarm {
                    actions_enabled: false,
                    ..stored.value.clone()
                };
                reading(tx, scope, &muted, seen, now)
            }
        };
        let _: Committed = tx.commit().await?;
        Ok(())
    }

    /// Looks at all composite alarms.
    pub async fn composites(&self) {
        for stored in self.index.all() {
            let Some(scope) = Scope::of_key(&stored.key) else {
                continue;
            };
            if let Err(error) = self.composite(&scope, &stored).await {
                tracing::warn!(alarm = stored.name, %error, "its state cannot be written");
            }
        }
    }

    async fn composite(&self, scope: &Scope, stored: &Stored<Alarm>) -> Result<(), AwsError> {
        let Some(watch) = stored.composite() else {
            return Ok(());
        };
        let Ok(rule) = Rule::parse(&watch.rule) else {
            return Ok(());
        };
        // "The evaluation of composite alarms stops if CloudWatch detects a cycle in the evaluation path."
        if is_cyclic(&self.index, scope, &stored.name) {
            return Ok(());
        }
        let state_of = |name: &str| self.index.get(scope, name).map(|a| a.state.value);
        let state = if rule.holds(&state_of) {
            AlarmState::Alarm
        } else {
            AlarmState::Ok
        };
        // "It returns to its actual state only once any of its children alarms change state. It is also
        // reevaluated if you update its configuration."
        let since = stored.state.updated_at;
        let is_news = |name: &str| {
            let child = self.index.get(scope, name);
            child.is_some_and(|child| child.state.transitioned_at > since)
        };
        let holds = stored.state.set_by_hand && stored.configured_at <= since;
        if holds && !rule.names().into_iter().any(is_news) {
            return Ok(());
        }
        if state != stored.state.value {
            let next = self.composite_next(scope, stored, &rule, state);
            let _: Committed = change(&self.house, scope, stored, next).await?;
            return Ok(());
        }
        let suppressing = suppressor(stored).and_then(state_of) == Some(AlarmState::Alarm);
        let Some(released) = release(stored, suppressing, self.house.now()) else {
            return Ok(());
        };
        let mut alarm = stored.value.clone();
        let Watches::Composite(watch) = &mut alarm.watches else {
            return Ok(());
        };
        let mut tx = self.house.db.tx();
        match released {
            Release::Hold(held) => watch.held = Some(held),
            Release::Act => {
                let held = watch.held.take();
                let from = held.map_or(alarm.state.value, |held| held.from);
                let muted_by = mute::muted_by(&self.house, scope, &alarm.name).await?;
                let last = (from, None);
                tx = mute::act(
                    tx,
                    &self.house,
                    scope,
                    &mut alarm,
                    last,
                    muted_by.as_deref(),
                );
            }
        }
        let _: Committed = tx.update(stored, &alarm).commit().await?;
        Ok(())
    }

    /// AWS's words: the alarm that changed last is the one that did it.
    fn composite_next(
        &self,
        scope: &Scope,
        stored: &Stored<Alarm>,
        rule: &Rule,
        state: AlarmState,
    ) -> Next {
        let children = rule
            .names()
            .into_iter()
            .filter_map(|name| self.index.get(scope, name));
        let last = children.max_by_key(|child| child.state.transitioned_at);
        let own = arn(scope, &stored.name);
        let is_new = stored.state.value == AlarmState::InsufficientData;
        let (reason, data) = match last.filter(|_| !is_new) {
            None => {
                let reason = format!(
                    "{own} was created and its alarm rule evaluates to {}",
                    state.as_str()
                );
                (reason, None)
            }
            Some(child) => {
                let (child_arn, value) = (arn(scope, &child.name), child.state.value.as_str());
                let at = child.state.transitioned_at;
                let reason = format!(
                    "{child_arn} transitioned to {value} at {}",
                    wording::long_date(at)
                );
                let state = json!({ "value": value, "timestamp": wording::date(at) });
                let data = json!({ "triggeringAlarms": [{ "arn": child_arn, "state": state }] });
                (reason, Some(data.to_string()))
            }
        };
        Next {
            value: state,
            reason,
            reason_data: data,
            seen: None,
            by_hand: false,
        }
    }
}

/// Does a composite alarm depend on itself, or on one that does?
pub fn is_cyclic(index: &Index, scope: &Scope, name: &str) -> bool {
    #[derive(PartialEq)]
    enum Seen {
        UnderWay,
        Done,
    }
    fn visit(index: &Index, scope: &Scope, name: &str, seen: &mut BTreeMap<String, Seen>) -> bool {
        match seen.get(name) {
            Some(Seen::UnderWay) => return true,
            Some(Seen::Done) => return false,
            None => {}
        }
        let alarm = index.get(scope, name);
        let rule = alarm
            .as_ref()
            .and_then(|a| a.composite())
            .and_then(|w| Rule::parse(&w.rule).ok());
        seen.insert(name.to_owned(), Seen::UnderWay);
        let cyclic =
            rule.is_some_and(|rule| rule.names().iter().any(|n| visit(index, scope, n, seen)));
        seen.insert(name.to_owned(), Seen::Done);
        cyclic
    }
    visit(index, scope, name, &mut BTreeMap::new())
}

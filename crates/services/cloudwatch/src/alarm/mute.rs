//! Mute rules: windows of time in which alarms do not act
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-mute-rules.html>).
//!
//! What is left undone in a window is done behind it, if the alarm is then still in another state than before:
//! an alarm says itself that it was muted ([`crate::model::Muted`]), so that this holds whoever was killed since.

use super::change::{history, reading, todo};
use super::keeper::Keeper;
use crate::model::{Alarm, MuteRule, Muted};
use neargate_base::Timestamp;
use neargate_domain::alarm::AlarmState;
use neargate_service::cron::{self, Cron};
use neargate_service::db::Tx;
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored};
use serde_json::json;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(15 * 86_400);
const SHORTEST: Duration = Duration::from_secs(60);

/// When a rule's windows begin.
#[derive(Debug, Clone)]
pub enum Begins {
    At(Timestamp),
    Cron(Box<Cron>),
}

/// AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Scheduled,
    Active,
    Expired,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Scheduled => "SCHEDULED",
            Status::Active => "ACTIVE",
            Status::Expired => "EXPIRED",
        }
    }
}

impl Begins {
    /// `None`: it is no schedule, or there is no such zone.
    pub fn parse(expression: &str, zone: Option<&str>) -> Option<Begins> {
        let zone = zone.unwrap_or("UTC");
        let (kind, rest) = expression.split_once('(')?;
        let inside = rest.strip_suffix(')')?;
        match kind {
            // Without a name for what several fields say together.
            "cron" if !inside.contains('@') => {
                let cron = Cron::parse(inside, zone).ok()?;
                Some(Begins::Cron(Box::new(cron)))
            }
            "at" if inside.len() == "2024-05-10T14:00".len() => {
                cron::at(inside, zone).ok().map(Begins::At)
            }
            _ => None,
        }
    }
}

/// A duration of ISO 8601 in days, hours, minutes and seconds, from a minute to fifteen days.
pub fn duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        // Something has to follow.
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    let mut seconds = 0;
    for (mut part, units) in [
        (days, &[('D', 86_400)][..]),
        (time, &[('H', 3_600), ('M', 60), ('S', 1)][..]),
    ] {
        for (unit, length) in units {
            let Some((number, after)) = part.split_once(*unit) else {
                continue;
            };
            let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            let number: u64 = number.parse().ok().filter(|_| is_number)?;
            seconds = number.checked_mul(*length)?.checked_add(seconds)?;
            part = after;
        }
        if !part.is_empty() {
            return None;
        }
    }
    let all = Duration::from_secs(seconds);
    (SHORTEST..=LONGEST).contains(&all).then_some(all)
}

/// How the rule stands at a moment.
pub fn status(rule: &MuteRule, now: Timestamp) -> Status {
    let begins = Begins::parse(&rule.expression, rule.timezone.as_deref());
    let (Some(begins), Some(lasts)) = (begins, duration(&rule.duration)) else {
        // It was checked when it was written.
        return Status::Expired;
    };
    if rule.expire_date.is_some_and(|end| now >= end) {
        return Status::Expired;
    }
    let is_within = match &begins {
        Begins::At(at) if now >= *at + lasts => return Status::Expired,
        Begins::At(at) => now >= *at,
        Begins::Cron(cron) => {
            let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
            let before = Timestamp::from_millis(now.as_millis().saturating_sub(lasts));
            cron.after(before).is_some_and(|began| began <= now)
        }
    };
    match is_within && rule.start_date.is_none_or(|start| now >= start) {
        true => Status::Active,
        false => Status::Scheduled,
    }
}

/// The rule of these that mutes the alarm of this name.
fn muting<'a>(
    rules: &'a [Stored<MuteRule>],
    scope: &Scope,
    name: &str,
    now: Timestamp,
) -> Option<&'a str> {
    let named = |rule: &MuteRule| {
        let mut names = rule.alarm_names.iter().flatten();
        names.any(|target| target == name)
    };
    let mut of = rules.iter().filter(|rule| named(rule));
    let rule = of.find(|rule| {
        Scope::of_key(&rule.key).as_ref() == Some(scope) && status(rule, now) == Status::Active
    })?;
    Some(&rule.name)
}

/// The name of a rule that mutes the alarm now.
///
/// # Errors
/// The store's.
pub async fn muted_by(
    house: &House,
    scope: &Scope,
    name: &str,
) -> Result<Option<String>, AwsError> {
    let rules = house.db.list::<MuteRule>(scope).await?;
    Ok(muting(&rules, scope, name, house.now()).map(str::to_owned))
}

/// Does the actions of the state that the alarm is in, or writes down that a rule mutes them.
pub fn act(
    tx: Tx,
    house: &House,
    scope: &Scope,
    alarm: &mut Alarm,
    (from, seen): (AlarmState, Option<f64>),
    muted_by: Option<&str>,
) -> Tx {
    let from = alarm.muted.take().map_or(from, |muted| muted.from);
    let Some(rule) = muted_by else {
        return todo(tx, house, scope, alarm, from, seen);
    };
    alarm.muted = Some(Muted { from, seen });
    if !alarm.actions_enabled || alarm.actions(alarm.state.value).is_empty() {
        return tx;
    }
    let data = json!({ "actionState": "Muted", "alarmMuteRuleName": rule });
    let summary = format!("Actions are muted by the alarm mute rule {rule}");
    history(tx, house, scope, alarm, "Action", summary, &data)
}

impl Keeper {
    /// What was muted and is no longer is done.
    pub async fn unmute(&self) {
        let all = self.index.all();
        let muted: Vec<_> = all.iter().filter(|alarm| alarm.muted.is_some()).collect();
        if muted.is_empty() {
            return;
        }
        let prefix = format!("{}/", MuteRule::KIND);
        let rules = match self.house.db.list_prefix::<MuteRule>(&prefix).await {
            Ok(rules) => rules,
            Err(error) => {
                tracing::warn!(%error, "muted alarms stay so for now");
                return;
            }
        };
        let now = self.house.now();
        for stored in muted {
            let Some(scope) = Scope::of_key(&stored.key) else {
                continue;
            };
            if muting(&rules, &scope, &stored.name, now).is_some() {
                continue;
            }
            let mut alarm = stored.value.clone();
            let Some(Muted { from, seen }) = alarm.muted.take() else {
                continue;
            };
            let mut tx = self.house.db.tx();
            if from != alarm.state.value {
                tx = todo(tx, &self.house, &scope, &alarm, from, seen);
            }
            tx = reading(tx, &scope, &alarm, seen, now);
            // Whoever was first is looked at by the next round.
            let written: Result<Committed, _> = tx.update(stored, &alarm).commit().await;
            if let Err(error) = written {
                tracing::warn!(alarm = stored.name, %error, "it stays muted for now");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        neargate_wire::timestamp::parse_any(text).expect("a time")
    }

    fn rule(expression: &str, duration: &str, timezone: Option<&str>) -> MuteRule {
        MuteRule {
            name: "nights".into(),
            description: None,
            expression: expression.into(),
            duration: duration.into(),
            timezone: timezone.map(str::to_owned),
            alarm_names: None,
            start_date: None,
            expire_date: None,
            updated_at: at("2026-01-01T00:00:00Z"),
            tags: Default::default(),
        }
    }

    #[test]
    fn durations() {
        let seconds = |text| duration(text).map(|d| d.as_secs());
        assert_eq!(seconds("PT4H"), Some(14_400));
        assert_eq!(seconds("P2DT12H"), Some(216_000));
        assert_eq!(seconds("PT1M"), Some(60));
        assert_eq!(seconds("P15D"), Some(1_296_000));
        for bad in [
            "PT59S", "P15DT1S", "P", "PT", "4H", "PT4", "PT1H1H", "P1H", "PT-1H", "P1DT", "PT1M1H",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_window_is_open_from_its_time_for_its_duration() {
        let nightly = rule("cron(0 22 * * *)", "PT8H", Some("Europe/Berlin"));
        let shown = |text| status(&nightly, at(text));
        assert_eq!(shown("2026-11-30T20:59:59Z"), Status::Scheduled);
        assert_eq!(shown("2026-11-30T21:00:00Z"), Status::Active);
        assert_eq!(shown("2026-12-01T04:59:59Z"), Status::Active);
        assert_eq!(shown("2026-12-01T05:00:00Z"), Status::Scheduled);
        let sundays = rule("cron(0 2 * * SUN)", "PT1H", None);
        assert_eq!(status(&sundays, at("2026-11-29T02:30:00Z")), Status::Active);
        assert_eq!(
            status(&sundays, at("2026-11-30T02:30:00Z")),
            Status::Scheduled
        );
        let once = rule("at(2026-12-23T00:00)", "P7D", None);
        assert_eq!(status(&once, at("2026-12-22T23:59:00Z")), Status::Scheduled);
        assert_eq!(status(&once, at("2026-12-29T00:00:00Z")), Status::Active);
        assert_eq!(status(&once, at("2026-12-30T00:00:00Z")), Status::Expired);
        let dated = MuteRule {
            start_date: Some(at("2026-11-30T22:00:00Z")),
            expire_date: Some(at("2026-12-01T02:00:00Z")),
            ..nightly.clone()
        };
        assert_eq!(
            status(&dated, at("2026-11-30T21:30:00Z")),
            Status::Scheduled
        );
        assert_eq!(status(&dated, at("2026-11-30T22:30:00Z")), Status::Active);
        assert_eq!(status(&dated, at("2026-12-01T02:00:00Z")), Status::Expired);
        for bad in [
            "cron(0 22 * *)",
            "cron(@daily)",
            "rate(1 hour)",
            "at(2026-12-23)",
            "at(2026-12-23T00:00:00)",
        ] {
            assert!(Begins::parse(bad, None).is_none(), "{bad}");
        }
        assert!(Begins::parse("cron(0 2 * * *)", Some("Mars/Olympus")).is_none());
    }
}

//! Schedules of EventBridge and its Scheduler: `at(…)`, `rate(…)` and `cron(…)`
//! (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>). Pure.

use crate::cron::{self, Cron};
use neargate_base::Timestamp;
use std::time::Duration;

/// When something is due.
#[derive(Debug, Clone)]
pub enum Schedule {
    At(Timestamp),
    Rate(Duration),
    Cron(Box<Cron>),
}

/// It is no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

/// How the unit of a rate is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// `1 minute`, `2 minutes`.
    Grammatical,
    Any,
}

/// Longer than a life is no rate.
const LONGEST: u64 = 86_400 * 36_500;

/// The times around a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    /// The last one up to it.
    pub last: Option<Timestamp>,
    /// The first one behind it.
    pub next: Option<Timestamp>,
}

impl Schedule {
    /// `text` in the time zone of that name.
    ///
    /// # Errors
    /// When it is no schedule, or there is no such zone.
    pub fn parse(text: &str, zone: &str, units: Units) -> Result<Schedule, Invalid> {
        let (kind, rest) = text.split_once('(').ok_or(Invalid)?;
        let inside = rest.strip_suffix(')').ok_or(Invalid)?;
        match kind {
            "rate" => rate(inside, units).map(Schedule::Rate).ok_or(Invalid),
            "cron" => {
                let cron = Cron::parse_quartz(inside, zone).map_err(|_| Invalid)?;
                Ok(Schedule::Cron(Box::new(cron)))
            }
            "at" => {
                // To the second, and without a zone of its own.
                let is_local = inside.len() == 19 && !inside.ends_with('Z');
                let at = cron::at(inside, zone).map_err(|_| Invalid)?;
                is_local.then_some(Schedule::At(at)).ok_or(Invalid)
            }
            _ => Err(Invalid),
        }
    }

    /// The times around `now`, of those behind `since`; a rate counts from `begun`.
    pub fn around(&self, begun: Timestamp, since: Timestamp, now: Timestamp) -> Around {
        match self {
            Schedule::At(at) => Around {
                last: Some(*at).filter(|at| *at <= now && *at > since),
                next: Some(*at).filter(|at| *at > now && *at > since),
            },
            Schedule::Rate(every) => {
                let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
                let at = |n: i64| {
                    let millis = begun.as_millis().saturating_add(every.saturating_mul(n));
                    Timestamp::from_millis(millis)
                };
                let count = |up_to: Timestamp| {
                    let passed = up_to.as_millis().saturating_sub(begun.as_millis());
                    passed.div_euclid(every)
                };
                let last = count(now);
                Around {
                    last: (last >= 0).then(|| at(last)).filter(|at| *at > since),
                    next: Some(at(last.max(count(since)).max(-1) + 1)),
                }
            }
            Schedule::Cron(cron) => {
                let from = since.max(before(begun));
                let first = cron.after(from).filter(|at| *at <= now);
                Around {
                    last: first.map(|first| last_of(cron, first, now)),
                    next: cron.after(from.max(now)),
                }
            }
        }
    }
}

/// A moment before, so that what is due right then counts.
pub fn before(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_sub(1))
}

/// The last time from `first` up to `now`. Of a long pause only the end is looked through.
fn last_of(cron: &Cron, first: Timestamp, now: Timestamp) -> Timestamp {
    let mut last = first;
    for hours in [24 * 366, 24 * 31, 24, 1] {
        let near = Timestamp::from_millis(now.as_millis() - 3_600_000 * hours);
        if let Some(at) = cron.after(near.max(last)).filter(|at| *at <= now) {
            last = at;
        }
    }
    while let Some(at) = cron.after(last).filter(|at| *at <= now) {
        last = at;
    }
    last
}

/// `5 minutes`.
fn rate(text: &str, units: Units) -> Option<Duration> {
    let (number, unit) = text.split_once(' ')?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|n| digits && *n > 0)?;
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    let seconds = match singular {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    let is_singular = singular.len() == unit.len();
    if units == Units::Grammatical && is_singular != (number == 1) {
        return None;
    }
    let all = number.checked_mul(seconds).filter(|s| *s <= LONGEST);
    all.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        neargate_wire::timestamp::parse_any(text).expect("a time")
    }

    fn parse(text: &str) -> Result<Schedule, Invalid> {
        Schedule::parse(text, "UTC", Units::Grammatical)
    }

    #[test]
    fn what_is_a_schedule() {
        for good in [
            "rate(1 minute)",
            "rate(5 hours)",
            "cron(0 12 * * ? *)",
            "at(2026-11-30T13:05:00)",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        let bad = [
            "rate(10 seconds)",
            "rate(1 minutes)",
            "rate(10 minute)",
            "rate()",
            "rate(10)",
            "rate(foo minutes)",
            "rate(0 minutes)",
            "rate(-10 minutes)",
            "rate(10 MINUTES)",
            "rate( 10 minutes )",
            " rate(10 minutes)",
            "cron(INVALID)",
            "cron(0 1 * * * *)",
            "at(2021-12-31T23:59:59Z)",
            "at(2021-12-31)",
            "",
        ];
        for bad in bad {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(Schedule::parse("rate(1 minutes)", "UTC", Units::Any).is_ok());
    }

    #[test]
    fn a_rate_counts_from_its_beginning() {
        let rate = parse("rate(5 minutes)").expect("a rate");
        let begun = at("2026-11-30T12:00:00Z");
        let none = rate.around(begun, before(begun), before(begun));
        assert_eq!((none.last, none.next), (None, Some(begun)));
        let first = rate.around(begun, before(begun), begun);
        assert_eq!(first.last, Some(begun));
        let later = rate.around(begun, begun, at("2026-11-30T12:12:00Z"));
        assert_eq!(later.last, Some(at("2026-11-30T12:10:00Z")));
        assert_eq!(later.next, Some(at("2026-11-30T12:15:00Z")));
        // The clock was set back: what was done is not done again.
        let back = rate.around(
            begun,
            at("2026-11-30T12:10:00Z"),
            at("2026-11-30T12:06:00Z"),
        );
        assert_eq!(
            (back.last, back.next),
            (None, Some(at("2026-11-30T12:15:00Z")))
        );
    }

    #[test]
    fn of_a_long_pause_the_last_time_counts() {
        let cron = parse("cron(0/5 * * * ? *)").expect("cron");
        let begun = at("2024-01-01T00:00:00Z");
        let around = cron.around(begun, begun, at("2026-11-30T12:12:30Z"));
        assert_eq!(around.last, Some(at("2026-11-30T12:10:00Z")));
        assert_eq!(around.next, Some(at("2026-11-30T12:15:00Z")));
        let yearly = parse("cron(0 0 1 1 ? *)").expect("cron");
        let around = yearly.around(begun, begun, at("2026-11-30T12:12:30Z"));
        assert_eq!(around.last, Some(at("2026-01-01T00:00:00Z")));
    }

    #[test]
    fn summer_time() {
        let daily =
            Schedule::parse("cron(30 2 * * ? *)", "Europe/Berlin", Units::Any).expect("cron");
        let before_it = at("2026-03-28T12:00:00Z");
        // There is no half past two on the 29th: it is the time behind the gap.
        let around = daily.around(before_it, before_it, before_it);
        assert_eq!(around.next, Some(at("2026-03-29T01:30:00Z")));
        let once =
            Schedule::parse("at(2026-07-01T12:00:00)", "Europe/Berlin", Units::Any).expect("at");
        let around = once.around(before_it, before_it, before_it);
        assert_eq!(around.next, Some(at("2026-07-01T10:00:00Z")));
    }
}

//! Cron expressions of scheduled actions: `minute hour day-of-month month day-of-week`, in a time zone
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html>).
//!
//! As everywhere, a day is one if it fits both fields of days, or either where both restrict it.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use neargate_base::Timestamp;

/// How far ahead a time is looked for: February 29 can be eight years away.
const DAYS: usize = 366 * 8 + 2;
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// From Sunday, 0.
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
    zone: TimeZone,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    Expression,
    TimeZone,
}

impl Cron {
    /// # Errors
    /// When it is no expression, or there is no such zone.
    pub fn parse(text: &str, zone: &str) -> Result<Cron, Invalid> {
        let zone = TimeZone::get(zone).map_err(|_| Invalid::TimeZone)?;
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(Invalid::Expression);
        };
        let field =
            |text, least, most, names| set(text, least, most, names).ok_or(Invalid::Expression);
        let mut weekdays = field(weekday, 0, 7, &WEEKDAYS)?;
        // Sunday is 0 and 7.
        weekdays |= weekdays >> 7 & 1;
        let any = |text: &str| text.starts_with(['*', '?']);
        Ok(Cron {
            minutes: field(minute, 0, 59, &[])?,
            hours: field(hour, 0, 23, &[])?,
            days: field(day, 1, 31, &[])?,
            months: field(month, 1, 12, &MONTHS)?,
            weekdays,
            any_day: any(day),
            any_weekday: any(weekday),
            zone,
        })
    }

    /// The first time behind `now`.
    pub fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let now = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        let from = now.to_zoned(self.zone.clone()).datetime();
        let mut date = from.date();
        for _ in 0..DAYS {
            if self.fits(date) {
                for (hour, minute) in self.times() {
                    let time = Time::new(hour, minute, 0, 0).ok()?;
                    let at = self.timestamp(date.to_datetime(time))?;
                    if at > now {
                        return Some(Timestamp::from_millis(at.as_millisecond()));
                    }
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn fits(&self, date: Date) -> bool {
        let has = |set: u64, n: i8| set >> n & 1 == 1;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let fits = match (self.any_day, self.any_weekday) {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        fits && has(self.months, date.month())
    }

    fn times(&self) -> impl Iterator<Item = (i8, i8)> {
        let (hours, minutes) = (self.hours, self.minutes);
        let of = |set: u64, most: i8| (0..most).filter(move |n| set >> n & 1 == 1);
        of(hours, 24).flat_map(move |hour| of(minutes, 60).map(move |minute| (hour, minute)))
    }

    /// A time that a clock skips is the one behind the gap; of two the first counts.
    fn timestamp(&self, at: DateTime) -> Option<jiff::Timestamp> {
        self.zone.to_timestamp(at).ok()
    }
}

/// The numbers that a field names, as bits.
fn set(text: &str, least: u8, most: u8, names: &[&str]) -> Option<u64> {
    let number = |text: &str| {
        let named = names.iter().position(|n| n.eq_ignore_ascii_case(text));
        let first = if names.len() == 12 { 1 } else { 0 };
        let named = named.and_then(|n| u8::try_from(n + first).ok());
        named
            .or_else(|| text.parse().ok())
            .filter(|n| (least..=most).contains(n))
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u8>().ok().filter(|s| *s > 0)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            // With a step a single number begins a range.
            None if step.is_some() => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        for n in (from..=to).step_by(usize::from(step.unwrap_or(1))) {
            bits |= 1 << n;
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, zone: &str, after: &str) -> String {
        let at: jiff::Timestamp = after.parse().expect("a time");
        let cron = Cron::parse(expression, zone).expect("an expression");
        let next = cron.after(Timestamp::from_millis(at.as_millisecond()));
        next.map_or("never".into(), |t| t.rfc3339().replace(".000Z", "Z"))
    }

    #[test]
    fn expressions() {
        // The first of December 2026 is a Tuesday.
        for (expression, expected) in [
            ("30 6 * * *", "2026-12-01T06:30:00Z"),
            ("*/15 * * * *", "2026-12-01T00:15:00Z"),
            ("0 8 * * 1-5", "2026-12-01T08:00:00Z"),
            ("0 8 * * MON", "2026-12-07T08:00:00Z"),
            ("0 8 * * 7", "2026-12-06T08:00:00Z"),
            ("0 8 * * sun,sat", "2026-12-05T08:00:00Z"),
            ("0 0 1 JAN *", "2027-01-01T00:00:00Z"),
            ("0 0 13 * 5", "2026-12-04T00:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("0 0 30 2 *", "never"),
            ("5/20 0 * * ?", "2026-12-01T00:05:00Z"),
            ("@hourly", "2026-12-01T01:00:00Z"),
        ] {
            let found = next(expression, "Etc/UTC", "2026-12-01T00:00:00Z");
            assert_eq!(found, expected, "{expression}");
        }
        for wrong in [
            "",
            "* * * *",
            "60 * * * *",
            "* * 0 * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
        ] {
            assert!(Cron::parse(wrong, "Etc/UTC").is_err(), "{wrong}");
        }
        let zone = Cron::parse("* * * * *", "Mars/Olympus").map(|_| ());
        assert_eq!(zone, Err(Invalid::TimeZone));
    }

    #[test]
    fn an_hour_of_a_zone_moves_with_its_daylight_saving() {
        let at = |after| next("0 9 * * *", "Europe/Berlin", after);
        assert_eq!(at("2026-03-28T09:00:00Z"), "2026-03-29T07:00:00Z");
        assert_eq!(at("2026-10-24T09:00:00Z"), "2026-10-25T08:00:00Z");
    }
}

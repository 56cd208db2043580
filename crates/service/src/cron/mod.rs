//! Cron expressions in a time zone, in the two grammars that AWS has: Unix's, of EC2 Auto Scaling's
//! scheduled actions ([`Cron::parse`],
//! <https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html>),
//! and Quartz's without seconds, of Application Auto Scaling and EventBridge ([`Cron::parse_quartz`],
//! <https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html>).

mod field;
#[cfg(test)]
mod tests;

use field::{Days, set};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use neargate_base::Timestamp;
use std::collections::BTreeSet;

/// How many days that the years allow are looked at: February 29 can be eight years away.
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
    months: u64,
    days: Days,
    /// `None`: every year.
    years: Option<BTreeSet<i16>>,
    zone: TimeZone,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    Expression,
    TimeZone,
}

/// The zone of this name of the IANA database.
///
/// # Errors
/// [`Invalid::TimeZone`] when there is none.
pub fn zone(name: &str) -> Result<TimeZone, Invalid> {
    TimeZone::get(name).map_err(|_| Invalid::TimeZone)
}

/// When a clock of this zone shows a time, `2026-11-30T13:05:00`.
///
/// # Errors
/// When it is no time, or there is no such zone.
pub fn at(text: &str, zone_name: &str) -> Result<Timestamp, Invalid> {
    let zone = zone(zone_name)?;
    if !text.contains('T') {
        return Err(Invalid::Expression);
    }
    let at: DateTime = text.parse().map_err(|_| Invalid::Expression)?;
    let at = zone.to_timestamp(at).map_err(|_| Invalid::Expression)?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}

impl Cron {
    /// `minute hour day-of-month month day-of-week`, as Unix has it: Sunday is 0 and 7, and a day is
    /// one if it fits both fields of days, or either where both restrict it.
    ///
    /// # Errors
    /// When it is no expression, or there is no such zone.
    pub fn parse(text: &str, zone_name: &str) -> Result<Cron, Invalid> {
        let zone = zone(zone_name)?;
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
        let days = Days::unix(day, weekday).ok_or(Invalid::Expression)?;
        Cron::of([minute, hour, month], days, None, zone)
    }

    /// `minute hour day-of-month month day-of-week year`, as Quartz has it: Sunday is 1, one of the
    /// fields of days is `?`, and there are `L`, `W` and `#`.
    ///
    /// # Errors
    /// When it is no expression, or there is no such zone.
    pub fn parse_quartz(text: &str, zone_name: &str) -> Result<Cron, Invalid> {
        let zone = zone(zone_name)?;
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday, year] = fields[..] else {
            return Err(Invalid::Expression);
        };
        let days = Days::quartz(day, weekday).ok_or(Invalid::Expression)?;
        let years = field::years(year).ok_or(Invalid::Expression)?;
        Cron::of([minute, hour, month], days, years, zone)
    }

    fn of(
        [minute, hour, month]: [&str; 3],
        days: Days,
        years: Option<BTreeSet<i16>>,
        zone: TimeZone,
    ) -> Result<Cron, Invalid> {
        let field =
            |text, least, most, names| set(text, least, most, names).ok_or(Invalid::Expression);
        Ok(Cron {
            minutes: field(minute, 0, 59, &[])?,
            hours: field(hour, 0, 23, &[])?,
            months: field(month, 1, 12, &MONTHS)?,
            days,
            years,
            zone,
        })
    }

    /// The first time behind `now`.
    pub fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let now = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        let mut date = now.to_zoned(self.zone.clone()).datetime().date();
        for _ in 0..DAYS {
            date = self.in_year(date)?;
            if self.months >> date.month() & 1 == 1 && self.days.fit(date) {
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

    /// The date, or the first one behind it that is in a year of the expression.
    fn in_year(&self, date: Date) -> Option<Date> {
        let Some(years) = &self.years else {
            return Some(date);
        };
        match *years.range(date.year()..).next()? {
            year if year == date.year() => Some(date),
            year => Date::new(year, 1, 1).ok(),
        }
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

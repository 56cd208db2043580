//! Moments and periods: how dates are shown, and what they are rounded to.

use std::fmt;

/// A length of time in the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Millis(i64),
    Months(i64),
}

impl Period {
    /// `count` of a unit
    /// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-operations-functions.html#CWL_QuerySyntax-datetime>).
    pub fn of(count: f64, unit: &str) -> Option<Period> {
        const SECOND: i64 = 1_000;
        const DAY: i64 = 86_400 * SECOND;
        let fixed = |millis: i64| {
            let total = count * millis as f64;
            (1.0..1e15)
                .contains(&total)
                .then_some(Period::Millis(total as i64))
        };
        let calendar = |months: i64| {
            let whole = count.fract() == 0.0 && (1.0..=12_000.0).contains(&count);
            whole.then_some(Period::Months(count as i64 * months))
        };
        match unit {
            "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => fixed(1),
            "s" | "sec" | "secs" | "second" | "seconds" => fixed(SECOND),
            "m" | "min" | "mins" | "minute" | "minutes" => fixed(60 * SECOND),
            "h" | "hr" | "hrs" | "hour" | "hours" => fixed(3_600 * SECOND),
            "d" | "day" | "days" => fixed(DAY),
            "w" | "week" | "weeks" => fixed(7 * DAY),
            "mo" | "mon" | "mons" | "month" | "months" => calendar(1),
            "q" | "qtr" | "qtrs" | "quarter" | "quarters" => calendar(3),
            "y" | "yr" | "yrs" | "year" | "years" => calendar(12),
            _ => None,
        }
    }

    /// The beginning of the period that `millis` is in.
    pub fn floor(self, millis: i64) -> i64 {
        match self {
            Period::Millis(length) => millis.div_euclid(length).saturating_mul(length),
            Period::Months(length) => {
                let Date { year, month, .. } = Date::of(millis);
                let months = (year * 12 + month - 1).div_euclid(length) * length;
                start_of_month(months)
            }
        }
    }

    /// `millis`, if a period begins then, else the beginning of the next.
    pub fn ceil(self, millis: i64) -> i64 {
        let floor = self.floor(millis);
        if floor == millis {
            return floor;
        }
        match self {
            Period::Millis(length) => floor.saturating_add(length),
            Period::Months(length) => {
                let Date { year, month, .. } = Date::of(floor);
                start_of_month(year * 12 + month - 1 + length)
            }
        }
    }
}

/// When a month begins that is counted from the year 0.
fn start_of_month(months: i64) -> i64 {
    days_until(months.div_euclid(12), months.rem_euclid(12) + 1) * 86_400_000
}

/// Days from 1970 until a month of the Gregorian calendar begins.
fn days_until(year: i64, month: i64) -> i64 {
    // Years begin in March, so that the leap day is a year's last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

struct Date {
    year: i64,
    month: i64,
    day: i64,
    millis_of_day: i64,
}

impl Date {
    fn of(millis: i64) -> Date {
        let days = millis.div_euclid(86_400_000) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        Date {
            year: era * 400 + of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted + 2) / 5 + 1,
            millis_of_day: millis.rem_euclid(86_400_000),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date {
            year, month, day, ..
        } = self;
        let seconds = self.millis_of_day / 1_000;
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        let (seconds, millis) = (seconds % 60, self.millis_of_day % 1_000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{millis:03}"
        )
    }
}

/// `2023-11-14 22:13:20.000`, in UTC.
pub fn shown(millis: i64) -> String {
    Date::of(millis).to_string()
}

//! The fields of an expression: sets of numbers, and which days are meant.

use super::WEEKDAYS;
use jiff::civil::{Date, Weekday};
use std::collections::BTreeSet;

/// Which days are meant.
#[derive(Debug, Clone)]
pub(super) struct Days {
    /// Of the month, as bits.
    days: u64,
    /// As bits, Sunday first.
    weekdays: u64,
    /// Days that only a calendar tells.
    special: Vec<Special>,
    /// One that fits either field is meant, not one that fits both.
    either: bool,
}

#[derive(Debug, Clone, Copy)]
enum Special {
    /// `L`: the last day of the month.
    Last,
    /// `LW`: its last day from Monday to Friday.
    LastWorkday,
    /// `15W`: the day from Monday to Friday that is nearest to it, in the same month.
    Workday(i8),
    /// `6L`: the last Friday, and so on; days from Sunday, 0.
    LastOf(i8),
    /// `6#3`: the third Friday.
    Nth(i8, i8),
}

impl Days {
    pub(super) fn unix(day: &str, weekday: &str) -> Option<Days> {
        let mut weekdays = set(weekday, 0, 7, &WEEKDAYS)?;
        // Sunday is 0 and 7.
        weekdays |= weekdays >> 7 & 1;
        let any = |text: &str| text.starts_with(['*', '?']);
        Some(Days {
            days: set(day, 1, 31, &[])?,
            weekdays,
            special: Vec::new(),
            either: !any(day) && !any(weekday),
        })
    }

    pub(super) fn quartz(day: &str, weekday: &str) -> Option<Days> {
        if (day == "?") == (weekday == "?") {
            return None;
        }
        let mut special = Vec::new();
        let mut plain = |text: &str, read: fn(&str) -> Option<Special>| {
            let (calendar, plain): (Vec<&str>, Vec<&str>) =
                text.split(',').partition(|part| read(part).is_some());
            special.extend(calendar.into_iter().filter_map(read));
            plain.join(",")
        };
        let days = plain(day, of_month);
        let weekdays = plain(weekday, of_week);
        // What only a calendar tells leaves nothing of its field to the plain sets.
        let days = match days.is_empty() {
            true => 0,
            false => set(&days, 1, 31, &[])?,
        };
        let weekdays = match weekdays.is_empty() {
            true => 0,
            // Sunday is 1.
            false => set(&weekdays, 1, 7, &WEEKDAYS)? >> 1,
        };
        Some(Days {
            days,
            weekdays,
            special,
            either: false,
        })
    }

    pub(super) fn fit(&self, date: Date) -> bool {
        let has = |set: u64, n: i8| set >> n & 1 == 1;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let plain = match self.either {
            true => day || weekday,
            false => day && weekday,
        };
        plain || self.special.iter().any(|special| special.is(date))
    }
}

/// What a part of the field of days of the month means beyond numbers.
fn of_month(part: &str) -> Option<Special> {
    match part {
        "L" | "l" => Some(Special::Last),
        "LW" | "lw" => Some(Special::LastWorkday),
        _ => {
            let day: i8 = part.strip_suffix(['W', 'w'])?.parse().ok()?;
            (1..=31).contains(&day).then_some(Special::Workday(day))
        }
    }
}

/// What a part of the field of weekdays means beyond numbers.
fn of_week(part: &str) -> Option<Special> {
    let weekday = |text: &str| {
        let bits = set(text, 1, 7, &WEEKDAYS)?;
        i8::try_from(bits.trailing_zeros()).ok().map(|n| n - 1)
    };
    if let Some((day, nth)) = part.split_once('#') {
        let nth = nth.parse().ok().filter(|n| (1..=5).contains(n))?;
        return Some(Special::Nth(single(day).and_then(weekday)?, nth));
    }
    match part.strip_suffix(['L', 'l'])? {
        // Alone it is the week's last day.
        "" => None,
        day => Some(Special::LastOf(single(day).and_then(weekday)?)),
    }
}

/// One number or name, not a range.
fn single(text: &str) -> Option<&str> {
    (!text.contains(['-', '/', '*', '?'])).then_some(text)
}

impl Special {
    fn is(self, date: Date) -> bool {
        let (day, last) = (date.day(), date.days_in_month());
        let weekday = date.weekday().to_sunday_zero_offset();
        match self {
            Special::Last => day == last,
            Special::LastWorkday => nearest(date, last) == Some(day),
            Special::Workday(wanted) => nearest(date, wanted) == Some(day),
            Special::LastOf(wanted) => weekday == wanted && day + 7 > last,
            Special::Nth(wanted, nth) => weekday == wanted && (day - 1) / 7 + 1 == nth,
        }
    }
}

/// The day from Monday to Friday that is nearest to a day of the date's month; it is in that month.
fn nearest(date: Date, day: i8) -> Option<i8> {
    let last = date.days_in_month();
    let there = Date::new(date.year(), date.month(), day).ok()?;
    Some(match there.weekday() {
        Weekday::Saturday if day == 1 => 3,
        Weekday::Saturday => day - 1,
        Weekday::Sunday if day == last => day - 2,
        Weekday::Sunday => day + 1,
        _ => day,
    })
}

/// Years from 1970 to 2199; `Some(None)`: all of them.
pub(super) fn years(text: &str) -> Option<Option<BTreeSet<i16>>> {
    const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;
    if text == "*" {
        return Some(None);
    }
    let number = |text: &str| text.parse().ok().filter(|y| YEARS.contains(y));
    let mut years = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|s| *s > 0)?),
            None => (part, 0_usize),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (*YEARS.start(), *YEARS.end()),
            Some((from, to)) => (number(from)?, number(to)?),
            // With a step a single year begins a range.
            None if step > 0 => (number(range)?, *YEARS.end()),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        years.extend((from..=to).step_by(step.max(1)));
    }
    Some(Some(years))
}

/// The numbers that a field names, as bits. Names stand for numbers from `least`, or for those of
/// months and weekdays of a grammar in which `least` is the first.
pub(super) fn set(text: &str, least: u8, most: u8, names: &[&str]) -> Option<u64> {
    let number = |text: &str| {
        let named = names.iter().position(|n| n.eq_ignore_ascii_case(text));
        let named = named.and_then(|n| Some(u8::try_from(n).ok()? + least));
        named
            .or_else(|| text.parse().ok())
            // `L` alone is the last day of the week.
            .or_else(|| {
                (least == 1 && names.len() == 7 && matches!(text, "L" | "l")).then_some(most)
            })
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

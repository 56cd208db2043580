//! Dates of conditions: ISO 8601, as far as the parts are given, or seconds since 1970.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;

/// Nanoseconds since 1970.
pub fn parse(text: &str) -> Option<i128> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.len() != 4 {
        return Some(text.parse::<i64>().ok()? as i128 * 1_000_000_000);
    }
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = parts.next()?;
    let (month, day) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("1"));
    if parts.next().is_some() {
        return None;
    }
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let (time, offset) = match time {
        Some(time) => clock(time)?,
        None => (Time::midnight(), Offset::UTC),
    };
    let at = offset.to_timestamp(date.to_datetime(time)).ok()?;
    Some(at.as_nanosecond())
}

/// `12:30:05.5Z`, `12:30+02:00`.
fn clock(text: &str) -> Option<(Time, Offset)> {
    let (time, offset) = if let Some(time) = text.strip_suffix(['Z', 'z']) {
        (time, Offset::UTC)
    } else if let Some(at) = text.rfind(['+', '-']) {
        let (time, offset) = text.split_at(at);
        let digits = offset[1..].replace(':', "");
        let hours: i32 = digits.get(..2)?.parse().ok()?;
        let minutes: i32 = match digits.get(2..)? {
            "" => 0,
            minutes => minutes.parse().ok()?,
        };
        let seconds = hours * 3600 + minutes * 60;
        let sign = if offset.starts_with('-') { -1 } else { 1 };
        (time, Offset::from_seconds(sign * seconds).ok()?)
    } else {
        (text, Offset::UTC)
    };
    let mut parts = time.split(':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next().unwrap_or("0").parse().ok()?;
    let seconds = parts.next().unwrap_or("0");
    if parts.next().is_some() {
        return None;
    }
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let nanos: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let time = Time::new(hour, minute, second.parse().ok()?, nanos.parse().ok()?).ok()?;
    Some((time, offset))
}

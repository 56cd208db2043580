//! Maintenance and backup windows, in UTC: `sun:04:00-sun:04:30`, `03:00-03:30`.

use crate::error;
use neargate_base::Timestamp;
use neargate_service::AwsError;

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
const SHORTEST: u32 = 30;

/// A backup window, in lower case.
///
/// # Errors
/// It is none.
pub fn daily(given: &str) -> Result<String, AwsError> {
    let fits = given.split_once('-').and_then(|(from, to)| {
        let long = (DAY + minute(to)? - minute(from)?) % DAY;
        (long >= SHORTEST).then_some(())
    });
    fits.map(|()| given.to_owned())
        .ok_or_else(|| error::value(format!("Invalid backup window format: {given}")))
}

/// A maintenance window, in lower case.
///
/// # Errors
/// It is none.
pub fn weekly(given: &str) -> Result<String, AwsError> {
    let given = given.to_ascii_lowercase();
    let long = |(from, to): (u32, u32)| (WEEK + to - from) % WEEK;
    match ends(&given).map(long) {
        Some(minutes) if (SHORTEST..=DAY).contains(&minutes) => Ok(given),
        _ => Err(error::value(format!(
            "Invalid maintenance window format: {given}. Should be specified as a range ddd:hh24:mi-ddd:hh24:mi \
             (24H Clock UTC). Example: Sun:23:45-Mon:00:15"
        ))),
    }
}

/// Is the window open?
pub fn is_open(window: &str, now: Timestamp) -> bool {
    let Some((from, to)) = ends(window) else {
        return false;
    };
    // The first of January 1970 was a Thursday.
    let minutes = now.as_millis().div_euclid(60_000) + i64::from(4 * DAY);
    let minute = u32::try_from(minutes.rem_euclid(i64::from(WEEK))).unwrap_or(0);
    (WEEK + minute - from) % WEEK < (WEEK + to - from) % WEEK
}

/// Both ends in minutes of the week.
fn ends(window: &str) -> Option<(u32, u32)> {
    let (from, to) = window.split_once('-')?;
    Some((of_week(from)?, of_week(to)?))
}

fn of_week(text: &str) -> Option<u32> {
    let (day, time) = text.split_once(':')?;
    let day = DAYS.iter().position(|name| *name == day)?;
    Some(u32::try_from(day).ok()? * DAY + minute(time)?)
}

fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str, below: u32| {
        let number = part.parse::<u32>().ok().filter(|n| *n < below);
        number.filter(|_| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
    };
    Some(two(hour, 24)? * 60 + two(minute, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows() {
        assert_eq!(
            weekly("Sun:23:45-Mon:00:15").unwrap(),
            "sun:23:45-mon:00:15"
        );
        for bad in [
            "sun:04:00-sun:04:10",
            "sun:4:00-sun:05:00",
            "x",
            "sun:04:00",
        ] {
            assert!(weekly(bad).is_err(), "{bad}");
        }
        assert!(daily("23:45-00:15").is_ok());
        assert!(daily("03:00-03:10").is_err());
        // 2023-11-14T22:13:20Z, a Tuesday.
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert!(is_open("tue:22:00-tue:22:30", now));
        assert!(!is_open("tue:22:30-tue:23:00", now));
        assert!(is_open("sat:00:00-wed:00:00", now));
    }
}

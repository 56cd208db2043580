//! Timestamps as the protocols write them.

use crate::schema::TimestampFormat;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use neargate_base::Timestamp;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Writes a timestamp. Fractions (milliseconds) appear only when they are not zero.
pub fn format(time: Timestamp, format: TimestampFormat) -> String {
    let millis = time.as_millis();
    match format {
        TimestampFormat::EpochSeconds => number(time).to_string(),
        TimestampFormat::DateTime => match jiff::Timestamp::from_millisecond(millis) {
            Ok(t) if millis % 1000 == 0 => format!("{t:.0}"),
            Ok(t) => format!("{t:.3}"),
            Err(_) => millis.to_string(),
        },
        TimestampFormat::HttpDate => http_date(millis),
    }
}

/// Epoch seconds as a JSON number: whole when it can be, never in exponent notation, which
/// some SDKs refuse.
pub fn number(time: Timestamp) -> serde_json::Number {
    let millis = time.as_millis();
    if millis % 1000 == 0 {
        return (millis / 1000).into();
    }
    serde_json::Number::from_f64(time.as_secs_f64()).unwrap_or_else(|| (millis / 1000).into())
}

/// Epoch seconds, rounded to milliseconds; `None` when out of range.
pub fn from_epoch_seconds(seconds: f64) -> Option<Timestamp> {
    let millis = (seconds * 1000.0).round();
    let in_range = millis.abs() < 9_007_199_254_740_992.0; // 2^53: exact in a double
    in_range.then(|| Timestamp::from_millis(millis as i64))
}

/// Reads a timestamp of that format.
pub fn parse(text: &str, format: TimestampFormat) -> Option<Timestamp> {
    match format {
        TimestampFormat::EpochSeconds => from_epoch_seconds(text.parse().ok()?),
        TimestampFormat::DateTime => date_time(text),
        TimestampFormat::HttpDate => jiff::fmt::rfc2822::parse(text)
            .ok()
            .map(|z| Timestamp::from_millis(z.timestamp().as_millisecond()))
            .or_else(|| date_time(text)),
    }
}

/// Reads a timestamp in whatever form it has, as the query protocols' servers do.
pub fn parse_any(text: &str) -> Option<Timestamp> {
    [
        TimestampFormat::DateTime,
        TimestampFormat::EpochSeconds,
        TimestampFormat::HttpDate,
    ]
    .into_iter()
    .find_map(|format| parse(text, format))
}

/// RFC 3339, or a date or date-time without offset, which is taken as UTC.
fn date_time(text: &str) -> Option<Timestamp> {
    let time = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Offset::UTC.to_timestamp(civil).ok()
    })?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

/// IMF-fixdate (RFC 9110, 5.6.7); milliseconds only when there are some, as Smithy allows.
fn http_date(millis: i64) -> String {
    let Ok(time) = jiff::Timestamp::from_millisecond(millis) else {
        return millis.to_string();
    };
    let d = Offset::UTC.to_datetime(time);
    let weekday = WEEKDAYS[d.weekday().to_monday_zero_offset() as usize];
    let month = MONTHS[(d.month() - 1) as usize];
    let fraction = match millis.rem_euclid(1000) {
        0 => String::new(),
        ms => format!(".{ms:03}"),
    };
    format!(
        "{weekday}, {:02} {month} {:04} {:02}:{:02}:{:02}{fraction} GMT",
        d.day(),
        d.year(),
        d.hour(),
        d.minute(),
        d.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimestampFormat::{DateTime, EpochSeconds, HttpDate};

    #[test]
    fn every_format_reads_what_it_writes() {
        for millis in [
            0,
            1_398_796_238_000,
            1_398_796_238_123,
            -1,
            1_763_876_608_999,
        ] {
            let time = Timestamp::from_millis(millis);
            for f in [EpochSeconds, DateTime] {
                assert_eq!(
                    parse(&format(time, f), f),
                    Some(time),
                    "{}",
                    format(time, f)
                );
                assert_eq!(parse_any(&format(time, f)), Some(time));
            }
        }
    }

    #[test]
    fn formats_are_awss() {
        let time = Timestamp::from_millis(1_398_796_238_000);
        assert_eq!(format(time, HttpDate), "Tue, 29 Apr 2014 18:30:38 GMT");
        assert_eq!(format(time, DateTime), "2014-04-29T18:30:38Z");
        assert_eq!(format(time, EpochSeconds), "1398796238");
        let time = Timestamp::from_millis(1_398_796_238_123);
        assert_eq!(format(time, DateTime), "2014-04-29T18:30:38.123Z");
        assert_eq!(format(time, EpochSeconds), "1398796238.123");
        assert_eq!(
            parse("Tue, 29 Apr 2014 18:30:38 GMT", HttpDate)
                .unwrap()
                .as_millis()
                % 1000,
            0
        );
        assert_eq!(
            parse("2014-04-29", DateTime).unwrap().as_millis() % 86_400_000,
            0
        );
        assert_eq!(
            parse("2014-04-29T20:30:38+02:00", DateTime)
                .unwrap()
                .as_millis(),
            1_398_796_238_000
        );
        for bad in ["", "now", "1e300", "NaN", "2014-13-01"] {
            assert_eq!(parse_any(bad), None, "{bad}");
        }
    }
}

//! A length of time as people write it: `90s`, `15m`, `24h`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// At least a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

/// The text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSpan(String);

impl fmt::Display for InvalidSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a time such as 500ms, 90s, 15m or 24h",
            self.0
        )
    }
}

impl std::error::Error for InvalidSpan {}

/// Longest first.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Span, InvalidSpan> {
        let invalid = || InvalidSpan(text.to_owned());
        let split = |(unit, millis): &(&str, u64)| Some((text.strip_suffix(unit)?, *millis));
        let (number, millis) = UNITS.iter().find_map(split).ok_or_else(invalid)?;
        let number: u64 = number.parse().map_err(|_| invalid())?;
        match number.checked_mul(millis) {
            None | Some(0) => Err(invalid()),
            Some(millis) => Ok(Span(Duration::from_millis(millis))),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis() as u64;
        match millis {
            m if m.is_multiple_of(3_600_000) => write!(f, "{}h", m / 3_600_000),
            m if m.is_multiple_of(60_000) && m != 60_000 => write!(f, "{}m", m / 60_000),
            m if m.is_multiple_of(1_000) => write!(f, "{}s", m / 1_000),
            m => write!(f, "{m}ms"),
        }
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Span(duration)
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl TryFrom<String> for Span {
    type Error = InvalidSpan;
    fn try_from(text: String) -> Result<Span, InvalidSpan> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Span;
    use std::time::Duration;

    #[test]
    fn reads_what_it_prints() {
        for (text, millis) in [
            ("250ms", 250),
            ("60s", 60_000),
            ("15m", 900_000),
            ("24h", 86_400_000),
        ] {
            let span: Span = text.parse().expect("a time");
            assert_eq!(Duration::from(span).as_millis(), millis);
            assert_eq!(span.to_string(), text);
        }
        for bad in [
            "",
            "s",
            "0s",
            "-1s",
            "1.5h",
            "10",
            "1d",
            "99999999999999999999s",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}

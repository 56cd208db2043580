//! The two date forms SigV4 reads: `YYYYMMDDTHHMMSSZ` and the HTTP `Date` header's.

use neargate_base::Timestamp;

const BASIC: &str = "%Y%m%dT%H%M%SZ";

/// Reads ISO 8601's basic form, e.g. `20150830T123600Z`; nothing else.
pub fn parse_basic(text: &str) -> Option<Timestamp> {
    if text.len() != 16 {
        return None;
    }
    let civil = jiff::civil::DateTime::strptime(BASIC, text).ok()?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// Reads a `Date` header (RFC 9110 section 5.6.7), or the basic form, which some clients send there.
pub(super) fn parse_http(text: &str) -> Option<Timestamp> {
    if let Some(at) = parse_basic(text) {
        return Some(at);
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Timestamp::from_millis(at.timestamp().as_millisecond()))
}

/// Writes the basic form.
pub(super) fn format_basic(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map(|t| t.strftime(BASIC).to_string())
        .unwrap_or_default()
}

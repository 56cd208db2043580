//! Cookies by which a client stays with a target group or with a target
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/sticky-sessions.html>).
//!
//! AWS's cookies are sealed; ours hold a number that means nothing elsewhere, and a time. A client
//! that changes one chooses among targets that it could be led to anyway.

use super::head::Fields;
use std::time::{Duration, UNIX_EPOCH};

/// How long clients keep cookies; how long they count is in their values.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The cookies of stickiness of target groups, of targets by duration, and of targets by the
/// application's own cookie.
pub const GROUP: &str = "AWSALBTG";
pub const TARGET: &str = "AWSALB";
pub const APPLICATION: &str = "AWSALBAPP-0";

/// The number of a target or of a target group in cookies: the same in every process (FNV-1a).
pub fn number(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter().chain(b"\0"));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The value of a cookie that the client sent.
pub fn find<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    let pairs = fields
        .all("cookie")
        .flat_map(|value| value.split(|b| *b == b';'));
    let mut found = pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        let rest = pair.strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b"=")
    });
    found.next()
}

/// Does a response set this cookie?
pub fn is_set(fields: &Fields, name: &str) -> bool {
    fields.all("set-cookie").any(|value| {
        let rest = value.strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"="))
    })
}

/// The number in a cookie's value, while it counts.
pub fn read(value: &[u8], now_seconds: u64) -> Option<u64> {
    let text = std::str::from_utf8(value).ok().filter(|t| t.len() == 32)?;
    let (number, until) = text.split_at_checked(16)?;
    let until = u64::from_str_radix(until, 16).ok()?;
    let number = u64::from_str_radix(number, 16).ok()?;
    (until > now_seconds).then_some(number)
}

/// What sets a cookie, without and with the attributes that browsers want across sites.
pub fn write(
    name: &str,
    number: u64,
    now_seconds: u64,
    duration: Duration,
    is_https: bool,
) -> Vec<String> {
    let until = now_seconds + duration.as_secs();
    let expires = UNIX_EPOCH + Duration::from_secs(now_seconds) + KEPT;
    let expires = httpdate::fmt_http_date(expires);
    let value = format!("{number:016x}{until:016x}");
    let plain = format!("{name}={value}; Expires={expires}; Path=/");
    if name == APPLICATION {
        return vec![plain];
    }
    let secure = if is_https { "; Secure" } else { "" };
    let across = format!("{name}CORS={value}; Expires={expires}; Path=/; SameSite=None{secure}");
    vec![plain, across]
}

//! Both grammars, and times across daylight saving.

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

fn quartz(expression: &str, after: &str) -> String {
    let at: jiff::Timestamp = after.parse().expect("a time");
    let cron = Cron::parse_quartz(expression, "Etc/UTC").expect("an expression");
    let next = cron.after(Timestamp::from_millis(at.as_millisecond()));
    next.map_or("never".into(), |t| t.rfc3339().replace(".000Z", "Z"))
}

#[test]
fn expressions_of_quartz() {
    for (expression, expected) in [
        ("0 10 * * ? *", "2026-12-01T10:00:00Z"),
        ("15 12 ? * MON-FRI *", "2026-12-01T12:15:00Z"),
        ("0/5 8-17 ? * 2-6 *", "2026-12-01T08:00:00Z"),
        ("0 8 ? * 1 *", "2026-12-06T08:00:00Z"),
        ("0 8 ? * L *", "2026-12-05T08:00:00Z"),
        ("0 18 L * ? *", "2026-12-31T18:00:00Z"),
        ("0 18 LW * ? *", "2026-12-31T18:00:00Z"),
        ("0 0 5W 12 ? *", "2026-12-04T00:00:00Z"),
        ("0 0 6W 12 ? *", "2026-12-07T00:00:00Z"),
        ("0 9 ? * 2#1 *", "2026-12-07T09:00:00Z"),
        ("0 9 ? * FRIL *", "2026-12-25T09:00:00Z"),
        ("0 0 1 1 ? 2030", "2030-01-01T00:00:00Z"),
        ("0 0 1 1 ? 2150", "2150-01-01T00:00:00Z"),
        ("0 0 1 1 ? 2025", "never"),
        ("0 0 1 JAN,JUL ? 2026/2", "2028-01-01T00:00:00Z"),
    ] {
        let found = quartz(expression, "2026-12-01T00:00:00Z");
        assert_eq!(found, expected, "{expression}");
    }
    for wrong in [
        "",
        "0 10 * * *",
        "0 10 * * * *",
        "0 10 ? * ? *",
        "0 10 1 * MON *",
        "0 10 ? * 0 *",
        "0 10 ? * 8 *",
        "0 10 ? * 2#6 *",
        "0 10 32W * ? *",
        "60 10 * * ? *",
        "0 10 * * ? 1969",
    ] {
        assert!(Cron::parse_quartz(wrong, "Etc/UTC").is_err(), "{wrong}");
    }
    assert!(
        Cron::parse("0 0 * * L", "Etc/UTC").is_err(),
        "Unix has no L"
    );
}

#[test]
fn a_time_is_of_a_zone() {
    let found = at("2026-11-30T13:05:00", "America/New_York").expect("a time");
    assert_eq!(found.rfc3339(), "2026-11-30T18:05:00.000Z");
    assert_eq!(at("13:05", "Etc/UTC"), Err(Invalid::Expression));
    assert_eq!(at("2026-11-30T13:05:00", "x"), Err(Invalid::TimeZone));
}

//! Queries over a handful of events, as CloudWatch would answer them.

use super::run::Run;
use super::*;
use crate::engine::Position;
use neargate_base::Timestamp;
use std::sync::Arc;

/// 2023-11-14 22:13:20.
const NOW: i64 = 1_700_000_000_000;

fn source() -> Source {
    Source {
        name: "web".into(),
        account: "123456789012".into(),
        region: "us-east-1".into(),
    }
}

/// The rows of a query over messages that came a second after each other, the latest first.
#[track_caller]
fn rows(query: &str, messages: &[&str]) -> Vec<Row> {
    let commands = parse(query, Timestamp::from_millis(NOW));
    let commands = commands.unwrap_or_else(|e| panic!("{query}: {e:?}"));
    let mut run = Run::new(Arc::new(Plan::new(commands, 10_000)));
    let source = source();
    for (n, message) in messages.iter().enumerate().rev() {
        let at = Position {
            millis: NOW + n as i64 * 1_000,
            ordinal: n as u64,
        };
        let event = Event::new(at, NOW + 5, "one", message, &source);
        run.event(&event).expect("fits");
    }
    run.finish().expect("fits")
}

/// The same, without pointers: `name=value` of each row.
#[track_caller]
fn shown(query: &str, messages: &[&str]) -> Vec<String> {
    let row = |row: Row| {
        let cells = row.iter().filter(|(name, _)| &**name != "@ptr");
        let cells: Vec<String> = cells
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        cells.join(" ")
    };
    rows(query, messages).into_iter().map(row).collect()
}

/// The value of an expression over one event.
#[track_caller]
fn value(expr: &str, message: &str) -> String {
    let found = shown(&format!("fields {expr} as v"), &[message]);
    found
        .concat()
        .strip_prefix("v=")
        .unwrap_or("null")
        .to_owned()
}

const REQUESTS: [&str; 5] = [
    r#"{"path": "/a", "status": 200, "ms": 10, "user": {"id": "u1"}}"#,
    r#"{"path": "/b", "status": 404, "ms": 30, "user": {"id": "u2"}}"#,
    r#"{"path": "/a", "status": 500, "ms": 20, "error": true}"#,
    "plain ERROR text",
    r#"{"path": "/a", "status": 200, "ms": 40, "list": [{"x": 1}, {"x": 2}]}"#,
];

#[test]
fn events_come_latest_first_with_their_fields() {
    let found = rows("", &REQUESTS);
    assert_eq!(found.len(), 5);
    let names: Vec<&str> = found[0].iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["@timestamp", "@message", "@ptr"]);
    assert_eq!(found[0][0].1, "2023-11-14 22:13:24.000");
    assert_eq!(found[1][1].1, "plain ERROR text");
    let (position, group) = Source::of_pointer(&found[0][2].1).expect("points");
    assert_eq!((position.ordinal, group.as_str()), (4, "web"));
    let found = shown(
        "fields path, status, user.id, list.1.x | limit 2",
        &REQUESTS,
    );
    assert_eq!(found, ["path=/a status=200 list.1.x=2", ""]);
    let log = shown("fields @log, @logStream | limit 1", &REQUESTS);
    assert_eq!(log, ["@log=123456789012:web @logStream=one"]);
}

#[test]
fn filters() {
    let count = |filter: &str| rows(&format!("filter {filter}"), &REQUESTS).len();
    assert_eq!(count("status = 200"), 2);
    assert_eq!(count("status >= 400 and status < 500"), 1);
    assert_eq!(count("status = 404 or ms > 30"), 2);
    assert_eq!(count("not (status = 200)"), 3);
    assert_eq!(count("path in ['/b', \"/c\"]"), 1);
    assert_eq!(count("path not in ['/b']"), 4);
    assert_eq!(count("@message like /ERR(OR)?/"), 1);
    assert_eq!(count("@message like 'ERROR'"), 1);
    assert_eq!(count("@message not like \"ERROR\""), 4);
    assert_eq!(count("@message =~ /(?i)error/"), 2);
    assert_eq!(count("ispresent(user.id)"), 2);
    assert_eq!(count("ispresent(user)"), 0);
    assert_eq!(count("error = 1"), 1);
    assert_eq!(count("error = true"), 1);
    assert_eq!(count("`user.id` = 'u1'"), 1);
    assert_eq!(count("ms / 10 = 3"), 1);
    assert_eq!(count("@logStream = 'one'"), 5);
    assert_eq!(count("@timestamp >= 1700000003000"), 2);
}

#[test]
fn statistics() {
    let found = shown("stats count(*), avg(ms), max(ms) by path", &REQUESTS);
    let expected = [
        "path=/a count(*)=3 avg(ms)=23.3333 max(ms)=40",
        "count(*)=1",
        "path=/b count(*)=1 avg(ms)=30 max(ms)=30",
    ];
    assert_eq!(found, expected);
    let found = shown(
        "filter ispresent(ms) | stats sum(ms) as s, min(ms) as low, pct(ms, 50) as p, \
         count_distinct(path) as d, stddev(ms) as dev, sortsFirst(path) as f, latest(ms) as l, \
         earliest(ms) as e, count(error) as c",
        &REQUESTS,
    );
    assert_eq!(
        found,
        ["s=100 low=10 p=20 d=2 dev=11.1803 f=/a l=40 e=10 c=1"]
    );
    let found = shown(
        "stats count(*) as n by bin(2s) | sort n desc, bin(2s)",
        &REQUESTS,
    );
    let expected = [
        "bin(2s)=2023-11-14 22:13:20.000 n=2",
        "bin(2s)=2023-11-14 22:13:22.000 n=2",
        "bin(2s)=2023-11-14 22:13:24.000 n=1",
    ];
    assert_eq!(found, expected);
    let found = shown(
        "stats sum(status = 200) / count(*) * 100 as share",
        &REQUESTS,
    );
    assert_eq!(found, ["share=40"]);
    let twice = "stats count(*) as n by path | stats max(n) as most, count(*) as paths";
    assert_eq!(shown(twice, &REQUESTS), ["most=3 paths=3"]);
    let by_written = "stats count(*) by path | sort count(*) desc | limit 1 | display path";
    assert_eq!(shown(by_written, &REQUESTS), ["path=/a"]);
    assert_eq!(shown("stats count(*)", &[]), [""; 0]);
}

#[test]
fn many_values_are_estimated() {
    let messages: Vec<String> = (0..20_000).map(|n| format!(r#"{{"n": {n}}}"#)).collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    let found = rows("stats count_distinct(n) as d, pct(n, 90) as p", &messages);
    let number = |n: usize| found[0][n].1.parse::<f64>().expect("a number");
    assert!((number(0) - 20_000.0).abs() < 1_000.0, "{found:?}");
    assert!((number(1) - 18_000.0).abs() < 400.0, "{found:?}");
}

#[test]
fn parsing() {
    let messages = ["user=ann, took 12 ms", "user=bob, took 7 ms", "else"];
    let glob = "parse @message 'user=*, took * ms' as user, ms | filter ispresent(user) \
                | display user, ms";
    assert_eq!(shown(glob, &messages), ["user=bob ms=7", "user=ann ms=12"]);
    let regex =
        "parse @message /user=(?<who>\\w+), took (?<t>\\d+)/ | stats max(t) as m by who | sort m";
    assert_eq!(shown(regex, &messages), ["", "who=bob m=7", "who=ann m=12"]);
    let groups = "parse @message /(\\w+)=(\\w+)/ as k, v | fields k, v | limit 2";
    assert_eq!(shown(groups, &messages), ["", "k=user v=bob"]);
    let last = "parse @message 'user=*' as rest | display rest | limit 2";
    assert_eq!(shown(last, &messages), ["", "rest=bob, took 7 ms"]);
}

#[test]
fn order_and_duplicates() {
    let sorted = shown("fields ms | filter ispresent(ms) | sort ms asc", &REQUESTS);
    assert_eq!(sorted, ["ms=10", "ms=20", "ms=30", "ms=40"]);
    let top = shown("fields ms | sort ms desc | limit 2", &REQUESTS);
    assert_eq!(top, ["ms=40", "ms=30"]);
    let natural = ["b10", "b9", "a", "100", "99", "-"];
    let sorted = shown("fields @message | sort @message", &natural);
    let expected = ["-", "a", "b9", "b10", "99", "100"].map(|m| format!("@message={m}"));
    assert_eq!(sorted, expected);
    let latest = shown("fields ms | dedup path", &REQUESTS);
    assert_eq!(latest, ["ms=40", "", "ms=30"]);
    let first = shown(
        "filter ispresent(ms) | sort ms | dedup path | limit 1 | display ms",
        &REQUESTS,
    );
    assert_eq!(first, ["ms=10"]);
}

#[test]
fn structures() {
    let message = r#"{"events": [{"name": "exception"}, {"name": "user action"}]}"#;
    let query = "fields jsonParse(@message) as j | unnest j.events into event | display event.name";
    let expected = ["event.name=exception", "event.name=user action"];
    let mut found = shown(query, &[message]);
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(
        value("jsonStringify(jsonParse(@message))", r#"{"a":[1]}"#),
        r#"{"a":[1]}"#
    );
    assert_eq!(value("x[1]", r#"{"x": [5, 6]}"#), "6");
    assert_eq!(value("a.b.c", r#"{"a.b": {"c": 1}}"#), "1");
    assert_eq!(value("a", r#"text before {"a": 2} {"a": 3}"#), "2");
    assert_eq!(value("`a-b`.c", r#"{"a-b": {"c": "x"}}"#), "x");
}

#[test]
fn functions() {
    let cases = [
        ("2 ^ 3 + 10 % 3", "9"),
        ("-2 * (1 + 0.5)", "-3"),
        ("10 / 3", "3.3333"),
        ("1 / 0", "null"),
        ("sqrt(-1)", "null"),
        ("abs(-3)", "3"),
        ("ceil(1.2)", "2"),
        ("floor(1.8)", "1"),
        ("greatest(1, 5, 3)", "5"),
        ("least(2, 1)", "1"),
        ("strlen('größe')", "5"),
        ("toupper('ab')", "AB"),
        ("substr('xyZfooxyZ', 3)", "fooxyZ"),
        ("substr('xyZfooxyZ', 3, 4)", "foox"),
        ("replace('foo', 'o', '0')", "f00"),
        ("trim('xyZxyfooxyZxyZ', 'xyZ')", "foo"),
        ("ltrim('  a ')", "a "),
        ("concat('a', 1, missing, 'b')", "a1b"),
        ("strcontains('abc', 'b')", "1"),
        ("isempty(missing)", "1"),
        ("isblank(' ')", "1"),
        ("coalesce(missing, 'x')", "x"),
        ("case(1 = 2, 'a', 2 = 2, 'b', 'c')", "b"),
        ("case(1 = 2, 'a', 'c')", "c"),
        ("round(2.567, 1)", "2.6"),
        ("toInt('12.9')", "12"),
        ("isPrivateIp('10.0.0.1')", "1"),
        ("if(ispresent(missing), missing, 'unknown')", "unknown"),
        ("isValidIp('10.0.0.1')", "1"),
        ("isIpv4InSubnet('10.0.1.1', '10.0.0.0/16')", "1"),
        ("isIpv6InSubnet('fe80::1', 'fe80::/64')", "1"),
        ("isIpInSubnet('10.1.0.1', '10.0.0.0/16')", "0"),
        ("now()", "1700000000"),
        ("toMillis(@timestamp)", "1700000000000"),
        ("fromMillis(0)", "1970-01-01 00:00:00.000"),
        ("datefloor(@timestamp, 1h)", "2023-11-14 22:00:00.000"),
        ("dateceil(@timestamp, 1d)", "2023-11-15 00:00:00.000"),
        ("datefloor(@timestamp, 1mo)", "2023-11-01 00:00:00.000"),
        ("dateceil(@timestamp, 1y)", "2024-01-01 00:00:00.000"),
        ("bin(30s)", "2023-11-14 22:13:00.000"),
    ];
    for (expr, expected) in cases {
        assert_eq!(value(expr, "x"), expected, "{expr}");
    }
}

#[test]
fn what_is_no_query() {
    let refused = |query: &str| match parse(query, Timestamp::from_millis(NOW)) {
        Err(e) => (e.message, e.start, e.end),
        Ok(commands) => panic!("{query}: {commands:?}"),
    };
    let unexpected = |symbol: &str, position: usize, end: usize| {
        let message = format!("unexpected symbol found {symbol} at line 1 and position {position}");
        (message, position, end)
    };
    assert_eq!(refused("fieldz @message"), unexpected("fieldz", 0, 6));
    assert_eq!(refused("fields @message | "), unexpected("<EOF>", 18, 18));
    assert_eq!(refused("filter a = "), unexpected("<EOF>", 11, 11));
    assert_eq!(refused("filter a = 1 b"), unexpected("b", 13, 14));
    assert_eq!(refused("filter (a = 1"), unexpected("<EOF>", 13, 13));
    assert_eq!(refused("limit x"), unexpected("x", 6, 7));
    assert_eq!(refused("dedup a | sort b"), unexpected("sort", 10, 14));
    let message = "Neargate does not support the command diff yet".to_owned();
    assert_eq!(refused("fields a | diff @message"), (message, 11, 15));
    for query in [
        "limit 0",
        "limit 100001",
        "fields nofunction(a)",
        "fields strlen()",
        "stats a",
        "stats pct(a, 101)",
        "filter a like b",
        "filter a =~ /(/",
        "parse @message 'a*b' as x, y",
        "parse @message /abc/",
        "dedup a | stats count(*)",
        "stats count(*) by bin(5 parsecs)",
        "fields 'open",
        "filter a not = 1",
        "stats count(*) as n by a | filter b = 1",
        "stats count(*) as n | sort @timestamp",
        "stats count(*) by a | stats max(b)",
        "unnest a into b | unnest a into c",
        "SOURCE logGroups(namePrefix: ['a'])",
    ] {
        refused(query);
    }
    let deep = format!("filter {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    refused(&deep);
    refused(&format!("filter {}1", "not ".repeat(5_000)));
    refused(&format!("filter {}1", "-".repeat(5_000)));
    refused(&format!("filter 1{}", " + 1".repeat(5_000)));
}

#[test]
fn comments_and_case() {
    let query =
        "# all of them\nFIELDS ms # here\n| FILTER ms > 30 AND NOT path LIKE /b/\n| LIMIT 5";
    assert_eq!(shown(query, &REQUESTS), ["ms=40"]);
}

#[test]
fn a_query_that_needs_too_much_fails() {
    let commands = parse(
        "fields @message | sort @message | filter 1 = 1",
        Timestamp::from_millis(NOW),
    );
    let mut run = Run::new(Arc::new(Plan::new(commands.expect("parses"), 10)));
    let (source, message) = (source(), "x".repeat(1 << 20));
    let mut event = |n: u64| {
        let at = Position {
            millis: NOW,
            ordinal: n,
        };
        run.event(&Event::new(at, NOW, "s", &message, &source))
    };
    assert!((0..200).any(|n| event(n).is_err()));
    // Text that doubles with each command is nothing before it is too long.
    let doubled = " | fields concat(a, a) as a".repeat(300);
    let query = format!("fields @message as a{doubled} | filter strlen(a) > 0");
    assert_eq!(rows(&query, &["x"]), Vec::<Row>::new());
}

proptest::proptest! {
    #[test]
    fn never_panics(query in "[a-z@ |()\\[\\]'\"/*=<>!,.`#0-9+-]{0,60}", message in ".{0,40}") {
        if let Ok(commands) = parse(&query, Timestamp::from_millis(NOW)) {
            let mut run = Run::new(Arc::new(Plan::new(commands, 10)));
            let source = source();
            let at = Position { millis: NOW, ordinal: 0 };
            let _ = run.event(&Event::new(at, NOW, "s", &message, &source));
            let _ = run.finish();
        }
    }
}

#[test]
fn patterns_are_counted_and_worked_on() {
    let messages = [
        "ERROR disk 1 is full",
        "INFO user anna came",
        "ERROR disk 2 is full",
        "INFO user bert came",
        "ERROR disk 37 is full",
    ];
    assert_eq!(
        shown("pattern @message", &messages),
        [
            "@pattern=ERROR disk <Number-1> is full @ratio=0.6 @sampleCount=3 @severityLabel=ERROR",
            "@pattern=INFO user <Token-1> came @ratio=0.4 @sampleCount=2 @severityLabel=INFO",
        ]
    );
    let query = "filter @message like /disk/ | parse @message 'ERROR *' as what | pattern what \
                 | filter @sampleCount > 1 | sort @ratio | limit 1 | display @pattern";
    assert_eq!(
        shown(query, &messages),
        ["@pattern=disk <Number-1> is full"]
    );
    let gone = parse(
        "pattern @message | fields @message",
        Timestamp::from_millis(NOW),
    );
    assert!(gone.is_err(), "the message is no longer there");
}

//! The documentation's examples, and what must not parse.

use super::*;

#[track_caller]
fn check(pattern: &str, yes: &[&str], no: &[&str]) {
    let parsed = Pattern::parse(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
    for message in yes {
        assert!(parsed.matches(message), "{pattern} should match {message}");
    }
    for message in no {
        assert!(
            !parsed.matches(message),
            "{pattern} should not match {message}"
        );
    }
}

#[test]
fn terms() {
    const BAD: &str = "[ERROR 400] BAD REQUEST";
    const UNAUTHORIZED: &str = "[ERROR 401] UNAUTHORIZED REQUEST";
    const MISSING: &str = "[ERROR 419] MISSING ARGUMENTS";
    const INTERNAL: &str = "[ERROR 500] INTERNAL SERVER ERROR";
    const OK: &str = "[SUCCESS 200] AUTHORIZED REQUEST";
    check("", &[BAD, ""], &[]);
    check("\"   \"", &[BAD, "x"], &[]);
    check(
        "ERROR",
        &[BAD, MISSING, "Exiting with ERRORCODE: -1"],
        &[OK, "error", ""],
    );
    check("ERROR ARGUMENTS", &[MISSING, "ARGUMENTS ERROR"], &[BAD, OK]);
    check("?ERROR ?ARGUMENTS", &[BAD, MISSING, "ARGUMENTS"], &[OK]);
    check(
        "?ERROR ?ARGUMENTS REQUEST",
        &[BAD, OK, "[INFO] REQUEST FAILED"],
        &[MISSING],
    );
    check(
        "\"INTERNAL SERVER ERROR\"",
        &[INTERNAL],
        &[BAD, "INTERNAL ERROR SERVER"],
    );
    check("ERROR -ARGUMENTS", &[BAD, INTERNAL], &[MISSING, OK]);
    check(
        "\"ERROR\" - \"Exiting\"",
        &["[ERROR] A fatal exception"],
        &["Exiting with ERRORCODE: -1"],
    );
    check("-ERROR", &[OK], &[BAD]);
    check(
        "-\"[ERROR 401]\" REQUEST",
        &[BAD, OK],
        &[UNAUTHORIZED, INTERNAL],
    );
    check("?\"[ERROR 4\" ?OK", &[BAD, "OK"], &[INTERNAL]);
    check("\"say \\\"hi\\\"\"", &["I say \"hi\"!"], &["I say hi"]);
    check("größe_1", &["die größe_1 zählt"], &["groesse_1"]);
}

#[test]
fn regexes() {
    check(
        "%AUTHORIZED%",
        &["[ERROR 401] UNAUTHORIZED REQUEST", "AUTHORIZED"],
        &["authorized"],
    );
    check("%colou?r%", &["color", "colour"], &["colr"]);
    check("%^ab.*z$%", &["ab z"], &["xabz", "ab zx"]);
    check(r"%10\.10\.0\.1%", &["at 10.10.0.1"], &["at 10a10.0.1"]);
    check("%gray|grey%", &["grey"], &["gry"]);
    check("%[a-c]+[0-9]{3}%", &["abc123"], &["abc12", "d123"]);
    check(r"%\d\d:\d\d%", &["at 10:30"], &["at 1:30"]);
    check("ERROR %4[0-9]{2}%", &["ERROR 404"], &["ERROR 504", "404"]);
}

#[test]
fn json() {
    const EVENT: &str = r#"{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111",
        "arrayKey":["value","another value"],
        "objectList":[{"name":"a","id":1},{"name":"b","id":2}],
        "SomeObject":null,"ThisFlag":true,"latency":120.5,"code":"404"}"#;
    for pattern in [
        r#"{ $.eventType = "UpdateTrail" }"#,
        "{$.eventType=UpdateTrail}",
        "{ $.eventType = Update* }",
        "{ $.eventType = \"*Trail\" }",
        "{ $.eventType = *date* }",
        "{ $.eventType = %Up[a-z]+T% }",
        "{ $.eventType = * }",
        "{ $.sourceIPAddress != 123.123.* }",
        r#"{ $.arrayKey[0] = "value" }"#,
        r#"{ $.arrayKey[*] = "another value" }"#,
        "{ $.objectList[1].id = 2 }",
        "{ $.objectList[*].id > 1 }",
        "{ $.*.name NOT EXISTS }",
        "{ $.SomeObject IS NULL }",
        "{ $.SomeOtherObject NOT EXISTS }",
        "{ $.ThisFlag IS TRUE }",
        "{ $.latency > 100 && $.latency<=1.205e2 }",
        "{ $.latency >= +120.5 }",
        "{ $.code = 404 }",
        "{ $.code = \"404\" && $.code != 500 }",
        "{ $.arrayKey EXISTS }",
    ] {
        check(pattern, &[EVENT], &["plain text", "", "{broken", "12"]);
    }
    for pattern in [
        "{ $.eventType = updatetrail }",
        "{ $.eventType = Up*Trail }",
        "{ $.eventType != UpdateTrail }",
        "{ $.arrayKey = 1 }",
        "{ $.arrayKey != 1 }",
        "{ $.missing != 1 }",
        "{ $.missing IS NULL }",
        "{ $.SomeObject NOT EXISTS }",
        "{ $.SomeObject = * }",
        "{ $.ThisFlag IS FALSE }",
        "{ $.eventType[0] = value }",
        "{ $.arrayKey[2] = value }",
        "{ $.latency < 120.5 }",
        "{ $.eventType > 1 }",
    ] {
        check(pattern, &[], &[EVENT]);
    }
}

#[test]
fn json_compound() {
    const EVENT: &str = r#"{"user":{"id":1,"email":"John.Stiles@example.com"},
        "users":[{"id":2,"email":"John.Doe@example.com"},{"id":3,"email":"Jane.Doe@example.com"}],
        "actions":["GET","PUT","DELETE"],"coordinates":[[0,1,2],[4,5,6],[7,8,9]]}"#;
    check(
        r#"{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }"#,
        &[EVENT],
        &[],
    );
    check(
        r#"{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }"#,
        &[],
        &[EVENT],
    );
    check(
        r#"{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }"#,
        &[EVENT],
        &[],
    );
    check(
        r#"{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }"#,
        &[],
        &[EVENT],
    );
    check("{ $.coordinates[1][2] = 6 }", &[EVENT], &[]);
}

const ACCESS: [&str; 3] = [
    r#"127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /apache_pb.gif HTTP/1.0" 200 1534"#,
    r#"127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] "GET /apache_pb.gif HTTP/1.0" 500 5324"#,
    r#"127.0.0.1 - frank [10/Oct/2000:13:50:35 -0700] "GET /index.html HTTP/1.0" 404 355"#,
];

#[test]
fn space_delimited() {
    let [ok, broken, missing] = ACCESS;
    check(
        "[ip, user, username, timestamp, request, status_code, bytes]",
        &ACCESS,
        &["a b c"],
    );
    check(
        "[ip, user, username, timestamp, request, status_code, bytes > 1000]",
        &[ok, broken],
        &[missing],
    );
    check(
        "[ip, user, username, timestamp, request, status_code = 200, bytes]",
        &[ok],
        &[broken, missing],
    );
    check(
        "[ip, user, username, timestamp, request, status_code = 4*, bytes]",
        &[missing],
        &[ok, broken],
    );
    check(
        "[ip, user, username, timestamp, request = *html*, status_code = 4*, bytes]",
        &[missing],
        &[ok],
    );
    check(
        "[..., status_code = 4* && status_code != 403, bytes]",
        &[missing],
        &[ok],
    );
    check(
        "[..., status_code = 404 || status_code = 500, bytes]",
        &[missing, broken],
        &[ok],
    );
    check(
        "[..., (status_code = 404 || status_code = 500) && status_code != 500, bytes]",
        &[missing],
        &[broken],
    );
    check(
        "[ip = 127.0.0.%, ...]".replace('%', "*").as_str(),
        &ACCESS,
        &["10.0.0.1 x"],
    );
    check(
        "[ip=%127\\.0\\.0\\.[0-9]+%, user, ..., bytes]",
        &ACCESS,
        &["10.0.0.1 x 1"],
    );
    check("[..., size]", &["one", "one two"], &[]);
    check("[]", &ACCESS, &[]);
    // Log lines of the "OR" section.
    check(
        "[w1=ERROR, w2]",
        &["ERROR message"],
        &["ERROR WARN message", "WARN message"],
    );
    check(
        "[w1=ERROR || w1=WARN, w2]",
        &["ERROR message", "WARN message"],
        &["ERROR WARN message"],
    );
    check(
        "[w1!=ERROR&&w1!=WARN, w2]",
        &["INFO message"],
        &["ERROR message", "WARN message"],
    );
}

#[test]
fn extracted_values() {
    let pattern = Pattern::parse("[..., request=*.html*, status_code=4*,]").expect("parses");
    let got = pattern.extract(ACCESS[2]).expect("matches");
    let got: Vec<(&str, &str)> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        got,
        [
            ("$1", "127.0.0.1"),
            ("$2", "-"),
            ("$3", "frank"),
            ("$4", "10/Oct/2000:13:50:35 -0700"),
            ("$7", "355"),
            ("$request", "GET /index.html HTTP/1.0"),
            ("$status_code", "404"),
        ]
    );
    let pattern = Pattern::parse("{ $.a.b = * && $.n > 1 }").expect("parses");
    let got = pattern
        .extract(r#"{"a":{"b":"x"},"n":2}"#)
        .expect("matches");
    assert_eq!(
        got.into_iter().collect::<Vec<_>>(),
        [("$.a.b".into(), "x".into()), ("$.n".into(), "2".into())]
    );
    assert_eq!(
        Pattern::parse("x").expect("parses").extract("x"),
        Some(BTreeMap::new())
    );
    assert_eq!(Pattern::parse("x").expect("parses").extract("y"), None);
}

#[test]
fn what_does_not_parse() {
    for bad in [
        "ERROR:",
        "a.b",
        "\"open",
        "-",
        "?",
        "a(b",
        "%open",
        "%%",
        "%some!thing%",
        "%(a)%",
        "%é%",
        "%[%",
        "{ }",
        "{ $ = 1 }",
        "{ a = 1 }",
        "{ $.a }",
        "{ $.a = }",
        "{ $.a > x }",
        "{ $.a IS MAYBE }",
        "{ $.a = 1 && }",
        "{ ($.a = 1 }",
        "{ $.a = 1) }",
        "{ $.a[x] = 1 }",
        "{ $.a NOT NULL }",
        "{ $.a = %a% && $.b = %b% && $.c = %c% }",
        "{ $.*.* = 1 }",
        "{ $.a == 1 }",
        "[a, ..., b, ...]",
        "[a b]",
        "[a=]",
        "[a > x]",
        "[=1]",
        "[a = 4* && b > 1000]",
        "[a=1 &&]",
        "[(a=1]",
    ] {
        assert_eq!(
            Pattern::parse(bad).map(|_| ()),
            Err(InvalidPattern::Syntax),
            "{bad}"
        );
    }
    let message = |p: &str| Pattern::parse(p).map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(
        message("{ $.a = 1"),
        Err("If a filter pattern starts with '{' it must end with '}'".into())
    );
    assert_eq!(
        message("[a"),
        Err("If a filter pattern starts with '[' it must end with ']'".into())
    );
    assert_eq!(
        message("[id=“*-*“]"),
        Err("Invalid character(s) in term '“*-*“'".into())
    );
    assert_eq!(message("ERROR:"), Err("Invalid filter pattern".into()));
    let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(400), ")".repeat(400));
    assert_eq!(message(&deep), Err("Invalid filter pattern".into()));
}

proptest::proptest! {
    #[test]
    fn never_panics(pattern in r#"[\[\]{}$.*a1 "%?\\&|()=<>!,é-]{0,40}"#, message in r#"[\[\]{}":a1 ,é]{0,30}"#) {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            assert_eq!(pattern.matches(&message), pattern.extract(&message).is_some());
        }
    }
}

//! Patterns against events. Of event-ruler's public cases, recorded from its own tests, all 2,801 matches gave
//! the same, and of the 158 checks all but where ten errors are said to be; these are of each kind.

use super::Pattern;
use serde_json::{Value, json};

fn pattern(value: &Value) -> Pattern {
    Pattern::parse(&value.to_string()).expect("a pattern")
}

/// The leaf's tests, a value that passes and one that does not.
fn leaf(tests: Value, good: &[Value], bad: &[Value]) {
    let pattern = pattern(&json!({"a": tests}));
    for value in good {
        assert!(pattern.matches(&json!({"a": value})), "{tests} {value}");
    }
    for value in bad {
        assert!(!pattern.matches(&json!({"a": value})), "{tests} {value}");
    }
}

#[test]
fn values() {
    let v = |value: Value| value;
    leaf(
        json!(["x"]),
        &[v(json!("x")), json!(["y", "x"])],
        &[json!("X"), json!(["y"]), json!([]), json!({"x": 1})],
    );
    leaf(
        json!([300]),
        &[json!(300), json!(300.0), json!(3.0e2)],
        &[json!("300"), json!(301)],
    );
    leaf(
        json!([null, true]),
        &[json!(null), json!(true)],
        &[json!(""), json!(false)],
    );
    leaf(
        json!([{"prefix": "ab"}]),
        &[json!("abc")],
        &[json!("cab"), json!(1)],
    );
    leaf(
        json!([{"prefix": {"equals-ignore-case": "AB"}}]),
        &[json!("aBc")],
        &[json!("cab")],
    );
    leaf(json!([{"suffix": "bc"}]), &[json!("abc")], &[json!("bcd")]);
    leaf(
        json!([{"suffix": {"equals-ignore-case": "BC"}}]),
        &[json!("abC")],
        &[json!("b")],
    );
    leaf(
        json!([{"equals-ignore-case": "Ab"}]),
        &[json!("aB")],
        &[json!("abc")],
    );
    leaf(
        json!([{"wildcard": "a*b*c"}]),
        &[json!("abc"), json!("axbxbxc")],
        &[json!("ab"), json!("xabc")],
    );
    leaf(
        json!([{"wildcard": "a\\*\\\\*"}]),
        &[json!("a*\\x")],
        &[json!("ax\\")],
    );
    leaf(
        json!([{"exists": true}]),
        &[json!(null), json!(1)],
        &[json!({}), json!([])],
    );
    leaf(
        json!([{"exists": false}]),
        &[json!({"b": 1}), json!([])],
        &[json!(1), json!(null)],
    );
}

#[test]
fn numbers_and_addresses() {
    leaf(
        json!([{"numeric": [">", 0, "<=", 5]}]),
        &[json!(5), json!(0.1)],
        &[json!(0), json!(5.1), json!("3")],
    );
    leaf(
        json!([{"numeric": ["=", 3.018e2]}]),
        &[json!(301.8)],
        &[json!(301)],
    );
    leaf(
        json!([{"cidr": "10.0.0.0/24"}]),
        &[json!("10.0.0.255")],
        &[json!("10.0.1.0"), json!("x"), json!("::1")],
    );
    leaf(
        json!([{"cidr": "2001:db8::/32"}]),
        &[json!("2001:db8::1")],
        &[json!("2001:db9::1")],
    );
    leaf(json!(["::1"]), &[json!("0:0:0:0:0:0:0:1")], &[json!("::2")]);
}

#[test]
fn anything_but() {
    leaf(
        json!([{"anything-but": "x"}]),
        &[json!("y"), json!(1), json!(null)],
        &[json!("x")],
    );
    leaf(
        json!([{"anything-but": [1, 2]}]),
        &[json!(3), json!("1")],
        &[json!(1.0)],
    );
    leaf(
        json!([{"anything-but": {"prefix": ["a", "b"]}}]),
        &[json!("c")],
        &[json!("ab"), json!("b")],
    );
    leaf(
        json!([{"anything-but": {"suffix": "a"}}]),
        &[json!("ab")],
        &[json!("ba")],
    );
    leaf(
        json!([{"anything-but": {"equals-ignore-case": ["A"]}}]),
        &[json!("b")],
        &[json!("a")],
    );
    leaf(
        json!([{"anything-but": {"wildcard": "*/bin/*"}}]),
        &[json!("/lib/x")],
        &[json!("/bin/x")],
    );
    // Where there is nothing, there is not anything else.
    assert!(!pattern(&json!({"a": [{"anything-but": "x"}]})).matches(&json!({})));
}

#[test]
fn of_an_array_one_object_must_be_all_that() {
    let both = pattern(&json!({"d": {"a": [1], "b": [2]}}));
    assert!(both.matches(&json!({"d": [{"a": 0}, {"a": 1, "b": 2}]})));
    assert!(!both.matches(&json!({"d": [{"a": 1}, {"b": 2}]})));
    assert!(both.matches(&json!({"d": [[{"a": [3, 1], "b": 2}]]})));
}

#[test]
fn alternatives() {
    let either = pattern(&json!({
        "source": ["shop"],
        "$or": [{"n": [1]}, {"m": [2], "$or": [{"x": [3]}, {"y": [4]}]}],
    }));
    assert!(either.matches(&json!({"source": "shop", "n": 1})));
    assert!(either.matches(&json!({"source": "shop", "m": 2, "y": 4})));
    assert!(!either.matches(&json!({"source": "shop", "m": 2})));
    assert!(!either.matches(&json!({"source": "bank", "n": 1})));
    assert_eq!(either.exact("source"), Some(vec!["shop"]));
    let open = pattern(&json!({"$or": [{"source": ["a"]}, {"n": [1]}]}));
    assert_eq!(open.exact("source"), None);
}

#[test]
fn what_is_no_pattern_is_said_in_awss_words() {
    let cases = [
        (
            r#"{"a": 1}"#,
            "\"a\" must be an object or an array",
            Some(8),
        ),
        (
            r#"{"a": "x"}"#,
            "\"a\" must be an object or an array",
            Some(8),
        ),
        (r#"{"a": []}"#, "Empty arrays are not allowed", Some(9)),
        (r#"{}"#, "Empty objects are not allowed", Some(3)),
        (r#"["x"]"#, "Filter is not an object", Some(2)),
        (
            r#"{"a": [{"x": 2}]}"#,
            "Unrecognized match type x",
            Some(15),
        ),
        (
            r#"{"a": [{"prefix": 3}]}"#,
            "prefix match pattern must be a string",
            Some(20),
        ),
        (
            r#"{"a": [{"numeric": ["<", "4"]}]}"#,
            "Value of < must be numeric",
            Some(27),
        ),
        (
            r#"{"a": [{"numeric": [">", 2, "<", 1]}]}"#,
            "Bottom must be less than top",
            Some(36),
        ),
        (
            r#"{"a": [{"wildcard": "a**"}]}"#,
            "Consecutive wildcard characters at pos 2",
            Some(26),
        ),
        (
            r#"{"a": [{"cidr": "10.0.0.0"}]}"#,
            "Malformed CIDR, one '/' required",
            None,
        ),
        (
            r#"{"a": [{"cidr": "xx.11.xx/8"}]}"#,
            "Nonstandard IP address: xx.11.xx",
            None,
        ),
        (
            "{'a': [1]}",
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
            Some(3),
        ),
    ];
    for (text, message, column) in cases {
        let wanted = match column {
            Some(column) => {
                format!("{message}\n at [Source: (String)\"{text}\"; line: 1, column: {column}]")
            }
            None => message.to_owned(),
        };
        let said = Pattern::parse(text).expect_err(text).0;
        assert_eq!(said, wanted);
    }
    let deep = format!("{}{}", r#"{"a":"#.repeat(500), "[1]");
    assert!(Pattern::parse(&deep).is_err());
    let doubling = r#"{"a": [1]}, {"b": [1]}"#;
    let ors: Vec<String> = (0..12)
        .map(|n| format!(r#""x{n}": {{"$or": [{doubling}]}}"#))
        .collect();
    let many = format!("{{{}}}", ors.join(","));
    assert!(
        Pattern::parse(&many)
            .expect_err("too many")
            .0
            .starts_with("Rule is too complex")
    );
}

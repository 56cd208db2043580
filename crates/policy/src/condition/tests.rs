use super::*;

fn holds(operator: &str, key: &str, allowed: &[&str], values: Option<&[&str]>) -> bool {
    let mut context = Context::new();
    context.set("aws:username", "ann");
    if let Some(values) = values {
        context.set_all("test:Key", values.iter().map(|v| (*v).to_owned()));
    }
    let allowed: Vec<String> = allowed.iter().map(|v| (*v).to_owned()).collect();
    let condition = Condition::new(operator, key, &allowed, true).expect(operator);
    condition.holds(&context)
}

#[test]
fn every_operator() {
    for (operator, allowed, value, expected) in [
        ("StringEquals", &["a", "b"][..], "b", true),
        ("StringEquals", &["a*"], "ab", false),
        ("StringEquals", &["B"], "b", false),
        ("StringEquals", &["${aws:username}"], "ann", true),
        ("StringNotEquals", &["a", "b"], "b", false),
        ("StringNotEquals", &["a", "b"], "c", true),
        ("StringEqualsIgnoreCase", &["B"], "b", true),
        ("StringNotEqualsIgnoreCase", &["B"], "b", false),
        ("StringLike", &["a*"], "ab", true),
        ("StringNotLike", &["a*"], "ab", false),
        ("NumericEquals", &["10"], "10.0", true),
        ("NumericNotEquals", &["10"], "10", false),
        ("NumericLessThan", &["10"], "9", true),
        ("NumericLessThanEquals", &["10"], "10", true),
        ("NumericGreaterThan", &["10"], "9", false),
        ("NumericGreaterThanEquals", &["10"], "10", true),
        ("NumericEquals", &["ten"], "ten", false),
        (
            "DateLessThan",
            &["2020-01-02T00:00:00Z"],
            "2020-01-01T23:59:59Z",
            true,
        ),
        ("DateGreaterThan", &["2020-01-02"], "1577923200", false),
        ("DateGreaterThanEquals", &["2020-01-02"], "1577923200", true),
        (
            "DateEquals",
            &["2020-01-02T01:00:00+01:00"],
            "2020-01-02T00:00:00Z",
            true,
        ),
        ("DateNotEquals", &["2020"], "2020-01-01", false),
        (
            "DateLessThanEquals",
            &["2020-01"],
            "2020-01-01T00:00:00.5Z",
            false,
        ),
        ("Bool", &["true"], "TRUE", true),
        ("Bool", &["false"], "true", false),
        ("BinaryEquals", &["QmluYXJ5"], "QmluYXJ5", true),
        ("BinaryEquals", &["QmluYXJ5"], "QmluYXJ6", false),
        ("IpAddress", &["203.0.113.0/24"], "203.0.113.7", true),
        ("IpAddress", &["203.0.113.0/24"], "::ffff:203.0.113.7", true),
        (
            "IpAddress",
            &["203.0.113.0/24", "2001:db8::/32"],
            "2001:db8:1::1",
            true,
        ),
        ("IpAddress", &["203.0.113.7"], "203.0.113.8", false),
        ("IpAddress", &["0.0.0.0/0"], "203.0.113.8", true),
        ("NotIpAddress", &["203.0.113.0/24"], "203.0.113.7", false),
        ("NotIpAddress", &["203.0.113.0/24"], "198.51.100.1", true),
        (
            "ArnEquals",
            &["arn:aws:sns:*:1:*"],
            "arn:aws:sns:us-east-1:1:t",
            true,
        ),
        (
            "ArnLike",
            &["arn:aws:sns:*:1:*"],
            "arn:aws:sns:us-east-1:2:t",
            false,
        ),
        (
            "ArnNotLike",
            &["arn:aws:sns:*:1:*"],
            "arn:aws:sns:us-east-1:2:t",
            true,
        ),
        (
            "ArnNotEquals",
            &["arn:aws:sns:*:2:*"],
            "arn:aws:sns:us-east-1:2:t",
            false,
        ),
        ("Null", &["true"], "x", false),
        ("Null", &["false"], "x", true),
    ] {
        assert_eq!(
            holds(operator, "test:key", allowed, Some(&[value])),
            expected,
            "{operator} {allowed:?} {value}"
        );
        let lower = holds(operator, "TEST:KEY", allowed, Some(&[value]));
        assert_eq!(lower, expected, "keys know no case");
    }
}

#[test]
fn keys_that_are_absent() {
    for (operator, expected) in [
        ("StringEquals", false),
        ("StringNotEquals", true),
        ("StringEqualsIfExists", true),
        ("NotIpAddress", true),
        ("Bool", false),
        ("BoolIfExists", true),
        ("ForAllValues:StringEquals", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
        ("ForAnyValue:StringEqualsIfExists", true),
    ] {
        assert_eq!(
            holds(operator, "test:key", &["x"], None),
            expected,
            "{operator}"
        );
        if operator.starts_with("For") {
            let empty = holds(operator, "test:key", &["x"], Some(&[]));
            assert_eq!(empty, expected, "{operator} of none");
        }
    }
    assert!(holds("Null", "test:key", &["true"], None));
    assert!(!holds("Null", "test:key", &["false"], None));
}

#[test]
fn keys_of_several_values() {
    for (operator, values, expected) in [
        ("ForAllValues:StringEquals", &["a", "b"][..], true),
        ("ForAllValues:StringEquals", &["a", "c"], false),
        ("ForAnyValue:StringEquals", &["c", "a"], true),
        ("ForAnyValue:StringEquals", &["c", "d"], false),
        ("ForAllValues:StringNotEquals", &["c", "d"], true),
        ("ForAllValues:StringNotEquals", &["c", "a"], false),
        ("ForAnyValue:StringNotEquals", &["c", "a"], true),
        ("ForAnyValue:StringNotEquals", &["b", "a"], false),
        ("StringEquals", &["c", "a"], true),
        ("StringNotEquals", &["c", "a"], false),
    ] {
        let held = holds(operator, "test:key", &["a", "b"], Some(values));
        assert_eq!(held, expected, "{operator} {values:?}");
    }
}

#[test]
fn what_is_no_condition() {
    for operator in [
        "stringequals",
        "StringEqual",
        "NullIfExists",
        "ForAllValues:Null",
        "ForSomeValues:StringEquals",
        "NumericLike",
        "",
    ] {
        let made = Condition::new(operator, "a:b", &["x".into()], true);
        assert_eq!(made, Err(Unusable::Operator), "{operator}");
    }
    for date in ["tomorrow", "2020-13-01", "2020-01-01T25:00:00Z", ""] {
        let made = Condition::new("DateEquals", "a:b", &[date.into()], true);
        assert_eq!(made, Err(Unusable::Date), "{date}");
    }
}

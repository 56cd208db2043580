//! Which messages policies take, and which policies there are.

use super::{Filter, On, Verdict};
use crate::message::{Attribute, Kind, Message, SignatureVersion};
use neargate_base::Timestamp;
use std::collections::BTreeMap;

fn message(attributes: &[(&str, &str, &str)]) -> Message {
    let all = attributes.iter().map(|(name, data_type, value)| {
        let attribute = Attribute {
            data_type: (*data_type).into(),
            value: (*value).into(),
        };
        ((*name).to_owned(), attribute)
    });
    Message {
        kind: Kind::Notification,
        id: String::new(),
        topic_arn: String::new(),
        subject: None,
        text: String::new(),
        texts: BTreeMap::new(),
        attributes: all.collect(),
        order: None,
        group: None,
        at: Timestamp::default(),
        signature_version: SignatureVersion::One,
        ended: None,
    }
}

fn by_attributes(policy: &str, attributes: &[(&str, &str, &str)]) -> bool {
    let filter = Filter::parse(policy, On::Attributes).expect("a policy");
    filter.takes(&message(attributes), "") == Verdict::Taken
}

fn by_body(policy: &str, body: &str) -> bool {
    let filter = Filter::parse(policy, On::Body).expect("a policy");
    filter.takes(&message(&[]), body) == Verdict::Taken
}

#[test]
fn values_of_attributes() {
    let store = &[
        ("store", "String", "example_corp"),
        ("price", "Number", "100.50"),
    ];
    let list = &[("list", "String.Array", r#"["soccer",1,true,null]"#)];
    for (policy, attributes, wanted) in [
        (r#"{"store":["example_corp"]}"#, &store[..], true),
        (r#"{"store":["other","example_corp"]}"#, store, true),
        (r#"{"store":["other"]}"#, store, false),
        (r#"{"store":["example_corp"],"none":["x"]}"#, store, false),
        (r#"{"store":[{"prefix":"exam"}]}"#, store, true),
        (r#"{"store":[{"suffix":"_corp"}]}"#, store, true),
        (r#"{"store":[{"wildcard":"ex*_c*p"}]}"#, store, true),
        (r#"{"store":[{"wildcard":"ex*q"}]}"#, store, false),
        (
            r#"{"store":[{"equals-ignore-case":"EXAMPLE_corp"}]}"#,
            store,
            true,
        ),
        (r#"{"store":[{"anything-but":["a","b"]}]}"#, store, true),
        (
            r#"{"store":[{"anything-but":"example_corp"}]}"#,
            store,
            false,
        ),
        (
            r#"{"store":[{"anything-but":{"prefix":"exam"}}]}"#,
            store,
            false,
        ),
        (r#"{"none":[{"anything-but":["a"]}]}"#, store, false),
        (r#"{"store":[{"exists":true}]}"#, store, true),
        (r#"{"none":[{"exists":false}]}"#, store, true),
        (r#"{"none":[{"exists":false}]}"#, &[], true),
        (r#"{"price":[100.5]}"#, store, true),
        (r#"{"price":["100.50"]}"#, store, false),
        (r#"{"price":[{"numeric":[">",100,"<=",101]}]}"#, store, true),
        (r#"{"price":[{"numeric":["<",100]}]}"#, store, false),
        (r#"{"price":[{"numeric":["=",100.50]}]}"#, store, true),
        (r#"{"list":["soccer"]}"#, list, true),
        (r#"{"list":[1]}"#, list, true),
        (r#"{"list":[true]}"#, list, true),
        (r#"{"list":[null]}"#, list, true),
        (r#"{"list":["rugby"]}"#, list, false),
        (r#"{"list":[{"anything-but":["soccer"]}]}"#, list, true),
        (
            r#"{"$or":[{"store":["x"]},{"price":[100.5]}]}"#,
            store,
            true,
        ),
        (r#"{"$or":[{"store":["x"]},{"price":[1]}]}"#, store, false),
        (
            r#"{"ip":[{"cidr":"10.0.0.0/24"}]}"#,
            &[("ip", "String", "10.0.0.255")],
            true,
        ),
        (
            r#"{"ip":[{"cidr":"10.0.0.0/24"}]}"#,
            &[("ip", "String", "10.0.1.0")],
            false,
        ),
        (
            r#"{"ip":[{"cidr":"2001:db8::/32"}]}"#,
            &[("ip", "String", "2001:db8::1")],
            true,
        ),
        (
            r#"{"ip":[{"cidr":"0.0.0.0/0"}]}"#,
            &[("ip", "String", "10.0.1.0")],
            true,
        ),
        (
            r#"{"b":[{"exists":true}]}"#,
            &[("b", "Binary", "AQ==")],
            false,
        ),
    ] {
        assert_eq!(by_attributes(policy, attributes), wanted, "{policy}");
    }
}

#[test]
fn bodies_are_looked_into() {
    let body =
        r#"{"store":"x","deep":{"kind":"a","list":[{"n":1,"m":"p"},{"n":2,"m":"q"}]},"n":null}"#;
    for (policy, wanted) in [
        (r#"{"deep":{"kind":["a"]}}"#, true),
        (r#"{"deep":{"kind":["b"]}}"#, false),
        (r#"{"deep":{"list":{"n":[2]}}}"#, true),
        // Both of the same element.
        (r#"{"deep":{"list":{"n":[2],"m":["q"]}}}"#, true),
        (r#"{"deep":{"list":{"n":[1],"m":["q"]}}}"#, false),
        (r#"{"deep":{"none":[{"exists":false}]}}"#, true),
        (r#"{"none":{"none":[{"exists":false}]}}"#, true),
        (r#"{"n":[null]}"#, true),
        (
            r#"{"store":["x"],"deep":{"$or":[{"kind":["z"]},{"list":{"m":["p"]}}]}}"#,
            true,
        ),
        (r#"{"deep":[{"exists":true}]}"#, false),
    ] {
        assert_eq!(by_body(policy, body), wanted, "{policy}");
    }
    let filter = Filter::parse(r#"{"a":["b"]}"#, On::Body).expect("a policy");
    let invalid = Verdict::FilteredOut("-InvalidMessageBody");
    assert_eq!(filter.takes(&message(&[]), "no JSON"), invalid);
}

#[test]
fn policies_that_are_none() {
    let long: Vec<String> = (0..151).map(|n| n.to_string()).collect();
    let many = format!(r#"{{"a":[{}]}}"#, long.join(","));
    for (policy, why) in [
        ("x", "failed to parse JSON."),
        ("[]", "failed to parse JSON."),
        (r#"{"a":"b"}"#, r#""a" must be an object or an array"#),
        (r#"{"a":[]}"#, "Empty arrays are not allowed"),
        (
            r#"{"a":[["b"]]}"#,
            "Match value must be String, number, true, false, or null",
        ),
        (
            r#"{"a":[{"prefix":"a","suffix":"b"}]}"#,
            "Only one key allowed in match expression",
        ),
        (
            r#"{"a":[{"prefix":1}]}"#,
            "prefix match pattern must be a string",
        ),
        (
            r#"{"a":[{"suffix":1}]}"#,
            "suffix match pattern must be a string",
        ),
        (r#"{"a":[{"what":1}]}"#, "Unrecognized match type what"),
        (
            r#"{"a":[{"exists":"x"}]}"#,
            "exists match pattern must be either true or false.",
        ),
        (
            r#"{"a":[{"numeric":[]}]}"#,
            "Invalid member in numeric match: ]",
        ),
        (
            r#"{"a":[{"numeric":[1,"<"]}]}"#,
            "Invalid member in numeric match: 1",
        ),
        (
            r#"{"a":[{"numeric":["x",1]}]}"#,
            "Unrecognized numeric range operator: x",
        ),
        (
            r#"{"a":[{"numeric":["="]}]}"#,
            "Value of equals must be numeric",
        ),
        (
            r#"{"a":[{"numeric":["<","1"]}]}"#,
            "Value of < must be numeric",
        ),
        (
            r#"{"a":[{"numeric":["<",1,">",2]}]}"#,
            "Too many elements in numeric expression",
        ),
        (
            r#"{"a":[{"numeric":[">",1,30]}]}"#,
            "Bad value in numeric range: 30",
        ),
        (
            r#"{"a":[{"numeric":[">",1,">",2]}]}"#,
            "Bad numeric range operator: >",
        ),
        (
            r#"{"a":[{"numeric":[">",3,"<",2]}]}"#,
            "Bottom must be less than top",
        ),
        (
            r#"{"a":[{"numeric":[">",1,"<",2,"<"]}]}"#,
            "Too many terms in numeric range expression",
        ),
        (
            r#"{"a":[{"cidr":"x"}]}"#,
            "Malformed CIDR, one '/' required",
        ),
        (
            r#"{"a":[{"cidr":"x/y"}]}"#,
            "Malformed CIDR, mask bits must be an integer",
        ),
        (
            r#"{"a":[{"cidr":"10.11/8"}]}"#,
            "Nonstandard IP address: 10.11",
        ),
        (
            r#"{"a":[{"anything-but":{"exists":true}}]}"#,
            "Unsupported anything-but pattern: exists",
        ),
        (
            r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#,
            "Filter policy can not have more than 5 keys",
        ),
        (&many, "Filter policy is too complex"),
    ] {
        let refused = Filter::parse(policy, On::Body).expect_err("refused");
        assert_eq!(refused, format!("FilterPolicy: {why}"), "{policy}");
    }
    let nested = Filter::parse(r#"{"a":{"b":["c"]}}"#, On::Attributes).expect_err("refused");
    assert!(nested.ends_with("does not support nested filter policy"));
    // 3 x 4 x 2 x 3 = 72, as AWS counts.
    let nested = r#"{"a":{"b":{"c":["1","2","3","4"]}},"d":{"e":["1","2","3"]}}"#;
    assert!(Filter::parse(nested, On::Body).is_ok());
}

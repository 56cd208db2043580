//! URI templates and header lists.

use super::header;
use super::uri::matches;
use crate::schema::{Element, Kind, Member, SHAPE, Shape, Target, TimestampFormat, member};
use crate::value::Value;

fn labels(template: &'static str, path: &str, query: &str) -> Option<Vec<(&'static str, String)>> {
    matches(template, path, query).map(|found| found.labels)
}

fn label(name: &'static str, value: &str) -> (&'static str, String) {
    (name, value.to_owned())
}

#[test]
fn templates() {
    assert_eq!(labels("/", "/", ""), Some(vec![]));
    assert_eq!(labels("/", "", ""), Some(vec![]));
    assert_eq!(
        labels("/a/{b}", "/a/x%2Fy", ""),
        Some(vec![label("b", "x/y")])
    );
    assert_eq!(labels("/a/{b}", "/a/", ""), None);
    assert_eq!(labels("/a/{b}", "/a/x/", ""), Some(vec![label("b", "x")]));
    assert_eq!(labels("/a/{b}", "/a/x/y", ""), None);
    assert_eq!(labels("/a/{b}", "/A/x", ""), None);
    assert_eq!(
        labels("/{Bucket}/{Key+}", "/b/k//%20/", ""),
        Some(vec![label("Bucket", "b"), label("Key", "k// /")])
    );
    assert_eq!(labels("/{Bucket}/{Key+}", "/b/", ""), None);
    assert_eq!(
        labels("/{K+}/tags/{t}", "/a/b/tags/x", ""),
        Some(vec![label("t", "x"), label("K", "a/b")])
    );
    assert_eq!(labels("/a/{b}", "/a/%ff", ""), None);
}

#[test]
fn query_literals_decide() {
    assert!(labels("/b?acl", "/b", "").is_none());
    assert!(labels("/b?acl", "/b", "x=1&acl").is_some());
    assert!(labels("/b?acl", "/b", "acl=").is_some());
    assert!(labels("/b?type=2", "/b", "type=1").is_none());
    assert!(labels("/b?type=2", "/b", "type=2").is_some());
    let rank = |template| matches(template, "/b", "acl").unwrap().rank;
    assert!(rank("/{x}?acl") > rank("/b"));
    assert!(rank("/b") > rank("/{x}"));
    assert!(rank("/{x}") > rank("/{x+}"));
}

static TEXT: Shape = Shape {
    name: "Text",
    kind: Kind::String,
    ..SHAPE
};
static TIME: Shape = Shape {
    name: "Time",
    kind: Kind::Timestamp(None),
    ..SHAPE
};
static TEXTS: Shape = Shape {
    name: "Texts",
    kind: Kind::List(Element::of(Target::Here(&TEXT))),
    ..SHAPE
};
static TIMES: Shape = Shape {
    name: "Times",
    kind: Kind::List(Element {
        timestamp: Some(TimestampFormat::HttpDate),
        ..Element::of(Target::Here(&TIME))
    }),
    ..SHAPE
};
static MEMBERS: [Member; 2] = [
    member("texts", Target::Here(&TEXTS)),
    member("times", Target::Here(&TIMES)),
];

fn texts(lines: &[&str]) -> Vec<String> {
    let lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
    match header::read(&MEMBERS[0], &lines).unwrap() {
        Value::List(items) => items
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn header_lists() {
    assert_eq!(texts(&["a,b , c"]), ["a", "b", "c"]);
    assert_eq!(texts(&["a", "b,c"]), ["a", "b", "c"]);
    assert_eq!(texts(&[r#""b,c", "\"def\"", a"#]), ["b,c", "\"def\"", "a"]);
    assert_eq!(texts(&[r#""unclosed, \"#]), ["unclosed,"]);
    assert_eq!(texts(&[",,"]), Vec::<String>::new());
    let dates = ["Mon, 16 Dec 2019 23:48:18 GMT, Mon, 16 Dec 2019 23:48:19 GMT".to_owned()];
    let Value::List(times) = header::read(&MEMBERS[1], &dates).unwrap() else {
        panic!()
    };
    assert_eq!(times.len(), 2);
}

#[test]
fn header_values_cannot_break_out() {
    let mut headers = http::HeaderMap::new();
    let value = Value::List(vec![Value::Str("a\r\nset-cookie: x".into())]);
    header::write(&MEMBERS[0], &value, &mut headers);
    assert!(headers.is_empty());
    let value = Value::List(vec![Value::Str("a,b".into()), Value::Str("c\"d".into())]);
    header::write(&MEMBERS[0], &value, &mut headers);
    assert_eq!(headers["texts"], r#""a,b", "c\"d""#);
}

//! Hostile and odd form parameters.

use super::super::{Request, form};
use super::{Style, read};
use crate::schema::{Element, Kind, Member, SHAPE, Shape, Target, member};
use crate::value::Value;
use bytes::Bytes;

static TEXT: Shape = Shape {
    name: "Text",
    kind: Kind::String,
    ..SHAPE
};
static INT: Shape = Shape {
    name: "Int",
    kind: Kind::Integer,
    ..SHAPE
};
static LIST: Shape = Shape {
    name: "List",
    kind: Kind::List(Element::of(Target::Here(&TEXT))),
    ..SHAPE
};
static MAP: Shape = Shape {
    name: "Map",
    kind: Kind::Map {
        key: Element::of(Target::Here(&TEXT)),
        value: Element::of(Target::Here(&INT)),
    },
    ..SHAPE
};
/// Its elements are named as another member of the structure is, as EC2 has some.
static NAMES: Shape = Shape {
    name: "Names",
    kind: Kind::List(Element {
        location_name: Some("Name"),
        ..Element::of(Target::Here(&TEXT))
    }),
    ..SHAPE
};
static MEMBERS: [Member; 5] = [
    member("name", Target::Here(&TEXT)),
    member("count", Target::Here(&INT)),
    member("list", Target::Here(&LIST)),
    member("map", Target::Here(&MAP)),
    member("names", Target::Here(&NAMES)),
];
static ROOT: Shape = Shape {
    name: "Root",
    kind: Kind::Structure(&MEMBERS),
    ..SHAPE
};

fn go(style: Style, body: &str) -> Result<Value, super::DecodeError> {
    let request: Request = http::Request::builder()
        .uri("/?extra=1")
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    read(style, &ROOT, &form::parse(&request)?)
}

fn texts(items: &[&str]) -> Value {
    Value::List(items.iter().map(|t| Value::Str((*t).to_owned())).collect())
}

#[test]
fn indexes_are_only_an_order() {
    let body = "list.member.4000000000=c&list.member.2=b&list.member.10=b2&list.member.x=no";
    let value = go(Style::Query, body).unwrap();
    assert_eq!(value.field(2), Some(&texts(&["b", "b2", "c"])));
    let value = go(Style::Ec2, "List.18446744073709551615=b&List.1=a").unwrap();
    assert_eq!(value.field(2), Some(&texts(&["a", "b"])));
}

#[test]
fn another_members_name_is_no_list_of_ec2() {
    let value = go(Style::Ec2, "Name=a").unwrap();
    assert_eq!(value.field(0), Some(&Value::Str("a".into())));
    assert_eq!(value.field(4), None);
    let value = go(Style::Ec2, "Name=a&Names.1=b").unwrap();
    assert_eq!(value.field(4), Some(&texts(&["b"])));
}

#[test]
fn escapes() {
    let value = go(Style::Query, "name=a+b%2Bc%20d%26%3D").unwrap();
    assert_eq!(value.field(0), Some(&Value::Str("a b+c d&=".into())));
    assert_eq!(
        go(Style::Query, "name=%ff").unwrap_err().code,
        "MalformedQueryString"
    );
    assert_eq!(
        go(Style::Query, "&&=&name&%").unwrap().field(0),
        Some(&Value::Str(String::new()))
    );
}

#[test]
fn type_errors_name_the_parameter() {
    let error = go(Style::Query, "count=ten").unwrap_err();
    assert_eq!((error.code, error.status), ("MalformedInput", 400));
    assert_eq!(error.message, "count: expected an integer, found 'ten'");
    let error = go(Style::Ec2, "Count=99999999999").unwrap_err();
    assert_eq!(error.code, "InvalidParameterValue");
    assert!(error.message.contains("Count"), "{}", error.message);
    assert_eq!(
        go(Style::Query, "name.x=1").unwrap_err().code,
        "MalformedInput"
    );
    assert_eq!(
        go(Style::Query, "map.entry.1.value=1").unwrap_err().code,
        "MalformedInput"
    );
    assert_eq!(
        go(Style::Query, "map.entry.1.key=k&map.entry.1.value=x")
            .unwrap_err()
            .code,
        "MalformedInput"
    );
}

#[test]
fn depth_and_count_are_bounded() {
    let deep = format!("a{}=1", ".a".repeat(500_000));
    assert!(go(Style::Query, &deep).is_err());
    let many: String = (0..200_000).map(|i| format!("k{i}=&")).collect();
    assert!(go(Style::Query, &many).is_err());
    let wide: String = (0..20_000)
        .map(|i| format!("a{i}{}=&", ".b".repeat(40)))
        .collect();
    assert!(go(Style::Query, &wide).is_err());
}

#[test]
fn the_first_of_two_counts() {
    let value = go(Style::Query, "name=a&name=b").unwrap();
    assert_eq!(value.field(0), Some(&Value::Str("a".into())));
}

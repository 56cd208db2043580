//! Hostile and odd bodies.

use super::read_body;
use super::write;
use crate::schema::{Element, Kind, Member, SHAPE, Shape, Target, member};
use crate::value::Value;
use neargate_base::Timestamp;

static TEXT: Shape = Shape {
    name: "Text",
    kind: Kind::String,
    ..SHAPE
};
static LONG: Shape = Shape {
    name: "Long",
    kind: Kind::Long,
    ..SHAPE
};
static DOUBLE: Shape = Shape {
    name: "Double",
    kind: Kind::Double,
    ..SHAPE
};
static TIME: Shape = Shape {
    name: "Time",
    kind: Kind::Timestamp(None),
    ..SHAPE
};
static BLOB: Shape = Shape {
    name: "Blob",
    kind: Kind::Blob,
    ..SHAPE
};
static LIST: Shape = Shape {
    name: "List",
    kind: Kind::List(Element::of(Target::Here(&LONG))),
    ..SHAPE
};
static MEMBERS: [Member; 6] = [
    member("text", Target::Here(&TEXT)),
    member("long", Target::Here(&LONG)),
    member("double", Target::Here(&DOUBLE)),
    member("time", Target::Here(&TIME)),
    member("blob", Target::Here(&BLOB)),
    member("list", Target::Here(&LIST)),
];
static ROOT: Shape = Shape {
    name: "Root",
    kind: Kind::Structure(&MEMBERS),
    ..SHAPE
};

fn refused(body: &[u8]) -> String {
    let error = read_body(&ROOT, body).unwrap_err();
    assert_eq!(error.code, "SerializationException");
    error.message
}

#[test]
fn round_trip() {
    let value = Value::Struct(vec![
        (0, Value::Str("x".repeat(300))),
        (1, Value::Int(i64::MIN)),
        (2, Value::Float(0.1)),
        (3, Value::Time(Timestamp::from_millis(1_500))),
        (4, Value::Blob(vec![0; 70_000].into())),
        (
            5,
            Value::List(
                [0, 23, 24, 255, 256, 65_536, -1, -25, i64::MAX]
                    .map(Value::Int)
                    .into(),
            ),
        ),
    ]);
    let mut body = Vec::new();
    write::value(&mut body, &ROOT, &value);
    assert_eq!(read_body(&ROOT, &body).unwrap(), value);
}

#[test]
fn times_are_tagged() {
    let mut body = Vec::new();
    write::value(
        &mut body,
        &TIME,
        &Value::Time(Timestamp::from_millis(1_000)),
    );
    assert_eq!(body, [0xc1, 0x01]);
}

#[test]
fn wrong_types_are_named() {
    assert_eq!(refused(b"\xa1\x64text\x01"), "text: expected text");
    assert_eq!(
        refused(b"\xa1\x64long\x61a"),
        "long: expected a long integer"
    );
    // 2^63 does not fit.
    assert_eq!(
        refused(b"\xa1\x64long\x1b\x80\0\0\0\0\0\0\0"),
        "long: expected a long integer"
    );
    assert_eq!(
        refused(b"\xa1\x64time\xc0\x61a"),
        "time: expected a timestamp (tag 1)"
    );
    assert_eq!(refused(b"\x80"), "The body: expected a map");
    assert_eq!(refused(b"\xa1\x01\x01"), "The body: expected text as keys");
}

#[test]
fn hostile_lengths_and_depths() {
    // Arrays, maps, texts and byte strings that claim 2^64 - 1 items.
    for major in [0x5b, 0x7b, 0x9b, 0xbb] {
        let mut body = b"\xa1\x64list".to_vec();
        body.push(major);
        body.extend([0xff; 8]);
        refused(&body);
    }
    let mut deep = b"\xa1\x65other".to_vec();
    deep.extend(vec![0x81; 1_000_000]);
    refused(&deep);
    let mut tags = b"\xa1\x65other".to_vec();
    tags.extend(vec![0xc1; 1_000_000]);
    refused(&tags);
    refused(b"");
    refused(b"\xa0\x00");
    refused(b"\xbf\x64text");
}

#[test]
fn unknown_and_null_members_are_dropped_and_the_first_of_two_counts() {
    let body = b"\xa3\x65other\x01\x64long\xf6\x64text\x61a";
    assert_eq!(
        read_body(&ROOT, body).unwrap(),
        Value::Struct(vec![(0, Value::Str("a".into()))])
    );
    let body = b"\xa2\x64long\x01\x64long\x02";
    assert_eq!(
        read_body(&ROOT, body).unwrap(),
        Value::Struct(vec![(1, Value::Int(1))])
    );
}

//! Every output of every model we hold, filled, encoded in each of its protocols and read back.

use super::super::{Response, encode};
use super::{Case, client, value};
use crate::model;
use crate::schema::{Kind, Location, Protocol, Shape};
use crate::value::Value;
use neargate_base::Timestamp;
use std::path::Path;

/// A value of that shape with everything set; structures end at some depth, since shapes recurse.
fn fill(shape: &Shape, depth: usize, seed: &mut u64) -> Value {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let n = (*seed >> 40) as i64;
    match shape.kind {
        Kind::Structure(members) => {
            let count = if shape.union { 1 } else { members.len() };
            let first = if shape.union {
                n as usize % members.len().max(1)
            } else {
                0
            };
            let mut fields = Vec::new();
            for (at, member) in members.iter().enumerate().skip(first).take(count) {
                // A whole document at most 5 levels deep, and no event streams yet.
                if depth < 5 && !member.shape.event_stream {
                    let value = if member.location == Location::StatusCode {
                        Value::Int(200 + n % 100)
                    } else {
                        fill(&member.shape, depth + 1, seed)
                    };
                    fields.push((at, value));
                }
            }
            Value::Struct(fields)
        }
        Kind::List(inner) => Value::List(
            (0..2)
                .map(|_| fill(&inner.shape, depth + 1, seed))
                .collect(),
        ),
        Kind::Map { value, .. } => Value::Map(
            (0..2)
                .map(|i| (format!("key-{i}"), fill(&value.shape, depth + 1, seed)))
                .collect(),
        ),
        Kind::String => Value::Str(format!("text <&> \"{n}\" \u{e9}")),
        Kind::Blob => Value::Blob(n.to_be_bytes().to_vec().into()),
        Kind::Boolean => Value::Bool(n % 2 == 0),
        Kind::Integer => Value::Int(n as i32 as i64),
        Kind::Long => Value::Int(n << 20),
        Kind::Float => Value::Float(f64::from(n as f32 / 8.0)),
        Kind::Double => Value::Float(n as f64 / 1024.0),
        Kind::Timestamp(_) => Value::Time(Timestamp::from_millis(n * 1000)),
        Kind::Document => Value::Document(serde_json::json!({ "n": n })),
    }
}

/// Headers hold no such texts; clients see header names in lower case and trimmed values.
fn plain_headers(shape: &Shape, value: &mut Value) {
    let Value::Struct(fields) = value else { return };
    for (at, value) in fields.iter_mut() {
        let member = &shape.members()[*at];
        match (member.location, value) {
            (Location::Header, Value::Str(text)) => *text = format!("plain-{at}"),
            (Location::Headers, Value::Map(pairs)) => {
                pairs
                    .iter_mut()
                    .for_each(|(_, v)| *v = Value::Str("plain".into()));
            }
            _ => {}
        }
    }
}

#[test]
fn every_output_survives_its_protocols() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let mut tried = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let has_shape = |name: &str| {
            let json: &serde_json::Value = &json;
            json["operations"][name]["output"]["shape"]
                .as_str()
                .is_some_and(|shape| !json["shapes"][shape].is_null())
        };
        let service = model::load(&id, &json, has_shape).unwrap();
        for op in service.operations {
            let Some(shape) = op.output else { continue };
            for protocol in service.protocols.iter().copied() {
                let mut value = fill(&shape, 0, &mut 7);
                if matches!(protocol, Protocol::RestJson | Protocol::RestXml) {
                    plain_headers(&shape, &mut value);
                }
                let case = Case {
                    id: op.name.into(),
                    service,
                    protocol,
                    op,
                    json: serde_json::Value::Null,
                };
                let reply: Response = encode(service, protocol, op, &value, "id");
                let read = client::read(&case, &reply)
                    .unwrap_or_else(|e| panic!("{id} {} {protocol:?}: {e}", op.name));
                assert_eq!(
                    value::canonical(read, true),
                    value::canonical(value, true),
                    "{id} {} {protocol:?}\n{}",
                    op.name,
                    String::from_utf8_lossy(reply.body())
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "only {tried} outputs");
    println!("{tried} outputs of real models");
}

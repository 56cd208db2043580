//! From a value to CBOR (RFC 8949): definite lengths, and floats in the width of the model, so
//! that replies do not depend on a decoder's knowledge of half floats.

use crate::schema::{Kind, Shape};
use crate::value::Value;
use serde_json::Value as Tree;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const FLOAT32: u8 = 0xfa;
const FLOAT64: u8 = 0xfb;

fn head(out: &mut Vec<u8>, major: u8, n: u64) {
    let major = major << 5;
    match n {
        0..=23 => out.push(major | n as u8),
        24..=0xff => out.extend([major | 24, n as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend((n as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend((n as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(n.to_be_bytes());
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend(text.as_bytes());
}

fn integer(out: &mut Vec<u8>, i: i64) {
    match u64::try_from(i) {
        Ok(n) => head(out, UNSIGNED, n),
        Err(_) => head(out, NEGATIVE, !i as u64),
    }
}

fn double(out: &mut Vec<u8>, f: f64) {
    out.push(FLOAT64);
    out.extend(f.to_be_bytes());
}

/// Writes one value.
pub(super) fn value(out: &mut Vec<u8>, shape: &Shape, v: &Value) {
    match v {
        Value::Null => out.push(NULL),
        Value::Bool(b) => out.push(if *b { TRUE } else { FALSE }),
        Value::Int(i) => integer(out, *i),
        Value::Float(f) if matches!(shape.kind, Kind::Float) => {
            out.push(FLOAT32);
            out.extend((*f as f32).to_be_bytes());
        }
        Value::Float(f) => double(out, *f),
        Value::Str(s) => text(out, s),
        Value::Blob(bytes) => {
            head(out, BYTES, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Value::Time(at) => {
            head(out, TAG, 1);
            match at.as_millis() {
                whole if whole % 1000 == 0 => integer(out, whole / 1000),
                _ => double(out, at.as_secs_f64()),
            }
        }
        Value::List(items) => {
            head(out, ARRAY, items.len() as u64);
            let Kind::List(inner) = shape.kind else {
                return items.iter().for_each(|_| out.push(NULL));
            };
            items.iter().for_each(|item| value(out, &inner.shape, item));
        }
        Value::Map(pairs) => {
            let Kind::Map { value: inner, .. } = shape.kind else {
                return head(out, MAP, 0);
            };
            head(out, MAP, pairs.len() as u64);
            for (key, item) in pairs {
                text(out, key);
                value(out, &inner.shape, item);
            }
        }
        Value::Struct(_) => {
            head(out, MAP, set(shape, v).count() as u64);
            members(out, shape, v);
        }
        Value::Document(tree) => json(out, tree),
    }
}

fn set<'a>(
    shape: &'a Shape,
    v: &'a Value,
) -> impl Iterator<Item = (&'static crate::schema::Member, &'a Value)> {
    v.fields()
        .iter()
        .filter(|(_, v)| !matches!(v, Value::Null))
        .filter_map(|(index, v)| Some((shape.members().get(*index)?, v)))
}

fn members(out: &mut Vec<u8>, shape: &Shape, v: &Value) {
    for (member, v) in set(shape, v) {
        text(out, member.name);
        value(out, &member.shape, v);
    }
}

/// `{"__type", "message", members}`; members by the model, or as JSON where it has none.
pub(super) fn error(
    out: &mut Vec<u8>,
    type_name: &str,
    message: &str,
    modelled: Option<(&Shape, Value)>,
    fields: &[(String, Tree)],
) {
    let own_key = modelled.as_ref().and_then(|(shape, _)| {
        shape
            .members()
            .iter()
            .map(|m| m.name)
            .find(|n| n.eq_ignore_ascii_case("message"))
    });
    let further = match &modelled {
        Some((shape, value)) => set(shape, value).count(),
        None => fields.len(),
    };
    head(out, MAP, 2 + further as u64);
    text(out, "__type");
    text(out, type_name);
    text(out, own_key.unwrap_or("message"));
    text(out, message);
    match &modelled {
        Some((shape, value)) => members(out, shape, value),
        None => {
            for (name, tree) in fields {
                text(out, name);
                json(out, tree);
            }
        }
    }
}

fn json(out: &mut Vec<u8>, tree: &Tree) {
    match tree {
        Tree::Null => out.push(NULL),
        Tree::Bool(b) => out.push(if *b { TRUE } else { FALSE }),
        Tree::Number(n) => match n.as_i64() {
            Some(i) => integer(out, i),
            None => double(out, n.as_f64().unwrap_or(f64::NAN)),
        },
        Tree::String(s) => text(out, s),
        Tree::Array(items) => {
            head(out, ARRAY, items.len() as u64);
            items.iter().for_each(|item| json(out, item));
        }
        Tree::Object(pairs) => {
            head(out, MAP, pairs.len() as u64);
            for (key, item) in pairs {
                text(out, key);
                json(out, item);
            }
        }
    }
}

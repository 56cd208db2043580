//! Writing a value as JSON.

use super::Form;
use crate::schema::{Kind, Shape, TimestampFormat};
use crate::timestamp;
use crate::value::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use neargate_base::Timestamp;
use serde_json::Value as Tree;

/// Writes a value of that shape. Nulls inside structures, lists and maps are dropped; a value
/// that does not fit the shape is written as what it is.
pub fn write(shape: &Shape, value: &Value, form: Form) -> Tree {
    element(shape, None, value, form)
}

fn element(shape: &Shape, time: Option<TimestampFormat>, value: &Value, form: Form) -> Tree {
    match value {
        Value::Null => Tree::Null,
        Value::Bool(b) => Tree::Bool(*b),
        Value::Int(i) => Tree::from(*i),
        Value::Float(f) => float(*f, shape.kind),
        Value::Str(s) => Tree::String(s.clone()),
        Value::Blob(bytes) => Tree::String(STANDARD.encode(bytes)),
        Value::Time(t) => write_time(*t, time, shape.kind, form),
        Value::Document(tree) => tree.clone(),
        Value::List(items) => {
            let (of, time) = match shape.kind {
                Kind::List(e) => (e.shape.get(), e.timestamp),
                _ => (shape, None),
            };
            let items = items.iter().filter(|v| **v != Value::Null);
            Tree::Array(items.map(|v| element(of, time, v, form)).collect())
        }
        Value::Map(pairs) => {
            let (of, time) = match shape.kind {
                Kind::Map { value, .. } => (value.shape.get(), value.timestamp),
                _ => (shape, None),
            };
            let pairs = pairs.iter().filter(|(_, v)| *v != Value::Null);
            Tree::Object(
                pairs
                    .map(|(k, v)| (k.clone(), element(of, time, v, form)))
                    .collect(),
            )
        }
        Value::Struct(fields) => {
            let members = shape.members();
            let set = fields.iter().filter(|(_, v)| *v != Value::Null);
            let pairs = set.filter_map(|(at, v)| {
                let m = members.get(*at)?;
                Some((
                    form.name(m).to_owned(),
                    element(&m.shape, m.timestamp, v, form),
                ))
            });
            Tree::Object(pairs.collect())
        }
    }
}

fn write_time(time: Timestamp, own: Option<TimestampFormat>, kind: Kind, form: Form) -> Tree {
    let of_shape = match kind {
        Kind::Timestamp(f) => f,
        _ => None,
    };
    match form.time_format(own.or(of_shape)) {
        None => Tree::from(time.as_millis()),
        Some(TimestampFormat::EpochSeconds) => Tree::Number(timestamp::number(time)),
        Some(format) => Tree::String(timestamp::format(time, format)),
    }
}

/// JSON has no NaN or infinities: the protocols write them as strings.
fn float(f: f64, kind: Kind) -> Tree {
    if f.is_nan() {
        return Tree::from("NaN");
    }
    if f.is_infinite() {
        return Tree::from(if f > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let f = match kind {
        // The shortest text that reads back as the same single-precision number.
        Kind::Float => (f as f32).to_string().parse().unwrap_or(f),
        _ => f,
    };
    Tree::from(f)
}

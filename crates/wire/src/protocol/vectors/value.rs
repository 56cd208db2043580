//! The vectors' parameters and results as values.

use crate::schema::{Kind, Location, Shape};
use crate::timestamp::from_epoch_seconds;
use crate::value::Value;
use serde_json::Value as Tree;

/// Members by model name, times as epoch seconds, blobs as plain text.
pub(super) fn read(shape: &Shape, tree: &Tree) -> Value {
    match (shape.kind, tree) {
        (Kind::Document, tree) => Value::Document(tree.clone()),
        (_, Tree::Null) => Value::Null,
        (Kind::Structure(members), Tree::Object(object)) => {
            let mut fields = Vec::new();
            for (at, member) in members.iter().enumerate() {
                let Some(tree) = object.get(member.name) else {
                    continue;
                };
                let mut value = read(&member.shape, tree);
                if let (Location::Headers, Value::Map(pairs)) = (member.location, &mut value) {
                    // HTTP headers are lower case by the time anyone reads them.
                    pairs
                        .iter_mut()
                        .for_each(|(key, _)| key.make_ascii_lowercase());
                }
                fields.push((at, value));
            }
            Value::Struct(fields)
        }
        (Kind::List(inner), Tree::Array(items)) => {
            Value::List(items.iter().map(|item| read(&inner.shape, item)).collect())
        }
        (Kind::Map { value, .. }, Tree::Object(object)) => Value::Map(
            object
                .iter()
                .map(|(k, v)| (k.clone(), read(&value.shape, v)))
                .collect(),
        ),
        (Kind::Blob, Tree::String(text)) => Value::Blob(text.clone().into_bytes().into()),
        (Kind::Float | Kind::Double, Tree::String(text)) => Value::Float(match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            other => panic!("{other} is no float"),
        }),
        (Kind::Float | Kind::Double, tree) => Value::Float(tree.as_f64().unwrap()),
        (Kind::Timestamp(_), tree) => {
            Value::Time(from_epoch_seconds(tree.as_f64().unwrap()).unwrap())
        }
        (Kind::Integer | Kind::Long, tree) => Value::Int(tree.as_i64().unwrap()),
        (_, Tree::Bool(b)) => Value::Bool(*b),
        (_, Tree::String(text)) => Value::Str(text.clone()),
        (kind, tree) => panic!("{tree} does not fit {kind:?}"),
    }
}

/// Takes what other members are bound to out of a map of all query parameters: servers read it
/// there as well, while the parameters that a client begins with may lack it.
pub(super) fn unbind(shape: &Shape, value: &mut Value) {
    let Value::Struct(fields) = value else { return };
    let members = shape.members();
    for (at, value) in fields.iter_mut() {
        if let (Location::QueryString, Value::Map(pairs)) = (members[*at].location, value) {
            pairs.retain(|(key, _)| {
                members
                    .iter()
                    .all(|m| m.location != Location::QueryString || m.wire_name() != key)
            });
        }
    }
    fields.retain(|(at, value)| {
        members[*at].location != Location::QueryString
            || !matches!(value, Value::Map(pairs) if pairs.is_empty())
    });
}

/// A form in which equal values are equal: maps sorted, NaN by name, nulls dropped.
pub(super) fn canonical(value: Value, drop_empty: bool) -> Value {
    let empty = |value: &Value| {
        drop_empty
            && (matches!(value, Value::List(l) if l.is_empty())
                || matches!(value, Value::Map(m) if m.is_empty())
                || matches!(value, Value::Struct(f) if f.is_empty())
                || matches!(value, Value::Str(s) if s.is_empty())
                || matches!(value, Value::Blob(b) if b.is_empty()))
    };
    let keep = |value: &Value| *value != Value::Null && !empty(value);
    match value {
        Value::Float(f) if f.is_nan() => Value::Str("NaN".into()),
        // Single precision, the coarsest that a float can have passed through.
        Value::Float(f) => Value::Float(f64::from(f as f32)),
        Value::List(items) => Value::List(
            items
                .into_iter()
                .filter(|v| *v != Value::Null)
                .map(|v| canonical(v, drop_empty))
                .collect(),
        ),
        Value::Map(mut pairs) => {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            let pairs = pairs.into_iter().filter(|(_, v)| *v != Value::Null);
            Value::Map(pairs.map(|(k, v)| (k, canonical(v, drop_empty))).collect())
        }
        Value::Struct(mut fields) => {
            fields.sort_by_key(|(at, _)| *at);
            let fields = fields
                .into_iter()
                .map(|(at, v)| (at, canonical(v, drop_empty)));
            Value::Struct(fields.filter(|(_, v)| keep(v)).collect())
        }
        other => other,
    }
}

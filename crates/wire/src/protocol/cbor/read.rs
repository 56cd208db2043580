//! From CBOR to a value.

use super::super::DecodeError;
use crate::schema::{Kind, Shape};
use crate::timestamp::from_epoch_seconds;
use crate::value::Value;
use ciborium::Value as Cbor;
use neargate_base::Timestamp;

const MAX_DEPTH: usize = 100;
/// Tag 1, "epoch-based date/time" (RFC 8949, 3.4.2).
const EPOCH: u64 = 1;

/// Decodes a whole body; nothing may follow the one item.
pub(in super::super) fn read_body(shape: &Shape, body: &[u8]) -> Result<Value, DecodeError> {
    let mut rest = body;
    let tree = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
        .map_err(|_| DecodeError::serialization("The body is not valid CBOR."))?;
    if !rest.is_empty() {
        return Err(DecodeError::serialization(
            "The body continues behind its CBOR value.",
        ));
    }
    read(shape, tree, "")
}

fn wrong(path: &str, expected: &str) -> DecodeError {
    let path = if path.is_empty() { "The body" } else { path };
    DecodeError::serialization(format!("{path}: expected {expected}"))
}

/// Nulls in structures, lists and maps are dropped.
fn read(shape: &Shape, tree: Cbor, path: &str) -> Result<Value, DecodeError> {
    match (shape.kind, tree) {
        (Kind::Structure(_), Cbor::Map(pairs)) => structure(shape, pairs, path),
        (Kind::Structure(_), _) => Err(wrong(path, "a map")),
        (Kind::List(inner), Cbor::Array(items)) => {
            let items = items.into_iter().filter(|item| !item.is_null());
            let items = items.map(|item| read(&inner.shape, item, path));
            items.collect::<Result<_, _>>().map(Value::List)
        }
        (Kind::List(_), _) => Err(wrong(path, "an array")),
        (Kind::Map { value, .. }, Cbor::Map(pairs)) => {
            let mut out = Vec::with_capacity(pairs.len());
            for (key, item) in pairs.into_iter().filter(|(_, item)| !item.is_null()) {
                let key = key.into_text().map_err(|_| wrong(path, "text as keys"))?;
                out.push((key, read(&value.shape, item, path)?));
            }
            Ok(Value::Map(out))
        }
        (Kind::Map { .. }, _) => Err(wrong(path, "a map")),
        (Kind::String, Cbor::Text(text)) => Ok(Value::Str(text)),
        (Kind::String, _) => Err(wrong(path, "text")),
        (Kind::Blob, Cbor::Bytes(bytes)) => Ok(Value::Blob(bytes.into())),
        (Kind::Blob, _) => Err(wrong(path, "a byte string")),
        (Kind::Boolean, Cbor::Bool(b)) => Ok(Value::Bool(b)),
        (Kind::Boolean, _) => Err(wrong(path, "a boolean")),
        (Kind::Integer, tree) => integer(&tree)
            .filter(|i| i32::try_from(*i).is_ok())
            .map(Value::Int)
            .ok_or_else(|| wrong(path, "an integer")),
        (Kind::Long, tree) => integer(&tree)
            .map(Value::Int)
            .ok_or_else(|| wrong(path, "a long integer")),
        (Kind::Float | Kind::Double, tree) => number(&tree)
            .map(Value::Float)
            .ok_or_else(|| wrong(path, "a number")),
        (Kind::Timestamp(_), tree) => time(tree)
            .map(Value::Time)
            .ok_or_else(|| wrong(path, "a timestamp (tag 1)")),
        (Kind::Document, tree) => tree
            .deserialized()
            .map(Value::Document)
            .map_err(|_| wrong(path, "a document")),
    }
}

fn structure(shape: &Shape, pairs: Vec<(Cbor, Cbor)>, path: &str) -> Result<Value, DecodeError> {
    let mut fields: Vec<(usize, Value)> =
        Vec::with_capacity(pairs.len().min(shape.members().len()));
    for (key, item) in pairs {
        let key = key.into_text().map_err(|_| wrong(path, "text as keys"))?;
        let Some((index, member)) = shape.member(&key) else {
            continue;
        };
        if item.is_null() || fields.iter().any(|(seen, _)| *seen == index) {
            continue;
        }
        let path = if path.is_empty() {
            key
        } else {
            format!("{path}.{key}")
        };
        fields.push((index, read(&member.shape, item, &path)?));
    }
    Ok(Value::Struct(fields))
}

fn integer(tree: &Cbor) -> Option<i64> {
    tree.as_integer().and_then(|i| i64::try_from(i).ok())
}

/// Any width of float, and integers: clients send the shortest form.
fn number(tree: &Cbor) -> Option<f64> {
    tree.as_float().or_else(|| integer(tree).map(|i| i as f64))
}

fn time(tree: Cbor) -> Option<Timestamp> {
    let inner = match tree {
        Cbor::Tag(EPOCH, inner) => *inner,
        Cbor::Tag(..) => return None,
        plain => plain,
    };
    from_epoch_seconds(number(&inner)?)
}

//! Reading JSON into a value of a shape.
//!
//! A value of the wrong type is refused in the words AWS's own framework uses (as recorded
//! from DynamoDB and ECS: `STRING_VALUE cannot be converted to Integer`). Unknown members and
//! nulls are dropped.

use super::Form;
use crate::protocol::DecodeError;
use crate::schema::{Element, Kind, Shape, TimestampFormat};
use crate::timestamp;
use crate::value::Value;
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::{Map, Value as Tree};

/// How deep JSON may nest; serde_json's own limit, which bounds recursion here as well.
pub const MAX_DEPTH: usize = 128;

/// Accepts trailing bits that are not zero, as AWS does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Parses a body and reads it as that shape. An empty body is an empty structure.
pub fn parse(shape: &Shape, body: &[u8], form: Form) -> Result<Value, DecodeError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Struct(Vec::new()));
    }
    let tree: Tree = serde_json::from_slice(body)
        .map_err(|e| DecodeError::serialization(format!("The body is not valid JSON: {e}")))?;
    if tree.is_null() {
        return Err(refuse("Unexpected value type in payload"));
    }
    read(shape, tree, form)
}

/// Reads a tree as that shape.
pub fn read(shape: &Shape, tree: Tree, form: Form) -> Result<Value, DecodeError> {
    element(shape, None, tree, form)
}

fn refuse(message: impl Into<String>) -> DecodeError {
    DecodeError::serialization(message)
}

fn element(
    shape: &Shape,
    time: Option<TimestampFormat>,
    tree: Tree,
    form: Form,
) -> Result<Value, DecodeError> {
    let value = match (shape.kind, tree) {
        (Kind::Document, tree) => Value::Document(tree),
        (_, Tree::Null) => Value::Null,
        (Kind::Structure(_), Tree::Object(o)) => structure(shape, o, form)?,
        (Kind::List(of), Tree::Array(items)) => {
            let items = items.into_iter().filter(|v| is_set(&of, v));
            let read = |v| element(&of.shape, of.timestamp, v, form);
            Value::List(items.map(read).collect::<Result<_, _>>()?)
        }
        (Kind::Map { value: of, .. }, Tree::Object(o)) => {
            let pairs = o.into_iter().filter(|(_, v)| is_set(&of, v));
            let read = |(k, v)| Ok((k, element(&of.shape, of.timestamp, v, form)?));
            Value::Map(pairs.map(read).collect::<Result<_, _>>()?)
        }
        (Kind::String, Tree::String(s)) => Value::Str(s),
        (Kind::Boolean, Tree::Bool(b)) => Value::Bool(b),
        (Kind::Blob, Tree::String(s)) => Value::Blob(blob(&s)?),
        (Kind::Integer, Tree::Number(n)) => match whole(&n) {
            Some(i) if i32::try_from(i).is_ok() => Value::Int(i),
            _ => return Err(mismatch(shape.kind, &Tree::Number(n))),
        },
        (Kind::Long, Tree::Number(n)) => match whole(&n) {
            Some(i) => Value::Int(i),
            None => return Err(mismatch(shape.kind, &Tree::Number(n))),
        },
        (Kind::Float | Kind::Double, Tree::Number(n)) => {
            Value::Float(n.as_f64().ok_or_else(|| refuse("number out of range"))?)
        }
        (Kind::Float | Kind::Double, Tree::String(s)) => match s.as_str() {
            "NaN" => Value::Float(f64::NAN),
            "Infinity" => Value::Float(f64::INFINITY),
            "-Infinity" => Value::Float(f64::NEG_INFINITY),
            _ => return Err(mismatch(shape.kind, &Tree::String(s))),
        },
        (Kind::Timestamp(of_shape), tree) => read_time(time.or(of_shape), tree, form)?,
        (kind, tree) => return Err(mismatch(kind, &tree)),
    };
    Ok(value)
}

/// Nulls in lists and maps are dropped, but a document may be null.
fn is_set(of: &Element, tree: &Tree) -> bool {
    !tree.is_null() || matches!(of.shape.kind, Kind::Document)
}

fn structure(
    shape: &Shape,
    mut object: Map<String, Tree>,
    form: Form,
) -> Result<Value, DecodeError> {
    let mut fields = Vec::with_capacity(object.len());
    for (at, member) in shape.members().iter().enumerate() {
        let Some(tree) = object.get_mut(form.name(member)) else {
            continue;
        };
        let value = element(&member.shape, member.timestamp, tree.take(), form)?;
        if value != Value::Null {
            fields.push((at, value));
        }
    }
    Ok(Value::Struct(fields))
}

/// Whole numbers; AWS's framework truncates a fraction.
fn whole(n: &serde_json::Number) -> Option<i64> {
    n.as_i64().or_else(|| {
        let f = n.as_f64()?.trunc();
        (f.abs() < 9.2e18 && !n.is_u64()).then_some(f as i64)
    })
}

fn blob(text: &str) -> Result<Bytes, DecodeError> {
    if !text.len().is_multiple_of(4) {
        return Err(refuse(format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            text.len()
        )));
    }
    match BASE64.decode(text) {
        Ok(bytes) => Ok(bytes.into()),
        Err(e) => Err(refuse(format!("Invalid Base64: {e}"))),
    }
}

fn read_time(
    of_model: Option<TimestampFormat>,
    tree: Tree,
    form: Form,
) -> Result<Value, DecodeError> {
    let time = match (form.time_format(of_model), &tree) {
        (None, Tree::Number(n)) => n.as_i64().map(neargate_base::Timestamp::from_millis),
        (Some(TimestampFormat::EpochSeconds), Tree::Number(n)) => {
            n.as_f64().and_then(timestamp::from_epoch_seconds)
        }
        (Some(format), Tree::String(s)) if format != TimestampFormat::EpochSeconds => {
            timestamp::parse(s, format)
        }
        _ => None,
    };
    time.map(Value::Time).ok_or_else(|| match tree {
        Tree::Object(_) => refuse("Start of structure or map found where not expected"),
        Tree::Array(_) => refuse("Start of list found where not expected"),
        tree => refuse(format!(
            "{} cannot be converted to milliseconds since epoch",
            token(&tree)
        )),
    })
}

/// The parser's name of a JSON token.
fn token(tree: &Tree) -> &'static str {
    match tree {
        Tree::Null => "NULL_VALUE",
        Tree::Bool(true) => "TRUE_VALUE",
        Tree::Bool(false) => "FALSE_VALUE",
        Tree::Number(n) if n.is_f64() => "DECIMAL_VALUE",
        Tree::Number(_) => "NUMBER_VALUE",
        Tree::String(_) => "STRING_VALUE",
        Tree::Array(_) => "START_ARRAY",
        Tree::Object(_) => "START_OBJECT",
    }
}

fn mismatch(kind: Kind, tree: &Tree) -> DecodeError {
    let wanted = match kind {
        Kind::Structure(_) | Kind::List(_) | Kind::Map { .. } => None,
        Kind::String => Some("String"),
        Kind::Blob => Some("Blob"),
        Kind::Boolean => Some("Boolean"),
        Kind::Integer => Some("Integer"),
        Kind::Long => Some("Long"),
        Kind::Float => Some("Float"),
        Kind::Double => Some("Double"),
        Kind::Timestamp(_) => Some("Timestamp"),
        Kind::Document => Some("Document"),
    };
    refuse(match (tree, wanted) {
        (Tree::Object(_), _) => "Start of structure or map found where not expected".to_owned(),
        (Tree::Array(_), _) => "Start of list found where not expected".to_owned(),
        (_, None) => "Unexpected field type".to_owned(),
        (Tree::String(_), Some("Boolean")) => "Unexpected token received from parser".to_owned(),
        (_, Some("Blob")) => "only base-64-encoded strings are convertible to bytes".to_owned(),
        (tree, Some(wanted)) => format!("{} cannot be converted to {wanted}", token(tree)),
    })
}

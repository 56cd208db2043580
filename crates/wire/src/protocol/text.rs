//! Scalars as text: what the query protocols, XML, headers, labels and query strings share.

use crate::schema::{Kind, Shape, TimestampFormat};
use crate::timestamp;
use crate::value::Value;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Writes padding, reads with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn encode_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    // XML may break long texts into lines.
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64.decode(compact).ok()
}

/// Reads one scalar. The error says what was expected, to stand behind the member's name.
pub(super) fn read(
    shape: &Shape,
    format: TimestampFormat,
    text: &str,
) -> Result<Value, &'static str> {
    let scalar = text.trim();
    match shape.kind {
        Kind::String => Ok(Value::Str(text.to_owned())),
        Kind::Boolean if scalar.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Kind::Boolean if scalar.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        Kind::Boolean => Err("a boolean"),
        Kind::Integer => scalar
            .parse::<i32>()
            .map(|i| Value::Int(i64::from(i)))
            .map_err(|_| "an integer"),
        Kind::Long => scalar.parse().map(Value::Int).map_err(|_| "a long integer"),
        Kind::Float | Kind::Double => float(scalar).map(Value::Float).ok_or("a number"),
        Kind::Timestamp(_) => timestamp::parse(scalar, format)
            .or_else(|| timestamp::parse_any(scalar))
            .map(Value::Time)
            .ok_or("a timestamp"),
        Kind::Blob => decode_base64(text)
            .map(|b| Value::Blob(b.into()))
            .ok_or("base64"),
        Kind::Document => serde_json::from_str(text)
            .map(Value::Document)
            .map_err(|_| "a JSON document"),
        Kind::Structure(_) => Err("a structure"),
        Kind::List(_) => Err("a list"),
        Kind::Map { .. } => Err("a map"),
    }
}

/// The three words of Smithy's floats, and no others: Rust also reads `inf` and `infinity`.
fn float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|f: &f64| f.is_finite()),
    }
}

/// Writes one scalar; empty for what is none.
pub(super) fn write(shape: &Shape, format: TimestampFormat, value: &Value) -> String {
    match value {
        Value::Str(text) => text.clone(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) if f.is_nan() => "NaN".to_owned(),
        Value::Float(f) if f.is_infinite() => {
            if *f > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        // As the type says, or 1.1 becomes 1.10000002384185791.
        Value::Float(f) if matches!(shape.kind, Kind::Float) => (*f as f32).to_string(),
        Value::Float(f) => f.to_string(),
        Value::Time(at) => timestamp::format(*at, format),
        Value::Blob(bytes) => encode_base64(bytes),
        Value::Document(json) => json.to_string(),
        Value::Null | Value::List(_) | Value::Map(_) | Value::Struct(_) => String::new(),
    }
}

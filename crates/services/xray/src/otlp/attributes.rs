//! Attributes of spans as JSON, found by the names that the conventions gave them over the years
//! (<https://opentelemetry.io/docs/specs/semconv/>).

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::{Map, Value};

/// How deep values go; what is deeper is left out.
const MOST_DEPTH: usize = 16;

#[derive(Debug, Clone, Default)]
pub struct Attributes(pub Map<String, Value>);

impl Attributes {
    pub fn of(all: Vec<KeyValue>) -> Attributes {
        let pairs = all.into_iter().map(|pair| {
            let value = pair.value.map_or(Value::Null, |value| json(value, 0));
            (pair.key, value)
        });
        Attributes(pairs.collect())
    }

    /// The first of these names that has a text.
    pub fn text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.0.get(*name)?.as_str())
    }

    /// The first of these names that has a whole number, or text that is one.
    pub fn number(&self, names: &[&str]) -> Option<i64> {
        names.iter().find_map(|name| match self.0.get(*name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        })
    }

    /// A text, or the first of several.
    pub fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| match self.0.get(*name)? {
            Value::String(text) => Some(text.as_str()),
            Value::Array(all) => all.first()?.as_str(),
            _ => None,
        })
    }
}

fn json(value: AnyValue, depth: usize) -> Value {
    if depth > MOST_DEPTH {
        return Value::Null;
    }
    match value.value {
        Some(Any::StringValue(text)) => text.into(),
        Some(Any::BoolValue(flag)) => flag.into(),
        Some(Any::IntValue(number)) => number.into(),
        Some(Any::DoubleValue(number)) => number.into(),
        Some(Any::ArrayValue(all)) => {
            let all = all.values.into_iter().map(|value| json(value, depth + 1));
            all.collect::<Vec<Value>>().into()
        }
        Some(Any::KvlistValue(all)) => {
            let pairs = all.values.into_iter().map(|pair| {
                let value = pair.value.map_or(Value::Null, |v| json(v, depth + 1));
                (pair.key, value)
            });
            Value::Object(pairs.collect())
        }
        Some(Any::BytesValue(bytes)) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            digits.collect::<String>().into()
        }
        _ => Value::Null,
    }
}

//! Values of Logs Insights: what fields have and expressions make.
//!
//! Text that reads as a number is one wherever a number is wanted.

use serde_json::Value as Json;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// There is no such field, or no answer.
    Null,
    Text(Arc<str>),
    Number(f64),
    /// Shown as 1 and 0.
    Bool(bool),
    /// Milliseconds since 1970, shown as a date.
    Moment(i64),
    /// A map or a list.
    Structure(Arc<Json>),
}

impl Value {
    pub fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// What JSON holds; maps and lists stay what they are.
    pub fn of_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => Value::Text(number.to_string().into()),
            Json::String(text) => Value::text(text),
            Json::Array(_) | Json::Object(_) => Value::Structure(Arc::new(json.clone())),
        }
    }

    pub fn to_json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Structure(json) => (**json).clone(),
            Value::Number(_) | Value::Moment(_) => self
                .number()
                .and_then(serde_json::Number::from_f64)
                .map_or(Json::Null, Json::Number),
            Value::Text(text) => Json::String(text.to_string()),
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Moment(millis) => Some(*millis as f64),
            Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
            Value::Text(text) => number_of(text),
            Value::Null | Value::Structure(_) => None,
        }
    }

    /// Is a condition that has this value met?
    pub fn holds(&self) -> bool {
        match self {
            Value::Bool(flag) => *flag,
            Value::Null => false,
            Value::Text(text) => number_of(text).map_or(&**text == "true", |n| n != 0.0),
            Value::Number(number) => *number != 0.0,
            Value::Moment(_) | Value::Structure(_) => true,
        }
    }

    /// `None` when one of them is nothing.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        if self.is_null() || other.is_null() {
            return None;
        }
        if let (Value::Bool(flag), Value::Text(text)) | (Value::Text(text), Value::Bool(flag)) =
            (self, other)
            && (&**text == "true" || &**text == "false")
        {
            let same = *flag == (&**text == "true");
            return Some(if same {
                Ordering::Equal
            } else {
                Ordering::Less
            });
        }
        match (self.number(), other.number()) {
            (Some(one), Some(other)) => one.partial_cmp(&other),
            _ => Some(self.to_string().cmp(&other.to_string())),
        }
    }

    /// The order of `sort`
    /// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Sort.html>): "All
    /// non-number values come before all number values."
    pub fn natural(&self, other: &Value) -> Ordering {
        match (self.is_null(), other.is_null()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        match (self.number(), other.number()) {
            (Some(one), Some(other)) => one.total_cmp(&other),
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (None, None) => natural(&self.to_string(), &other.to_string()),
        }
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Value>()
            + match self {
                Value::Text(text) => text.len(),
                Value::Structure(json) => json.to_string().len() * 4,
                _ => 0,
            }
    }
}

/// "An integer or a decimal", with a sign or an exponent.
pub fn number_of(text: &str) -> Option<f64> {
    let text = text.trim();
    let first = text.trim_start_matches(['+', '-', '.']).bytes().next()?;
    if !first.is_ascii_digit() {
        return None;
    }
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

/// Digits are compared as numbers, by their length first; the rest by its characters.
fn natural(one: &str, other: &str) -> Ordering {
    let chunks = |text: &str| -> Vec<(bool, String)> {
        let mut chunks: Vec<(bool, String)> = Vec::new();
        for c in text.chars() {
            let digit = c.is_ascii_digit();
            match chunks.last_mut() {
                Some((kind, chunk)) if *kind == digit => chunk.push(c),
                _ => chunks.push((digit, c.to_string())),
            }
        }
        chunks
    };
    let (one, other) = (chunks(one), chunks(other));
    for ((digits, a), (others, b)) in one.iter().zip(&other) {
        let order = if *digits && *others {
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        } else {
            a.cmp(b)
        };
        if order.is_ne() {
            return order;
        }
    }
    one.len().cmp(&other.len())
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => Ok(()),
            Value::Text(text) => f.write_str(text),
            Value::Bool(flag) => write!(f, "{}", u8::from(*flag)),
            Value::Structure(json) => write!(f, "{json}"),
            Value::Moment(millis) => f.write_str(&super::moment::shown(*millis)),
            Value::Number(number) => {
                // Four decimals at most, as AWS shows them.
                let rounded = (number * 10_000.0).round() / 10_000.0;
                let shown = if rounded.is_finite() {
                    rounded
                } else {
                    *number
                };
                // There is no negative zero.
                write!(f, "{}", shown + 0.0)
            }
        }
    }
}

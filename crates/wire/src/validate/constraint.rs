//! The constraints a model can state, and which of them a value breaks.

use crate::schema::{Kind, Shape};
use crate::value::Value;

/// One constraint of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    NotNull,
    MaxLength(u64),
    MinLength(u64),
    MaxValue(Number),
    MinValue(Number),
    Pattern(&'static str),
    Enum(&'static [&'static str]),
    /// The constraints on a list's elements, together.
    Elements(Vec<Constraint>),
    /// The constraints on a map's keys.
    Keys(Vec<Constraint>),
    /// The constraints on a map's values.
    Values(Vec<Constraint>),
    /// Stored JSON of the wrong type; the text says which.
    Type(String),
}

/// A bound: AWS prints those of floating-point members with a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    pub value: f64,
    pub is_float: bool,
}

impl Shape {
    pub(super) fn has_constraints(&self) -> bool {
        self.min.is_some()
            || self.max.is_some()
            || self.pattern.is_some()
            || !self.values.is_empty()
    }
}

/// All constraints of a shape, in AWS's order.
pub(super) fn all(shape: &Shape) -> Vec<Constraint> {
    let mut out = Vec::new();
    if let Some(max) = shape.max {
        out.push(upper(shape.kind, max));
    }
    if let Some(min) = shape.min {
        out.push(lower(shape.kind, min));
    }
    if let Some(pattern) = shape.pattern {
        out.push(Constraint::Pattern(pattern.source));
    }
    if !shape.values.is_empty() {
        out.push(Constraint::Enum(shape.values));
    }
    out
}

/// The constraints of its shape that a value breaks.
pub(super) fn broken(shape: &Shape, value: &Value) -> Vec<Constraint> {
    let mut out = Vec::new();
    if let Some(size) = size(value) {
        if let Some(max) = shape.max.filter(|max| size > *max) {
            out.push(upper(shape.kind, max));
        }
        if let Some(min) = shape.min.filter(|min| size < *min) {
            out.push(lower(shape.kind, min));
        }
    }
    if let Value::Str(text) = value {
        if let Some(pattern) = shape.pattern
            && pattern.regex().is_some_and(|regex| !regex.is_match(text))
        {
            out.push(Constraint::Pattern(pattern.source));
        }
        if !shape.values.is_empty() && !shape.values.contains(&text.as_str()) {
            out.push(Constraint::Enum(shape.values));
        }
    }
    out
}

/// What `min` and `max` bound: a length or the number itself.
fn size(value: &Value) -> Option<f64> {
    Some(match value {
        Value::Str(s) => s.chars().count() as f64,
        Value::Blob(b) => b.len() as f64,
        Value::List(items) => items.len() as f64,
        Value::Map(pairs) => pairs.len() as f64,
        Value::Int(i) => *i as f64,
        Value::Float(f) => *f,
        _ => return None,
    })
}

fn upper(kind: Kind, max: f64) -> Constraint {
    match number(kind, max) {
        Some(number) => Constraint::MaxValue(number),
        None => Constraint::MaxLength(max as u64),
    }
}

fn lower(kind: Kind, min: f64) -> Constraint {
    match number(kind, min) {
        Some(number) => Constraint::MinValue(number),
        None => Constraint::MinLength(min as u64),
    }
}

fn number(kind: Kind, value: f64) -> Option<Number> {
    match kind {
        Kind::Integer | Kind::Long => Some(Number {
            value,
            is_float: false,
        }),
        Kind::Float | Kind::Double => Some(Number {
            value,
            is_float: true,
        }),
        _ => None,
    }
}

//! A decoded value against its model's constraints.
//!
//! Owns which constraints there are and the sentences AWS answers with. It does not choose the
//! error code: most awsJson services say `ValidationException`, the query services
//! `ValidationError`, ECR `InvalidParameterException`; the gateway knows the service.
//!
//! Checked: required members, lengths, ranges, patterns and enums, in the shape's order, at most
//! [`MAX_VIOLATIONS`] of them. Lengths of strings count Unicode code points.

mod constraint;
mod text;

#[cfg(test)]
mod tests;

pub use constraint::Constraint;

use crate::schema::{Kind, Shape};
use crate::value::Value;
use constraint::broken;

/// No more are collected: a hostile request must not make a huge answer.
pub const MAX_VIOLATIONS: usize = 20;

/// Everything that is wrong with a value. `Display` is AWS's sentence:
/// `1 validation error detected: Value 'x' at 'name' failed to satisfy constraint: ...`.
#[derive(Debug, Clone, PartialEq)]
pub struct Invalid {
    /// Never empty.
    pub violations: Vec<Violation>,
}

impl std::error::Error for Invalid {}

impl Invalid {
    /// Stored JSON of a type that does not fit its shape.
    pub(crate) fn stored(shape: &str, message: String) -> Self {
        Invalid {
            violations: vec![Violation {
                path: shape.to_owned(),
                value: Shown::Hidden,
                constraint: Constraint::Type(message),
            }],
        }
    }
}

/// One broken constraint.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// `tags.1.member.key`: member names begin lower-case, list positions count from 1.
    pub path: String,
    pub value: Shown,
    pub constraint: Constraint,
}

/// How a message shows the offending value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    Null,
    /// Java's `toString` of it, as AWS prints it.
    Text(String),
    /// The shape is sensitive.
    Hidden,
}

/// Checks a value against its shape. A missing value of an operation without input is fine.
pub fn validate(shape: &Shape, value: &Value) -> Result<(), Invalid> {
    let mut found = Vec::new();
    let mut path = String::new();
    check(shape, value, &mut path, &mut found);
    if found.is_empty() {
        Ok(())
    } else {
        Err(Invalid { violations: found })
    }
}

fn check(shape: &Shape, value: &Value, path: &mut String, found: &mut Vec<Violation>) {
    if found.len() >= MAX_VIOLATIONS {
        return;
    }
    if shape.has_constraints() {
        for constraint in broken(shape, value) {
            found.push(Violation {
                path: path.clone(),
                value: text::shown(shape, value),
                constraint,
            });
        }
    }
    match (shape.kind, value) {
        (Kind::Structure(_), Value::Struct(_)) => structure(shape, value, path, found),
        (Kind::List(of), Value::List(items)) => {
            let whole = (shape, value);
            match of.shape.kind {
                Kind::Structure(_) | Kind::List(_) | Kind::Map { .. } => {
                    for (at, item) in items.iter().enumerate() {
                        let step = format!(".{}.member", at + 1);
                        within(path, &step, |path| check(&of.shape, item, path, found));
                    }
                }
                _ => elements(
                    &of.shape,
                    items.iter(),
                    whole,
                    path,
                    found,
                    Constraint::Elements,
                ),
            }
        }
        (Kind::Map { key, value: of }, Value::Map(pairs)) => {
            let whole = (shape, value);
            if key.shape.has_constraints() {
                let keys: Vec<Value> = pairs.iter().map(|(k, _)| Value::Str(k.clone())).collect();
                elements(
                    &key.shape,
                    keys.iter(),
                    whole,
                    path,
                    found,
                    Constraint::Keys,
                );
            }
            match of.shape.kind {
                Kind::Structure(_) | Kind::List(_) | Kind::Map { .. } => {
                    for (name, item) in pairs {
                        let step = format!(".{name}.member");
                        within(path, &step, |path| check(&of.shape, item, path, found));
                    }
                }
                _ => {
                    let values = pairs.iter().map(|(_, v)| v);
                    elements(&of.shape, values, whole, path, found, Constraint::Values);
                }
            }
        }
        _ => {}
    }
}

fn structure(shape: &Shape, value: &Value, path: &mut String, found: &mut Vec<Violation>) {
    for (at, member) in shape.members().iter().enumerate() {
        let field = value.field(at);
        if field.is_none() && !member.required {
            continue;
        }
        let mut step = if path.is_empty() {
            String::new()
        } else {
            ".".to_owned()
        };
        let mut letters = member.name.chars();
        step.extend(letters.next().map(|c| c.to_ascii_lowercase()));
        step.push_str(letters.as_str());
        within(path, &step, |path| match field {
            Some(field) => check(&member.shape, field, path, found),
            None if found.len() < MAX_VIOLATIONS => found.push(Violation {
                path: path.clone(),
                value: Shown::Null,
                constraint: Constraint::NotNull,
            }),
            None => {}
        });
    }
}

/// AWS reports the scalar elements of a list or map once, with all their constraints.
fn elements<'a>(
    of: &Shape,
    mut items: impl Iterator<Item = &'a Value>,
    (shape, whole): (&Shape, &Value),
    path: &str,
    found: &mut Vec<Violation>,
    wrap: fn(Vec<Constraint>) -> Constraint,
) {
    if of.has_constraints() && items.any(|item| !broken(of, item).is_empty()) {
        let value = if of.sensitive {
            Shown::Hidden
        } else {
            text::shown(shape, whole)
        };
        let constraint = wrap(constraint::all(of));
        found.push(Violation {
            path: path.to_owned(),
            value,
            constraint,
        });
    }
}

fn within(path: &mut String, step: &str, body: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(step);
    body(path);
    path.truncate(length);
}

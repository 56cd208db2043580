//! AWS's sentences, as its framework words them.

use super::constraint::Number;
use super::{Constraint, Invalid, Shown, Violation};
use crate::schema::{Kind, Shape};
use crate::value::Value;
use std::fmt;

/// Longer values are cut: the answer must not grow with a hostile request.
const MAX_SHOWN_CHARS: usize = 2048;

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = if self.violations.len() == 1 {
            "error"
        } else {
            "errors"
        };
        write!(
            f,
            "{} validation {errors} detected: ",
            self.violations.len()
        )?;
        for (at, violation) in self.violations.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{violation}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Shown::Null => f.write_str("Value null")?,
            Shown::Text(text) => write!(f, "Value '{text}'")?,
            Shown::Hidden => f.write_str("Value")?,
        }
        write!(
            f,
            " at '{}' failed to satisfy constraint: {}",
            self.path, self.constraint
        )
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constraint::NotNull => f.write_str("Member must not be null"),
            Constraint::MaxLength(n) => {
                write!(f, "Member must have length less than or equal to {n}")
            }
            Constraint::MinLength(n) => {
                write!(f, "Member must have length greater than or equal to {n}")
            }
            Constraint::MaxValue(n) => {
                write!(f, "Member must have value less than or equal to {n}")
            }
            Constraint::MinValue(n) => {
                write!(f, "Member must have value greater than or equal to {n}")
            }
            Constraint::Pattern(p) => {
                write!(f, "Member must satisfy regular expression pattern: {p}")
            }
            Constraint::Enum(values) => {
                write!(
                    f,
                    "Member must satisfy enum value set: [{}]",
                    values.join(", ")
                )
            }
            Constraint::Elements(of) => write!(f, "Member must satisfy constraint: {}", Group(of)),
            Constraint::Keys(of) => write!(f, "Map keys must satisfy constraint: {}", Group(of)),
            Constraint::Values(of) => write!(f, "Map value must satisfy constraint: {}", Group(of)),
            Constraint::Type(message) => f.write_str(message),
        }
    }
}

struct Group<'a>(&'a [Constraint]);

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (at, constraint) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{constraint}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_float {
            write!(f, "{:?}", self.value)
        } else {
            write!(f, "{}", self.value as i64)
        }
    }
}

/// The value as a message shows it.
pub(super) fn shown(shape: &Shape, value: &Value) -> Shown {
    if shape.sensitive {
        return Shown::Hidden;
    }
    let mut text = String::new();
    write(shape, value, &mut text);
    if let Some((end, _)) = text.char_indices().nth(MAX_SHOWN_CHARS) {
        text.truncate(end);
        text.push_str("...");
    }
    Shown::Text(text)
}

/// Java's `toString`: `[a, b]`, `{k=v}`, `Tag(key=a, value=b)`.
fn write(shape: &Shape, value: &Value, out: &mut String) {
    if shape.sensitive {
        return out.push_str("***");
    }
    if out.len() > 4 * MAX_SHOWN_CHARS {
        return; // it will be cut anyway
    }
    match (shape.kind, value) {
        (Kind::List(of), Value::List(items)) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                comma(at, out);
                write(&of.shape, item, out);
            }
            out.push(']');
        }
        (Kind::Map { value: of, .. }, Value::Map(pairs)) => {
            out.push('{');
            for (at, (key, item)) in pairs.iter().enumerate() {
                comma(at, out);
                out.push_str(key);
                out.push('=');
                write(&of.shape, item, out);
            }
            out.push('}');
        }
        (Kind::Structure(members), Value::Struct(fields)) => {
            out.push_str(shape.name);
            out.push('(');
            for (at, (member, item)) in fields.iter().enumerate() {
                comma(at, out);
                out.push_str(members[*member].name);
                out.push('=');
                write(&members[*member].shape, item, out);
            }
            out.push(')');
        }
        (_, Value::Str(s)) => out.push_str(s),
        (_, Value::Int(i)) => out.push_str(&i.to_string()),
        (_, Value::Float(f)) => out.push_str(&format!("{f:?}")),
        (_, Value::Bool(b)) => out.push_str(&b.to_string()),
        (_, Value::Time(t)) => out.push_str(&t.rfc3339()),
        (_, Value::Blob(b)) => {
            out.push_str(&format!(
                "java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]",
                b.len()
            ));
        }
        (_, Value::Document(d)) => out.push_str(&d.to_string()),
        _ => out.push_str("null"),
    }
}

fn comma(at: usize, out: &mut String) {
    if at > 0 {
        out.push_str(", ");
    }
}

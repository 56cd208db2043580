//! A YAML tree read as a shape of AWS's model: its keys are the model's members, its values
//! have the members' types. Limits and patterns are the server's to judge.

use crate::commands::yaml::{FileError, Kind as Tree, Node, wrong};
use neargate_wire::Value;
use neargate_wire::schema::{Element, Kind, Shape};

/// The node as a value of `shape`. `path` is its place, for messages.
///
/// # Errors
/// A key the shape does not have (with the nearest it has), or a value of another type.
pub fn read(node: &Node, shape: &Shape, path: &str) -> Result<Value, FileError> {
    let expected = |what: &str| {
        wrong(
            node.line,
            format!("{path} must be {what}, not {}", node.what()),
        )
    };
    match (shape.kind, &node.kind) {
        _ if node.is_null() => Ok(Value::Null),
        (Kind::Structure(_), Tree::Map(_)) => structure(node, shape, path, &[]),
        (Kind::Structure(_), _) => expected("a mapping"),
        (Kind::List(of), Tree::List(items)) => {
            let read = |(n, item): (usize, &Node)| element(item, &of, &format!("{path}[{n}]"));
            let items = items.iter().enumerate().map(read);
            Ok(Value::List(items.collect::<Result<_, _>>()?))
        }
        (Kind::List(_), _) => expected("a list"),
        (Kind::Map { value, .. }, Tree::Map(entries)) => {
            let read = |(key, item): &(_, Node)| {
                let key: &crate::commands::yaml::Key = key;
                let at = format!("{path}.{}", key.name);
                Ok((key.name.clone(), element(item, &value, &at)?))
            };
            Ok(Value::Map(
                entries.iter().map(read).collect::<Result<_, _>>()?,
            ))
        }
        (Kind::Map { .. }, _) => expected("a mapping"),
        (_, Tree::Scalar { text, quoted }) => scalar(node.line, shape, text, *quoted, path),
        _ => expected("a single value"),
    }
}

/// In a list or a map nothing cannot stand for "not given".
fn element(node: &Node, of: &Element, path: &str) -> Result<Value, FileError> {
    match read(node, &of.shape, path)? {
        Value::Null => wrong(node.line, format!("{path} is empty")),
        value => Ok(value),
    }
}

/// A mapping as a structure, without the members in `left_out`, which are told apart.
pub fn structure(
    node: &Node,
    shape: &Shape,
    path: &str,
    left_out: &[(&str, &str)],
) -> Result<Value, FileError> {
    let Tree::Map(entries) = &node.kind else {
        return wrong(
            node.line,
            format!("{path} must be a mapping, not {}", node.what()),
        );
    };
    let mut fields = Vec::new();
    for (key, item) in entries {
        if let Some((_, why)) = left_out.iter().find(|(name, _)| *name == key.name) {
            return wrong(key.line, format!("{path}.{}: {why}", key.name));
        }
        let Some((n, member)) = shape.member(&key.name) else {
            let names = shape.members().iter().map(|m| m.name);
            let names = names.filter(|name| left_out.iter().all(|(out, _)| out != name));
            return wrong(key.line, unknown_key(path, &key.name, names));
        };
        let value = read(item, &member.shape, &format!("{path}.{}", key.name))?;
        if value != Value::Null {
            fields.push((n, value));
        }
    }
    let given = |n: usize| fields.iter().any(|(m, _)| *m == n);
    for (n, member) in shape.members().iter().enumerate() {
        let out = left_out.iter().any(|(name, _)| *name == member.name);
        if member.required && !given(n) && !out {
            return wrong(node.line, format!("{path}.{} is missing", member.name));
        }
    }
    Ok(Value::Struct(fields))
}

/// Names the nearest of the known keys.
pub fn unknown_key<'a>(path: &str, key: &str, known: impl Iterator<Item = &'a str>) -> String {
    let lower = key.to_lowercase();
    let nearest = known.min_by_key(|k| strsim::levenshtein(&k.to_lowercase(), &lower));
    let place = if path.is_empty() {
        String::new()
    } else {
        format!(" in {path}")
    };
    match nearest {
        Some(nearest) => format!("unknown key {key:?}{place}; did you mean {nearest:?}?"),
        None => format!("unknown key {key:?}{place}"),
    }
}

fn scalar(
    line: usize,
    shape: &Shape,
    text: &str,
    quoted: bool,
    path: &str,
) -> Result<Value, FileError> {
    let not = |what: &str| wrong(line, format!("{path} must be {what}, not {text:?}"));
    match shape.kind {
        Kind::String => {
            if !shape.values.is_empty() && !shape.values.contains(&text) {
                let distance =
                    |v: &&&str| strsim::levenshtein(&v.to_lowercase(), &text.to_lowercase());
                let nearest = shape.values.iter().min_by_key(distance).expect("not empty");
                let message = format!("{path} cannot be {text:?}; did you mean {nearest:?}?");
                return wrong(line, message);
            }
            Ok(Value::Str(text.to_owned()))
        }
        Kind::Boolean => match text {
            "true" | "True" | "TRUE" if !quoted => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" if !quoted => Ok(Value::Bool(false)),
            _ => not("true or false"),
        },
        Kind::Integer | Kind::Long => {
            let number: Option<i64> = text.parse().ok().filter(|_| !quoted);
            let fits = |n: &i64| matches!(shape.kind, Kind::Long) || i32::try_from(*n).is_ok();
            match number.filter(fits) {
                Some(number) => Ok(Value::Int(number)),
                None => not("a whole number"),
            }
        }
        Kind::Float | Kind::Double => {
            let number: Option<f64> = text.parse().ok().filter(|_| !quoted);
            match number.filter(|n| n.is_finite()) {
                Some(number) => Ok(Value::Float(number)),
                None => not("a number"),
            }
        }
        // No member of what a file holds has one of these.
        Kind::Timestamp(_) | Kind::Blob | Kind::Document => not("given in a file"),
        Kind::Structure(_) | Kind::List(_) | Kind::Map { .. } => not("given so"),
    }
}

//! The forms that values have in a Compose file: text, numbers, lists or commands, mappings or lists of
//! `NAME=VALUE`; merge keys and variables. Pure.

use super::interpolate::Variables;
use super::read::Findings;
use crate::commands::yaml::{FileError, Key, Kind, Node, wrong};

fn expected<T>(node: &Node, path: &str, what: &str) -> Result<T, FileError> {
    wrong(
        node.line,
        format!("{path} must be {what}, not {}", node.what()),
    )
}

/// A single value.
pub fn text(node: &Node, path: &str) -> Result<String, FileError> {
    match &node.kind {
        _ if node.is_null() => Ok(String::new()),
        Kind::Scalar { text, .. } => Ok(text.clone()),
        _ => expected(node, path, "a single value"),
    }
}

pub fn boolean(node: &Node, path: &str) -> Result<bool, FileError> {
    match text(node, path)?.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" | "" => Ok(false),
        other => wrong(
            node.line,
            format!("{path} must be true or false, not {other:?}"),
        ),
    }
}

pub fn number(node: &Node, path: &str) -> Result<u64, FileError> {
    let text = text(node, path)?;
    text.trim()
        .parse()
        .or_else(|_| wrong(node.line, format!("{path} must be a number, not {text:?}")))
}

/// A value that `read` understands.
pub fn amount(
    node: &Node,
    path: &str,
    what: &str,
    read: fn(&str) -> Option<u64>,
) -> Result<Option<u64>, FileError> {
    let text = text(node, path)?;
    match read(&text) {
        None => wrong(node.line, format!("{path} must be {what}, not {text:?}")),
        some => Ok(some),
    }
}

/// A mapping's entries; nothing is an empty one.
pub fn entries<'a>(node: &'a Node, path: &str) -> Result<&'a [(Key, Node)], FileError> {
    match &node.kind {
        _ if node.is_null() => Ok(&[]),
        Kind::Map(entries) => Ok(entries),
        _ => expected(node, path, "a mapping"),
    }
}

/// A list's items; nothing is an empty one.
pub fn items<'a>(node: &'a Node, path: &str) -> Result<&'a [Node], FileError> {
    match &node.kind {
        _ if node.is_null() => Ok(&[]),
        Kind::List(items) => Ok(items),
        _ => expected(node, path, "a list"),
    }
}

/// A list of single values, or one of them.
pub fn texts(node: &Node, path: &str) -> Result<Vec<String>, FileError> {
    match &node.kind {
        Kind::Scalar { .. } if !node.is_null() => Ok(vec![text(node, path)?]),
        _ => items(node, path)?
            .iter()
            .map(|item| text(item, path))
            .collect(),
    }
}

/// A command: a list, or a text that a shell would divide.
pub fn words(node: &Node, path: &str) -> Result<Vec<String>, FileError> {
    match &node.kind {
        Kind::Scalar { .. } => {
            let text = text(node, path)?;
            match shlex::split(&text) {
                Some(words) => Ok(words),
                None => wrong(
                    node.line,
                    format!("{path}: the quotes in {text:?} do not close"),
                ),
            }
        }
        _ => texts(node, path),
    }
}

/// `NAME=VALUE` pairs, as a mapping or a list. `None` is one without a value.
pub fn pairs(node: &Node, path: &str) -> Result<Vec<(String, Option<String>)>, FileError> {
    if let Kind::Map(entries) = &node.kind {
        let pair = |(key, node): &(Key, Node)| {
            let value = match node.is_null() {
                true => None,
                false => Some(text(node, &format!("{path}.{}", key.name))?),
            };
            Ok((key.name.clone(), value))
        };
        return entries.iter().map(pair).collect();
    }
    let all = items(node, path)?.iter().map(|item| {
        let text = text(item, path)?;
        Ok(match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text, None),
        })
    });
    all.collect()
}

/// The tree with what its merge keys (`<<`) add.
pub fn merged(node: &Node, found: &mut Findings) -> Node {
    let kind = match &node.kind {
        Kind::Scalar { .. } => node.kind.clone(),
        Kind::List(items) => Kind::List(items.iter().map(|item| merged(item, found)).collect()),
        Kind::Map(entries) => {
            let (merges, own): (Vec<_>, Vec<_>) =
                entries.iter().partition(|(key, _)| key.name == "<<");
            let mut all: Vec<(Key, Node)> = own
                .into_iter()
                .map(|(key, node)| (key.clone(), merged(node, found)))
                .collect();
            for (key, node) in merges {
                let sources = match &node.kind {
                    Kind::List(items) => items.iter().collect(),
                    _ => vec![node],
                };
                for source in sources {
                    let Kind::Map(more) = merged(source, found).kind else {
                        found.refuse(key.line, "<< merges a mapping, or a list of mappings");
                        continue;
                    };
                    for (key, node) in more {
                        if all.iter().all(|(own, _)| own.name != key.name) {
                            all.push((key, node));
                        }
                    }
                }
            }
            Kind::Map(all)
        }
    };
    Node {
        line: node.line,
        kind,
    }
}

/// The tree with its variables replaced, wherever values are.
pub fn interpolated(
    node: &Node,
    variables: &mut Variables<'_>,
    refused: &mut Vec<FileError>,
) -> Node {
    let kind = match &node.kind {
        Kind::Scalar { text, quoted } => match variables.replace(text) {
            Ok(text) => Kind::Scalar {
                text,
                quoted: *quoted,
            },
            Err(message) => {
                let line = node.line;
                refused.push(FileError { line, message });
                node.kind.clone()
            }
        },
        Kind::List(items) => {
            let items = items.iter();
            Kind::List(items.map(|i| interpolated(i, variables, refused)).collect())
        }
        Kind::Map(entries) => {
            let entries = entries.iter();
            let replaced =
                |(key, node): &(Key, Node)| (key.clone(), interpolated(node, variables, refused));
            Kind::Map(entries.map(replaced).collect())
        }
    };
    Node {
        line: node.line,
        kind,
    }
}

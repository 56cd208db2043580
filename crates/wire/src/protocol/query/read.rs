//! From dotted parameters to a value, for awsQuery and ec2Query.

use super::super::DecodeError;
use super::super::form::Node;
use super::super::text;
use crate::schema::{Element, Kind, Member, Shape, TimestampFormat};
use crate::value::Value;
use std::borrow::Cow;

/// Where the two protocols differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Style {
    Query,
    /// Member names are capitalised, lists always flattened.
    Ec2,
}

/// The model's recursion is bounded by the depth of the tree.
pub(in super::super) fn read(
    style: Style,
    shape: &Shape,
    node: &Node,
) -> Result<Value, DecodeError> {
    structure(style, shape, node, "")
}

fn structure(style: Style, shape: &Shape, node: &Node, path: &str) -> Result<Value, DecodeError> {
    let mut fields = Vec::new();
    for (index, member) in shape.members().iter().enumerate() {
        let name = parameter_name(style, member);
        let flattened = style == Style::Ec2 || member.is_flattened();
        let child = node.child(&name).or_else(|| match member.shape.kind {
            // A flattened list of awsQuery may go by its element's name instead of the member's. In
            // EC2 that can be the name of another member.
            Kind::List(element) if flattened && style == Style::Query => {
                node.child(element.location_name?)
            }
            _ => None,
        });
        let Some(child) = child else { continue };
        let path = if path.is_empty() {
            name.into_owned()
        } else {
            format!("{path}.{name}")
        };
        let format = member
            .timestamp_format()
            .unwrap_or(TimestampFormat::DateTime);
        fields.push((
            index,
            value(style, &member.shape, format, flattened, child, &path)?,
        ));
    }
    Ok(Value::Struct(fields))
}

/// `queryName`; else the `locationName` or the member's name, which ec2Query capitalises.
fn parameter_name(style: Style, member: &Member) -> Cow<'static, str> {
    if let Some(name) = member.query_name {
        return Cow::Borrowed(name);
    }
    if style == Style::Query {
        return Cow::Borrowed(member.wire_name());
    }
    let name = member.wire_name();
    let mut letters = name.chars();
    match letters.next() {
        Some(first) if first.is_lowercase() => {
            Cow::Owned(first.to_uppercase().chain(letters).collect())
        }
        _ => Cow::Borrowed(name),
    }
}

fn value(
    style: Style,
    shape: &Shape,
    format: TimestampFormat,
    flattened: bool,
    node: &Node,
    path: &str,
) -> Result<Value, DecodeError> {
    match shape.kind {
        Kind::Structure(_) => structure(style, shape, node, path),
        Kind::List(element) => list(style, element, flattened, node, path),
        Kind::Map { key, value } => map(style, key, value, flattened, node, path),
        _ => {
            let Some(text) = &node.value else {
                return Err(wrong(
                    style,
                    path,
                    "Start of structure or map found where not expected.",
                ));
            };
            text::read(shape, format, text).map_err(|expected| {
                let message = match style {
                    Style::Query => format!("{path}: expected {expected}, found '{text}'"),
                    Style::Ec2 => format!("Invalid value '{text}' for {path}. Must be {expected}."),
                };
                wrong(style, path, &message)
            })
        }
    }
}

/// Type errors: `MalformedInput` is what awsQuery services answer, EC2 `InvalidParameterValue`.
fn wrong(style: Style, path: &str, message: &str) -> DecodeError {
    match style {
        Style::Query => DecodeError::new("MalformedInput", message),
        Style::Ec2 if message.contains(path) => DecodeError::new("InvalidParameterValue", message),
        Style::Ec2 => DecodeError::new("InvalidParameterValue", format!("{path}: {message}")),
    }
}

fn element_value(
    style: Style,
    element: &Element,
    node: &Node,
    path: &str,
) -> Result<Value, DecodeError> {
    let format = match (element.timestamp, element.shape.kind) {
        (Some(format), _) | (None, Kind::Timestamp(Some(format))) => format,
        _ => TimestampFormat::DateTime,
    };
    value(
        style,
        &element.shape,
        format,
        style == Style::Ec2 || element.shape.flattened,
        node,
        path,
    )
}

fn list(
    style: Style,
    element: Element,
    flattened: bool,
    node: &Node,
    path: &str,
) -> Result<Value, DecodeError> {
    let items = if flattened {
        node.numbered()
    } else {
        let wrapper = node.child(element.location_name.unwrap_or("member"));
        wrapper.map(Node::numbered).unwrap_or_default()
    };
    let items = items
        .into_iter()
        .map(|item| element_value(style, &element, item, path));
    items.collect::<Result<_, _>>().map(Value::List)
}

fn map(
    style: Style,
    key: Element,
    value: Element,
    flattened: bool,
    node: &Node,
    path: &str,
) -> Result<Value, DecodeError> {
    let entries = if flattened {
        node.numbered()
    } else {
        node.child("entry").map(Node::numbered).unwrap_or_default()
    };
    let mut pairs = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = entry
            .child(key.location_name.unwrap_or("key"))
            .and_then(|n| n.value.clone());
        let Some(name) = name else {
            return Err(wrong(style, path, "A map's entry has no key."));
        };
        if let Some(node) = entry.child(value.location_name.unwrap_or("value")) {
            pairs.push((name, element_value(style, &value, node, path)?));
        }
    }
    Ok(Value::Map(pairs))
}

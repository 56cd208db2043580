//! From a document to a value.

use super::super::{DecodeError, text};
use super::document::Element;
use crate::schema::{self, Kind, Member, Shape, TimestampFormat};
use crate::value::Value;

/// Reads the members of a structure that `wanted` lets through from an element's attributes
/// and children.
pub(in super::super) fn read_members(
    shape: &Shape,
    element: &Element,
    wanted: &dyn Fn(&Member) -> bool,
) -> Result<Vec<(usize, Value)>, DecodeError> {
    let mut fields = Vec::new();
    for (index, member) in shape
        .members()
        .iter()
        .enumerate()
        .filter(|(_, m)| wanted(m))
    {
        if let Some(value) = member_value(member, element)? {
            fields.push((index, value));
        }
    }
    Ok(fields)
}

/// Reads a whole payload: a structure's or union's element.
pub(in super::super) fn read_payload(
    shape: &Shape,
    element: &Element,
) -> Result<Value, DecodeError> {
    value(shape, TimestampFormat::DateTime, false, element)
}

fn member_value(member: &Member, element: &Element) -> Result<Option<Value>, DecodeError> {
    let name = member.wire_name();
    let format = member
        .timestamp_format()
        .unwrap_or(TimestampFormat::DateTime);
    if member.xml_attribute {
        let found = element.attributes.iter().find(|(key, _)| key == name);
        let Some((_, text)) = found else {
            return Ok(None);
        };
        return scalar(&member.shape, format, text, name).map(Some);
    }
    if member.is_flattened() {
        let mut items: Vec<&Element> = element.all(name).collect();
        if let (true, Kind::List(inner)) = (items.is_empty(), member.shape.kind) {
            items = inner
                .location_name
                .map(|n| element.all(n).collect())
                .unwrap_or_default();
        }
        if items.is_empty() {
            return Ok(None);
        }
        return match member.shape.kind {
            Kind::List(inner) => list(inner, items.into_iter()).map(Some),
            Kind::Map { key, value } => map(key, value, items.into_iter()).map(Some),
            _ => value(&member.shape, format, true, items[0]).map(Some),
        };
    }
    match element.child(name) {
        Some(child) => value(&member.shape, format, false, child).map(Some),
        None => Ok(None),
    }
}

fn value(
    shape: &Shape,
    format: TimestampFormat,
    flattened: bool,
    element: &Element,
) -> Result<Value, DecodeError> {
    match shape.kind {
        Kind::Structure(_) => read_members(shape, element, &|_| true).map(Value::Struct),
        Kind::List(inner) => list(inner, element.all(inner.location_name.unwrap_or("member"))),
        Kind::Map { key, value } if flattened => map(key, value, std::iter::once(element)),
        Kind::Map { key, value } => map(key, value, element.all("entry")),
        _ => scalar(shape, format, &element.text, element.local()),
    }
}

fn of_element(element: &schema::Element) -> TimestampFormat {
    match (element.timestamp, element.shape.kind) {
        (Some(format), _) | (None, Kind::Timestamp(Some(format))) => format,
        _ => TimestampFormat::DateTime,
    }
}

fn list<'a>(
    inner: schema::Element,
    items: impl Iterator<Item = &'a Element>,
) -> Result<Value, DecodeError> {
    let format = of_element(&inner);
    let items = items.map(|item| value(&inner.shape, format, inner.shape.flattened, item));
    items.collect::<Result<_, _>>().map(Value::List)
}

fn map<'a>(
    key: schema::Element,
    inner: schema::Element,
    entries: impl Iterator<Item = &'a Element>,
) -> Result<Value, DecodeError> {
    let mut pairs = Vec::new();
    let format = of_element(&inner);
    for entry in entries {
        let Some(name) = entry.child(key.location_name.unwrap_or("key")) else {
            return Err(wrong(entry.local(), "a map's key"));
        };
        let name = name.text.clone();
        let value_name = inner.location_name.unwrap_or("value");
        let item = match inner.shape.kind {
            // A flattened list or map as a map's value repeats the value's element.
            Kind::List(item) if inner.shape.flattened => list(item, entry.all(value_name))?,
            Kind::Map { key, value } if inner.shape.flattened => {
                map(key, value, entry.all(value_name))?
            }
            _ => match entry.child(value_name) {
                Some(element) => value(&inner.shape, format, inner.shape.flattened, element)?,
                None => continue,
            },
        };
        pairs.push((name, item));
    }
    Ok(Value::Map(pairs))
}

fn scalar(
    shape: &Shape,
    format: TimestampFormat,
    text: &str,
    name: &str,
) -> Result<Value, DecodeError> {
    text::read(shape, format, text).map_err(|expected| wrong(name, expected))
}

fn wrong(name: &str, expected: &str) -> DecodeError {
    DecodeError::new("MalformedXML", format!("{name}: expected {expected}"))
}

//! Reading a request's bindings.

use super::super::form::unescape;
use super::super::{DecodeError, Request, text};
use super::body::Language;
use super::{header, uri};
use crate::schema::{Kind, Location, Member, Operation, Shape, TimestampFormat};
use crate::value::Value;

pub(super) fn read(
    op: &Operation,
    request: &Request,
    language: Language,
) -> Result<Value, DecodeError> {
    let Some(shape) = op.input else {
        return Ok(Value::Struct(Vec::new()));
    };
    let query = request.uri().query().unwrap_or("");
    let matched = uri::matches(op.uri, request.uri().path(), query).ok_or_else(|| DecodeError {
        status: 404,
        ..DecodeError::new(
            "UnknownOperationException",
            "The path is not the operation's.",
        )
    })?;
    let parameters = parameters(query)?;
    let mut fields = Vec::new();
    for (index, member) in shape.members().iter().enumerate() {
        let value = match member.location {
            Location::Uri => {
                let label = matched
                    .labels
                    .iter()
                    .find(|(name, _)| *name == member.wire_name());
                label
                    .map(|(_, text)| one(language, member, &member.shape, text))
                    .transpose()?
            }
            Location::QueryString => from_query(language, member, &parameters)?,
            Location::Header => {
                let lines = request.headers().get_all(member.wire_name()).iter();
                let lines: Vec<String> = lines
                    .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
                    .collect();
                let read = || header::read(member, &lines).map_err(|e| wrong(language, member, e));
                if lines.is_empty() {
                    None
                } else {
                    Some(read()?)
                }
            }
            Location::Headers => prefixed(member, request),
            Location::StatusCode | Location::Body => None,
        };
        fields.extend(value.map(|value| (index, value)));
    }
    match shape
        .payload
        .and_then(|index| Some((index, shape.members().get(index)?)))
    {
        Some((index, member)) => {
            let value = language.read_payload(member, request.body())?;
            fields.extend(value.map(|value| (index, value)));
        }
        None if shape.members().iter().any(|m| m.location == Location::Body) => {
            fields.extend(language.read_members(&shape, request.body())?);
        }
        None => {}
    }
    fields.sort_by_key(|(index, _)| *index);
    Ok(Value::Struct(fields))
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, DecodeError> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(k, v)| Ok((unescape(k.as_bytes())?, unescape(v.as_bytes())?)))
        .collect()
}

fn from_query(
    language: Language,
    member: &Member,
    parameters: &[(String, String)],
) -> Result<Option<Value>, DecodeError> {
    let name = member.wire_name();
    let mut own = parameters
        .iter()
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value);
    match member.shape.kind {
        Kind::List(inner) => {
            let items: Vec<Value> = own
                .map(|text| one(language, member, &inner.shape, text))
                .collect::<Result<_, _>>()?;
            Ok(if items.is_empty() {
                None
            } else {
                Some(Value::List(items))
            })
        }
        Kind::Map { value, .. } => {
            // The whole query string, also what other members are bound to (HTTP bindings,
            // `httpQueryParams`: what servers do).
            Ok(map(
                parameters.iter(),
                matches!(value.shape.kind, Kind::List(_)),
            ))
        }
        _ => own
            .next()
            .map(|text| one(language, member, &member.shape, text))
            .transpose(),
    }
}

/// A map of all parameters; of lists, or of first values.
fn map<'a>(all: impl Iterator<Item = &'a (String, String)>, lists: bool) -> Option<Value> {
    let mut pairs: Vec<(String, Value)> = Vec::new();
    for (key, text) in all {
        let text = Value::Str(text.clone());
        match pairs.iter_mut().find(|(seen, _)| seen == key) {
            Some((_, Value::List(items))) => items.push(text),
            Some(_) => {}
            None if lists => pairs.push((key.clone(), Value::List(vec![text]))),
            None => pairs.push((key.clone(), text)),
        }
    }
    if pairs.is_empty() {
        None
    } else {
        Some(Value::Map(pairs))
    }
}

fn one(
    language: Language,
    member: &Member,
    shape: &Shape,
    text: &str,
) -> Result<Value, DecodeError> {
    let of_shape = match shape.kind {
        Kind::Timestamp(format) => format,
        _ => None,
    };
    let format = member
        .timestamp
        .or(of_shape)
        .unwrap_or(TimestampFormat::DateTime);
    text::read(shape, format, text).map_err(|expected| wrong(language, member, expected))
}

fn wrong(language: Language, member: &Member, expected: &str) -> DecodeError {
    let message = format!("{}: expected {expected}", member.wire_name());
    match language {
        Language::Json => DecodeError::serialization(message),
        Language::Xml => DecodeError::new("InvalidArgument", message),
    }
}

/// A map of the headers with that prefix. Names are lower case: HTTP does not keep their case.
fn prefixed(member: &Member, request: &Request) -> Option<Value> {
    let prefix = member.location_name.unwrap_or("").to_ascii_lowercase();
    let mut pairs = Vec::new();
    for (name, value) in request.headers() {
        if let Some(key) = name.as_str().strip_prefix(&prefix) {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            pairs.push((key.to_owned(), Value::Str(text)));
        }
    }
    if pairs.is_empty() {
        None
    } else {
        Some(Value::Map(pairs))
    }
}

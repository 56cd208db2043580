//! A reply read as a client does, for the protocol vectors.

use super::super::{DecodeError, Response};
use super::body::Language;
use super::header;
use crate::schema::{Location, Member, Shape};
use crate::value::Value;

/// Reads a reply's bindings. XML documents are handed in unwrapped from error elements.
pub(in super::super) fn read(
    shape: &Shape,
    response: &Response,
    json: bool,
) -> Result<Value, DecodeError> {
    let language = if json { Language::Json } else { Language::Xml };
    let mut fields = read_headers(shape, response);
    match shape.payload {
        Some(at) => {
            let value = language.read_payload(&shape.members()[at], response.body())?;
            fields.extend(value.map(|value| (at, value)));
        }
        None => fields.extend(read_body(shape, response, language)?),
    }
    fields.sort_by_key(|(at, _)| *at);
    Ok(Value::Struct(fields))
}

/// A reply has the request's labels and parameters in its body, which requests never have.
fn read_body(
    shape: &Shape,
    response: &Response,
    language: Language,
) -> Result<Vec<(usize, Value)>, DecodeError> {
    if language == Language::Xml && !response.body().is_empty() {
        let wanted = |m: &Member| {
            !matches!(
                m.location,
                Location::Header | Location::Headers | Location::StatusCode
            )
        };
        return super::xml::read_members(shape, &super::xml::parse(response.body())?, &wanted);
    }
    language.read_members(shape, response.body())
}

pub(in super::super) fn read_headers(shape: &Shape, response: &Response) -> Vec<(usize, Value)> {
    let mut fields = Vec::new();
    for (at, member) in shape.members().iter().enumerate() {
        let value = match member.location {
            Location::StatusCode => Some(Value::Int(response.status().as_u16().into())),
            Location::Header => {
                let lines: Vec<String> = response
                    .headers()
                    .get_all(member.wire_name())
                    .iter()
                    .map(|v| v.to_str().unwrap().to_owned())
                    .collect();
                (!lines.is_empty()).then(|| header::read(member, &lines).unwrap())
            }
            Location::Headers => {
                let prefix = member.location_name.unwrap_or("").to_ascii_lowercase();
                let pairs: Vec<_> = response
                    .headers()
                    .iter()
                    .filter_map(|(name, value)| {
                        let key = name.as_str().strip_prefix(&prefix)?;
                        Some((
                            key.to_owned(),
                            Value::Str(value.to_str().unwrap().to_owned()),
                        ))
                    })
                    .collect();
                (!pairs.is_empty()).then_some(Value::Map(pairs))
            }
            _ => None,
        };
        fields.extend(value.map(|value| (at, value)));
    }
    fields
}

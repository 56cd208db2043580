//! Writing a reply's bindings.

use super::super::{Response, reply};
use super::body::Language;
use super::header;
use crate::schema::{Location, Member, Operation, Shape};
use crate::value::Value;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Labels and query parameters are a request's: a reply of the same shape has them in the body.
fn in_body(member: &Member) -> bool {
    !matches!(
        member.location,
        Location::Header | Location::Headers | Location::StatusCode
    )
}

pub(super) fn write(
    op: &Operation,
    output: &Value,
    request_id: &str,
    language: Language,
    namespace: Option<&str>,
) -> Response {
    let Some(shape) = op.output else {
        return without_type(reply(op.status, language.content_type(), request_id, ""));
    };
    let status = status_of(&shape, output).unwrap_or(op.status);
    let payload = shape
        .payload
        .and_then(|at| Some((at, shape.members().get(at)?)));
    let mut response = match payload {
        Some((at, member)) => match output.field(at) {
            Some(value) => {
                let (content_type, body) = language.write_payload(member, value, namespace);
                reply(status, content_type, request_id, body)
            }
            None => reply(status, language.content_type(), request_id, ""),
        },
        None => {
            let body = language.write_members(&shape, output, namespace, &in_body);
            reply(status, language.content_type(), request_id, body)
        }
    };
    if response.body().is_empty() {
        response = without_type(response);
    }
    // After the default content type: a member may be bound to that header.
    write_headers(&shape, output, response.headers_mut());
    response
}

fn without_type(mut response: Response) -> Response {
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

fn status_of(shape: &Shape, output: &Value) -> Option<u16> {
    let at = shape
        .members()
        .iter()
        .position(|m| m.location == Location::StatusCode)?;
    u16::try_from(output.field(at)?.as_int()?).ok()
}

/// Writes the members that are bound to headers.
pub(super) fn write_headers(shape: &Shape, value: &Value, headers: &mut HeaderMap) {
    for (at, value) in value.fields() {
        let Some(member) = shape.members().get(*at) else {
            continue;
        };
        match (member.location, value) {
            (Location::Header, value) => header::write(member, value, headers),
            (Location::Headers, Value::Map(pairs)) => {
                for (key, value) in pairs {
                    let name = format!("{}{key}", member.location_name.unwrap_or(""));
                    header::insert(headers, &name, value.as_str().unwrap_or(""));
                }
            }
            _ => {}
        }
    }
}

/// Drops an error's members that travel in headers from its JSON body.
pub(super) fn without_headers(shape: &Shape, body: serde_json::Value) -> serde_json::Value {
    let serde_json::Value::Object(mut object) = body else {
        return body;
    };
    object.retain(|key, _| {
        shape
            .members()
            .iter()
            .all(|m| m.wire_name() != key || in_body(m))
    });
    serde_json::Value::Object(object)
}

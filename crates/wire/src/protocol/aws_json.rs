//! awsJson 1.0 and 1.1: one path, the operation in `X-Amz-Target`, JSON both ways.
//!
//! Source: <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>.

use super::{DecodeError, ErrorReply, Request, Response, reply};
use crate::json::{self, Form};
use crate::schema::{ErrorShape, Fault, Operation, Protocol, Service};
use crate::value::Value;
use http::HeaderValue;
use serde_json::{Map, Value as Tree};

#[cfg(test)]
mod tests;

pub fn decode(_: &Service, op: &Operation, request: &Request) -> Result<Value, DecodeError> {
    let shape = match op.input {
        Some(shape) => shape.get(),
        None => return Ok(Value::Struct(Vec::new())),
    };
    json::parse(shape, request.body(), Form::WIRE)
}

pub fn encode(
    _: &Service,
    protocol: Protocol,
    op: &Operation,
    output: &Value,
    request_id: &str,
) -> Response {
    // An operation without output answers an empty body, as AWS does.
    let body = match op.output {
        Some(shape) => json::write(&shape, output, Form::WIRE).to_string(),
        None => String::new(),
    };
    reply(op.status, content_type(protocol), request_id, body)
}

pub fn encode_error(
    service: &Service,
    protocol: Protocol,
    op: Option<&Operation>,
    error: &ErrorReply,
) -> Response {
    let modelled = op.and_then(|op| op.error(&error.code));
    let body = error_body(modelled, error).to_string();
    let mut response = reply(
        error.status,
        content_type(protocol),
        &error.request_id,
        body,
    );
    add_error_headers(service, modelled, error, &mut response);
    response
}

fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::AwsJson10 => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    }
}

/// `{"__type": name, "message": text, ...}`. The message has the modelled error's spelling of
/// its key (`Message` in some), `message` otherwise.
pub(super) fn error_body(modelled: Option<&ErrorShape>, error: &ErrorReply) -> Tree {
    let key = modelled
        .and_then(|e| {
            e.shape
                .members()
                .iter()
                .find(|m| m.name.eq_ignore_ascii_case("message"))
        })
        .map_or("message", |m| m.wire_name());
    let mut body = Map::new();
    body.insert("__type".into(), Tree::from(type_name(modelled, error)));
    body.insert(key.into(), Tree::from(error.message.as_str()));
    for (name, value) in &error.fields {
        body.insert(name.clone(), value.clone());
    }
    Tree::Object(body)
}

/// JSON names the error by its shape, the query protocols by its code.
pub(super) fn type_name<'a>(modelled: Option<&ErrorShape>, error: &'a ErrorReply) -> &'a str {
    modelled.map_or(error.code.as_str(), |e| e.name)
}

/// `x-amzn-errortype`, and `x-amzn-query-error` where the service once spoke awsQuery.
pub(super) fn add_error_headers(
    service: &Service,
    modelled: Option<&ErrorShape>,
    error: &ErrorReply,
    response: &mut Response,
) {
    let headers = response.headers_mut();
    if let Ok(name) = HeaderValue::from_str(type_name(modelled, error)) {
        headers.insert("x-amzn-errortype", name);
    }
    if service.query_compatible {
        let code = modelled.map_or(error.code.as_str(), |e| e.code);
        let fault = match error.fault {
            Fault::Client => "Sender",
            Fault::Server => "Receiver",
        };
        if let Ok(both) = HeaderValue::from_str(&format!("{code};{fault}")) {
            headers.insert("x-amzn-query-error", both);
        }
    }
}

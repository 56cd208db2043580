//! Smithy's rpc-v2-cbor: operation in the path, one CBOR map each way.
//!
//! Source: <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>. Replies need
//! the `smithy-protocol` header, or SDKs take them for a proxy's.

mod read;
mod write;

#[cfg(test)]
mod tests;

use super::{DecodeError, ErrorReply, Request, Response, aws_json, reply};
use crate::json::{self, Form};
use crate::schema::{Operation, Service};
use crate::value::Value;
use http::HeaderValue;

pub(super) use read::read_body;

const CONTENT_TYPE: &str = "application/cbor";

pub fn decode(_: &Service, op: &Operation, request: &Request) -> Result<Value, DecodeError> {
    match op.input {
        Some(shape) if !request.body().is_empty() => read_body(&shape, request.body()),
        _ => Ok(Value::Struct(Vec::new())),
    }
}

pub fn encode(_: &Service, op: &Operation, output: &Value, request_id: &str) -> Response {
    let mut body = Vec::new();
    if let Some(shape) = op.output {
        write::value(&mut body, &shape, output);
    }
    finish(reply(op.status, CONTENT_TYPE, request_id, body))
}

pub fn encode_error(service: &Service, op: Option<&Operation>, error: &ErrorReply) -> Response {
    let modelled = op.and_then(|op| op.error(&error.code));
    let shape = modelled.map(|e| e.shape.get());
    let fields = serde_json::Value::Object(error.fields.iter().cloned().collect());
    let fields = shape.and_then(|s| Some((s, json::read(s, fields, Form::WIRE).ok()?)));
    let mut body = Vec::new();
    let type_name = aws_json::type_name(modelled, error);
    write::error(&mut body, type_name, &error.message, fields, &error.fields);
    let mut response = reply(error.status, CONTENT_TYPE, &error.request_id, body);
    aws_json::add_error_headers(service, modelled, error, &mut response);
    finish(response)
}

fn finish(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    if response.body().is_empty() {
        response.headers_mut().remove(http::header::CONTENT_TYPE);
    }
    response
}

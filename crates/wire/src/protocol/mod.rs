//! Decoding requests to values and encoding values to replies, in each AWS protocol.
//!
//! Pure functions over whole bodies: nothing here reads a socket, knows a service's rules or
//! validates a model's constraints ([`crate::validate`] does). Each protocol is one module with
//! `decode`, `encode` and `encode_error`.

pub mod aws_json;
pub mod cbor;
pub mod ec2;
mod form;
pub mod query;
pub mod rest;
mod text;
mod xml;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use crate::schema::{Fault, Operation, Protocol, Service};
use crate::value::Value;
use bytes::Bytes;

/// A request with its whole body.
pub type Request = http::Request<Bytes>;

/// A reply with its whole body.
pub type Response = http::Response<Bytes>;

/// Why a request could not be decoded. Always the client's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct DecodeError {
    /// The AWS error code: `SerializationException`, `MalformedXML`.
    pub code: &'static str,
    pub message: String,
    pub status: u16,
}

impl DecodeError {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        DecodeError {
            code,
            message: message.into(),
            status: 400,
        }
    }

    /// AWS's answer to a body that is no JSON or CBOR, or has members of the wrong type.
    pub fn serialization(message: impl Into<String>) -> Self {
        DecodeError::new("SerializationException", message)
    }
}

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub struct ErrorReply {
    /// The wire code: `ClusterNotFoundException`, `InvalidVpcID.NotFound`.
    pub code: String,
    pub message: String,
    pub status: u16,
    pub fault: Fault,
    /// Further members of the modelled error, by their wire names.
    pub fields: Vec<(String, serde_json::Value)>,
    pub request_id: String,
}

/// Reads the operation's input. An operation without input gives an empty structure.
pub fn decode(
    service: &Service,
    protocol: Protocol,
    op: &Operation,
    request: &Request,
) -> Result<Value, DecodeError> {
    match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => aws_json::decode(service, op, request),
        Protocol::Query => query::decode(service, op, request),
        Protocol::Ec2 => ec2::decode(service, op, request),
        Protocol::RestJson => rest::decode_json(service, op, request),
        Protocol::RestXml => rest::decode_xml(service, op, request),
        Protocol::RpcV2Cbor => cbor::decode(service, op, request),
    }
}

/// Writes the operation's output.
pub fn encode(
    service: &Service,
    protocol: Protocol,
    op: &Operation,
    output: &Value,
    request_id: &str,
) -> Response {
    match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => {
            aws_json::encode(service, protocol, op, output, request_id)
        }
        Protocol::Query => query::encode(service, op, output, request_id),
        Protocol::Ec2 => ec2::encode(service, op, output, request_id),
        Protocol::RestJson => rest::encode_json(service, op, output, request_id),
        Protocol::RestXml => rest::encode_xml(service, op, output, request_id),
        Protocol::RpcV2Cbor => cbor::encode(service, op, output, request_id),
    }
}

/// Writes an error in the protocol's own form. `op` is absent when none was found.
pub fn encode_error(
    service: &Service,
    protocol: Protocol,
    op: Option<&Operation>,
    error: &ErrorReply,
) -> Response {
    match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => {
            aws_json::encode_error(service, protocol, op, error)
        }
        Protocol::Query => query::encode_error(service, op, error),
        Protocol::Ec2 => ec2::encode_error(service, op, error),
        Protocol::RestJson => rest::encode_json_error(service, op, error),
        Protocol::RestXml => rest::encode_xml_error(service, op, error),
        Protocol::RpcV2Cbor => cbor::encode_error(service, op, error),
    }
}

/// How well a URI template fits a raw path and query, for choosing among operations.
pub(crate) fn match_uri(
    template: &'static str,
    path: &str,
    query: &str,
) -> Option<(usize, usize, bool)> {
    rest::uri::matches(template, path, query).map(|found| found.rank)
}

/// One name or value of a form; `None` when it is not UTF-8.
pub(crate) fn unescape_form(bytes: &[u8]) -> Option<String> {
    form::unescape(bytes).ok()
}

/// A reply of that status, content type and request id.
pub(crate) fn reply(
    status: u16,
    content_type: &'static str,
    request_id: &str,
    body: impl Into<Bytes>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(content_type),
    );
    if let Ok(id) = http::HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

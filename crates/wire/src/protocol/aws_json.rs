//! awsJson 1.0 and 1.1.
use super::{DecodeError, ErrorReply, Request, Response, reply};
use crate::schema::{Operation, Protocol, Service};
use crate::value::Value;

pub fn decode(_: &Service, _: &Operation, _: &Request) -> Result<Value, DecodeError> {
    Err(DecodeError::new("NotImplemented", "this protocol is not written yet"))
}

pub fn encode(_: &Service, _: Protocol, _: &Operation, _: &Value, request_id: &str) -> Response {
    reply(501, "text/plain", request_id, "")
}

pub fn encode_error(
    _: &Service,
    _: Protocol,
    _: Option<&Operation>,
    error: &ErrorReply,
) -> Response {
    reply(501, "text/plain", &error.request_id, "")
}

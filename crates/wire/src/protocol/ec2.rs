//! Not written yet.
use super::{DecodeError, ErrorReply, Request, Response, reply};
use crate::schema::{Operation, Service};
use crate::value::Value;

pub fn decode(_: &Service, _: &Operation, _: &Request) -> Result<Value, DecodeError> {
    Err(DecodeError::new("NotImplemented", "this protocol is not written yet"))
}

pub fn encode(_: &Service, _: &Operation, _: &Value, request_id: &str) -> Response {
    reply(501, "text/plain", request_id, "")
}

pub fn encode_error(_: &Service, _: Option<&Operation>, error: &ErrorReply) -> Response {
    reply(501, "text/plain", &error.request_id, "")
}

//! restJson and restXml: members travel in the path, the query string, headers and the body.
//!
//! One set of HTTP bindings serves both; they differ in the body's language and in errors.
//! Sources: <https://smithy.io/2.0/spec/http-bindings.html>,
//! <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>,
//! <https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html>.

mod body;
#[cfg(test)]
pub(super) mod client;
mod header;
mod input;
mod output;
pub(crate) mod uri;

#[cfg(test)]
mod tests;

use super::query::error_document;
use super::xml::Writer;
use super::{DecodeError, ErrorReply, Request, Response, aws_json, reply, xml};
use crate::json::{self, Form};
use crate::schema::{Operation, Service};
use crate::value::Value;
use body::Language;

pub fn decode_json(_: &Service, op: &Operation, request: &Request) -> Result<Value, DecodeError> {
    input::read(op, request, Language::Json)
}

pub fn encode_json(_: &Service, op: &Operation, output: &Value, request_id: &str) -> Response {
    output::write(op, output, request_id, Language::Json, None)
}

/// The error's name in `x-amzn-errortype`, its members as JSON; those bound to headers go there.
pub fn encode_json_error(
    service: &Service,
    op: Option<&Operation>,
    error: &ErrorReply,
) -> Response {
    let modelled = op.and_then(|op| op.error(&error.code));
    let body = aws_json::error_body(modelled, error);
    let body = match modelled {
        Some(e) => output::without_headers(&e.shape, body),
        None => body,
    };
    let mut response = reply(
        error.status,
        "application/json",
        &error.request_id,
        body.to_string(),
    );
    aws_json::add_error_headers(service, modelled, error, &mut response);
    add_member_headers(op, error, &mut response);
    response
}

pub fn decode_xml(_: &Service, op: &Operation, request: &Request) -> Result<Value, DecodeError> {
    input::read(op, request, Language::Xml)
}

pub fn encode_xml(service: &Service, op: &Operation, output: &Value, request_id: &str) -> Response {
    output::write(op, output, request_id, Language::Xml, service.xml_namespace)
}

/// `<ErrorResponse>` as in awsQuery, except S3's bare `<Error>`.
pub fn encode_xml_error(service: &Service, op: Option<&Operation>, error: &ErrorReply) -> Response {
    let body = if service.signing_name == "s3" {
        s3_error(op, error)
    } else {
        error_document(service.xml_namespace, op, error)
    };
    let content_type = if service.signing_name == "s3" {
        "application/xml"
    } else {
        "text/xml"
    };
    let mut response = reply(error.status, content_type, &error.request_id, body);
    add_member_headers(op, error, &mut response);
    response
}

fn s3_error(op: Option<&Operation>, error: &ErrorReply) -> String {
    let modelled = op.and_then(|op| op.error(&error.code));
    let mut out = Writer::new();
    out.open("Error", None);
    out.text_element("Code", modelled.map_or(error.code.as_str(), |e| e.code));
    out.text_element("Message", &error.message);
    xml::write_error_members(&mut out, modelled, error);
    out.text_element("RequestId", &error.request_id);
    out.close("Error");
    out.finish()
}

fn add_member_headers(op: Option<&Operation>, error: &ErrorReply, response: &mut Response) {
    let Some(modelled) = op.and_then(|op| op.error(&error.code)) else {
        return;
    };
    // By member names: a header's wire name is the header's, not a key.
    let shape = modelled.shape.get();
    let fields = error.fields.iter().cloned().collect();
    let by_wire = json::read(shape, serde_json::Value::Object(fields), Form::WIRE);
    if let Ok(value) = by_wire {
        output::write_headers(shape, &value, response.headers_mut());
    }
}

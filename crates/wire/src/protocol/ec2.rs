//! ec2Query: awsQuery's elder sibling. Names are capitalised, lists flattened, and the reply has
//! no result element.
//!
//! Source: <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>.

use super::query::{Style, read};
use super::xml::Writer;
use super::{DecodeError, ErrorReply, Request, Response, form, reply, xml};
use crate::schema::{Operation, Service};
use crate::value::Value;

const CONTENT_TYPE: &str = "text/xml;charset=UTF-8";

pub fn decode(_: &Service, op: &Operation, request: &Request) -> Result<Value, DecodeError> {
    let Some(shape) = op.input else {
        return Ok(Value::Struct(Vec::new()));
    };
    let parameters = form::parse(request)?;
    read(Style::Ec2, &shape, &parameters)
}

/// `<OpResponse xmlns><requestId>...</requestId> members </OpResponse>`.
pub fn encode(service: &Service, op: &Operation, output: &Value, request_id: &str) -> Response {
    let mut out = Writer::new();
    let root = format!("{}Response", op.name);
    let namespace = service
        .xml_namespace
        .map(str::to_owned)
        .unwrap_or_else(|| format!("http://ec2.amazonaws.com/doc/{}/", service.api_version));
    out.open(&root, Some(&namespace));
    out.text_element("requestId", request_id);
    if let Some(shape) = op.output {
        xml::write_members(&mut out, &shape, output, &|_| true);
    }
    out.close(&root);
    reply(op.status, CONTENT_TYPE, request_id, out.finish())
}

/// `<Response><Errors><Error>...</Error></Errors><RequestID>`: EC2 spells it so here.
pub fn encode_error(_: &Service, op: Option<&Operation>, error: &ErrorReply) -> Response {
    let modelled = op.and_then(|op| op.error(&error.code));
    let mut out = Writer::new();
    out.open("Response", None);
    out.open("Errors", None);
    out.open("Error", None);
    out.text_element("Code", modelled.map_or(error.code.as_str(), |e| e.code));
    out.text_element("Message", &error.message);
    xml::write_error_members(&mut out, modelled, error);
    out.close("Error");
    out.close("Errors");
    out.text_element("RequestID", &error.request_id);
    out.close("Response");
    reply(error.status, CONTENT_TYPE, &error.request_id, out.finish())
}

//! awsQuery: form parameters in, XML out.
//!
//! Source: <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>.

mod read;

#[cfg(test)]
mod tests;

pub(super) use read::{Style, read};

use super::xml::Writer;
use super::{DecodeError, ErrorReply, Request, Response, form, reply, xml};
use crate::schema::{Fault, Operation, Service, Shape};
use crate::value::Value;

const CONTENT_TYPE: &str = "text/xml";

pub fn decode(_: &Service, op: &Operation, request: &Request) -> Result<Value, DecodeError> {
    let Some(shape) = op.input else {
        return Ok(Value::Struct(Vec::new()));
    };
    let parameters = form::parse(request)?;
    let mut input = read(Style::Query, &shape, &parameters)?;
    name_queue(&shape, &mut input, request.uri().path());
    Ok(input)
}

/// A call may be made at the URL of the queue that it is about, and needs not name that then
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests.html>).
fn name_queue(shape: &Shape, input: &mut Value, path: &str) {
    let Some((at, _)) = shape.member("QueueUrl") else {
        return;
    };
    if let Value::Struct(fields) = input
        && path.len() > 1
        && fields.iter().all(|(field, _)| *field != at)
    {
        fields.insert(0, (at, Value::Str(path.to_owned())));
    }
}

/// `<OpResponse xmlns><OpResult>...</OpResult><ResponseMetadata>...`.
pub fn encode(service: &Service, op: &Operation, output: &Value, request_id: &str) -> Response {
    let mut out = Writer::of_query();
    let root = format!("{}Response", op.name);
    out.open(&root, service.xml_namespace);
    if let Some(shape) = op.output {
        let result = format!("{}Result", op.name);
        let result = op.result_wrapper.unwrap_or(&result);
        out.open(result, None);
        xml::write_members(&mut out, &shape, output, &|_| true);
        out.close(result);
    }
    out.open("ResponseMetadata", None);
    out.text_element("RequestId", request_id);
    out.close("ResponseMetadata");
    out.close(&root);
    reply(op.status, CONTENT_TYPE, request_id, out.finish())
}

pub fn encode_error(service: &Service, op: Option<&Operation>, error: &ErrorReply) -> Response {
    let body = error_document(service.xml_namespace, op, error);
    reply(error.status, CONTENT_TYPE, &error.request_id, body)
}

/// The `<ErrorResponse>` that restXml uses, too.
pub(super) fn error_document(
    namespace: Option<&str>,
    op: Option<&Operation>,
    error: &ErrorReply,
) -> String {
    let modelled = op.and_then(|op| op.error(&error.code));
    let mut out = Writer::of_query();
    out.open("ErrorResponse", namespace);
    out.open("Error", None);
    out.text_element(
        "Type",
        match error.fault {
            Fault::Client => "Sender",
            Fault::Server => "Receiver",
        },
    );
    out.text_element("Code", modelled.map_or(error.code.as_str(), |e| e.code));
    out.text_element("Message", &error.message);
    xml::write_error_members(&mut out, modelled, error);
    out.close("Error");
    out.text_element("RequestId", &error.request_id);
    out.close("ErrorResponse");
    out.finish()
}

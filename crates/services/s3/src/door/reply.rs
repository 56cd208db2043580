//! Answers: headers that all of them have, streams, and S3's errors in XML.

use crate::content::read::Reader;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::Frame;
use neargate_service::AwsError;
use neargate_service::door::{Body, BoxError};
use std::error::Error as _;

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// What a reader gives, as it gives it.
pub fn streamed(reader: Reader) -> Body {
    let pieces = stream::unfold(reader, |mut reader| async move {
        let piece = reader.next().await?;
        let frame = piece.map(Frame::data).map_err(|e| Box::new(e) as BoxError);
        Some((frame, reader))
    });
    StreamBody::new(pieces).boxed_unsync()
}

pub fn set(response: &mut Response<Body>, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_bytes(value.as_bytes()),
    ) {
        response.headers_mut().insert(name, value);
    }
}

/// What every answer says of itself.
pub fn mark(response: &mut Response<Body>, request_id: &str) {
    response.headers_mut().remove("x-amzn-requestid");
    set(response, "x-amz-request-id", request_id);
    set(response, "x-amz-id-2", &host_id(request_id));
    set(response, "server", "AmazonS3");
}

/// The second id of an answer, which S3 has and which tells nothing here.
pub fn host_id(request_id: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(request_id)
}

/// An error in S3's form. A HEAD's has no body, and neither has 304.
pub fn error(
    error: &AwsError,
    method: &Method,
    resource: &str,
    request_id: &str,
) -> Response<Body> {
    if error.status >= 500 && error.code != "NotImplemented" {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        tracing::error!(request_id, %error, ?causes, "call failed");
    }
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = Vec::new();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    element(&mut xml, "Code", &error.code);
    element(&mut xml, "Message", &error.message);
    for (name, value) in &error.fields {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        match name.as_str() {
            "ETag" if status == StatusCode::NOT_MODIFIED => headers.push((ETAG.as_str(), value)),
            header if header.starts_with("x-amz-") || header == "last-modified" => {
                headers.push((header, value));
            }
            member => element(&mut xml, member, &value),
        }
    }
    element(&mut xml, "Resource", resource);
    element(&mut xml, "RequestId", request_id);
    element(&mut xml, "HostId", &host_id(request_id));
    xml.push_str("</Error>");
    let bodiless = method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    let mut response = Response::new(if bodiless { empty() } else { full(xml) });
    *response.status_mut() = status;
    if status != StatusCode::NOT_MODIFIED {
        let xml = HeaderValue::from_static("application/xml");
        response.headers_mut().insert(CONTENT_TYPE, xml);
    }
    for (name, value) in headers {
        set(&mut response, name, &value);
    }
    response
}

/// One element with text in it.
pub fn element(xml: &mut String, name: &str, text: &str) {
    xml.push('<');
    xml.push_str(name);
    xml.push('>');
    for letter in text.chars() {
        match letter {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            // What XML cannot hold.
            c if c < ' ' && !matches!(c, '\t' | '\n' | '\r') => xml.push('\u{FFFD}'),
            c => xml.push(c),
        }
    }
    xml.push_str("</");
    xml.push_str(name);
    xml.push('>');
}

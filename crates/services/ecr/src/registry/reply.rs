//! Answers, and the headers every one of them has.

use super::Response;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use neargate_service::door::{Body, BoxError};
use std::io;

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(super) const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// `Docker-Distribution-Api-Version`: clients look for it to know a v2 registry.
pub(super) fn mark(response: &mut Response) {
    let name = HeaderName::from_static("docker-distribution-api-version");
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static("registry/2.0"));
}

pub(super) fn full(status: StatusCode, bytes: impl Into<Bytes>) -> Response {
    let body = Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync();
    with(status, body)
}

pub(super) fn json(status: StatusCode, text: impl Into<Bytes>) -> Response {
    let mut response = full(status, text);
    set(
        &mut response,
        CONTENT_TYPE,
        "application/json; charset=utf-8",
    );
    response
}

pub(super) fn empty(status: StatusCode) -> Response {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut response = with(status, body);
    // RFC 9110, 8.6: none with a 204.
    if status != StatusCode::NO_CONTENT {
        set(&mut response, CONTENT_LENGTH, "0");
    }
    response
}

/// A body of `length` bytes; `None` answers a HEAD, which has the length and no body.
pub(super) fn stream<S>(status: StatusCode, length: u64, stream: Option<S>) -> Response
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let body: Body = match stream {
        Some(stream) => {
            let frames = stream
                .map_ok(Frame::data)
                .map_err(|e| Box::new(e) as BoxError);
            BodyExt::boxed_unsync(StreamBody::new(frames))
        }
        None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
    };
    let mut response = with(status, body);
    set(&mut response, CONTENT_LENGTH, &length.to_string());
    response
}

fn with(status: StatusCode, body: Body) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response
}

/// Set a header to text that we made ourselves.
pub(super) fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

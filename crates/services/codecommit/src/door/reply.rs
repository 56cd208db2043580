//! Answers.

use super::Response;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::TryStreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use neargate_service::door::BoxError;
use std::io;

pub(super) fn full(status: StatusCode, bytes: impl Into<Bytes>) -> Response {
    let body = Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response
}

/// `application/x-<of>`, never kept by whoever stands between.
pub(super) fn marked(mut response: Response, of: &str) -> Response {
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(&format!("application/x-{of}"));
    headers.insert(CONTENT_TYPE, kind.expect("our own words"));
    let never = "no-cache, max-age=0, must-revalidate";
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(never));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(
        EXPIRES,
        HeaderValue::from_static("Fri, 01 Jan 1980 00:00:00 GMT"),
    );
    response
}

pub(super) fn stream(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    of: &str,
) -> Response {
    let frames = pieces
        .map_ok(Frame::data)
        .map_err(|e| Box::new(e) as BoxError);
    let body = StreamBody::new(frames).boxed_unsync();
    marked(http::Response::new(body), of)
}

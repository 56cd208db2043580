//! Answers: JSON, errors as Docker words them, and lines that come one by one.

use bytes::Bytes;
use futures_util::stream;
use http::{Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use std::io;
use tokio::sync::mpsc;

pub(super) type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// What did not work out.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub message: String,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        let message = message.into();
        Refusal { status, message }
    }

    pub fn bad(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn missing(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, message)
    }

    pub fn failed(message: impl std::fmt::Display) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, message.to_string())
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        json_with(refusal.status, &json!({"message": refusal.message}))
    }
}

pub(super) fn json(value: &Value) -> Reply {
    json_with(StatusCode::OK, value)
}

pub(super) fn json_with(status: StatusCode, value: &Value) -> Reply {
    let body = Bytes::from(format!("{value}\n"));
    let mut reply = bytes(body);
    *reply.status_mut() = status;
    typed(&mut reply, "application/json");
    reply
}

pub(super) fn bytes(body: Bytes) -> Reply {
    let body = Full::new(body).map_err(|never| match never {});
    let mut reply = Response::new(body.boxed_unsync());
    let version = http::HeaderValue::from_static(super::API_VERSION);
    reply.headers_mut().insert("api-version", version);
    reply
}

pub(super) fn typed(reply: &mut Reply, kind: &'static str) {
    let kind = http::HeaderValue::from_static(kind);
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
}

/// Where lines of an answer go. A client that is gone hears nothing.
#[derive(Debug, Clone)]
pub(super) struct Lines(mpsc::UnboundedSender<io::Result<Frame<Bytes>>>);

impl Lines {
    pub fn say(&self, value: &Value) {
        let line = Bytes::from(format!("{value}\r\n"));
        let _ = self.0.send(Ok(Frame::data(line)));
    }

    /// The last line, when something failed.
    pub fn fail(&self, message: &str, code: Option<i32>) {
        let mut detail = json!({"message": message});
        if let Some(code) = code {
            detail["code"] = json!(code);
        }
        self.say(&json!({"errorDetail": detail, "error": message}));
    }

    pub fn raw(&self, bytes: io::Result<Bytes>) {
        let _ = self.0.send(bytes.map(Frame::data));
    }

    /// The client does not listen any more.
    pub async fn gone(&self) {
        self.0.closed().await;
    }
}

/// An answer that goes on.
pub(super) fn lines() -> (Lines, Reply) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let frames = stream::unfold(receiver, |mut receiver| async move {
        let frame = receiver.recv().await?;
        Some((frame, receiver))
    });
    let mut reply = Response::new(StreamBody::new(frames).boxed_unsync());
    let version = http::HeaderValue::from_static(super::API_VERSION);
    reply.headers_mut().insert("api-version", version);
    typed(&mut reply, "application/json");
    (Lines(sender), reply)
}

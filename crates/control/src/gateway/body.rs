//! Bodies: bounded on the way in, whole or streamed on the way out.

use super::memory::HeldMemory;
use super::pace::Pace;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use neargate_service::door::Body;
use neargate_service::table::{Events, Sent};
use neargate_wire::event_stream;
use neargate_wire::json::{self, Form};
use neargate_wire::schema::Operation;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// An answer that goes on: each event is sent as it comes, until the caller leaves. It is in
/// AWS's JSON, the only protocol here that has such answers.
pub fn going_on(operation: &'static Operation, events: Events, request_id: &str) -> Response<Body> {
    let members = operation.output.map(|shape| shape.get().members());
    let mut shapes = members.into_iter().flatten().map(|m| m.shape.get());
    let stream = shapes.find(|shape| shape.event_stream);
    let frame = move |sent: Sent| {
        let members = stream.map(|shape| shape.members()).unwrap_or_default();
        let member = members.iter().find(|m| m.name == sent.name);
        let payload = member.map_or_else(String::new, |m| {
            json::write(m.shape.get(), &sent.value, Form::WIRE).to_string()
        });
        match sent.is_exception {
            true => event_stream::exception(sent.name, payload.as_bytes()),
            false => event_stream::event(sent.name, payload.as_bytes()),
        }
    };
    let first = futures_util::stream::iter([event_stream::initial_response()]);
    let frames = first.chain(events.map(frame));
    let body = StreamBody::new(frames.map(|f| Ok(Frame::data(Bytes::from(f)))));
    let mut response = Response::new(body.boxed_unsync());
    let headers = response.headers_mut();
    let content = HeaderValue::from_static(event_stream::CONTENT_TYPE);
    headers.insert(CONTENT_TYPE, content);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// How much of a body beyond its limit is read and thrown away, so that a client that sends
/// before it listens gets its answer.
const MAX_DRAINED_BYTES: usize = 64 << 20;

/// Why a request's body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the body is too large")]
    TooLarge,
    /// The client went away or broke the framing.
    #[error("the body ended before it was complete")]
    Broken,
    /// It stopped sending, or sent too slowly.
    #[error("the body was not sent in time")]
    Stalled,
    /// Too many bodies are being read.
    #[error("there is no room for the body now")]
    NoRoom,
}

/// A body on its way in, at a pace.
#[derive(Debug)]
pub(crate) struct Paced {
    incoming: Incoming,
    pace: Pace,
}

impl Paced {
    /// The body must move in every window of `patience`; `in_all` bounds the waiting.
    pub(crate) fn new(incoming: Incoming, patience: Duration, in_all: Option<Duration>) -> Paced {
        let pace = Pace::new(patience, in_all);
        Paced { incoming, pace }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.pace.moved(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(ReadError::Broken))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.pace.poll_late(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err(ReadError::Stalled))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The whole body, if it is no longer than `limit` bytes, and there is memory for it: what
/// is held grows with what has come, not with what was announced.
pub(crate) async fn read(
    mut body: Paced,
    limit: usize,
    mut held: Option<&mut HeldMemory>,
) -> Result<Bytes, ReadError> {
    // Most bodies come in one piece, which is not copied.
    let mut first = next(&mut body).await?.unwrap_or_default();
    let mut whole: Option<BytesMut> = None;
    loop {
        let length = whole.as_ref().map_or(first.len(), BytesMut::len);
        if length > limit {
            drop((first, whole));
            drain(&mut body).await;
            return Err(ReadError::TooLarge);
        }
        if held.as_mut().is_some_and(|held| !held.grow_to(length)) {
            return Err(ReadError::NoRoom);
        }
        match (next(&mut body).await?, &mut whole) {
            (None, None) => return Ok(first),
            (None, Some(_)) => return Ok(whole.unwrap_or_default().freeze()),
            (Some(data), Some(whole)) => whole.extend_from_slice(&data),
            (Some(data), None) => {
                let mut both = BytesMut::from(&std::mem::take(&mut first)[..]);
                both.extend_from_slice(&data);
                whole = Some(both);
            }
        }
    }
}

/// What comes first of the body, `limit` bytes at most.
pub(crate) async fn beginning(mut body: Paced, limit: usize) -> Bytes {
    let mut first = BytesMut::new();
    while first.len() < limit
        && let Ok(Some(data)) = next(&mut body).await
    {
        let more = data.len().min(limit - first.len());
        first.extend_from_slice(&data[..more]);
    }
    first.freeze()
}

/// The next piece; `None` at the end.
async fn next(body: &mut Paced) -> Result<Option<Bytes>, ReadError> {
    loop {
        match body.frame().await.transpose()?.map(Frame::into_data) {
            None => return Ok(None),
            Some(Ok(data)) => return Ok(Some(data)),
            // Trailers: no protocol of ours has any here.
            Some(Err(_)) => {}
        }
    }
}

async fn drain(body: &mut Paced) {
    let mut left = MAX_DRAINED_BYTES;
    while left > 0
        && let Ok(Some(data)) = next(body).await
    {
        left = left.saturating_sub(data.len());
    }
}

//! Bodies: bounded on the way in, whole or streamed on the way out.

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use std::time::Duration;
use tokio::time::timeout;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the gateway answers with.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// How much of a body beyond its limit is read and thrown away, so that a client that sends
/// before it listens gets its answer.
const MAX_DRAINED_BYTES: usize = 64 << 20;

/// Why a request's body could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    TooLarge,
    /// The client went away or broke the framing.
    Broken,
    /// It stopped sending.
    Stalled,
}

/// The whole body, if it is no longer than `limit` bytes and never pauses for longer than
/// `patience`.
pub(crate) async fn read(
    mut incoming: Incoming,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, ReadError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(data) = next(&mut incoming, patience).await? {
        if first.len() + rest.len() + data.len() > limit {
            drain(&mut incoming, patience).await;
            return Err(ReadError::TooLarge);
        }
        // Most bodies come in one piece, which is not copied.
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

/// The next piece; `None` at the end.
async fn next(incoming: &mut Incoming, patience: Duration) -> Result<Option<Bytes>, ReadError> {
    loop {
        let frame = timeout(patience, incoming.frame())
            .await
            .map_err(|_| ReadError::Stalled)?;
        match frame.map(|f| f.map(Frame::into_data)) {
            None => return Ok(None),
            Some(Ok(Ok(data))) => return Ok(Some(data)),
            // Trailers: no protocol of ours has any here.
            Some(Ok(Err(_))) => {}
            Some(Err(_)) => return Err(ReadError::Broken),
        }
    }
}

async fn drain(incoming: &mut Incoming, patience: Duration) {
    let mut left = MAX_DRAINED_BYTES;
    while left > 0
        && let Ok(Some(data)) = next(incoming, patience).await
    {
        left = left.saturating_sub(data.len());
    }
}

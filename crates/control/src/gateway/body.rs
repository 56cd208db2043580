//! Bodies: bounded on the way in, whole or streamed on the way out.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the gateway answers with.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Why a request's body could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    TooLarge,
    /// The client went away or broke the framing.
    Broken,
}

/// The whole body, if it is no longer than `limit` bytes.
pub(super) async fn read(incoming: Incoming, limit: usize) -> Result<Bytes, ReadError> {
    match Limited::new(incoming, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => Err(ReadError::TooLarge),
        Err(_) => Err(ReadError::Broken),
    }
}

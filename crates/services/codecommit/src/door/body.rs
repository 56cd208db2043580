//! A request's body as it comes, unpacked where git's client has packed it.

use bytes::{Buf as _, Bytes};
use flate2::write::GzDecoder;
use futures_util::StreamExt as _;
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use http_body_util::{BodyDataStream, BodyExt as _};
use neargate_service::door::RequestBody;
use std::io::{self, Write as _};
use std::mem;

/// Packed bytes that are unpacked at once: they become a thousand times as many at most.
const AT_ONCE: usize = 4 << 10;

/// See the module.
pub(super) struct Incoming {
    stream: BodyDataStream<RequestBody>,
    unpack: Option<GzDecoder<Vec<u8>>>,
    /// Packed bytes that are still to be unpacked.
    packed: Bytes,
}

impl Incoming {
    pub(super) fn new(parts: &Parts, body: RequestBody) -> Incoming {
        let encoding = super::text(parts, CONTENT_ENCODING).unwrap_or_default();
        let is_packed = matches!(encoding, "gzip" | "x-gzip");
        Incoming {
            stream: body.into_data_stream(),
            unpack: is_packed.then(|| GzDecoder::new(Vec::new())),
            packed: Bytes::new(),
        }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(decoder) = &mut self.unpack
                && self.packed.has_remaining()
            {
                let few = self.packed.split_to(self.packed.len().min(AT_ONCE));
                decoder.write_all(&few)?;
                let unpacked = mem::take(decoder.get_mut());
                if !unpacked.is_empty() {
                    return Ok(Some(unpacked.into()));
                }
                continue;
            }
            match self.stream.next().await {
                Some(Ok(piece)) if self.unpack.is_some() => self.packed = piece,
                Some(Ok(piece)) => return Ok(Some(piece)),
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return self.rest(),
            }
        }
    }

    fn rest(&mut self) -> io::Result<Option<Bytes>> {
        let Some(decoder) = self.unpack.take() else {
            return Ok(None);
        };
        let rest = decoder.finish()?;
        Ok((!rest.is_empty()).then(|| rest.into()))
    }
}

//! Where bytes come from: a request's body, as it is or `aws-chunked`; bytes at hand; an object.

use super::read::Reader;
use crate::error;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use neargate_service::AwsError;
use neargate_service::door::RequestBody;
use neargate_wire::sigv4::{ChunkDecoder, Decoded};

/// Bytes on their way in.
#[derive(Debug)]
pub enum Source {
    Wire(Box<Wire>),
    Whole(Option<Bytes>),
    Object(Reader),
    /// A file within a form.
    File(Box<File>),
}

/// A request's body.
pub struct Wire {
    body: RequestBody,
    /// Takes the frame of `aws-chunked` off, and judges signatures.
    decoder: Option<ChunkDecoder>,
    /// Read and not yet decoded.
    pending: Bytes,
    /// How many bytes the head promised.
    promised: Option<u64>,
    given: u64,
    over: bool,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Source {
    pub fn wire(body: RequestBody, decoder: Option<ChunkDecoder>, promised: Option<u64>) -> Source {
        Source::Wire(Box::new(Wire {
            body,
            decoder,
            pending: Bytes::new(),
            promised,
            given: 0,
            over: false,
        }))
    }

    pub fn whole(bytes: Bytes) -> Source {
        Source::Whole(Some(bytes).filter(|b| !b.is_empty()))
    }

    /// The next bytes; `None` at the end, which is only told of a body that came whole.
    ///
    /// # Errors
    /// When the body breaks off, stalls, or a chunk's signature does not hold.
    pub async fn next(&mut self) -> Result<Option<Bytes>, AwsError> {
        match self {
            Source::Whole(bytes) => Ok(bytes.take()),
            Source::Object(reader) => reader.next().await.transpose().map_err(error::unreadable),
            Source::Wire(wire) => wire.next().await,
            Source::File(file) => file.next().await,
        }
    }

    /// All of it, when it is not longer than `max_bytes`.
    ///
    /// # Errors
    /// Those of [`Source::next`]; `too_large` of what is longer.
    pub async fn gather(
        &mut self,
        max_bytes: usize,
        too_large: impl FnOnce() -> AwsError,
    ) -> Result<Bytes, AwsError> {
        let mut all = Vec::new();
        while let Some(more) = self.next().await? {
            if all.len() + more.len() > max_bytes {
                return Err(too_large());
            }
            all.extend_from_slice(&more);
        }
        Ok(all.into())
    }

    /// Lets a client say a little more that nobody wants, so that it hears the answer: many only
    /// listen once they have sent everything.
    pub async fn discard(&mut self, max_bytes: usize) {
        let Source::Wire(wire) = self else {
            return;
        };
        let mut bytes = 0;
        while let Some(Ok(frame)) = wire.body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > max_bytes {
                break;
            }
        }
    }

    /// A header that came behind the body; its name in lower case.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        let Source::Wire(wire) = self else {
            return None;
        };
        let mut all = wire.decoder.as_ref()?.trailers().iter();
        all.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What comes before a delimiter, of a request's body.
#[derive(Debug)]
pub struct File {
    wire: Option<Box<Wire>>,
    buffer: BytesMut,
    delimiter: Vec<u8>,
    over: bool,
}

impl File {
    /// `buffer` was read already.
    pub fn new(source: Source, buffer: BytesMut, delimiter: Vec<u8>) -> File {
        let wire = match source {
            Source::Wire(wire) => Some(wire),
            Source::Whole(_) | Source::Object(_) | Source::File(_) => None,
        };
        File {
            wire,
            buffer,
            delimiter,
            over: false,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, AwsError> {
        loop {
            if self.over {
                return Ok(None);
            }
            if let Some(at) = memchr::memmem::find(&self.buffer, &self.delimiter) {
                self.over = true;
                let last = self.buffer.split_to(at).freeze();
                return Ok(Some(last).filter(|b| !b.is_empty()));
            }
            // The end may be the beginning of the delimiter.
            let safe = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            if safe > 0 {
                return Ok(Some(self.buffer.split_to(safe).freeze()));
            }
            let more = match &mut self.wire {
                Some(wire) => wire.next().await?,
                None => None,
            };
            match more {
                Some(more) => self.buffer.extend_from_slice(&more),
                None => return Err(error::incomplete_body()),
            }
        }
    }
}

impl Wire {
    async fn next(&mut self) -> Result<Option<Bytes>, AwsError> {
        loop {
            if let Some(data) = self.decoded()? {
                self.given += data.len() as u64;
                return Ok(Some(data));
            }
            if self.over {
                let promised = self.promised.is_none_or(|p| p == self.given);
                let whole = self.decoder.as_ref().map_or(Ok(()), ChunkDecoder::finish);
                whole.map_err(|e| error::signature(&e))?;
                return match promised {
                    true => Ok(None),
                    false => Err(error::incomplete_body()),
                };
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.pending = data;
                    }
                }
                Some(Err(why)) => {
                    let stalled = std::error::Error::source(&why)
                        .is_some_and(|e| e.to_string().contains("in time"));
                    return Err(match stalled {
                        true => error::request_timeout(),
                        false => error::incomplete_body(),
                    });
                }
                None => self.over = true,
            }
        }
    }

    fn decoded(&mut self) -> Result<Option<Bytes>, AwsError> {
        let Some(decoder) = &mut self.decoder else {
            let data = std::mem::take(&mut self.pending);
            return Ok(Some(data).filter(|d| !d.is_empty()));
        };
        match decoder.decode(&mut self.pending) {
            Ok(Decoded::Data(data)) => Ok(Some(data)),
            Ok(Decoded::NeedMore | Decoded::Done) => {
                self.pending = Bytes::new();
                Ok(None)
            }
            Err(why) => Err(error::signature(&why)),
        }
    }
}

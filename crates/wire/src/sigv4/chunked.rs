//! The `aws-chunked` body: an incremental decoder that checks each chunk's signature.
//!
//! ```text
//! <hex size>[;chunk-signature=<hex>]\r\n <data> \r\n     any number of times
//! 0[;chunk-signature=<hex>]\r\n
//! [<name>:<value>\r\n]* [x-amz-trailer-signature:<hex>\r\n]
//! \r\n
//! ```
//! A chunk's signature arrives before its data and covers all of it, so data is handed out
//! *before* it is proven: whoever stores it commits only after [`ChunkDecoder::finish`].
//! Memory is bounded: a size line, and the trailer; never a chunk.

use super::EMPTY_SHA256;
use super::claim::{Claim, Payload};
use super::date::format_basic;
use super::error::{MISMATCH, SigV4Error};
use super::key::{SigningKey, sha256_hex};
use bytes::{Buf, Bytes};
use sha2::{Digest, Sha256};

const MAX_SIZE_LINE: usize = 1024;
const MAX_TRAILER: usize = 16 * 1024;
/// S3's largest single upload: 5 GiB.
const MAX_CHUNK: u64 = 5 * 1024 * 1024 * 1024;
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// One step's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// Bytes of the body.
    Data(Bytes),
    /// All input is used up: give more, or [`ChunkDecoder::finish`].
    NeedMore,
    /// The last chunk and the trailer are read.
    Done,
}

struct Signer {
    key: SigningKey,
    timestamp: String,
    scope: String,
    /// The signature before this one; the request's own to begin with.
    previous: String,
}

impl Signer {
    fn check(&mut self, kind: &str, hashes: &str, signature: &str) -> Result<(), SigV4Error> {
        let text = format!(
            "{kind}\n{}\n{}\n{}\n{hashes}",
            self.timestamp, self.scope, self.previous
        );
        if !self.key.matches(&text, signature) {
            return Err(SigV4Error::mismatch(MISMATCH));
        }
        self.previous = signature.to_owned();
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Data {
        left: u64,
    },
    /// The line end behind a chunk's data.
    DataEnd,
    Trailer,
    Done,
}

/// Decodes one body. Create it from a *verified* claim.
pub struct ChunkDecoder {
    signer: Option<Signer>,
    signed_trailer: bool,
    state: State,
    line: Vec<u8>,
    hash: Sha256,
    chunk_signature: String,
    /// `x-amz-decoded-content-length`, when the client declared it.
    expected: Option<u64>,
    decoded: u64,
    trailer_bytes: usize,
    trailers: Vec<(String, String)>,
    trailer_signature: Option<String>,
}

impl std::fmt::Debug for ChunkDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkDecoder")
            .field("state", &self.state)
            .field("decoded", &self.decoded)
            .finish_non_exhaustive()
    }
}

impl ChunkDecoder {
    /// A decoder that verifies signatures when `payload` is signed and a key is at hand. In
    /// development mode there is no key: the framing is decoded, signatures are not judged.
    pub fn new(
        claim: &Claim,
        payload: &Payload,
        key: Option<SigningKey>,
        decoded_length: Option<u64>,
    ) -> Self {
        let signed = matches!(payload, Payload::Chunked { .. });
        let signer = key.filter(|_| signed).map(|key| Signer {
            key,
            timestamp: format_basic(claim.signed_at),
            scope: claim.scope(),
            previous: claim.signature.clone(),
        });
        ChunkDecoder {
            signer,
            signed_trailer: matches!(payload, Payload::Chunked { trailer: true }),
            state: State::Size,
            line: Vec::new(),
            hash: Sha256::new(),
            chunk_signature: String::new(),
            expected: decoded_length,
            decoded: 0,
            trailer_bytes: 0,
            trailers: Vec::new(),
            trailer_signature: None,
        }
    }

    /// Trailing headers, names in lower case; complete once [`Decoded::Done`] was returned.
    pub fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }

    /// Takes from `input` until there is data to hand out or no input left.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Decoded, SigV4Error> {
        loop {
            match self.state {
                State::Done => return Ok(Decoded::Done),
                State::Data { left } => {
                    if input.is_empty() {
                        return Ok(Decoded::NeedMore);
                    }
                    let take = left.min(input.len() as u64) as usize;
                    let data = input.split_to(take);
                    if self.signer.is_some() {
                        self.hash.update(&data);
                    }
                    self.decoded += take as u64;
                    if self
                        .expected
                        .is_some_and(|expected| self.decoded > expected)
                    {
                        return Err(SigV4Error::IncompleteBody);
                    }
                    let left = left - take as u64;
                    self.state = if left == 0 {
                        State::DataEnd
                    } else {
                        State::Data { left }
                    };
                    return Ok(Decoded::Data(data));
                }
                State::Size | State::DataEnd | State::Trailer => {
                    let Some(line) = self.take_line(input)? else {
                        return Ok(Decoded::NeedMore);
                    };
                    self.on_line(&line)?;
                }
            }
        }
    }

    /// Says that no more input comes; an error unless the body was complete.
    pub fn finish(&self) -> Result<(), SigV4Error> {
        let complete = self.state == State::Done;
        if complete
            && self
                .expected
                .is_none_or(|expected| expected == self.decoded)
        {
            Ok(())
        } else {
            Err(SigV4Error::IncompleteBody)
        }
    }

    fn take_line(&mut self, input: &mut Bytes) -> Result<Option<String>, SigV4Error> {
        let limit = if self.state == State::Trailer {
            MAX_TRAILER
        } else {
            MAX_SIZE_LINE
        };
        let end = input.iter().take(limit + 1).position(|b| *b == b'\n');
        let take = end.unwrap_or(input.len().min(limit + 1));
        if self.line.len() + take > limit {
            return Err(SigV4Error::BadChunk(
                "A line of the aws-chunked body is too long.",
            ));
        }
        self.line.extend_from_slice(&input[..take]);
        input.advance(take);
        if end.is_none() {
            return Ok(None);
        }
        input.advance(1);
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line)
            .map(Some)
            .map_err(|_| SigV4Error::BadChunk("A line of the aws-chunked body is not text."))
    }

    fn on_line(&mut self, line: &str) -> Result<(), SigV4Error> {
        match self.state {
            State::Size => self.on_size(line),
            State::DataEnd => {
                if !line.is_empty() {
                    return Err(SigV4Error::BadChunk(
                        "A chunk is longer than its declared size.",
                    ));
                }
                self.end_chunk()?;
                self.state = State::Size;
                Ok(())
            }
            State::Trailer => self.on_trailer(line),
            State::Data { .. } | State::Done => unreachable!("no lines in this state"),
        }
    }

    fn on_size(&mut self, line: &str) -> Result<(), SigV4Error> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size = u64::from_str_radix(size.trim(), 16)
            .ok()
            .filter(|size| *size <= MAX_CHUNK)
            .ok_or(SigV4Error::BadChunk(
                "A chunk's size is not a hexadecimal number.",
            ))?;
        self.chunk_signature = extension
            .trim()
            .strip_prefix("chunk-signature=")
            .unwrap_or_default()
            .to_owned();
        self.hash = Sha256::new();
        if size > 0 {
            self.state = State::Data { left: size };
        } else {
            self.end_chunk()?;
            self.state = State::Trailer;
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<(), SigV4Error> {
        let Some(signer) = &mut self.signer else {
            return Ok(());
        };
        let hash = hex::encode(std::mem::take(&mut self.hash).finalize());
        let signature = std::mem::take(&mut self.chunk_signature);
        signer.check(
            "AWS4-HMAC-SHA256-PAYLOAD",
            &format!("{EMPTY_SHA256}\n{hash}"),
            &signature,
        )
    }

    /// S3's own example ends trailing headers with `\n\r\n`, so that an empty line may stand
    /// before the trailer's signature.
    fn on_trailer(&mut self, line: &str) -> Result<(), SigV4Error> {
        self.trailer_bytes += line.len() + 2;
        if self.trailer_bytes > MAX_TRAILER {
            return Err(SigV4Error::BadChunk(
                "The trailer of the aws-chunked body is too long.",
            ));
        }
        if line.is_empty() {
            if self.signed_trailer && self.trailer_signature.is_none() && !self.trailers.is_empty()
            {
                return Ok(());
            }
            return self.end_trailer();
        }
        let (name, value) = line
            .split_once(':')
            .ok_or(SigV4Error::BadChunk("A trailing header has no colon."))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if name == TRAILER_SIGNATURE {
            self.trailer_signature = Some(value);
        } else {
            self.trailers.push((name, value));
        }
        Ok(())
    }

    fn end_trailer(&mut self) -> Result<(), SigV4Error> {
        if let Some(signer) = self.signer.as_mut().filter(|_| self.signed_trailer) {
            let mut sorted = self.trailers.clone();
            sorted.sort();
            let canonical: String = sorted
                .iter()
                .map(|(name, value)| format!("{name}:{value}\n"))
                .collect();
            let hash = sha256_hex(canonical.as_bytes());
            let signature = self.trailer_signature.take().unwrap_or_default();
            signer.check("AWS4-HMAC-SHA256-TRAILER", &hash, &signature)?;
        }
        self.state = State::Done;
        Ok(())
    }
}

//! The first thread of a layer: takes compressed bytes, verifies size and digest, decompresses.
//!
//! The compression is told by the first bytes, as Docker does: media types are often wrong.

use super::{Budget, LayerError};
use crate::image::error::{PullError, PullErrorKind};
use crate::image::options::Limits;
use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use neargate_blob::{Digest, Hasher};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender};
use tokio::sync::mpsc;

/// Size of the pieces handed to the second thread: fits the cache of a core.
pub(super) const PIECE_BYTES: usize = 256 * 1024;
/// A buffer of [`PIECE_BYTES`] and how much of it is filled: it is never cleared.
pub(in crate::image) type Piece = (Vec<u8>, usize);
const READ_BYTES: usize = 128 * 1024;

/// Where compressed bytes come from.
#[derive(Debug)]
pub(in crate::image) enum Feed {
    File(File),
    /// Ends with `Ok(empty)`; a channel that just closes was given up.
    Channel(mpsc::Receiver<Result<Bytes, PullError>>),
}

/// Read, verify and decompress `feed` into `out`, in pieces; buffers come back through `back`.
/// Whatever goes wrong is the last thing sent.
pub(in crate::image) fn inflate(
    feed: Feed,
    expected: (Digest, u64),
    limits: Limits,
    budget: &Budget,
    out: &SyncSender<Result<Piece, LayerError>>,
    back: &Receiver<Vec<u8>>,
) {
    // A file of our own blob store was verified when it was stored, and the diff id proves the
    // content once more.
    let hasher = matches!(feed, Feed::Channel(_)).then(Hasher::new);
    let source = match feed {
        Feed::File(file) => Source::File(BufReader::with_capacity(READ_BYTES, file)),
        Feed::Channel(receiver) => Source::Channel {
            receiver,
            current: Bytes::new(),
            ended: false,
        },
    };
    let input = Hashing {
        source,
        hasher,
        length: 0,
        failed: None,
    };
    if let Err(error) = run(input, expected, limits, budget, out, back) {
        // Nobody listening is no trouble: the other thread has failed, with a reason of its own.
        let _ = out.send(Err(error));
    }
}

fn run(
    mut input: Hashing,
    (digest, size): (Digest, u64),
    limits: Limits,
    budget: &Budget,
    out: &SyncSender<Result<Piece, LayerError>>,
    back: &Receiver<Vec<u8>>,
) -> Result<(), LayerError> {
    let mut magic = [0; 4];
    let start = input.peek(&mut magic);
    let start = start.map_err(|e| input.failure(&e))?;
    let copied = match start {
        [0x1f, 0x8b, ..] => {
            let mut decoder = MultiGzDecoder::new(&mut input);
            copy(&mut decoder, limits, budget, out, back)
        }
        // A frame, or one to be skipped before it (RFC 8878; chunked layers begin so).
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            match zstd::Decoder::with_buffer(&mut input) {
                Ok(mut decoder) => copy(&mut decoder, limits, budget, out, back),
                Err(e) => Err(Stop::Read(e)),
            }
        }
        _ => copy(&mut input, limits, budget, out, back),
    };
    let drained = copied.and_then(|()| input.drain().map_err(Stop::Read));
    match drained {
        Ok(()) => {}
        Err(Stop::Read(e)) => return Err(input.failure(&e)),
        Err(Stop::Layer(e)) => return Err(e),
    }
    let (actual, length) = (input.hasher.map(Hasher::finish), input.length);
    if length != size {
        return Err(LayerError::Size {
            expected: size,
            actual: length,
        });
    }
    if let Some(actual) = actual.filter(|a| *a != digest) {
        return Err(LayerError::Digest {
            expected: digest,
            actual,
        });
    }
    // An empty piece: the end, and everything was as promised.
    out.send(Ok((Vec::new(), 0)))
        .map_err(|_| LayerError::Abandoned)
}

enum Stop {
    Read(io::Error),
    Layer(LayerError),
}

fn copy(
    decoder: &mut dyn Read,
    limits: Limits,
    budget: &Budget,
    out: &SyncSender<Result<Piece, LayerError>>,
    back: &Receiver<Vec<u8>>,
) -> Result<(), Stop> {
    let mut total = 0u64;
    loop {
        let recycled = back.try_recv().ok().filter(|b| b.len() == PIECE_BYTES);
        let mut piece = recycled.unwrap_or_else(|| vec![0; PIECE_BYTES]);
        let mut filled = 0;
        while filled < PIECE_BYTES {
            match decoder.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Stop::Read(e)),
            }
        }
        if filled == 0 {
            return Ok(());
        }
        total += filled as u64;
        if total > limits.max_layer_bytes {
            let max = limits.max_layer_bytes;
            let why = format!("the layer has more than the {max} uncompressed bytes allowed");
            return Err(Stop::Layer(LayerError::TooLarge(why)));
        }
        budget.spend(filled as u64).map_err(Stop::Layer)?;
        out.send(Ok((piece, filled)))
            .map_err(|_| Stop::Layer(LayerError::Abandoned))?;
    }
}

enum Source {
    File(BufReader<File>),
    Channel {
        receiver: mpsc::Receiver<Result<Bytes, PullError>>,
        current: Bytes,
        ended: bool,
    },
}

/// Hashes and counts what is consumed.
struct Hashing {
    source: Source,
    /// `None`: counts only.
    hasher: Option<Hasher>,
    length: u64,
    failed: Option<LayerError>,
}

impl Hashing {
    fn fill(&mut self) -> io::Result<&[u8]> {
        match &mut self.source {
            Source::File(file) => file.fill_buf(),
            Source::Channel {
                receiver,
                current,
                ended,
            } => {
                while current.is_empty() && !*ended {
                    match receiver.blocking_recv() {
                        Some(Ok(piece)) if piece.is_empty() => *ended = true,
                        Some(Ok(piece)) => *current = piece,
                        Some(Err(error)) => {
                            self.failed = Some(LayerError::Source(error));
                            return Err(io::ErrorKind::BrokenPipe.into());
                        }
                        None => {
                            self.failed = Some(LayerError::Abandoned);
                            return Err(io::ErrorKind::BrokenPipe.into());
                        }
                    }
                }
                Ok(current)
            }
        }
    }

    /// The first bytes, without consuming them; zeros where there are less.
    fn peek(&mut self, magic: &mut [u8; 4]) -> io::Result<[u8; 4]> {
        // A first network piece of less than four bytes is joined with the next ones.
        loop {
            let available = self.fill()?;
            let n = available.len().min(4);
            magic[..n].copy_from_slice(&available[..n]);
            if n == 4 || n == 0 {
                return Ok(*magic);
            }
            let Source::Channel {
                receiver,
                current,
                ended,
            } = &mut self.source
            else {
                return Ok(*magic);
            };
            match receiver.blocking_recv() {
                Some(Ok(piece)) if piece.is_empty() => {
                    *ended = true;
                    return Ok(*magic);
                }
                Some(Ok(piece)) => *current = [current.as_ref(), &piece].concat().into(),
                Some(Err(error)) => self.failed = Some(LayerError::Source(error)),
                None => self.failed = Some(LayerError::Abandoned),
            }
            if self.failed.is_some() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
    }

    fn drain(&mut self) -> io::Result<()> {
        loop {
            let n = self.fill_buf()?.len();
            if n == 0 {
                return Ok(());
            }
            self.consume(n);
        }
    }

    /// What a failed read means: the feed's own failure, else bytes that do not decompress.
    fn failure(&mut self, error: &io::Error) -> LayerError {
        match (self.failed.take(), &self.source) {
            (Some(failed), _) => failed,
            (None, Source::File(_)) if error.raw_os_error().is_some() => {
                let why = format!("failed to read the layer: {error}");
                LayerError::Source(PullError::fetching(PullErrorKind::Internal, 1, &why))
            }
            (None, _) => LayerError::Malformed(format!("cannot decompress: {error}")),
        }
    }
}

impl BufRead for Hashing {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill()
    }

    fn consume(&mut self, n: usize) {
        self.length += n as u64;
        match &mut self.source {
            Source::File(file) => {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&file.buffer()[..n]);
                }
                file.consume(n);
            }
            Source::Channel { current, .. } => {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&current[..n]);
                }
                current.advance(n);
            }
        }
    }
}

impl Read for Hashing {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let available = self.fill()?;
        let n = available.len().min(to.len());
        to[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

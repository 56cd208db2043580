//! Bodies, piece by piece: where they come from and where they go, whatever protocol carries them.

use super::framing::Length;
use super::head::{Fields, LINE_BYTES_MAX, Scan, trailers};
use crate::load_balancer::stream::{Reader, Writer};
use bytes::{Buf as _, Bytes};
use futures_util::FutureExt as _;
use std::io;

/// The longest line with a chunk's size; what follows the size means nothing and is dropped.
const CHUNK_LINE_BYTES_MAX: usize = 4096;
/// How much of a client's next requests is kept while it waits for an answer.
const AHEAD_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub enum Piece {
    Data(Bytes),
    /// The last piece, if it comes.
    Trailers(Fields),
}

/// Why a body does not come to its end.
#[derive(Debug)]
pub enum Trouble {
    /// The connection broke, or ended too soon.
    Gone,
    /// What was sent is no body.
    Malformed,
}

/// Where a body comes from.
pub trait Source {
    /// The next piece; `None` when there is no more. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Result<Option<Piece>, Trouble>;

    /// Was nothing taken yet, so that it could still be sent elsewhere?
    fn is_untouched(&self) -> bool;

    fn is_done(&self) -> bool;

    /// Waits, after the end, until whoever sends it goes away.
    async fn gone(&mut self);
}

/// Nothing, where there is nothing.
impl<S: Source> Source for Option<S> {
    async fn next(&mut self) -> Result<Option<Piece>, Trouble> {
        match self {
            Some(source) => source.next().await,
            None => Ok(None),
        }
    }

    fn is_untouched(&self) -> bool {
        self.as_ref().is_none_or(S::is_untouched)
    }

    fn is_done(&self) -> bool {
        self.as_ref().is_none_or(S::is_done)
    }

    async fn gone(&mut self) {
        match self {
            Some(source) => source.gone().await,
            None => std::future::pending().await,
        }
    }
}

/// Where a body goes.
pub trait Sink {
    async fn put(&mut self, piece: Piece) -> io::Result<()>;

    /// Sends what is gathered.
    async fn flush(&mut self) -> io::Result<()>;

    /// Says that there is no more, and sends everything.
    async fn end(&mut self) -> io::Result<()>;
}

/// Which side ended a copy before its end.
#[derive(Debug)]
pub enum Cut {
    Source(Trouble),
    Sink,
}

/// Copies a body to its end. What is at hand goes out together; nothing at hand waits for more.
pub async fn copy(
    from: &mut impl Source,
    to: &mut impl Sink,
    moved: impl Fn(usize),
) -> Result<(), Cut> {
    loop {
        let at_hand = from.next().now_or_never();
        let piece = match at_hand {
            Some(piece) => piece,
            None => {
                to.flush().await.map_err(|_| Cut::Sink)?;
                from.next().await
            }
        };
        let Some(piece) = piece.map_err(Cut::Source)? else {
            break;
        };
        let length = match &piece {
            Piece::Data(data) => data.len(),
            Piece::Trailers(_) => 0,
        };
        moved(length);
        to.put(piece).await.map_err(|_| Cut::Sink)?;
        moved(0);
    }
    to.end().await.map_err(|_| Cut::Sink)?;
    moved(0);
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// So many bytes.
    Known(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClose,
    Nothing,
    /// What was sent was no body: there is no telling where it ends.
    Lost,
}

/// A body as HTTP/1 sends it.
#[derive(Debug)]
pub struct Body<'a> {
    reader: &'a mut Reader,
    expected: Expected,
    is_untouched: bool,
    scan: Scan,
}

impl<'a> Body<'a> {
    pub fn new(reader: &'a mut Reader, length: Length) -> Body<'a> {
        let expected = match length {
            Length::None | Length::Known(0) => Expected::Nothing,
            Length::Known(length) => Expected::Known(length),
            Length::Chunked => Expected::ChunkLine,
            Length::UntilClose => Expected::UntilClose,
        };
        Body {
            reader,
            expected,
            is_untouched: true,
            scan: Scan::default(),
        }
    }

    /// What can be told from what is here; `None`: more must be read.
    fn step(&mut self) -> Result<Option<Option<Piece>>, Trouble> {
        loop {
            let text = &mut self.reader.text;
            match self.expected {
                Expected::Nothing => return Ok(Some(None)),
                Expected::Lost => return Err(Trouble::Malformed),
                Expected::UntilClose if text.is_empty() => return Ok(None),
                Expected::UntilClose => {
                    return Ok(Some(Some(Piece::Data(text.split().freeze()))));
                }
                Expected::Known(_) | Expected::Chunk(_) if text.is_empty() => return Ok(None),
                Expected::Known(left) => {
                    let (data, left) = take(text, left);
                    self.expected = match left {
                        0 => Expected::Nothing,
                        left => Expected::Known(left),
                    };
                    return Ok(Some(Some(Piece::Data(data))));
                }
                Expected::Chunk(left) => {
                    let (data, left) = take(text, left);
                    self.expected = match left {
                        0 => Expected::ChunkEnd,
                        left => Expected::Chunk(left),
                    };
                    return Ok(Some(Some(Piece::Data(data))));
                }
                Expected::ChunkEnd => {
                    if text.len() < 2 {
                        return Ok(None);
                    }
                    if !text.starts_with(b"\r\n") {
                        return Err(Trouble::Malformed);
                    }
                    text.advance(2);
                    self.expected = Expected::ChunkLine;
                }
                Expected::ChunkLine => {
                    let searched = &text[..text.len().min(CHUNK_LINE_BYTES_MAX)];
                    let Some(end) = memchr::memchr(b'\n', searched) else {
                        if text.len() >= CHUNK_LINE_BYTES_MAX {
                            return Err(Trouble::Malformed);
                        }
                        return Ok(None);
                    };
                    let size = chunk_size(&text[..end]).ok_or(Trouble::Malformed)?;
                    text.advance(end + 1);
                    self.expected = match size {
                        0 => Expected::Trailers,
                        size => Expected::Chunk(size),
                    };
                }
                Expected::Trailers => {
                    let end = self.scan.end(text, LINE_BYTES_MAX);
                    let Some(end) = end.map_err(|_| Trouble::Malformed)? else {
                        return Ok(None);
                    };
                    let text = text.split_to(end).freeze();
                    let fields = trailers(&text).map_err(|_| Trouble::Malformed)?;
                    self.expected = Expected::Nothing;
                    if fields.iter().next().is_some() {
                        return Ok(Some(Some(Piece::Trailers(fields))));
                    }
                }
            }
        }
    }
}

fn take(text: &mut bytes::BytesMut, left: u64) -> (Bytes, u64) {
    let length = usize::try_from(left).map_or(text.len(), |left| left.min(text.len()));
    (text.split_to(length).freeze(), left - length as u64)
}

/// The size of a line without its LF. Blanks, signs and a lone LF are no size.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r")?;
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = &line[digits..];
    let is_extension = rest.is_empty() || rest.starts_with(b";");
    let is_text = !rest.iter().any(|b| *b < b' ' && *b != b'\t' || *b == 0x7f);
    if digits == 0 || digits > 15 || !is_extension || !is_text {
        return None;
    }
    let text = std::str::from_utf8(&line[..digits]).ok()?;
    u64::from_str_radix(text, 16).ok()
}

impl Source for Body<'_> {
    async fn next(&mut self) -> Result<Option<Piece>, Trouble> {
        loop {
            let step = self.step();
            if step.is_err() {
                self.expected = Expected::Lost;
            }
            if let Some(piece) = step? {
                self.is_untouched &= piece.is_none();
                return Ok(piece);
            }
            match self.reader.fill().await {
                Ok(0) if self.expected == Expected::UntilClose => {
                    self.expected = Expected::Nothing;
                }
                Ok(0) | Err(_) => return Err(Trouble::Gone),
                Ok(_) => {}
            }
        }
    }

    fn is_untouched(&self) -> bool {
        self.is_untouched
    }

    fn is_done(&self) -> bool {
        self.expected == Expected::Nothing
    }

    async fn gone(&mut self) {
        while self.reader.text.len() < AHEAD_BYTES_MAX {
            if !self.reader.fill().await.is_ok_and(|length| length > 0) {
                return;
            }
        }
        std::future::pending().await
    }
}

/// A body as HTTP/1 takes it.
#[derive(Debug)]
pub struct BodySink<'a> {
    writer: &'a mut Writer,
    is_chunked: bool,
    trailers: Option<Fields>,
}

impl<'a> BodySink<'a> {
    pub fn new(writer: &'a mut Writer, is_chunked: bool) -> BodySink<'a> {
        BodySink {
            writer,
            is_chunked,
            trailers: None,
        }
    }

    pub fn set_chunked(&mut self, is_chunked: bool) {
        self.is_chunked = is_chunked;
    }

    /// What is to be sent before the body.
    pub fn gathered(&mut self) -> &mut bytes::BytesMut {
        &mut self.writer.gathered
    }
}

impl Sink for BodySink<'_> {
    async fn put(&mut self, piece: Piece) -> io::Result<()> {
        match piece {
            Piece::Data(data) if data.is_empty() => Ok(()),
            Piece::Data(data) if self.is_chunked => {
                let size = format!("{:x}\r\n", data.len());
                self.writer.gathered.extend_from_slice(size.as_bytes());
                self.writer.write(data).await?;
                self.writer.gathered.extend_from_slice(b"\r\n");
                Ok(())
            }
            Piece::Data(data) => self.writer.write(data).await,
            Piece::Trailers(fields) => {
                self.trailers = Some(fields);
                Ok(())
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().await
    }

    async fn end(&mut self) -> io::Result<()> {
        if self.is_chunked {
            let out = &mut self.writer.gathered;
            out.extend_from_slice(b"0\r\n");
            for (name, value) in self.trailers.iter().flat_map(Fields::iter) {
                if is_trailer(name) {
                    for part in [name, b": ", value, b"\r\n"] {
                        out.extend_from_slice(part);
                    }
                }
            }
            out.extend_from_slice(b"\r\n");
        }
        self.writer.flush().await
    }
}

/// May this field come after a body? Not what frames, routes or vouches (RFC 9110 section 6.5.1).
pub fn is_trailer(name: &[u8]) -> bool {
    const NEVER: [&str; 12] = [
        "transfer-encoding",
        "content-length",
        "host",
        "connection",
        "trailer",
        "te",
        "upgrade",
        "authorization",
        "cookie",
        "set-cookie",
        "content-type",
        "content-encoding",
    ];
    let name = name.to_ascii_lowercase();
    !NEVER.iter().any(|never| never.as_bytes() == name)
        && !name.starts_with(b"x-forwarded-")
        && !name.starts_with(b"x-amzn-")
}

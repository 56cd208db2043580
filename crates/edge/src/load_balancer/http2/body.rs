//! Bodies as HTTP/2 carries them, and heads in its form.

use crate::load_balancer::http::body::{Piece, Sink, Source, Trouble, is_trailer};
use crate::load_balancer::http::head::{Fields, trailers};
use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::future::poll_fn;
use std::io;

/// A body that comes.
#[derive(Debug)]
pub struct Http2Source {
    stream: RecvStream,
    is_untouched: bool,
    is_done: bool,
    /// Passed on, and not yet asked for again.
    taken: usize,
}

impl Http2Source {
    pub fn new(stream: RecvStream) -> Http2Source {
        Http2Source {
            is_done: stream.is_end_stream(),
            stream,
            is_untouched: true,
            taken: 0,
        }
    }
}

impl Source for Http2Source {
    async fn next(&mut self) -> Result<Option<Piece>, Trouble> {
        if self.is_done {
            return Ok(None);
        }
        // Whoever asks for more has passed on what came before.
        let taken = std::mem::take(&mut self.taken);
        let _ = self.stream.flow_control().release_capacity(taken);
        if let Some(data) = poll_fn(|cx| self.stream.poll_data(cx)).await {
            let data = data.map_err(|_| Trouble::Gone)?;
            self.taken = data.len();
            self.is_untouched = false;
            return Ok(Some(Piece::Data(data)));
        }
        let trailers = poll_fn(|cx| self.stream.poll_trailers(cx)).await;
        self.is_done = true;
        let Some(trailers) = trailers.map_err(|_| Trouble::Gone)? else {
            return Ok(None);
        };
        self.is_untouched = false;
        let fields = fields(&trailers).map_err(|()| Trouble::Malformed)?;
        Ok(Some(Piece::Trailers(fields)))
    }

    fn is_untouched(&self) -> bool {
        self.is_untouched
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    async fn gone(&mut self) {
        // Writing finds it out.
        std::future::pending().await
    }
}

/// Fields in the form in which everything here knows them.
fn fields(map: &HeaderMap) -> Result<Fields, ()> {
    let mut text = BytesMut::new();
    write_fields(&mut text, map);
    text.extend_from_slice(b"\r\n");
    trailers(&text.freeze()).map_err(|_| ())
}

/// Writes fields as lines. A value can hold neither CR nor LF.
pub fn write_fields(text: &mut BytesMut, map: &HeaderMap) {
    for (name, value) in map {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
}

/// What cannot be said in HTTP/2 is left out.
pub fn put(map: &mut HeaderMap, name: &[u8], value: &[u8]) {
    let name = HeaderName::from_bytes(name);
    let value = HeaderValue::from_bytes(value);
    if let (Ok(name), Ok(value)) = (name, value) {
        map.append(name, value);
    }
}

/// A body that goes.
#[derive(Debug)]
pub struct Http2Sink {
    /// `None` until the head is sent, and when there is no body.
    pub stream: Option<SendStream<Bytes>>,
    trailers: Option<HeaderMap>,
}

impl Http2Sink {
    pub fn new(stream: Option<SendStream<Bytes>>) -> Http2Sink {
        Http2Sink {
            stream,
            trailers: None,
        }
    }
}

fn broken(_: h2::Error) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl Sink for Http2Sink {
    async fn put(&mut self, piece: Piece) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        match piece {
            Piece::Data(mut data) => {
                while !data.is_empty() {
                    stream.reserve_capacity(data.len());
                    let capacity = poll_fn(|cx| stream.poll_capacity(cx)).await;
                    let capacity = capacity.ok_or(io::ErrorKind::BrokenPipe)?;
                    let length = capacity.map_err(broken)?.min(data.len());
                    stream
                        .send_data(data.split_to(length), false)
                        .map_err(broken)?;
                }
            }
            Piece::Trailers(fields) => {
                let mut map = HeaderMap::new();
                for (name, value) in fields.iter().filter(|(name, _)| is_trailer(name)) {
                    put(&mut map, name, value);
                }
                self.trailers = Some(map);
            }
        }
        Ok(())
    }

    /// The connection's task sends.
    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn end(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let end = match self.trailers.take() {
            Some(trailers) => stream.send_trailers(trailers),
            None => stream.send_data(Bytes::new(), true),
        };
        end.map_err(broken)
    }
}

//! Connections with their two halves: what is read is kept until it is understood, and what is
//! written is gathered. A connection that waits holds no buffer.

use bytes::{Buf as _, Bytes, BytesMut};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// How much is read at once, and how much is gathered before it is written.
const READ_BYTES: usize = 64 * 1024;
const GATHER_BYTES: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// A connection to a client or to a target.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The connection itself.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }

    pub fn halves(self) -> (Reader, Writer) {
        let (read, write) = split(self);
        let reader = Reader {
            half: read,
            text: BytesMut::new(),
        };
        let writer = Writer {
            half: write,
            gathered: BytesMut::new(),
        };
        (reader, writer)
    }
}

/// Puts a connection together again, to do with it what needs the whole.
pub fn whole(reader: Reader, writer: Writer) -> Stream {
    reader.half.unsplit(writer.half)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[derive(Debug)]
pub struct Reader {
    half: ReadHalf<Stream>,
    /// What was read and is not understood yet.
    pub text: BytesMut,
}

impl Reader {
    /// Reads more; 0: there is no more. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.half).poll_read(cx, &mut buffer))?;
            self.text.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }

    /// Gives memory back before a wait.
    pub fn rest(&mut self) {
        if self.text.is_empty() {
            self.text = BytesMut::new();
        }
    }
}

#[derive(Debug)]
pub struct Writer {
    half: WriteHalf<Stream>,
    /// What is to be written together with what comes next.
    pub gathered: BytesMut,
}

impl Writer {
    /// Writes these bytes, perhaps later: see [`Writer::flush`].
    ///
    /// # Errors
    /// The connection broke.
    pub async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.gathered.len() + bytes.len() <= GATHER_BYTES {
            self.gathered.extend_from_slice(&bytes);
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered);
        self.half.write_all_buf(&mut gathered.chain(bytes)).await
    }

    /// # Errors
    /// The connection broke.
    pub async fn flush(&mut self) -> io::Result<()> {
        if !self.gathered.is_empty() {
            self.half.write_all_buf(&mut self.gathered).await?;
            self.gathered = BytesMut::new();
        }
        self.half.flush().await
    }

    /// Says that nothing more will come.
    pub async fn finish(&mut self) {
        // Whoever is gone needs not be told.
        let _ = self.flush().await;
        let _ = self.half.shutdown().await;
    }
}

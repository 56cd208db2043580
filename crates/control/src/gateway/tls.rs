//! TLS on the port: what the other end begins with says whether it speaks it.

use super::link::Link;
use super::{Gateway, Peer, close, own};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_service::door::Body;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// What a connection holds of what was read and not yet understood: the longest head.
const MAX_READ_BYTES: usize = 64 << 10;
/// The content type of a handshake, with which every connection of TLS begins (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// How the port speaks TLS.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    /// Plain HTTP is understood as well.
    pub(super) or_plain: bool,
}

impl Tls {
    pub(super) fn new(config: Arc<ServerConfig>) -> Tls {
        Tls {
            config,
            or_plain: false,
        }
    }
}

/// What is spoken on a connection.
enum Spoken {
    Plain,
    Tls(Arc<ServerConfig>),
    /// Plain HTTP where TLS is.
    Unprotected,
}

impl Gateway {
    /// Answers what comes on a connection until it ends.
    pub(super) async fn converse(self: Arc<Self>, peer: Peer, stream: TcpStream) {
        let ended = match self.spoken(&stream).await {
            Ok(Spoken::Plain) => {
                let link = Link::new(stream, self.patience);
                self.speak(peer, link).await
            }
            Ok(Spoken::Tls(config)) => {
                let link = Link::new(stream, self.patience);
                let shaken = TlsAcceptor::from(config).accept(link);
                match tokio::time::timeout(self.patience, shaken).await {
                    Ok(Ok(link)) => self.speak(peer, link).await,
                    Ok(Err(error)) => Err(error.into()),
                    Err(late) => Err(late.into()),
                }
            }
            Ok(Spoken::Unprotected) => {
                let link = Link::new(stream, self.patience);
                let id = self.house().rng.uuid();
                let answer = move |_: Request<Incoming>| std::future::ready(Ok(unprotected(&id)));
                self.serve_on(link, answer).await
            }
            Err(error) => Err(error.into()),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }

    async fn spoken(&self, stream: &TcpStream) -> io::Result<Spoken> {
        let Some(tls) = &self.tls else {
            return Ok(Spoken::Plain);
        };
        let mut first = [0];
        let peeked = tokio::time::timeout(self.patience, stream.peek(&mut first)).await;
        match peeked.map_err(io::Error::from)?? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ if first[0] == HANDSHAKE => Ok(Spoken::Tls(tls.config.clone())),
            _ if tls.or_plain => Ok(Spoken::Plain),
            _ => Ok(Spoken::Unprotected),
        }
    }

    async fn speak<L>(self: &Arc<Self>, peer: Peer, link: L) -> Result<(), Ended>
    where
        L: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let gateway = self.clone();
        let answer = move |request| {
            let gateway = gateway.clone();
            async move { Ok(gateway.answer(peer, request).await) }
        };
        self.serve_on(link, answer).await
    }

    /// HTTP/1.1 only: no AWS client speaks HTTP/2 without TLS, where its detection would wait for
    /// the first bytes without a limit, and none needs it with TLS.
    async fn serve_on<L, F>(
        &self,
        link: L,
        answer: impl Fn(Request<Incoming>) -> F + Send,
    ) -> Result<(), Ended>
    where
        L: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Result<Response<Body>, Infallible>> + Send,
    {
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience)
            .max_buf_size(MAX_READ_BYTES);
        let service = hyper::service::service_fn(answer);
        let served = server
            .serve_connection(TokioIo::new(link), service)
            .with_upgrades();
        Ok(served.await?)
    }
}

/// Why a connection ended.
type Ended = Box<dyn std::error::Error + Send + Sync>;

/// Nothing that was sent so is acted on: whoever listens has read it.
fn unprotected(id: &str) -> Response<Body> {
    let message = "This port speaks TLS: use https:// (neargate env prints the address).";
    let mut response = own::refuse(StatusCode::BAD_REQUEST, "InsecureTransport", message, id);
    close(&mut response);
    response
}

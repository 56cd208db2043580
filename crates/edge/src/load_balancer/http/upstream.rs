//! Connections to targets that speak HTTP/1.1, and those that wait to be used again.

use super::body::{Body, Source};
use super::framing::{self, Framing, Length};
use super::head::{RESPONSE_BYTES_MAX, Response, Scan, Version, Wrong};
use crate::load_balancer::listener::Door;
use crate::load_balancer::place::Place;
use crate::load_balancer::stream::{Reader, Stream, Writer};
use crate::load_balancer::target::Target;
use crate::load_balancer::tls;
use futures_util::FutureExt as _;
use neargate_base::time::Stopwatch;
use neargate_domain::load_balancer::Protocol;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a target may take to accept a connection
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html>).
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// A connection that was used so lately is hardly being closed by its target right now.
const FRESH: Duration = Duration::from_secs(1);
/// How long connections wait to be used again.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How many wait for one target on one worker.
const IDLE_CONNECTIONS_MAX: usize = 256;

/// A connection that carries one request at a time.
#[derive(Debug)]
pub struct Upstream {
    pub reader: Reader,
    pub writer: Writer,
    /// It has carried a request before.
    pub is_reused: bool,
}

/// Why there is no response.
#[derive(Debug)]
pub enum NoResponse {
    /// The connection ended before a byte of it came.
    Nothing,
    /// It ended or broke in its middle, or what came is no response.
    Malformed,
}

/// A connection, with TLS where the group asks for that.
///
/// # Errors
/// The target does not take it.
pub async fn connect(
    place: &Place,
    target: &Target,
    protocol: Protocol,
    alpn: &'static [u8],
) -> io::Result<Stream> {
    let stream = place.connect(target.address, CONNECT_PATIENCE).await?;
    match protocol {
        Protocol::Https | Protocol::Tls => {
            timeout(
                CONNECT_PATIENCE,
                encrypted(stream, *target.address.ip(), alpn),
            )
            .await?
        }
        _ => Ok(Stream::Plain(stream)),
    }
}

/// # Errors
/// The other side does not speak TLS.
pub async fn encrypted(stream: TcpStream, to: Ipv4Addr, alpn: &'static [u8]) -> io::Result<Stream> {
    thread_local! {
        static CONFIGS: RefCell<HashMap<&'static [u8], Arc<ClientConfig>>> = RefCell::default();
    }
    let config = CONFIGS.with_borrow_mut(|configs| {
        let config = configs.entry(alpn).or_insert_with(|| tls::client(alpn));
        Arc::clone(config)
    });
    let name = ServerName::IpAddress(to.into());
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    Ok(Stream::Tls(Box::new(stream.into())))
}

/// What a target says to one request, whatever protocol carries it.
pub trait Answers {
    /// The next head, which may be an interim one.
    async fn head(&mut self) -> Result<Response, NoResponse>;

    /// Where the body of this response ends.
    ///
    /// # Errors
    /// There is no telling.
    fn framing(&self, response: &Response, method: &[u8]) -> Result<Framing, Wrong>;

    fn body(&mut self, length: Length) -> impl Source;

    /// May the connection be used again after this response?
    fn may_go_on(&self, response: &Response, framing: Framing) -> bool;
}

/// By HTTP/1.
pub struct Http1Answers<'a>(pub &'a mut Reader);

impl Answers for Http1Answers<'_> {
    async fn head(&mut self) -> Result<Response, NoResponse> {
        response(self.0).await
    }

    fn framing(&self, response: &Response, method: &[u8]) -> Result<Framing, Wrong> {
        framing::of_response(response, method)
    }

    fn body(&mut self, length: Length) -> impl Source {
        Body::new(self.0, length)
    }

    fn may_go_on(&self, response: &Response, framing: Framing) -> bool {
        response.version == Version::Http11
            && !response.fields.has_word("connection", "close")
            && framing.length != Length::UntilClose
            && !framing.is_doubtful
            && self.0.text.is_empty()
    }
}

impl Upstream {
    /// # Errors
    /// The target does not take it.
    pub async fn connect(
        place: &Place,
        target: &Target,
        protocol: Protocol,
    ) -> io::Result<Upstream> {
        let stream = connect(place, target, protocol, b"http/1.1").await?;
        let (reader, writer) = stream.halves();
        Ok(Upstream {
            reader,
            writer,
            is_reused: false,
        })
    }

    /// Did the target say nothing since, not even that it closes?
    fn is_quiet(&mut self) -> bool {
        let more = poll_fn(|cx| self.reader.poll_fill(cx)).now_or_never();
        more.is_none() && self.reader.text.is_empty()
    }
}

/// Reads the head of a response.
pub async fn response(reader: &mut Reader) -> Result<Response, NoResponse> {
    let mut scan = Scan::default();
    loop {
        let end = scan.end(&reader.text, RESPONSE_BYTES_MAX);
        if let Some(end) = end.map_err(|Wrong(_)| NoResponse::Malformed)? {
            let text = reader.text.split_to(end).freeze();
            return Response::parse(text).map_err(|_| NoResponse::Malformed);
        }
        match reader.fill().await {
            Ok(1..) => {}
            Ok(0) | Err(_) if reader.text.is_empty() => return Err(NoResponse::Nothing),
            Ok(_) | Err(_) => return Err(NoResponse::Malformed),
        }
    }
}

/// Connections that wait, by target and by the node from which they were made.
#[derive(Debug, Default)]
pub struct Pool {
    waiting: RefCell<HashMap<(u64, u64), Vec<Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    upstream: Upstream,
    since: Stopwatch,
}

fn key(target: &Target, door: &Door) -> (u64, u64) {
    (target.number, door.place.number)
}

impl Pool {
    /// The connection that was used last, if one is good. One that may be closing at this moment is
    /// good only for a request that could be sent again.
    pub fn take(&self, target: &Target, door: &Door, may_send_again: bool) -> Option<Upstream> {
        let mut waiting = self.waiting.borrow_mut();
        let connections = waiting.get_mut(&key(target, door))?;
        while let Some(last) = connections.last() {
            if !may_send_again && last.since.elapsed() > FRESH {
                return None;
            }
            let mut upstream = connections.pop()?.upstream;
            if upstream.is_quiet() {
                upstream.is_reused = true;
                return Some(upstream);
            }
        }
        None
    }

    pub fn put(&self, target: &Target, door: &Door, mut upstream: Upstream) {
        if target.is_draining() || target.gone.is_cancelled() || door.closed.is_cancelled() {
            return;
        }
        upstream.reader.rest();
        let mut waiting = self.waiting.borrow_mut();
        let connections = waiting.entry(key(target, door)).or_default();
        if connections.len() < IDLE_CONNECTIONS_MAX {
            connections.push(Waiting {
                upstream,
                since: Stopwatch::start(),
            });
        }
    }

    /// Closes those of these targets.
    pub fn forget(&self, targets: &[u64]) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|(target, _), _| !targets.contains(target));
    }

    /// Closes those that waited too long, and those that targets closed.
    pub fn sweep(&self) {
        let mut waiting = self.waiting.borrow_mut();
        for connections in waiting.values_mut() {
            connections.retain_mut(|c| c.since.elapsed() < IDLE_MAX && c.upstream.is_quiet());
        }
        waiting.retain(|_, connections| !connections.is_empty());
    }
}

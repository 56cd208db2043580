//! A client's connection that speaks HTTP/1: one request after another.

use super::answer::{Answer, SERVER, reason};
use super::body::{Body, BodySink, Piece, Sink, Source as _};
use super::carry::Activity;
use super::desync::{Class, Tier};
use super::exchange::{Exchange, Outcome, Reply, Tunnel};
use super::forward::{put_field, write_response};
use super::framing::{self, Framing, Length};
use super::head::{REQUEST_BYTES_MAX, Request, Response, Scan, Version, Wrong};
use crate::load_balancer::http2::client as http2;
use crate::load_balancer::listener::{Door, Front};
use crate::load_balancer::observed::counts::Metric;
use crate::load_balancer::observed::entry::{self, Connected, Seen};
use crate::load_balancer::observed::record::Record;
use crate::load_balancer::settings::DesyncMitigation;
use crate::load_balancer::stream::{Reader, Stream, Writer};
use crate::load_balancer::tcp::{self, pump, reset};
use crate::load_balancer::tls::Agreed;
use crate::load_balancer::worker::Worker;
use bytes::Buf as _;
use neargate_base::time::{Clock as _, Stopwatch, SystemClock};
use neargate_domain::load_balancer::Protocol;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How much of what a client still sends is thrown away so that it can read its answer, and for how
/// long.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(2);
/// How long a client may take to agree on keys.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// Serves a connection until it ends: after a handshake where its listener asks for one.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddrV4, door: Arc<Door>) {
    let Some(front) = door.front.load_full() else {
        return;
    };
    // Its name in both logs.
    let trace = worker.random();
    let (since, began) = (Stopwatch::start(), SystemClock.now());
    let log = |agreed: Option<&Agreed>, outcome: entry::Outcome<'_>| {
        let connections = front.logs.connections.as_ref();
        front.logs.write(connections, &door, || {
            entry::connection(&Connected {
                now: SystemClock.now(),
                peer,
                port: front.port,
                agreed,
                outcome,
                trace,
            })
        });
    };
    let Some(tls) = &front.tls else {
        let stream = Stream::Plain(stream);
        return match front.protocol {
            Protocol::Tcp | Protocol::TcpUdp => {
                tcp::serve(worker, stream, peer, door, front, None).await;
            }
            _ => {
                log(None, entry::Outcome::Plain);
                drop(front);
                serve_http1(worker, stream, peer, door, None, trace).await;
            }
        };
    };
    let (config, seen) = tls.connection();
    let handshake = Box::pin(handshake(config, stream));
    let stream = match timeout(HANDSHAKE_PATIENCE, handshake).await {
        Ok(Ok(stream)) => stream,
        // Whoever does not speak TLS is told nothing.
        Ok(Err(_)) | Err(_) => {
            door.counts.count(Metric::ClientTlsNegotiationError);
            return log(None, entry::Outcome::Failed(seen.take().as_ref()));
        }
    };
    let session = stream.get_ref().1;
    let agreed = Some(Agreed::of(tls, session));
    let handshake = since.elapsed();
    log(agreed.as_ref(), entry::Outcome::Agreed(handshake));
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let stream = Stream::Tls(Box::new(stream.into()));
    // The two are boxed so that neither takes the other's room.
    match is_http2 {
        _ if front.protocol == Protocol::Tls => {
            let secured = agreed.map(|agreed| tcp::Secured {
                agreed,
                began,
                handshake,
            });
            Box::pin(tcp::serve(worker, stream, peer, door, front, secured)).await;
        }
        true => Box::pin(http2::serve(worker, stream, peer, door, agreed, trace)).await,
        false => Box::pin(serve_http1(worker, stream, peer, door, agreed, trace)).await,
    }
}

async fn handshake(
    config: Arc<ServerConfig>,
    mut stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    // A client that speaks HTTP where TLS is spoken is told so.
    if first[0].is_ascii_uppercase() {
        let page = Answer::page(400);
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nServer: {SERVER}\r\nContent-Type: text/html\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{}",
            page.body.len(),
            page.body
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        return Err(io::ErrorKind::InvalidData.into());
    }
    TlsAcceptor::from(config).accept(stream).await
}

async fn serve_http1(
    worker: Rc<Worker>,
    stream: Stream,
    peer: SocketAddrV4,
    door: Arc<Door>,
    agreed: Option<Agreed>,
    trace: u64,
) {
    let (mut reader, mut writer) = stream.halves();
    let age = Stopwatch::start();
    while wait(&mut reader, &door).await {
        let Some(front) = door.front.load_full() else {
            break;
        };
        let connection = Connection {
            worker: &worker,
            door: &door,
            front: &front,
            peer,
            agreed: agreed.as_ref(),
            trace,
            is_old: door.leaving.is_cancelled()
                || age.elapsed() >= front.settings.client_keep_alive,
        };
        // Apart, so that a connection that waits is small.
        match Box::pin(connection.request(&mut reader, &mut writer)).await {
            Next::Request => {}
            Next::End => return linger(reader, writer).await,
            Next::Reset => return reset(reader, writer),
        }
    }
    writer.finish().await;
}

/// Waits for the first bytes of a request.
async fn wait(reader: &mut Reader, door: &Door) -> bool {
    reader.rest();
    if !reader.text.is_empty() {
        return true;
    }
    let idle = door.front.load().as_ref().map(|f| f.settings.idle_timeout);
    tokio::select! {
        read = reader.fill() => read.is_ok_and(|length| length > 0),
        () = sleep(idle.unwrap_or_default()) => false,
        () = door.closed.cancelled() => false,
    }
}

/// Says that nothing more comes, and lets the client read it.
async fn linger(mut reader: Reader, mut writer: Writer) {
    writer.finish().await;
    let rest = async {
        let mut length = 0;
        while length < LINGER_BYTES {
            match reader.fill().await {
                Ok(more @ 1..) => length += more,
                Ok(0) | Err(_) => return,
            }
            reader.text.clear();
        }
    };
    // However it ends, the connection does.
    let _ = timeout(LINGER, rest).await;
}

enum Next {
    Request,
    End,
    Reset,
}

struct Connection<'a> {
    worker: &'a Worker,
    door: &'a Door,
    front: &'a Front,
    peer: SocketAddrV4,
    agreed: Option<&'a Agreed>,
    /// The connection's name in logs.
    trace: u64,
    /// It gets one more answer, and no other.
    is_old: bool,
}

impl Connection<'_> {
    async fn request(&self, reader: &mut Reader, writer: &mut Writer) -> Next {
        let record = Record::new();
        let patience = self.front.settings.idle_timeout;
        let request = match timeout(patience, head(reader)).await {
            Ok(Ok(request)) => request,
            Ok(Err(Headless::Gone)) => return Next::Reset,
            Ok(Err(Headless::Wrong(wrong))) => {
                return self.refuse(writer, wrong, &record, None).await;
            }
            Err(_) => return self.refuse(writer, Wrong(408), &record, None).await,
        };
        record.received(request.size());
        let framing = match framing::of_request(&request) {
            Ok(framing) => framing,
            Err(wrong) => return self.refuse(writer, wrong, &record, Some(&request)).await,
        };
        let class = Class::of(&request);
        record.class.set(Some(class));
        let framing = match self.front.settings.desync_mitigation {
            DesyncMitigation::Monitor => framing,
            DesyncMitigation::Defensive => Framing {
                is_doubtful: framing.is_doubtful || class.tier == Tier::Ambiguous,
                ..framing
            },
            DesyncMitigation::Strictest if framing.is_doubtful || class.tier > Tier::Compliant => {
                return self
                    .refuse(writer, Wrong(400), &record, Some(&request))
                    .await;
            }
            DesyncMitigation::Strictest => framing,
        };
        let closes = request.fields.has_word("connection", "close");
        let keeps = match request.version {
            Version::Http10 => request.fields.has_word("connection", "keep-alive") && !closes,
            Version::Http11 | Version::Http2 => !closes,
        };
        let mut body = Body::new(reader, framing.length);
        let mut reply = Http1Reply {
            sink: BodySink::new(writer, false),
            worker: self.worker,
            front: self.front,
            record: &record,
            is_http11: request.version == Version::Http11,
            is_head: request.method() == b"HEAD",
            keeps: keeps && !self.is_old && !framing.is_doubtful,
            has_no_body: false,
        };
        let exchange = Exchange {
            worker: self.worker,
            door: self.door,
            front: self.front,
            peer: self.peer,
            agreed: self.agreed,
            request: &request,
            framing,
            record: &record,
        };
        let outcome = exchange.run(&mut body, &mut reply).await;
        let keeps = reply.keeps;
        let next = match outcome {
            Outcome::Answered if keeps && body.is_done() => Next::Request,
            Outcome::Answered => Next::End,
            Outcome::Broken => Next::Reset,
            Outcome::Tunnel(tunnel) => self.tunnel(*tunnel, reader, writer, &record).await,
        };
        self.is_over(&record, Some(&request));
        next
    }

    /// Answers what is no request; nothing after it is looked at.
    async fn refuse(
        &self,
        writer: &mut Writer,
        wrong: Wrong,
        record: &Record,
        request: Option<&Request>,
    ) -> Next {
        record.is_answered(wrong.0);
        let mut reply = Http1Reply {
            sink: BodySink::new(writer, false),
            worker: self.worker,
            front: self.front,
            record,
            is_http11: true,
            is_head: false,
            keeps: false,
            has_no_body: false,
        };
        let answered = reply.answer(&Answer::page(wrong.0)).await;
        self.is_over(record, request);
        match answered {
            Ok(()) => Next::End,
            Err(_) => Next::Reset,
        }
    }

    /// Counts a request, and writes it to the log.
    fn is_over(&self, record: &Record, request: Option<&Request>) {
        record.count(self.door, request);
        let logs = &self.front.logs;
        logs.write(logs.access.as_ref(), self.door, || {
            entry::access(&Seen {
                front: self.front,
                peer: self.peer,
                agreed: self.agreed,
                request,
                record,
                trace: self.trace,
                now: SystemClock.now(),
            })
        });
    }

    /// Carries bytes both ways until one side ends or nothing moves for too long.
    async fn tunnel(
        &self,
        tunnel: Tunnel,
        reader: &mut Reader,
        writer: &mut Writer,
        record: &Record,
    ) -> Next {
        let Tunnel {
            response,
            mut upstream,
            underway,
        } = tunnel;
        let added = [("Connection", "upgrade"), ("Upgrade", "websocket")];
        let out = &mut writer.gathered;
        write_response(out, &response, Length::None, &added, &self.front.settings);
        out.extend_from_slice(b"\r\n");
        if writer.flush().await.is_err() {
            return Next::Reset;
        }
        let activity = Activity::new(self.front.settings.idle_timeout);
        let (received, sent) = (&record.received_bytes, &record.sent_bytes);
        let there = pump(reader, &mut upstream.writer, &activity, received);
        let back = pump(&mut upstream.reader, writer, &activity, sent);
        tokio::select! {
            _ = async { tokio::join!(there, back) } => Next::End,
            () = activity.is_over() => Next::End,
            () = underway.0.gone.cancelled() => Next::Reset,
        }
    }
}

enum Headless {
    Gone,
    Wrong(Wrong),
}

async fn head(reader: &mut Reader) -> Result<Request, Headless> {
    let mut scan = Scan::default();
    loop {
        // Empty lines before a request are passed over (RFC 9112 section 2.2).
        while reader.text.starts_with(b"\r\n") {
            reader.text.advance(2);
            scan = Scan::default();
        }
        let end = scan.end(&reader.text, REQUEST_BYTES_MAX);
        if let Some(end) = end.map_err(Headless::Wrong)? {
            let text = reader.text.split_to(end).freeze();
            return Request::parse(text).map_err(Headless::Wrong);
        }
        match reader.fill().await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(Headless::Gone),
        }
    }
}

/// An answer by HTTP/1.
struct Http1Reply<'a> {
    sink: BodySink<'a>,
    worker: &'a Worker,
    front: &'a Front,
    record: &'a Record,
    is_http11: bool,
    is_head: bool,
    /// Another request may follow.
    keeps: bool,
    has_no_body: bool,
}

impl Http1Reply<'_> {
    fn end_of_head(&mut self) {
        let word = if self.keeps { "keep-alive" } else { "close" };
        let out = self.sink.gathered();
        put_field(out, b"Connection", word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

impl Sink for Http1Reply<'_> {
    async fn put(&mut self, piece: Piece) -> io::Result<()> {
        if self.has_no_body {
            return Ok(());
        }
        self.sink.put(piece).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.sink.flush().await
    }

    async fn end(&mut self) -> io::Result<()> {
        self.sink.end().await
    }
}

impl Reply for Http1Reply<'_> {
    fn start(&mut self, response: &Response, framing: Framing, added: &[(&str, &str)]) {
        let length = match (framing.length, self.is_http11) {
            (Length::None, _) if response.status != 204 => {
                framing.said.map_or(Length::None, Length::Known)
            }
            (Length::Chunked | Length::UntilClose, true) => Length::Chunked,
            (Length::Chunked | Length::UntilClose, false) => {
                self.keeps = false;
                Length::UntilClose
            }
            (length, _) => length,
        };
        self.has_no_body = framing.length == Length::None;
        let settings = &self.front.settings;
        let before = self.sink.gathered().len();
        write_response(self.sink.gathered(), response, length, added, settings);
        if response.fields.first("date").is_none() {
            let date = self.worker.date();
            put_field(self.sink.gathered(), b"Date", date.as_bytes());
        }
        self.sink.set_chunked(length == Length::Chunked);
        self.end_of_head();
        self.record.sent(self.sink.gathered().len() - before);
    }

    async fn go_on(&mut self) -> io::Result<()> {
        let text = b"HTTP/1.1 100 Continue\r\n\r\n";
        self.sink.gathered().extend_from_slice(text);
        self.sink.flush().await
    }

    async fn gone(&mut self) {
        // It shows where its requests come from.
        std::future::pending().await
    }

    fn close_after(&mut self) {
        self.keeps = false;
    }

    async fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        let date = self.worker.date();
        let settings = &self.front.settings;
        let out = self.sink.gathered();
        let before = out.len();
        let line = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
        out.extend_from_slice(line.as_bytes());
        if settings.server_field {
            put_field(out, b"Server", SERVER.as_bytes());
        }
        put_field(out, b"Date", date.as_bytes());
        put_field(out, b"Content-Type", answer.content_type.as_bytes());
        let length = answer.body.len().to_string();
        put_field(out, b"Content-Length", length.as_bytes());
        if let Some(location) = &answer.location {
            put_field(out, b"Location", location.as_bytes());
        }
        for (name, value) in &settings.response_fields {
            put_field(out, name.as_bytes(), value.as_bytes());
        }
        self.end_of_head();
        if !self.is_head {
            self.sink
                .gathered()
                .extend_from_slice(answer.body.as_bytes());
        }
        self.record.sent(self.sink.gathered().len() - before);
        self.sink.flush().await
    }
}

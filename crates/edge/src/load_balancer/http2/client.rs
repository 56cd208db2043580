//! A client's connection that speaks HTTP/2: each request a task of its own.

use super::body::{Http2Sink, Http2Source, put, write_fields};
use crate::load_balancer::http::answer::{Answer, SERVER};
use crate::load_balancer::http::body::{Piece, Sink, Source as _};
use crate::load_balancer::http::exchange::{Exchange, Outcome, Reply};
use crate::load_balancer::http::forward::each_response_field;
use crate::load_balancer::http::framing::{Framing, Length, of_request};
use crate::load_balancer::http::head::{REQUEST_BYTES_MAX, Request, Response, Wrong};
use crate::load_balancer::listener::{Door, Front};
use crate::load_balancer::observed::entry::{self, Seen};
use crate::load_balancer::observed::record::Record;
use crate::load_balancer::stream::Stream;
use crate::load_balancer::tls::Agreed;
use crate::load_balancer::worker::Worker;
use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, StatusCode};
use neargate_base::time::{Clock as _, Stopwatch, SystemClock};
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

/// How many requests a connection carries at once
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html>).
const STREAMS_MAX: u32 = 128;
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// How long a client may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves a connection until it ends.
pub async fn serve(
    worker: Rc<Worker>,
    stream: Stream,
    peer: SocketAddrV4,
    door: Arc<Door>,
    agreed: Option<Agreed>,
    trace: u64,
) {
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(REQUEST_BYTES_MAX).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .handshake(stream);
    let Ok(Ok(mut connection)) = timeout(PATIENCE, handshake).await else {
        return;
    };
    let age = Stopwatch::start();
    let under_way = Rc::new(Cell::new(0_usize));
    let agreed = Rc::new(agreed);
    let mut is_ending = false;
    loop {
        let front = door.front.load_full();
        let idle = front.as_ref().map(|front| front.settings.idle_timeout);
        tokio::select! {
            accepted = connection.accept() => {
                let (Some(Ok((request, respond))), Some(front)) = (accepted, front) else {
                    return;
                };
                if age.elapsed() >= front.settings.client_keep_alive && !is_ending {
                    is_ending = true;
                    connection.graceful_shutdown();
                }
                under_way.set(under_way.get() + 1);
                let stream = Stream2 {
                    worker: Rc::clone(&worker),
                    door: Arc::clone(&door),
                    front,
                    peer,
                    agreed: Rc::clone(&agreed),
                    trace,
                };
                let under_way = Rc::clone(&under_way);
                spawn_local(async move {
                    stream.serve(request, respond).await;
                    under_way.set(under_way.get() - 1);
                });
            }
            () = sleep(idle.unwrap_or_default()), if under_way.get() == 0 => {
                if is_ending {
                    return;
                }
                is_ending = true;
                connection.graceful_shutdown();
            }
            () = door.leaving.cancelled(), if !is_ending => {
                is_ending = true;
                connection.graceful_shutdown();
            }
            () = door.closed.cancelled(), if !is_ending => {
                is_ending = true;
                connection.graceful_shutdown();
            }
        }
    }
}

/// A request of a connection.
struct Stream2 {
    worker: Rc<Worker>,
    door: Arc<Door>,
    front: Arc<Front>,
    peer: SocketAddrV4,
    agreed: Rc<Option<Agreed>>,
    /// The connection's name in logs.
    trace: u64,
}

impl Stream2 {
    async fn serve(&self, request: http::Request<RecvStream>, respond: SendResponse<Bytes>) {
        let (parts, body) = request.into_parts();
        let is_head = parts.method == http::Method::HEAD;
        let mut body = Http2Source::new(body);
        let record = Record::new();
        let mut reply = Http2Reply {
            record: &record,
            respond,
            sink: Http2Sink::new(None),
            worker: &self.worker,
            front: &self.front,
            is_head,
        };
        let is_empty = body.is_done();
        let (request, framing) = match head(&parts, is_empty) {
            Ok(head) => head,
            Err(wrong) => {
                // It is reset where it cannot be answered.
                record.is_answered(wrong.0);
                let _ = reply.answer(&Answer::page(wrong.0)).await;
                return self.is_over(&record, None);
            }
        };
        let exchange = Exchange {
            worker: &self.worker,
            door: &self.door,
            front: &self.front,
            peer: self.peer,
            agreed: self.agreed.as_ref().as_ref(),
            request: &request,
            framing,
            record: &record,
        };
        record.received(request.size());
        match exchange.run(&mut body, &mut reply).await {
            Outcome::Answered => {}
            Outcome::Broken | Outcome::Tunnel(_) => reply.reset(),
        }
        self.is_over(&record, Some(&request));
    }

    /// Counts a request, and writes it to the log.
    fn is_over(&self, record: &Record, request: Option<&Request>) {
        record.count(&self.door, request);
        let logs = &self.front.logs;
        logs.write(logs.access.as_ref(), &self.door, || {
            entry::access(&Seen {
                front: &self.front,
                peer: self.peer,
                agreed: self.agreed.as_ref().as_ref(),
                request,
                record,
                trace: self.trace,
                now: SystemClock.now(),
            })
        });
    }
}

/// A head in the form that everything behind knows.
fn head(parts: &http::request::Parts, is_empty: bool) -> Result<(Request, Framing), Wrong> {
    let mut fields = parts.headers.clone();
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    match (authority, fields.get("host")) {
        // Both or one of them: they must mean the same.
        (Some(authority), Some(host)) if host.as_bytes() != authority.as_bytes() => {
            return Err(Wrong(400));
        }
        _ => {}
    }
    if fields.get_all("host").iter().count() > 1 {
        return Err(Wrong(400));
    }
    // Pieces of one field (RFC 9113 section 8.2.3).
    let cookies: Vec<&[u8]> = fields
        .get_all("cookie")
        .iter()
        .map(|v| v.as_bytes())
        .collect();
    if cookies.len() > 1 {
        let whole = cookies.join(&b"; "[..]);
        fields.remove("cookie");
        put(&mut fields, b"cookie", &whole);
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let mut text = BytesMut::new();
    for part in [parts.method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        text.extend_from_slice(part.as_bytes());
    }
    if let (Some(authority), None) = (authority, fields.get("host")) {
        put(&mut fields, b"host", authority.as_bytes());
    }
    write_fields(&mut text, &fields);
    text.extend_from_slice(b"\r\n");
    let request = Request::parse_http2(text.freeze())?;
    let framing = of_request(&request)?;
    let length = match framing.length {
        Length::None if !is_empty => Length::Chunked,
        Length::Known(length) if is_empty && length > 0 => return Err(Wrong(400)),
        length => length,
    };
    Ok((request, Framing { length, ..framing }))
}

/// An answer by HTTP/2.
struct Http2Reply<'a> {
    record: &'a Record,
    respond: SendResponse<Bytes>,
    sink: Http2Sink,
    worker: &'a Worker,
    front: &'a Front,
    is_head: bool,
}

impl Http2Reply<'_> {
    fn send(&mut self, status: u16, fields: HeaderMap, is_end: bool) -> io::Result<()> {
        let mut response = http::Response::new(());
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        let sizes = fields
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len());
        self.record.sent(sizes.sum());
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        let sent = self.respond.send_response(response, is_end);
        let stream = sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.sink = Http2Sink::new((!is_end).then_some(stream));
        Ok(())
    }

    fn reset(&mut self) {
        match &mut self.sink.stream {
            Some(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
            None => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }
}

impl Sink for Http2Reply<'_> {
    async fn put(&mut self, piece: Piece) -> io::Result<()> {
        self.sink.put(piece).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.sink.flush().await
    }

    async fn end(&mut self) -> io::Result<()> {
        self.sink.end().await
    }
}

impl Reply for Http2Reply<'_> {
    fn start(&mut self, response: &Response, framing: Framing, added: &[(&str, &str)]) {
        let mut fields = HeaderMap::new();
        each_response_field(response, &self.front.settings, |name, value| {
            put(&mut fields, name, value);
        });
        for (name, value) in added {
            put(&mut fields, name.as_bytes(), value.as_bytes());
        }
        if let Some(length) = framing.said.filter(|_| framing.length != Length::Chunked) {
            put(
                &mut fields,
                b"content-length",
                length.to_string().as_bytes(),
            );
        }
        if !fields.contains_key("date") {
            put(&mut fields, b"date", self.worker.date().as_bytes());
        }
        let is_end = framing.length.is_empty();
        // A client that is gone is found out by what follows.
        let _ = self.send(response.status, fields, is_end);
    }

    async fn go_on(&mut self) -> io::Result<()> {
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::CONTINUE;
        let sent = self.respond.send_informational(response);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn close_after(&mut self) {}

    async fn gone(&mut self) {
        let respond = &mut self.respond;
        // However it is said, nobody waits any more.
        let _ = poll_fn(|cx| respond.poll_reset(cx)).await;
    }

    async fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        let mut fields = HeaderMap::new();
        let settings = &self.front.settings;
        if settings.server_field {
            put(&mut fields, b"server", SERVER.as_bytes());
        }
        put(&mut fields, b"date", self.worker.date().as_bytes());
        put(&mut fields, b"content-type", answer.content_type.as_bytes());
        let length = answer.body.len().to_string();
        put(&mut fields, b"content-length", length.as_bytes());
        if let Some(location) = &answer.location {
            put(&mut fields, b"location", location.as_bytes());
        }
        for (name, value) in &settings.response_fields {
            put(&mut fields, name.as_bytes(), value.as_bytes());
        }
        let has_body = !self.is_head && !answer.body.is_empty();
        self.send(answer.status, fields, !has_body)?;
        if has_body {
            let body = Bytes::from(answer.body.clone().into_bytes());
            self.record.sent(body.len());
            self.sink.put(Piece::Data(body)).await?;
            self.sink.end().await?;
        }
        Ok(())
    }
}

//! Connections to targets that speak HTTP/2: each carries many requests at once.

use super::body::{Http2Sink, Http2Source, put, write_fields};
use crate::load_balancer::http::body::Source;
use crate::load_balancer::http::forward::{Hop, each_field, host, target as target_of};
use crate::load_balancer::http::framing::{self, Framing, Length};
use crate::load_balancer::http::head::{RESPONSE_BYTES_MAX, Request, Response, Wrong};
use crate::load_balancer::http::upstream::{Answers, NoResponse, connect};
use crate::load_balancer::listener::Door;
use crate::load_balancer::target::{Group, Target};
use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Uri};
use neargate_base::time::Stopwatch;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::time::Duration;
use tokio::task::spawn_local;

const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// How long a connection stays that nobody uses.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Connections by target and by the node from which they were made.
#[derive(Debug, Default)]
pub struct Pool2 {
    open: RefCell<HashMap<(u64, u64), Open>>,
}

#[derive(Debug)]
struct Open {
    requests: SendRequest<Bytes>,
    used: Stopwatch,
}

impl Pool2 {
    /// A way to send a request, and whether others were sent that way before.
    ///
    /// # Errors
    /// The target does not take it.
    pub async fn requests(
        &self,
        target: &Target,
        group: &Group,
        door: &Door,
    ) -> io::Result<(SendRequest<Bytes>, bool)> {
        let key = (target.number, door.place.number);
        let known = self.open.borrow_mut().get_mut(&key).map(|open| {
            open.used = Stopwatch::start();
            open.requests.clone()
        });
        if let Some(mut requests) = known {
            match poll_fn(|cx| requests.poll_ready(cx)).await {
                Ok(()) => return Ok((requests, true)),
                Err(_) => self.open.borrow_mut().remove(&key),
            };
        }
        let stream = connect(&door.place, target, group.protocol, b"h2").await?;
        let handshake = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(u32::try_from(RESPONSE_BYTES_MAX).unwrap_or(u32::MAX))
            .handshake(stream)
            .await;
        let (requests, connection) = handshake.map_err(io::Error::other)?;
        let gone = target.gone.clone();
        spawn_local(async move {
            tokio::select! {
                // Whoever uses it finds out.
                _ = connection => {}
                () = gone.cancelled() => {}
            }
        });
        let mut requests = requests;
        let ready = poll_fn(|cx| requests.poll_ready(cx)).await;
        ready.map_err(io::Error::other)?;
        let open = Open {
            requests: requests.clone(),
            used: Stopwatch::start(),
        };
        self.open.borrow_mut().insert(key, open);
        Ok((requests, false))
    }

    /// Ends those of these targets once their requests are answered.
    pub fn forget(&self, targets: &[u64]) {
        let mut open = self.open.borrow_mut();
        open.retain(|(target, _), _| !targets.contains(target));
    }

    /// Ends those that nobody uses.
    pub fn sweep(&self) {
        self.open
            .borrow_mut()
            .retain(|_, open| open.used.elapsed() < IDLE_MAX);
    }
}

/// Sends a head; what is left is to send the body and to hear the answer.
///
/// # Errors
/// It cannot be said in HTTP/2, or the connection is gone.
pub fn send(
    requests: &mut SendRequest<Bytes>,
    request: &Request,
    length: Length,
    hop: &Hop<'_>,
    is_https: bool,
) -> Result<(Http2Sink, Http2Answers), NoResponse> {
    let mut fields = HeaderMap::new();
    each_field(request, hop, |name, value| {
        if !name.eq_ignore_ascii_case(b"host") {
            put(&mut fields, name, value);
        }
    });
    if let Length::Known(length) = length {
        put(
            &mut fields,
            b"content-length",
            length.to_string().as_bytes(),
        );
    }
    let target = target_of(request, hop);
    let authority = host(request, hop);
    let uri = Uri::builder()
        .scheme(if is_https { "https" } else { "http" })
        .authority(authority.as_slice())
        .path_and_query(target.as_slice())
        .build();
    let mut head = http::Request::new(());
    *head.method_mut() = Method::from_bytes(request.method()).map_err(|_| NoResponse::Malformed)?;
    *head.uri_mut() = uri.map_err(|_| NoResponse::Malformed)?;
    *head.version_mut() = http::Version::HTTP_2;
    *head.headers_mut() = fields;
    let has_body = !length.is_empty();
    let sent = requests.send_request(head, !has_body);
    let (response, stream) = sent.map_err(|_| NoResponse::Nothing)?;
    let answers = Http2Answers {
        response: Some(response),
        body: None,
    };
    Ok((Http2Sink::new(has_body.then_some(stream)), answers))
}

/// What a target answers to a request.
#[derive(Debug)]
pub struct Http2Answers {
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
}

impl Answers for Http2Answers {
    async fn head(&mut self) -> Result<Response, NoResponse> {
        let response = self.response.as_mut().ok_or(NoResponse::Malformed)?;
        let response = response.await.map_err(|error| {
            let is_refused = error.reason() == Some(Reason::REFUSED_STREAM);
            match is_refused || error.is_io() || error.is_go_away() {
                true => NoResponse::Nothing,
                false => NoResponse::Malformed,
            }
        })?;
        self.response = None;
        let (parts, body) = response.into_parts();
        self.body = Some(body);
        let mut text = BytesMut::new();
        let line = format!("HTTP/1.1 {} \r\n", parts.status.as_u16());
        text.extend_from_slice(line.as_bytes());
        write_fields(&mut text, &parts.headers);
        text.extend_from_slice(b"\r\n");
        Response::parse(text.freeze()).map_err(|_| NoResponse::Malformed)
    }

    fn framing(&self, response: &Response, method: &[u8]) -> Result<Framing, Wrong> {
        let framing = framing::of_response(response, method)?;
        let is_end = self.body.as_ref().is_none_or(RecvStream::is_end_stream);
        Ok(match (is_end, framing.length) {
            (true, Length::UntilClose) => Framing {
                length: Length::Known(0),
                ..framing
            },
            // It has no body although it says how long that is.
            (true, Length::Known(1..)) => return Err(Wrong(502)),
            _ => framing,
        })
    }

    fn body(&mut self, _: Length) -> impl Source {
        self.body.take().map(Http2Source::new)
    }

    fn may_go_on(&self, _: &Response, _: Framing) -> bool {
        true
    }
}

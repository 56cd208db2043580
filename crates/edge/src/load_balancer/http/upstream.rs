//! Connections to targets that speak HTTP/1.1, and those that wait to be used again.

use super::head::{RESPONSE_BYTES_MAX, Response, Scan, Wrong};
use crate::load_balancer::listener::Door;
use crate::load_balancer::place::Place;
use crate::load_balancer::stream::{Reader, Stream, Writer};
use crate::load_balancer::target::Target;
use futures_util::FutureExt as _;
use neargate_base::time::Stopwatch;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::time::Duration;

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

impl Upstream {
    /// # Errors
    /// The target does not take it.
    pub async fn connect(place: &Place, target: &Target) -> io::Result<Upstream> {
        let stream = place.connect(target.address, CONNECT_PATIENCE).await?;
        let (reader, writer) = Stream::Plain(stream).halves();
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

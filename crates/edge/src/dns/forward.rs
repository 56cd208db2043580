//! Questions to the servers of the host: each from a port and with an id of its own that nobody can
//! guess, and answers taken only from who was asked (RFC 5452).
//!
//! The first server is asked; the next one when it fails, or does not answer for a while; then both
//! again. What says that there is no such name is an answer; a failure is not, while another server
//! is left to ask.

use super::cache::Cache;
use super::message::{self, EDNS_BYTES, Question, Reply};
use super::upstream::Upstream;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hickory_proto::op::ResponseCode;
use neargate_base::Rng;
use neargate_base::time::Stopwatch;
use parking_lot::Mutex;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

/// How long a server is waited for before another is asked as well.
const PATIENCE: Duration = Duration::from_millis(800);
/// Shorter than programs wait for us: they ask again after five seconds.
const IN_ALL: Duration = Duration::from_millis(4_500);
/// How long the whole of a cut reply is waited for.
const TCP_PATIENCE: Duration = Duration::from_secs(2);
/// How often all servers are asked.
const ROUNDS: usize = 2;

/// See the module.
#[derive(Debug)]
pub struct Forwarder {
    upstream: Upstream,
    cache: Mutex<Cache>,
    started: Stopwatch,
    /// Which server is asked first: another one once that did not answer.
    first: AtomicUsize,
    rng: Arc<Rng>,
}

impl Forwarder {
    pub fn new(upstream: Upstream, rng: Arc<Rng>) -> Forwarder {
        Forwarder {
            upstream,
            cache: Mutex::default(),
            started: Stopwatch::start(),
            first: AtomicUsize::new(0),
            rng,
        }
    }

    /// What is known already.
    pub(super) fn known(&self, question: &Question) -> Option<Reply> {
        let _ = self.servers();
        self.cache.lock().get(question, self.started.elapsed())
    }

    fn servers(&self) -> Vec<SocketAddr> {
        let (servers, changed) = self.upstream.servers();
        if changed {
            // Another network may have other names.
            self.cache.lock().clear();
            self.first.store(0, Ordering::Relaxed);
        }
        servers
    }

    /// What the servers say; a failure when none says anything.
    pub(super) async fn ask(&self, question: &Question) -> Reply {
        let mut servers = self.servers();
        let failed = || question.failed(ResponseCode::ServFail);
        if servers.is_empty() {
            return failed();
        }
        let first = self.first.load(Ordering::Relaxed) % servers.len();
        servers.rotate_left(first);
        match timeout(IN_ALL, self.ask_servers(question, &servers)).await {
            Ok(Some((number, reply))) => {
                self.first
                    .store((first + number) % servers.len(), Ordering::Relaxed);
                let now = self.started.elapsed();
                self.cache.lock().put(question, &reply, now);
                reply
            }
            Ok(None) => failed(),
            Err(_) => {
                self.first.fetch_add(1, Ordering::Relaxed);
                failed()
            }
        }
    }

    /// The first good reply with the number of its server, or a bad one when all are.
    async fn ask_servers(
        &self,
        question: &Question,
        servers: &[SocketAddr],
    ) -> Option<(usize, Reply)> {
        let tries = servers.len() * ROUNDS;
        let mut begun = 0;
        let mut under_way = FuturesUnordered::new();
        let mut bad = None;
        loop {
            if begun < tries {
                let number = begun % servers.len();
                let server = servers[number];
                under_way.push(async move { (number, self.exchange(server, question).await) });
                begun += 1;
            }
            // Whichever comes first: the end of a try, or of the patience.
            let ended = if begun < tries {
                timeout(PATIENCE, under_way.next()).await
            } else {
                Ok(under_way.next().await)
            };
            match ended {
                Err(_) => {}
                Ok(None) => return bad,
                Ok(Some((number, Some(reply)))) if is_good(&reply) => {
                    return Some((number, reply));
                }
                Ok(Some((number, reply))) => {
                    bad = reply.map(|reply| (number, reply)).or(bad);
                    if begun == servers.len() {
                        // Every server was asked: a second round at once would hear the same.
                        sleep(PATIENCE / 4).await;
                    }
                }
            }
        }
    }

    /// One server's reply. `None`: it cannot be reached, or says nothing that is one.
    async fn exchange(&self, server: SocketAddr, question: &Question) -> Option<Reply> {
        let reply = match self.by_udp(server, question, false).await.ok()? {
            Heard::Reply(reply) => reply,
            // It knows no EDNS (RFC 6891, section 7).
            Heard::NotUnderstood => match self.by_udp(server, question, true).await.ok()? {
                Heard::Reply(reply) => reply,
                Heard::NotUnderstood => return None,
            },
        };
        if !reply.is_truncated() {
            return Some(reply);
        }
        // What there was room for is better than nothing.
        let whole = timeout(TCP_PATIENCE, self.by_tcp(server, question)).await;
        let whole = whole.ok().and_then(Result::ok).flatten();
        Some(whole.unwrap_or(reply))
    }

    async fn by_udp(
        &self,
        server: SocketAddr,
        question: &Question,
        plain: bool,
    ) -> io::Result<Heard> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        // The kernel draws the port, and hands over only what comes from the server.
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        let id = self.id();
        socket.send(&question.forward(id, plain)).await?;
        let mut buffer = [0; 4_096];
        loop {
            let length = socket.recv(&mut buffer).await?;
            let bytes = &buffer[..length];
            if message::id(bytes) != Some(id) {
                continue;
            }
            if let Some(reply) = Reply::read(bytes, question) {
                let not_understood =
                    matches!(reply.code(), ResponseCode::FormErr | ResponseCode::NotImp);
                return Ok(match not_understood && !plain {
                    true => Heard::NotUnderstood,
                    false => Heard::Reply(reply),
                });
            }
            let code = message::bare_code(bytes);
            if matches!(code, Some(ResponseCode::FormErr | ResponseCode::NotImp)) {
                return Ok(Heard::NotUnderstood);
            }
            // Somebody guesses: the answer may yet come.
        }
    }

    async fn by_tcp(&self, server: SocketAddr, question: &Question) -> io::Result<Option<Reply>> {
        let mut stream = TcpStream::connect(server).await?;
        let id = self.id();
        let asked = question.forward(id, false);
        let mut sent = (asked.len() as u16).to_be_bytes().to_vec();
        sent.extend(asked);
        stream.write_all(&sent).await?;
        let length = stream.read_u16().await?;
        let mut bytes = vec![0; length.into()];
        stream.read_exact(&mut bytes).await?;
        let is_ours = message::id(&bytes) == Some(id);
        Ok(Reply::read(&bytes, question).filter(|_| is_ours))
    }

    fn id(&self) -> u16 {
        self.rng.below(1 << 16) as u16
    }
}

/// What a server said by UDP.
enum Heard {
    Reply(Reply),
    NotUnderstood,
}

/// It answers the question, if only by saying that there is no such name.
fn is_good(reply: &Reply) -> bool {
    matches!(reply.code(), ResponseCode::NoError | ResponseCode::NXDomain)
}

const _: () = assert!(EDNS_BYTES as usize <= 4_096);

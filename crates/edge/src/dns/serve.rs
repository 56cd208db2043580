//! The resolver's sockets in one VPC: UDP and TCP (RFC 7766) on each of its addresses.

use super::message::Transport;
use super::pace::Client;
use super::{Next, Resolver};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use neargate_base::task::spawn;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A client's connection is closed when nothing comes for so long, and when it takes no answer.
const IDLE: Duration = Duration::from_secs(10);
/// How many connections a VPC may have.
const CONNECTIONS: usize = 128;
/// How many of one client.
const CONNECTIONS_OF_ONE: usize = 16;
/// No question is longer: names have 255 bytes, and options of EDNS are few.
const MAX_QUESTION: usize = 4_096;

/// What a VPC's resolver listens on.
#[derive(Debug)]
pub struct Sockets {
    pub udp: Vec<std::net::UdpSocket>,
    pub tcp: Vec<std::net::TcpListener>,
}

/// The resolver as it is reached in one VPC; its sockets are closed when this is dropped.
#[derive(Debug)]
pub struct Door {
    tasks: Vec<JoinHandle<()>>,
    leaving: CancellationToken,
}

impl Drop for Door {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Door {
    /// Answers on these sockets, which block nobody.
    ///
    /// # Errors
    /// They cannot be waited on.
    pub fn open(resolver: &Arc<Resolver>, vpc: &str, sockets: Sockets) -> io::Result<Door> {
        let vpc: Arc<str> = vpc.into();
        let mut door = Door {
            tasks: Vec::new(),
            leaving: CancellationToken::new(),
        };
        for socket in sockets.udp {
            let socket = UdpSocket::from_std(socket)?;
            let leaving = door.leaving.clone();
            let serve = datagrams(Arc::clone(resolver), Arc::clone(&vpc), socket, leaving);
            door.tasks.push(spawn("dns-udp", serve));
        }
        for listener in sockets.tcp {
            let listener = TcpListener::from_std(listener)?;
            let leaving = door.leaving.clone();
            let serve = connections(Arc::clone(resolver), Arc::clone(&vpc), listener, leaving);
            door.tasks.push(spawn("dns-tcp", serve));
        }
        Ok(door)
    }

    /// Takes no question any more; those that were asked are answered.
    pub fn leave(&self) {
        self.leaving.cancel();
    }

    /// Everything is answered, after [`Door::leave`].
    pub fn has_left(&self) -> bool {
        self.tasks.iter().all(JoinHandle::is_finished)
    }
}

/// Everything that is under way ends with the loop.
async fn datagrams(
    resolver: Arc<Resolver>,
    vpc: Arc<str>,
    socket: UdpSocket,
    leaving: CancellationToken,
) {
    let mut buffer = [0; MAX_QUESTION];
    let mut forwarded = FuturesUnordered::new();
    while !(leaving.is_cancelled() && forwarded.is_empty()) {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer), if !leaving.is_cancelled() => received,
            () = leaving.cancelled(), if !leaving.is_cancelled() => continue,
            Some((answer, from)) = forwarded.next() => {
                let answer: Vec<u8> = answer;
                let _ = socket.try_send_to(&answer, from);
                continue;
            }
        };
        let (length, from) = match received {
            Ok(received) => received,
            Err(error) => {
                // What the network says of an earlier answer ends nothing.
                tracing::debug!(%error, "a datagram is not received");
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
        };
        let client: Client = (Arc::clone(&vpc), from.ip());
        match resolver.at_once(&client, &buffer[..length], Transport::Udp) {
            Next::Silence => {}
            Next::Said(answer) => {
                let _ = socket.try_send_to(&answer, from);
            }
            Next::Forwarded(asked) => {
                let resolver = &resolver;
                forwarded.push(async move {
                    let udp = Transport::Udp;
                    (resolver.forwarded(&client, &asked, udp).await, from)
                });
            }
        }
    }
}

/// Everything that is connected ends with the loop.
async fn connections(
    resolver: Arc<Resolver>,
    vpc: Arc<str>,
    listener: TcpListener,
    leaving: CancellationToken,
) {
    let mut connected = FuturesUnordered::new();
    let mut of_client = HashMap::<IpAddr, usize>::new();
    while !(leaving.is_cancelled() && connected.is_empty()) {
        let accepted = tokio::select! {
            accepted = listener.accept(), if !leaving.is_cancelled() => accepted,
            () = leaving.cancelled(), if !leaving.is_cancelled() => continue,
            Some(left) = connected.next() => {
                if let Some(own) = of_client.get_mut(&left) {
                    *own -= 1;
                }
                of_client.retain(|_, own| *own > 0);
                continue;
            }
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection is not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let own = of_client.entry(from.ip()).or_default();
        // Who comes when all places are taken is closed; what is idle leaves soon.
        if *own >= CONNECTIONS_OF_ONE || connected.len() >= CONNECTIONS {
            continue;
        }
        *own += 1;
        let (resolver, vpc) = (&resolver, Arc::clone(&vpc));
        connected.push(async move {
            let _ = connection(resolver, vpc, stream, from).await;
            from.ip()
        });
    }
}

/// Answers one question after the other, each behind its length.
async fn connection(
    resolver: &Resolver,
    vpc: Arc<str>,
    mut stream: TcpStream,
    from: SocketAddr,
) -> io::Result<()> {
    let client: Client = (vpc, from.ip());
    let mut question = Vec::new();
    loop {
        timeout(IDLE, async {
            let length = usize::from(stream.read_u16().await?);
            if length > MAX_QUESTION {
                return Err(io::ErrorKind::InvalidData.into());
            }
            question.resize(length, 0);
            stream.read_exact(&mut question).await
        })
        .await??;
        let answer = match resolver.at_once(&client, &question, Transport::Tcp) {
            // By TCP, a client that is to hear nothing is left.
            Next::Silence => return Ok(()),
            Next::Said(answer) => answer,
            Next::Forwarded(asked) => {
                let tcp = Transport::Tcp;
                resolver.forwarded(&client, &asked, tcp).await
            }
        };
        let mut sent = Vec::with_capacity(answer.len() + 2);
        sent.extend((answer.len() as u16).to_be_bytes());
        sent.extend(&answer);
        timeout(IDLE, stream.write_all(&sent)).await??;
    }
}

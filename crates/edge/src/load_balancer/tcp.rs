//! A client's connection to a network load balancer: its bytes go to one target and back
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-target-groups.html>).
//!
//! Targets see the node's address; the client's reaches them by proxy protocol, version 2. Keeping the
//! client's address on the packets would need routes of the VPC that lead answers back to the node.

use super::http::carry::Activity;
use super::http::upstream::connect;
use super::listener::{Door, Front};
use super::observed::counts::Metric;
use super::observed::entry::{self, Carried};
use super::route::End;
use super::settings::Stickiness;
use super::stream::{Reader, Stream, Writer, whole};
use super::target::Underway;
use super::tls::Agreed;
use super::worker::Worker;
use neargate_base::time::{Clock as _, Stopwatch, SystemClock, Timestamp};
use rustix::net::sockopt::set_socket_linger;
use std::cell::Cell;
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How many targets are tried when none takes a connection.
const TRIES: usize = 3;

/// What is known of a connection with TLS when its bytes begin.
#[derive(Debug)]
pub struct Secured {
    pub agreed: Agreed,
    pub began: Timestamp,
    pub handshake: Duration,
}

/// Carries a connection's bytes until it ends.
pub async fn serve(
    worker: Rc<Worker>,
    stream: Stream,
    peer: SocketAddrV4,
    door: Arc<Door>,
    front: Arc<Front>,
    secured: Option<Secured>,
) {
    let (own, since) = (stream.tcp().local_addr(), Stopwatch::start());
    let (mut reader, mut writer) = stream.halves();
    let Some((chosen, upstream)) = target(&worker, peer, &door, &front).await else {
        return reset(reader, writer);
    };
    let (mut from_target, mut to_target) = upstream.halves();
    let settings = &front.settings;
    if let (true, Ok(std::net::SocketAddr::V4(own))) = (chosen.proxy_protocol, own) {
        let header = proxy_header(peer, own);
        to_target.gathered.extend_from_slice(&header);
    }
    let activity = Activity::new(settings.tcp_idle_timeout);
    let (received, sent) = (Cell::new(0), Cell::new(0));
    let there = pump(&mut reader, &mut to_target, &activity, &received);
    let back = pump(&mut from_target, &mut writer, &activity, &sent);
    let is_cut = tokio::select! {
        _ = async { tokio::join!(there, back) } => false,
        () = activity.is_over() => true,
        () = chosen.health.cancelled(), if chosen.ends_with_health => true,
        () = chosen.underway.0.gone.cancelled(), if chosen.ends_with_registration => true,
    };
    if let Some(secured) = &secured {
        front.logs.write(front.logs.access.as_ref(), &door, || {
            entry::flow(&Carried {
                now: SystemClock.now(),
                front: &front,
                peer,
                target: chosen.underway.0.address,
                secured,
                lasted: secured.handshake + since.elapsed(),
                received: received.get(),
                sent: sent.get(),
            })
        });
    }
    door.counts.count(Metric::NewFlowCount);
    door.counts
        .add(Metric::ProcessedBytes, received.get() + sent.get());
    if is_cut {
        door.counts.count(Metric::ElbReset);
        reset(reader, writer);
        reset(from_target, to_target);
    }
}

/// A connection under way to a target, and what its group asks for.
struct Chosen {
    underway: Underway,
    proxy_protocol: bool,
    ends_with_registration: bool,
    health: CancellationToken,
    ends_with_health: bool,
}

/// The first target that takes a connection.
async fn target(
    worker: &Worker,
    peer: SocketAddrV4,
    door: &Door,
    front: &Front,
) -> Option<(Chosen, Stream)> {
    let End::Forward(forward) = &front.routes.last()?.end else {
        return None;
    };
    let group = forward.group()?;
    let mut tried = Vec::new();
    while tried.len() < TRIES {
        // Of one client, all connections or each its own.
        let number = match group.settings.stickiness {
            Stickiness::SourceIp => spread(peer.ip().to_bits().into()),
            _ => worker.random(),
        };
        let target = group.choose_by(&door.zone, &tried, number)?;
        tried.push(target.number);
        let health = target.health();
        let underway = Underway::new(Arc::clone(&target));
        if let Ok(stream) = connect(&door.place, &target, group.protocol, b"").await {
            let chosen = Chosen {
                underway,
                proxy_protocol: group.settings.proxy_protocol,
                ends_with_registration: group.settings.ends_with_registration,
                health,
                ends_with_health: group.settings.ends_with_health,
            };
            return Some((chosen, stream));
        }
        door.counts.count(Metric::TargetConnectionError);
    }
    None
}

/// The same number for the same address, spread over all numbers (splitmix).
pub fn spread(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// What says who the client is
/// (<https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>, section 2.2).
fn proxy_header(peer: SocketAddrV4, own: SocketAddrV4) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(peer.ip().octets());
    header.extend(own.ip().octets());
    header.extend(peer.port().to_be_bytes());
    header.extend(own.port().to_be_bytes());
    header
}

/// Carries bytes one way to their end, and says there that it is one.
pub async fn pump(from: &mut Reader, to: &mut Writer, activity: &Activity, moved: &Cell<u64>) {
    loop {
        if !from.text.is_empty() {
            moved.set(moved.get() + from.text.len() as u64);
            let bytes = from.text.split().freeze();
            if to.write(bytes).await.is_err() {
                return;
            }
        }
        if to.flush().await.is_err() {
            return;
        }
        activity.touch();
        from.rest();
        match from.fill().await {
            Ok(1..) => activity.touch(),
            Ok(0) | Err(_) => return to.finish().await,
        }
    }
}

/// Ends a connection so that nobody takes what came for the whole.
pub fn reset(reader: Reader, writer: Writer) {
    // It ends in either way.
    let _ = set_socket_linger(whole(reader, writer).tcp(), Some(Duration::ZERO));
}

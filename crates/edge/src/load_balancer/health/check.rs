//! Checks of one target, from a node's place, as often as its group asks.

use super::{Found, is_among};
use crate::load_balancer::http::upstream::{self, encrypted};
use crate::load_balancer::place::Place;
use crate::load_balancer::stream::Stream;
use bytes::Bytes;
use neargate_domain::load_balancer::{HealthCheck, Protocol, ProtocolVersion};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// How often a check is made again while its own end is not whole yet.
const SOON: Duration = Duration::from_millis(50);
const TRIES_MAX: u32 = 100;

/// What is checked, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub check: HealthCheck,
    /// What the target speaks.
    pub version: ProtocolVersion,
    pub address: Ipv4Addr,
    /// Where the target gets its traffic.
    pub port: u16,
}

/// Checks at once and then at each interval, until the future is dropped.
pub async fn keep_checking(checked: Checked, place: Arc<Place>, tell: impl Fn(Found)) {
    let mut turn = interval(Duration::from_secs(checked.check.interval_seconds.into()));
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tries = 0;
    loop {
        turn.tick().await;
        let mut found = once(&checked, &place).await;
        // There is no way from here yet: that says nothing of the target.
        while found.is_none() && tries < TRIES_MAX {
            tries += 1;
            sleep(SOON).await;
            found = once(&checked, &place).await;
        }
        tell(found.unwrap_or(Found::Failed));
    }
}

/// `None`: this end has no network.
async fn once(checked: &Checked, place: &Place) -> Option<Found> {
    let patience = Duration::from_secs(checked.check.timeout_seconds.into());
    let asked = timeout(patience, ask(checked, place, patience)).await;
    let kind = match asked {
        Ok(Ok(found)) => return Some(found),
        Ok(Err(error)) => error.kind(),
        Err(_) => io::ErrorKind::TimedOut,
    };
    match kind {
        io::ErrorKind::TimedOut => Some(Found::TimedOut),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => None,
        _ => Some(Found::Failed),
    }
}

async fn ask(checked: &Checked, place: &Place, patience: Duration) -> io::Result<Found> {
    let check = &checked.check;
    let at = SocketAddrV4::new(checked.address, check.port.unwrap_or(checked.port));
    let stream = place.connect(at, patience).await?;
    if !matches!(check.protocol, Protocol::Http | Protocol::Https) {
        return Ok(Found::Passed);
    }
    let alpn: &[u8] = match checked.version {
        ProtocolVersion::Http1 => b"http/1.1",
        ProtocolVersion::Http2 | ProtocolVersion::Grpc => b"h2",
    };
    let stream = match check.protocol {
        Protocol::Https => encrypted(stream, checked.address, alpn).await?,
        _ => Stream::Plain(stream),
    };
    if checked.version != ProtocolVersion::Http1 {
        return ask_http2(checked, at, stream).await;
    }
    let (mut reader, mut writer) = stream.halves();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\
         User-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n",
        check.path
    );
    writer.gathered.extend_from_slice(request.as_bytes());
    writer.flush().await?;
    let response = upstream::response(&mut reader).await;
    let response = response.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(match is_among(&check.matcher, response.status) {
        true => Found::Passed,
        false => Found::Code(response.status),
    })
}

/// By HTTP/2, with the status of gRPC where the target speaks that.
async fn ask_http2(checked: &Checked, at: SocketAddrV4, stream: Stream) -> io::Result<Found> {
    let check = &checked.check;
    let is_grpc = checked.version == ProtocolVersion::Grpc;
    let scheme = match check.protocol {
        Protocol::Https => "https",
        _ => "http",
    };
    let (requests, connection) = h2::client::handshake(stream)
        .await
        .map_err(io::Error::other)?;
    let mut request = http::Request::builder()
        .uri(format!("{scheme}://{at}{}", check.path))
        .header("user-agent", "ELB-HealthChecker/2.0");
    if is_grpc {
        request = request
            .method("POST")
            .header("content-type", "application/grpc")
            .header("te", "trailers");
    }
    let request = request.body(()).map_err(io::Error::other)?;
    let ask = async {
        let mut requests = requests.ready().await?;
        let (response, mut body) = requests.send_request(request, !is_grpc)?;
        if is_grpc {
            // An empty message: not compressed, of no bytes.
            body.send_data(Bytes::from_static(&[0; 5]), true)?;
        }
        let (head, mut body) = response.await?.into_parts();
        if !is_grpc {
            return Ok::<_, h2::Error>(Some(head.status.as_u16()));
        }
        let code =
            |fields: &http::HeaderMap| fields.get("grpc-status")?.to_str().ok()?.parse().ok();
        if let Some(code) = code(&head.headers) {
            return Ok(Some(code));
        }
        while let Some(data) = body.data().await {
            let length = data?.len();
            body.flow_control().release_capacity(length)?;
        }
        Ok(body.trailers().await?.as_ref().and_then(code))
    };
    let code = tokio::select! {
        asked = ask => asked.map_err(io::Error::other)?,
        _ = connection => None,
    };
    Ok(match code {
        Some(code) if is_among(&check.matcher, code) => Found::Passed,
        Some(code) => Found::Code(code),
        None => Found::Failed,
    })
}

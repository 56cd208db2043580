//! The one way to endpoints that customers named: SNS's HTTP subscriptions, API destinations.
//!
//! An endpoint is a stranger's word. It leads to no link-local or unspecified address (clouds keep
//! instances' keys there) and to none of our own ports, where this process would be trusted; it leads
//! to this host and to private networks only where the operator allows that ([`Reach`]). What is
//! connected to is what was checked: names are looked up here, and no redirect is followed. An
//! endpoint that hangs, dribbles or talks without end costs the time and bytes that the request says.

use bytes::Bytes;
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Longer no connection takes, whatever the request's patience.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections to endpoints that are quiet are closed.
const IDLE: Duration = Duration::from_secs(15);

/// Which endpoints may be called: the operator's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Those on loopback and in private networks, too.
    pub allow_private: bool,
    /// Our own ports, which are no endpoints at any address of this host.
    pub own_ports: Vec<u16>,
}

/// What is asked of an endpoint.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    /// `http://` or `https://`.
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// For the whole exchange.
    pub patience: Duration,
    /// Of the answer's body; what is longer is not read.
    pub max_body_bytes: usize,
}

/// What an endpoint answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Its beginning, where it is longer than was asked for.
    pub body: Bytes,
}

/// Why an endpoint is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("it is no URL of HTTP")]
    NoUrl,
    #[error("link-local, unspecified and multicast addresses are no endpoints")]
    NoEndpoint,
    #[error("an endpoint of ours is none of a customer's")]
    Own,
    #[error(
        "it is on this host or in a private network, and the configuration does not allow it \
         (allow_private_endpoints)"
    )]
    Private,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("the endpoint is not called: {0}")]
    Forbidden(#[from] Forbidden),
    #[error("the endpoint did not answer in time")]
    TimedOut,
    #[error("the endpoint cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the exchange with the endpoint broke")]
    Broken(#[source] reqwest::Error),
}

/// The client of endpoints.
#[derive(Debug, Default)]
pub struct Outbound {
    reach: Reach,
    /// One for endpoints at ports like ours, and one for all others; made when they are needed.
    clients: Mutex<[Option<Client>; 2]>,
}

impl Outbound {
    pub fn new(reach: Reach) -> Outbound {
        Outbound {
            reach,
            clients: Mutex::default(),
        }
    }

    /// May this be an endpoint, as far as its URL alone tells? For who takes one from a caller.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self, url: &str) -> Result<(), Forbidden> {
        self.judge(url).map(drop)
    }

    fn judge(&self, url: &str) -> Result<(Url, Guard), Forbidden> {
        let url = Url::parse(url).map_err(|_| Forbidden::NoUrl)?;
        let port = url.port_or_known_default();
        let (Some(host), Some(port), "http" | "https") = (url.host_str(), port, url.scheme())
        else {
            return Err(Forbidden::NoUrl);
        };
        let guard = Guard {
            allow_private: self.reach.allow_private,
            at_own_port: self.reach.own_ports.contains(&port),
        };
        // The client looks up names alone.
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            guard.judge(address)?;
        }
        Ok((url, guard))
    }

    /// Calls an endpoint. Any status is an answer; a redirect is not followed.
    ///
    /// # Errors
    /// When it may not be called, or does not answer.
    pub async fn send(&self, call: Call) -> Result<Answer, OutboundError> {
        let (url, guard) = self.judge(&call.url)?;
        let request = self
            .client(guard)
            .request(call.method, url)
            .headers(call.headers)
            .body(call.body)
            .timeout(call.patience);
        let mut answer = request.send().await.map_err(failed)?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let mut body = Vec::new();
        while body.len() < call.max_body_bytes
            && let Some(chunk) = answer.chunk().await.map_err(failed)?
        {
            let room = call.max_body_bytes - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Ok(Answer {
            status,
            headers,
            body: body.into(),
        })
    }

    fn client(&self, guard: Guard) -> Client {
        let mut clients = self.clients.lock();
        let client = &mut clients[usize::from(guard.at_own_port)];
        client.get_or_insert_with(|| client_with(guard)).clone()
    }
}

fn client_with(guard: Guard) -> Client {
    // Whoever is first in this process says whose cryptography it is; ours is ring's everywhere.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(4)
        .redirect(Policy::none())
        // It would look the names up, and connect to what nobody checked.
        .no_proxy()
        .dns_resolver(guard);
    client
        .build()
        .expect("the system's authorities can be read")
}

fn failed(error: reqwest::Error) -> OutboundError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(at) = cause {
        if let Some(forbidden) = at.downcast_ref::<Forbidden>() {
            return OutboundError::Forbidden(*forbidden);
        }
        cause = at.source();
    }
    match error {
        error if error.is_timeout() => OutboundError::TimedOut,
        error if error.is_connect() => OutboundError::Unreachable(error),
        error => OutboundError::Broken(error),
    }
}

/// What the addresses of an endpoint may be. It looks names up, and forgets those that they may not.
#[derive(Debug, Clone, Copy)]
struct Guard {
    allow_private: bool,
    /// The endpoint's port is one that we listen on.
    at_own_port: bool,
}

impl Guard {
    fn judge(self, address: IpAddr) -> Result<(), Forbidden> {
        let address = plain(address);
        if is_no_endpoint(address) {
            return Err(Forbidden::NoEndpoint);
        }
        if self.at_own_port && is_of_this_host(address) {
            return Err(Forbidden::Own);
        }
        if !self.allow_private && is_private(address) {
            return Err(Forbidden::Private);
        }
        Ok(())
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (mut allowed, mut refused) = (Vec::<SocketAddr>::new(), None);
            for address in found {
                match guard.judge(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(why) => refused = Some(why),
                }
            }
            match refused {
                Some(why) if allowed.is_empty() => Err(why.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// The IPv4 address in a mapped, compatible, NAT64 or 6to4 address; every other as it is.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let bytes = v6.octets();
    let last = Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]);
    match v6.segments() {
        _ if v6 == Ipv6Addr::LOCALHOST || v6 == Ipv6Addr::UNSPECIFIED => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => last.into(),
        [0x64, 0xff9b, 0 | 1, ..] => last.into(),
        [0x2002, ..] => Ipv4Addr::new(bytes[2], bytes[3], bytes[4], bytes[5]).into(),
        _ => address,
    }
}

fn is_no_endpoint(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.octets()[0] == 0 || v4.is_link_local() || v4.is_broadcast() || v4.is_multicast()
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
                // EC2's instance metadata and task services.
                || v6.segments()[..2] == [0xfd00, 0x0ec2]
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            // RFC 6598: between a provider and its customers.
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_loopback() || v4.is_private() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// Is it an address of the internet? Who asks endpoints there in everybody's name, as Route 53's health
/// checkers do, is no way into this host or its networks. 198.18.0.0/15 is reserved, too; here it is what
/// public addresses are given from.
pub fn is_public(address: IpAddr) -> bool {
    let address = plain(address);
    let reserved = matches!(address, IpAddr::V4(v4) if v4.octets()[0] >= 240);
    !(is_no_endpoint(address) || is_private(address) || reserved)
}

/// Only what is this host's own can be bound to.
fn is_of_this_host(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests;

//! Protocols of listeners, target groups and health checks, in AWS's words.

use neargate_domain::load_balancer::{LoadBalancerType, Protocol, ProtocolVersion};

/// AWS's word.
pub(crate) fn shown(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "HTTP",
        Protocol::Https => "HTTPS",
        Protocol::Tcp => "TCP",
        Protocol::Tls => "TLS",
        Protocol::Udp => "UDP",
        Protocol::TcpUdp => "TCP_UDP",
    }
}

/// `None`: AWS's other ones, which are not carried here (`GENEVE`, `QUIC`, `TCP_QUIC`).
pub(crate) fn parse(word: &str) -> Option<Protocol> {
    let all = [
        Protocol::Http,
        Protocol::Https,
        Protocol::Tcp,
        Protocol::Tls,
        Protocol::Udp,
        Protocol::TcpUdp,
    ];
    all.into_iter().find(|p| shown(*p) == word)
}

pub(crate) fn version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::Http1 => "HTTP1",
        ProtocolVersion::Http2 => "HTTP2",
        ProtocolVersion::Grpc => "GRPC",
    }
}

/// What a listener of this kind of load balancer may be, as AWS lists it.
pub(crate) fn of_listeners(kind: LoadBalancerType) -> &'static [&'static str] {
    match kind {
        LoadBalancerType::Application => &["HTTPS", "HTTP"],
        LoadBalancerType::Network => &["TLS", "UDP", "TCP", "TCP_UDP"],
    }
}

/// It is spoken over TLS.
pub(crate) fn is_secure(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Https | Protocol::Tls)
}

/// Of application load balancers.
pub(crate) fn is_http(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Http | Protocol::Https)
}

/// May a listener forward to a group
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-listeners.html>)?
pub(crate) fn fit(listener: Protocol, group: Protocol) -> bool {
    match listener {
        Protocol::Http | Protocol::Https => is_http(group),
        Protocol::Tcp => matches!(group, Protocol::Tcp | Protocol::TcpUdp),
        Protocol::Tls => matches!(group, Protocol::Tcp | Protocol::Tls),
        Protocol::Udp => matches!(group, Protocol::Udp | Protocol::TcpUdp),
        Protocol::TcpUdp => group == Protocol::TcpUdp,
    }
}

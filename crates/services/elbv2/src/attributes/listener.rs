//! Of listeners
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html>).

use super::{Attribute, Owner, Values};
use crate::plan::protocol;
use neargate_domain::load_balancer::Protocol;

/// Of HTTP and HTTPS: a header that an answer gets; none where the value is empty.
const HTTP: &[Attribute] = &[
    Attribute::flag("routing.http.response.server.enabled", "true"),
    Attribute::text(
        "routing.http.response.strict_transport_security.header_value",
        "",
    ),
    Attribute::text(
        "routing.http.response.access_control_allow_origin.header_value",
        "",
    ),
    Attribute::text(
        "routing.http.response.access_control_allow_methods.header_value",
        "",
    ),
    Attribute::text(
        "routing.http.response.access_control_allow_headers.header_value",
        "",
    ),
    Attribute::new(
        "routing.http.response.access_control_allow_credentials.header_value",
        "",
        Values::OneOf(&["", "true"]),
    ),
    Attribute::text(
        "routing.http.response.access_control_expose_headers.header_value",
        "",
    ),
    Attribute::text(
        "routing.http.response.access_control_max_age.header_value",
        "",
    ),
    Attribute::text(
        "routing.http.response.content_security_policy.header_value",
        "",
    ),
    Attribute::new(
        "routing.http.response.x_content_type_options.header_value",
        "",
        Values::OneOf(&["", "nosniff"]),
    ),
    Attribute::text("routing.http.response.x_frame_options.header_value", ""),
];

/// Of HTTPS: the names of headers that tell a target of a client's certificate and of TLS.
const HTTPS: &[Attribute] = &[
    Attribute::field_name(
        "routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name",
        "X-Amzn-Mtls-Clientcert-Serial-Number",
    ),
    Attribute::field_name(
        "routing.http.request.x_amzn_mtls_clientcert_issuer.header_name",
        "X-Amzn-Mtls-Clientcert-Issuer",
    ),
    Attribute::field_name(
        "routing.http.request.x_amzn_mtls_clientcert_subject.header_name",
        "X-Amzn-Mtls-Clientcert-Subject",
    ),
    Attribute::field_name(
        "routing.http.request.x_amzn_mtls_clientcert_validity.header_name",
        "X-Amzn-Mtls-Clientcert-Validity",
    ),
    Attribute::field_name(
        "routing.http.request.x_amzn_mtls_clientcert_leaf.header_name",
        "X-Amzn-Mtls-Clientcert-Leaf",
    ),
    Attribute::field_name(
        "routing.http.request.x_amzn_mtls_clientcert.header_name",
        "X-Amzn-Mtls-Clientcert",
    ),
    Attribute::field_name(
        "routing.http.request.x_amzn_tls_version.header_name",
        "X-Amzn-Tls-Version",
    ),
    Attribute::field_name(
        "routing.http.request.x_amzn_tls_cipher_suite.header_name",
        "X-Amzn-Tls-Cipher-Suite",
    ),
];

const TCP: &[Attribute] = &[Attribute::new(
    "tcp.idle_timeout.seconds",
    "350",
    Values::Number(60, 6_000),
)];

/// What a listener has.
pub(crate) fn owner(of: Protocol) -> Owner {
    let tables: &[&'static [Attribute]] = match of {
        Protocol::Http => &[HTTP],
        Protocol::Https => &[HTTP, HTTPS],
        Protocol::Tcp | Protocol::TcpUdp => &[TCP],
        Protocol::Tls | Protocol::Udp => &[],
    };
    Owner {
        noun: "Listener",
        kind: format!("listeners with protocol '{}'", protocol::shown(of)),
        own: tables.iter().copied().flatten().collect(),
        known: [HTTP, HTTPS, TCP].into_iter().flatten().collect(),
        defaults: Vec::new(),
    }
}

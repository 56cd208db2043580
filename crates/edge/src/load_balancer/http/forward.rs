//! What is changed in a request on its way to a target, and in a response on its way back
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html>).

use super::framing::Length;
use super::head::{Fields, Request, Response, Version, Wrong, is_plain_name};
use crate::load_balancer::client_certificate::Client;
use crate::load_balancer::route::{Part, Rewrite, without_port};
use crate::load_balancer::settings::{ForwardedFor, Settings};
use crate::load_balancer::tls::Agreed;
use bytes::BytesMut;
use std::net::SocketAddrV4;

/// How many addresses `X-Forwarded-For` may hold.
const FORWARDED_MAX: usize = 30;

/// What a listener adds to a request.
#[derive(Debug)]
pub struct Hop<'a> {
    pub settings: &'a Settings,
    pub peer: SocketAddrV4,
    pub is_https: bool,
    /// The listener's.
    pub port: u16,
    pub dns_name: &'a str,
    /// `1-<time>-<random>`, for the trace of this request.
    pub trace: &'a str,
    /// What TLS with the client was agreed on.
    pub agreed: Option<&'a Agreed>,
    pub rewrites: &'a [Rewrite],
}

/// Is this the request for another protocol that is passed on? Others are not asked for: what comes
/// after them would not be read here.
pub fn asks_for_websocket(request: &Request) -> bool {
    request.version == Version::Http11
        && request.fields.has_word("connection", "upgrade")
        && request.fields.has_word("upgrade", "websocket")
}

/// # Errors
/// It came by too many proxies.
pub fn check_forwarded(request: &Request) -> Result<(), Wrong> {
    let values = request.fields.all("x-forwarded-for");
    let addresses: usize = values.map(|v| v.split(|b| *b == b',').count()).sum();
    match addresses > FORWARDED_MAX {
        true => Err(Wrong(463)),
        false => Ok(()),
    }
}

/// A request's target, with the transforms of its rule.
pub fn target(request: &Request, hop: &Hop<'_>) -> Vec<u8> {
    let mut target = request.path().to_vec();
    if let Some(query) = request.query() {
        target.push(b'?');
        target.extend_from_slice(query);
    }
    rewritten(target, hop.rewrites, Part::Url)
}

/// What is not changed, or would not be a target or host any more, stays.
fn rewritten(mut text: Vec<u8>, rewrites: &[Rewrite], part: Part) -> Vec<u8> {
    for rewrite in rewrites.iter().filter(|rewrite| rewrite.of == part) {
        let new = rewrite.regex.replace(&text, rewrite.replace.as_bytes());
        let is_text = new.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
        let is_right = match part {
            Part::Url => new.first() == Some(&b'/'),
            Part::Host => !new.is_empty() && !new.contains(&b'/'),
        };
        if is_text && is_right {
            text = new.into_owned();
        }
    }
    text
}

/// The host that a target is told.
pub fn host(request: &Request, hop: &Hop<'_>) -> Vec<u8> {
    let asked = request.host().unwrap_or(hop.dns_name.as_bytes());
    let rewritten_host = rewritten(asked.to_vec(), hop.rewrites, Part::Host);
    if hop.settings.preserves_host {
        return rewritten_host;
    }
    let bare = without_port(&rewritten_host);
    match hop.port {
        80 | 443 => bare.to_vec(),
        port if bare.len() == rewritten_host.len() => {
            [bare, b":", port.to_string().as_bytes()].concat()
        }
        _ => rewritten_host,
    }
}

/// The fields that a target gets: those of the client that are for it, and those of the load balancer.
pub fn each_field(request: &Request, hop: &Hop<'_>, mut put: impl FnMut(&[u8], &[u8])) {
    let fields = &request.fields;
    forwarded_for(fields, hop, &mut put);
    put(
        b"X-Forwarded-Proto",
        if hop.is_https { b"https" } else { b"http" },
    );
    put(b"X-Forwarded-Port", hop.port.to_string().as_bytes());
    put(b"Host", &host(request, hop));
    put(b"X-Amzn-Trace-Id", &trace(fields, hop.trace));
    let (told, own_of_tls) = of_tls(hop);
    for (name, value) in told {
        put(name.as_bytes(), value.as_bytes());
    }
    let named = named_by_connection(fields);
    for (name, value) in fields.iter() {
        let is_ours = is_any(name, &OURS) || is_any(name, &own_of_tls);
        let is_dropped = hop.settings.drops_invalid_fields && !is_plain_name(name);
        if !is_ours && !is_dropped && !is_of_hop(name) && !is_named(name, &named) {
            put(name, value);
        }
    }
    if fields.has_word("te", "trailers") {
        put(b"TE", b"trailers");
    }
}

/// What a target is told of TLS and of the client's certificate, and the names that no client's field has
/// then.
fn of_tls<'a>(hop: &'a Hop<'_>) -> (Vec<(&'a str, &'a str)>, Vec<&'a str>) {
    let names = &hop.settings.names;
    let (mut told, mut own) = (Vec::new(), Vec::new());
    if hop.settings.tls_fields {
        own.extend([names.version.as_str(), names.cipher.as_str()]);
    }
    let Some(agreed) = hop.agreed else {
        return (told, own);
    };
    if hop.settings.tls_fields {
        told.push((names.version.as_str(), agreed.version));
        told.push((names.cipher.as_str(), agreed.cipher.as_str()));
    }
    match &agreed.client {
        Client::Unasked => return (told, own),
        Client::Passthrough(chain) => {
            let chain = chain.iter();
            told.extend(chain.map(|chain| (names.chain.as_str(), chain.as_str())));
        }
        Client::Verified(client) => {
            for client in client.iter() {
                let (number, validity) = (&client.serial_number, &client.validity);
                told.push((names.serial_number.as_str(), number.as_str()));
                told.push((names.issuer.as_str(), client.issuer.as_str()));
                told.push((names.subject.as_str(), client.subject.as_str()));
                told.push((names.validity.as_str(), validity.as_str()));
                told.push((names.leaf.as_str(), client.leaf.as_str()));
            }
        }
    }
    own.extend(names.of_clients());
    own.extend(OF_CLIENTS);
    (told, own)
}

/// What the fields of clients' certificates are called where nobody calls them otherwise.
const OF_CLIENTS: [&str; 6] = [
    "x-amzn-mtls-clientcert",
    "x-amzn-mtls-clientcert-serial-number",
    "x-amzn-mtls-clientcert-issuer",
    "x-amzn-mtls-clientcert-subject",
    "x-amzn-mtls-clientcert-validity",
    "x-amzn-mtls-clientcert-leaf",
];

fn forwarded_for(fields: &Fields, hop: &Hop<'_>, mut put: impl FnMut(&[u8], &[u8])) {
    let before: Vec<&[u8]> = fields.all("x-forwarded-for").collect();
    match hop.settings.forwarded_for {
        ForwardedFor::Remove => {}
        ForwardedFor::Preserve => {
            for value in before {
                put(b"X-Forwarded-For", value);
            }
        }
        ForwardedFor::Append => {
            let mut all = before.join(&b", "[..]);
            if !all.is_empty() {
                all.extend_from_slice(b", ");
            }
            let peer = match hop.settings.forwarded_for_port {
                true => hop.peer.to_string(),
                false => hop.peer.ip().to_string(),
            };
            all.extend_from_slice(peer.as_bytes());
            put(b"X-Forwarded-For", &all);
        }
    }
}

/// A trace that goes on gets a part of its own; one that begins here gets its root.
pub fn trace(fields: &Fields, own: &str) -> Vec<u8> {
    let before = fields.first("x-amzn-trace-id");
    let has_root = |value: &&[u8]| value.split(|b| *b == b';').any(|p| p.starts_with(b"Root="));
    match before {
        Some(value) if has_root(&value) => {
            let others = value
                .split(|b| *b == b';')
                .filter(|p| !p.starts_with(b"Self="));
            let others: Vec<&[u8]> = others.collect();
            [b"Self=", own.as_bytes(), b";", &others.join(&b";"[..])].concat()
        }
        Some(value) if !value.is_empty() => [b"Root=", own.as_bytes(), b";", value].concat(),
        _ => [b"Root=", own.as_bytes()].concat(),
    }
}

/// Fields that the load balancer says itself.
const OURS: [&str; 5] = [
    "host",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-amzn-trace-id",
];

/// Fields of one connection (RFC 9110 section 7.6.1), and those that frame a body.
const OF_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "http2-settings",
    "proxy-authenticate",
];

fn is_any(name: &[u8], names: &[&str]) -> bool {
    names
        .iter()
        .any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
}

fn is_of_hop(name: &[u8]) -> bool {
    is_any(name, &OF_HOP)
}

fn named_by_connection(fields: &Fields) -> Vec<&[u8]> {
    let words = fields
        .all("connection")
        .flat_map(|v| v.split(|b| *b == b','));
    words.map(|word| word.trim_ascii()).collect()
}

/// Nobody can have the load balancer's own fields dropped: those are put in anew.
fn is_named(name: &[u8], named: &[&[u8]]) -> bool {
    named.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// Writes a request for a target that speaks HTTP/1.1.
pub fn write_request(
    out: &mut BytesMut,
    request: &Request,
    length: Length,
    hop: &Hop<'_>,
    is_upgrade: bool,
) {
    put_all(
        out,
        &[
            request.method(),
            b" ",
            &target(request, hop),
            b" HTTP/1.1\r\n",
        ],
    );
    each_field(request, hop, |name, value| put_field(out, name, value));
    if is_upgrade {
        put_all(out, &[b"Connection: upgrade\r\nUpgrade: websocket\r\n"]);
    }
    put_length(out, length);
    out.extend_from_slice(b"\r\n");
}

/// Writes a target's response for a client that speaks HTTP/1.
pub fn write_response(
    out: &mut BytesMut,
    response: &Response,
    length: Length,
    added: &[(&str, &str)],
    settings: &Settings,
) {
    let status = response.status.to_string();
    put_all(
        out,
        &[
            b"HTTP/1.1 ",
            status.as_bytes(),
            b" ",
            response.reason(),
            b"\r\n",
        ],
    );
    each_response_field(response, settings, |name, value| {
        put_field(out, name, value)
    });
    for (name, value) in added {
        put_field(out, name.as_bytes(), value.as_bytes());
    }
    put_length(out, length);
}

/// The fields that a client gets.
pub fn each_response_field(
    response: &Response,
    settings: &Settings,
    mut put: impl FnMut(&[u8], &[u8]),
) {
    let named = named_by_connection(&response.fields);
    let of_listener = &settings.response_fields;
    for (name, value) in response.fields.iter() {
        let is_replaced = of_listener
            .iter()
            .any(|(ours, _)| name.eq_ignore_ascii_case(ours.as_bytes()));
        let is_hidden = !settings.server_field && name.eq_ignore_ascii_case(b"server");
        if !is_replaced && !is_hidden && !is_of_hop(name) && !is_named(name, &named) {
            put(name, value);
        }
    }
    for (name, value) in of_listener {
        put(name.as_bytes(), value.as_bytes());
    }
}

pub fn put_field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    put_all(out, &[name, b": ", value, b"\r\n"]);
}

fn put_all(out: &mut BytesMut, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn put_length(out: &mut BytesMut, length: Length) {
    match length {
        Length::None | Length::UntilClose => {}
        Length::Known(length) => {
            put_field(out, b"Content-Length", length.to_string().as_bytes());
        }
        Length::Chunked => put_field(out, b"Transfer-Encoding", b"chunked"),
    }
}

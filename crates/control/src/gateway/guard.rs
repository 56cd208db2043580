//! Keeps browsers out of the loopback port, where some callers need no proof: another site's page
//! must not drive it, by form post, by fetch, by a picture's address, or after rebinding its own
//! name to 127.0.0.1.
//!
//! What it goes by must be said once and well formed, or whoever stands between might have read
//! it otherwise (RFC 9112, 3.2: a malformed or doubled Host is a 400).

use http::request::Parts;
use http::{StatusCode, Version, header};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("The Host header is missing, doubled or malformed.")]
    Malformed,
    #[error("The Host header {0:?} is not a name of this server; use localhost or 127.0.0.1.")]
    Host(String),
    #[error("Requests from web pages of other origins are refused.")]
    Origin,
}

impl Refused {
    pub fn status(&self) -> StatusCode {
        match self {
            Refused::Malformed => StatusCode::BAD_REQUEST,
            Refused::Host(_) | Refused::Origin => StatusCode::FORBIDDEN,
        }
    }
}

/// Names under which AWS clients and we address this server.
const OWN_SUFFIXES: [&str; 4] = ["localhost", "amazonaws.com", "amazonaws.com.cn", "api.aws"];

/// What AWS's models have clients put before the host of a few operations. Whoever lets such a
/// name lead here (in `/etc/hosts`) is served: no page of another site has one of ours behind it.
const HOST_PREFIXES: [&str; 2] = ["stream-", "data-"];

/// May this request be looked at? `from_pages`: a web page could have sent it, with more rights
/// than its author has.
pub fn pass(parts: &Parts, from_pages: bool) -> Result<(), Refused> {
    let host = host(parts)?;
    match from_pages {
        true => check(parts, host.as_deref()),
        false => Ok(()),
    }
}

/// The host of a request that is addressed as every server would read it. `None`: it
/// names none, which only HTTP/1.0 allows.
fn host(parts: &Parts) -> Result<Option<String>, Refused> {
    let named = once(parts, header::HOST.as_str()).map_err(|Doubled| Refused::Malformed)?;
    let target = parts.uri.authority().map(|a| a.as_str().to_owned());
    let host = match (target, named) {
        // RFC 9112, 3.2.2: the target counts. A Host that says something else is a trap.
        (Some(target), Some(named)) if !target.eq_ignore_ascii_case(&named) => {
            return Err(Refused::Malformed);
        }
        (Some(target), _) => target,
        (None, Some(named)) => named,
        (None, None) if parts.version < Version::HTTP_11 => return Ok(None),
        (None, None) => return Err(Refused::Malformed),
    };
    name(&host).ok_or(Refused::Malformed)?;
    Ok(Some(host))
}

/// Does this request, to that host, come from a program on this host rather than from a foreign
/// web page?
fn check(parts: &Parts, host: Option<&str>) -> Result<(), Refused> {
    let host = host.unwrap_or_default();
    if !host.is_empty() && !name(host).is_some_and(is_own) {
        return Err(Refused::Host(host.to_owned()));
    }
    let said = |header| once(parts, header).map_err(|Doubled| Refused::Origin);
    let from_here = |url: &str| {
        url.split_once("://").is_some_and(|(_, rest)| {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            authority.eq_ignore_ascii_case(host)
        })
    };
    let foreign = said("sec-fetch-site")?.is_some_and(|s| s != "same-origin" && s != "none")
        || said("origin")?.is_some_and(|o| !from_here(&o))
        || said("referer")?.is_some_and(|r| !from_here(&r));
    if foreign {
        Err(Refused::Origin)
    } else {
        Ok(())
    }
}

/// Is it a page that a browser's user goes to, by a link or by its address? What the page says, no other
/// page reads.
pub(super) fn is_navigation(parts: &Parts) -> bool {
    let is = |name, wanted: &str| matches!(once(parts, name), Ok(Some(v)) if v == wanted);
    parts.method == http::Method::GET
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

/// Does a browser say that it sends this, whatever page has it do so?
pub(super) fn is_from_browser(parts: &Parts) -> bool {
    parts.headers.contains_key("sec-fetch-mode") || parts.headers.contains_key(header::ORIGIN)
}

struct Doubled;

/// A header's value, if it is given at most once.
fn once(parts: &Parts, name: &str) -> Result<Option<String>, Doubled> {
    let mut all = parts.headers.get_all(name).iter();
    let first = all.next().map(|v| v.to_str().unwrap_or("?").to_owned());
    match all.next() {
        None => Ok(first),
        Some(_) => Err(Doubled),
    }
}

/// The name or address in `host:port`, if it is well formed (RFC 3986, 3.2): labels of letters,
/// digits, hyphens and underscores, or an address; no user, no escapes.
fn name(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (address, port)
        }
        None => {
            let at = host.find(':').unwrap_or(host.len());
            let (name, port) = host.split_at(at);
            let label = |l: &str| {
                let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
                !l.is_empty() && l.bytes().all(known)
            };
            let labels = name.strip_suffix('.').unwrap_or(name);
            labels.split('.').all(label).then_some(())?;
            (name, port)
        }
    };
    let port = match port {
        "" => return Some(name),
        port => port.strip_prefix(':')?,
    };
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    (digits && (port.is_empty() || port.parse::<u16>().is_ok())).then_some(name)
}

/// An address cannot be rebound; a name must be one of ours.
fn is_own(name: &str) -> bool {
    let bare = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let behind = HOST_PREFIXES.iter().find_map(|p| bare.strip_prefix(p));
    let bare = behind.unwrap_or(&bare);
    let is_address = name.parse::<IpAddr>().is_ok() || bare.parse::<Ipv4Addr>().is_ok();
    is_address
        || OWN_SUFFIXES.iter().any(|own| {
            bare.strip_suffix(own)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
}

#[cfg(test)]
mod tests;

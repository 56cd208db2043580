//! Keeps browsers out of the unauthenticated loopback port: another site's page must not drive
//! it, by form post, by fetch, or after rebinding its own name to 127.0.0.1.

use http::HeaderMap;
use http::request::Parts;
use std::net::IpAddr;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("The Host header {0:?} is not a name of this server; use localhost or 127.0.0.1.")]
    Host(String),
    #[error("Requests from web pages of other origins are refused.")]
    Origin,
}

/// Names under which AWS clients and we address this server.
const OWN_SUFFIXES: [&str; 4] = ["localhost", "amazonaws.com", "amazonaws.com.cn", "api.aws"];

/// Does this request come from a program on this host, not from a foreign web page?
pub fn check(parts: &Parts) -> Result<(), Refused> {
    let host = host_of(parts);
    let name = host_name(&host);
    if !name.is_empty() && !is_own(name) {
        return Err(Refused::Host(host));
    }
    match text(&parts.headers, "sec-fetch-site") {
        None | Some("same-origin" | "none") => {}
        Some(_) => return Err(Refused::Origin),
    }
    match text(&parts.headers, "origin") {
        None => Ok(()),
        Some(origin)
            if origin
                .split_once("://")
                .is_some_and(|(_, from)| from == host) =>
        {
            Ok(())
        }
        Some(_) => Err(Refused::Origin),
    }
}

/// The address the client asked for: `host:port` from the target or the Host header.
pub fn host_of(parts: &Parts) -> String {
    let target = parts.uri.authority().map(|a| a.as_str().to_owned());
    target
        .or_else(|| text(&parts.headers, "host").map(str::to_owned))
        .unwrap_or_default()
}

fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// An address cannot be rebound; a name must be one of ours.
fn is_own(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok()
        || OWN_SUFFIXES.iter().any(|own| {
            name.strip_suffix(own)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|v| v.to_str().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Result<(), Refused> {
        let mut builder = http::Request::builder().uri("/");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        check(&builder.body(()).expect("builds").into_parts().0)
    }

    #[test]
    fn programs_on_this_host_pass() {
        for host in [
            "127.0.0.1:4566",
            "localhost:4566",
            "[::1]:4566",
            "000000000000.dkr.ecr.us-east-1.localhost:4566",
            "ecs.us-east-1.amazonaws.com",
            "172.31.0.1:4566",
        ] {
            assert_eq!(request(&[("host", host)]), Ok(()), "{host}");
        }
        let console = [
            ("host", "localhost:4566"),
            ("origin", "http://localhost:4566"),
        ];
        assert_eq!(request(&console), Ok(()));
    }

    #[test]
    fn rebound_names_are_refused() {
        for host in [
            "evil.example",
            "evil.example:4566",
            "localhost.evil.example",
            "notlocalhost",
        ] {
            assert_eq!(request(&[("host", host)]), Err(Refused::Host(host.into())));
        }
    }

    #[test]
    fn foreign_pages_are_refused() {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:3000"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(
                request(&[("host", "localhost:4566"), (name, value)]),
                Err(Refused::Origin)
            );
        }
    }
}

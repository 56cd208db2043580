//! [`Failure`]: one request that failed, worded as containerd (and so ECS) does.

use super::reach::Forbidden;
use crate::image::error::PullErrorKind;
use neargate_blob::Digest;
use reqwest::StatusCode;
use serde::Deserialize;
use std::error::Error;
use std::io;

const UNVERIFIED: &str = "tls: failed to verify certificate: x509";

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: PullErrorKind,
    /// Whether trying again may help.
    pub(super) again: bool,
    pub(super) message: String,
}

/// OCI distribution spec, "Error Codes".
#[derive(Deserialize)]
struct Envelope {
    errors: Vec<OciError>,
}

#[derive(Deserialize)]
struct OciError {
    code: String,
    #[serde(default)]
    message: String,
}

impl Failure {
    pub(super) fn denied(why: &str) -> Self {
        let message = format!(
            "pull access denied, repository does not exist or may require authorization: {why}"
        );
        Failure {
            kind: PullErrorKind::Denied,
            again: false,
            message,
        }
    }

    /// A status other than success, with the beginning of its body.
    pub(super) fn status(status: StatusCode, body: &[u8], url: &str) -> Self {
        let server = serde_json::from_slice::<Envelope>(body).ok();
        let first = server.and_then(|e| e.errors.into_iter().next());
        let server = first.map(|e| match e.message.is_empty() {
            true => e.code.to_lowercase(),
            false => format!("{}: {}", e.code.to_lowercase(), e.message),
        });
        let server: Option<String> = server.map(|s| s.chars().take(500).collect());
        match status {
            StatusCode::NOT_FOUND => {
                let message = format!("content at {url} not found: not found");
                Failure {
                    kind: PullErrorKind::NotFound,
                    again: false,
                    message,
                }
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = server.map(|s| format!("server message: {s}"));
                Failure::denied(&why.unwrap_or_else(|| "authorization failed".to_owned()))
            }
            _ => {
                let said = server
                    .map(|s| format!(" - Server message: {s}"))
                    .unwrap_or_default();
                let message = format!("unexpected status code {url}: {}{said}", reason(status));
                let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                Failure {
                    kind: PullErrorKind::Network,
                    again,
                    message,
                }
            }
        }
    }

    /// A status other than success, to a HEAD: there is no body.
    pub(super) fn head(status: StatusCode, url: &str) -> Self {
        let failure = Failure::status(status, b"", url);
        match status {
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Failure {
                kind: PullErrorKind::Unsupported,
                again: false,
                ..failure
            },
            _ if failure.kind == PullErrorKind::Network => {
                let reason = reason(status);
                let message = format!("unexpected status from HEAD request to {url}: {reason}");
                Failure { message, ..failure }
            }
            _ => failure,
        }
    }

    /// No response, or one that broke off.
    pub(super) fn transport(error: &reqwest::Error, url: &str) -> Self {
        let peer = error.url().and_then(|u| {
            let host = u.host_str()?;
            Some((
                host.to_owned(),
                format!("{host}:{}", u.port_or_known_default()?),
            ))
        });
        let (host, address) = peer.unwrap_or_default();
        let cause = innermost(error);
        let number =
            sources(error).find_map(|e| e.downcast_ref::<io::Error>().map(io::Error::kind));
        let what = match number {
            _ if error.is_timeout() => format!("dial tcp {address}: i/o timeout"),
            Some(io::ErrorKind::ConnectionRefused) => {
                format!("dial tcp {address}: connect: connection refused")
            }
            _ if cause.contains("lookup address") => {
                format!("dial tcp: lookup {host}: no such host")
            }
            _ if cause.contains("UnknownIssuer") => {
                format!("{UNVERIFIED}: certificate signed by unknown authority")
            }
            _ if cause.contains("peer certificate") => format!("{UNVERIFIED}: {cause}"),
            _ if error.is_connect() => format!("dial tcp {address}: {cause}"),
            _ => cause,
        };
        let message = format!("failed to do request: Head \"{url}\": {what}");
        // A malformed address or a way that is not taken does not get better.
        let forbidden = sources(error).any(|e| e.is::<Forbidden>());
        let again = !error.is_builder() && !error.is_redirect() && !forbidden;
        Failure {
            kind: PullErrorKind::Network,
            again,
            message,
        }
    }

    pub(super) fn timeout(url: &str) -> Self {
        let message = format!("failed to do request: Head \"{url}\": context deadline exceeded");
        Failure {
            kind: PullErrorKind::Network,
            again: true,
            message,
        }
    }

    pub(super) fn too_large(url: &str) -> Self {
        let message = format!("the answer of {url} is too large");
        Failure {
            kind: PullErrorKind::TooLarge,
            again: false,
            message,
        }
    }

    pub(super) fn wrong_digest(actual: &Digest, expected: &Digest) -> Self {
        let message =
            format!("unexpected commit digest {actual}, expected {expected}: failed precondition");
        Failure {
            kind: PullErrorKind::Invalid,
            again: false,
            message,
        }
    }
}

fn sources<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let next =
        |e: &&'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> { (*e).source() };
    std::iter::successors(Some(error), next)
}

/// The last cause: what reqwest wraps it in only repeats the URL.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    sources(error)
        .last()
        .expect("starts with the error itself")
        .to_string()
}

fn reason(status: StatusCode) -> String {
    format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    )
    .trim()
    .to_owned()
}

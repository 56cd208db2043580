//! The canonical request: what both sides hash.
//!
//! Everything here takes the request as it came over the wire (still percent-encoded), because
//! the second encoding of the path depends on it.

use super::claim::Claim;
use super::error::SigV4Error;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// RFC 3986's unreserved characters stay, all else is encoded.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// The same for a path: `/` separates segments.
const PATH: &AsciiSet = &STRICT.remove(b'/');

/// Percent-encodes a query name or value as SigV4 wants it.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, STRICT).to_string()
}

/// Decodes, then encodes once: the same text however the client chose to escape it.
fn reencode(text: &str, keep: &'static AsciiSet) -> String {
    let bytes: Vec<u8> = percent_decode_str(text).collect();
    percent_encoding::percent_encode(&bytes, keep).to_string()
}

/// RFC 3986 section 5.2.4, and empty segments dropped as well; a trailing slash stays.
fn normalise(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut out = String::with_capacity(path.len() + 1);
    out.push('/');
    out.push_str(&kept.join("/"));
    let directory = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if directory && !kept.is_empty() {
        out.push('/');
    }
    out
}

/// S3 keys may hold `//` and `..`, so its path is taken literally and encoded once; every other
/// service normalises the path and encodes it a second time.
pub(super) fn path(raw: &str, service: &str) -> String {
    let raw = if raw.is_empty() { "/" } else { raw };
    if service == "s3" || service.starts_with("s3-") || service.starts_with("s3express") {
        reencode(raw, PATH)
    } else {
        utf8_percent_encode(&normalise(raw), PATH).to_string()
    }
}

/// Sorted by encoded name, then value. A presigned URL does not sign its own signature.
pub(super) fn query(raw: &str, presigned: bool) -> String {
    let mut pairs: Vec<(String, String)> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (reencode(name, STRICT), reencode(value, STRICT)))
        .filter(|(name, _)| !(presigned && name == "X-Amz-Signature"))
        .collect();
    pairs.sort();
    let mut out = String::with_capacity(raw.len());
    for (name, value) in &pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
    out
}

/// Values of one header: each trimmed, inner runs of spaces folded to one, joined by commas.
fn header_value(parts: &Parts, name: &str) -> Result<String, SigV4Error> {
    let mut joined = String::new();
    let mut seen = false;
    for value in parts.headers.get_all(name) {
        if seen {
            joined.push(',');
        }
        seen = true;
        let text = String::from_utf8_lossy(value.as_bytes());
        for (i, word) in text
            .split([' ', '\t'])
            .filter(|w| !w.is_empty())
            .enumerate()
        {
            if i > 0 {
                joined.push(' ');
            }
            joined.push_str(word);
        }
    }
    // HTTP/2 carries the host as the `:authority` pseudo header.
    if !seen
        && name == "host"
        && let Some(authority) = parts.uri.authority()
    {
        return Ok(authority.as_str().to_owned());
    }
    if !seen {
        return Err(SigV4Error::SignedHeaderMissing(name.to_owned()));
    }
    Ok(joined)
}

/// The whole canonical request of `parts` for `claim`.
pub fn canonical_request(
    claim: &Claim,
    parts: &Parts,
    payload_hash: &str,
) -> Result<String, SigV4Error> {
    let mut out = String::with_capacity(512);
    out.push_str(parts.method.as_str());
    out.push('\n');
    out.push_str(&path(parts.uri.path(), &claim.service));
    out.push('\n');
    out.push_str(&query(parts.uri.query().unwrap_or(""), claim.presigned));
    out.push('\n');
    for name in &claim.signed_headers {
        out.push_str(name);
        out.push(':');
        out.push_str(&header_value(parts, name)?);
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&claim.signed_headers.join(";"));
    out.push('\n');
    out.push_str(payload_hash);
    Ok(out)
}

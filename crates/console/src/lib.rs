//! The files of the console, `/console`, as `console/` is built: they are the same for everybody and
//! hold no secret, and all that a page does it does by AWS's operations, signed.
//!
//! Files whose names hold their hash are kept by browsers for good. Every other address below
//! `/console` is a page, and answered by the one document whose script shows it. What these pages
//! may load is theirs alone, and nobody may frame them.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use std::io::Read as _;

/// Where the console is.
pub const PATH: &str = "/console";

/// A file's name below [`PATH`], and its content in gzip.
type File = (&'static str, &'static [u8]);

/// What was packed when this was compiled.
const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The document of every page.
const DOCUMENT: &str = "index.html";
/// The files whose names hold their hash.
const HASHED: &str = "assets/";

/// No script but the console's own files. Styles may be written by scripts: the terminal and the
/// charts do so.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; \
    base-uri 'none'; form-action 'none'";

/// Whether the console is in this binary.
pub fn is_built() -> bool {
    find(FILES, DOCUMENT).is_some()
}

/// Answers a request below [`PATH`].
pub fn answer(parts: &Parts) -> Response<Bytes> {
    respond(FILES, parts)
}

fn respond(files: &[File], parts: &Parts) -> Response<Bytes> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET");
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    let path = parts.uri.path();
    let name = path.strip_prefix(PATH).unwrap_or_default();
    let name = name.trim_start_matches('/');
    let response = match find(files, name).map(|content| (name, content)) {
        Some(found) => file(found, parts),
        None if name.starts_with(HASHED) => plain(StatusCode::NOT_FOUND, "There is no such file."),
        None => match find(files, DOCUMENT) {
            Some(document) => file((DOCUMENT, document), parts),
            None => unbuilt(),
        },
    };
    without_body_for_head(response, parts)
}

fn find(files: &[File], name: &str) -> Option<&'static [u8]> {
    let at = files.iter().find(|(n, _)| *n == name);
    at.map(|(_, content)| *content)
}

fn file((name, content): (&str, &'static [u8]), parts: &Parts) -> Response<Bytes> {
    let mut response = if takes_gzip(parts) {
        let mut response = Response::new(Bytes::from_static(content));
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(CONTENT_ENCODING, gzip);
        response
    } else {
        let mut whole = Vec::new();
        match GzDecoder::new(content).read_to_end(&mut whole) {
            Ok(_) => Response::new(whole.into()),
            Err(_) => return plain(StatusCode::INTERNAL_SERVER_ERROR, "This file is broken."),
        }
    };
    let kept = match name.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind(name)));
    guarded(response)
}

/// Does the client take gzip? A weight of zero says no.
fn takes_gzip(parts: &Parts) -> bool {
    let all = parts.headers.get_all(ACCEPT_ENCODING).iter();
    let mut codings = all
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let none = weight.trim().strip_prefix("q=").is_some_and(|q| {
            let q = q.trim();
            q.starts_with('0') && q.chars().all(|c| matches!(c, '0' | '.'))
        });
        name.trim().eq_ignore_ascii_case("gzip") && !none
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "json" => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}

/// A build without the console says how to have it.
fn unbuilt() -> Response<Bytes> {
    const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Neargate</title>\
        <h1>This build has no console</h1>\
        <p>Node.js 18 or later and npm were not there when it was built. On Debian: \
        <code>apt-get install nodejs npm</code>, then <code>make run</code>.</p>\
        <p>Everything else works: see <code>GET /health</code> for what runs here.</p></html>";
    let mut response = plain(StatusCode::NOT_FOUND, PAGE);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, text);
    guarded(response)
}

fn guarded(mut response: Response<Bytes>) -> Response<Bytes> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Own calls say where they are from, which the guard of this port asks; nobody else is told.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn without_body_for_head(mut response: Response<Bytes>, parts: &Parts) -> Response<Bytes> {
    if parts.method == Method::HEAD {
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        *response.body_mut() = Bytes::new();
    }
    response
}

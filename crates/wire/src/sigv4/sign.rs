//! Signing requests, for calls Neargate makes itself and for tests.

use super::canonical::encode;
use super::claim::Claim;
use super::date::format_basic;
use super::error::SigV4Error;
use super::key::SigningKey;
use super::verify::string_to_sign;
use super::{ALGORITHM, TERMINATOR, UNSIGNED_PAYLOAD};
use http::request::Parts;
use http::{HeaderValue, Uri};
use neargate_base::Timestamp;
use std::time::Duration;

/// Who signs, and for where.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub access_key: &'a str,
    pub region: &'a str,
    pub service: &'a str,
    pub session_token: Option<&'a str>,
}

impl Scope<'_> {
    fn claim(&self, at: Timestamp) -> Claim {
        let timestamp = format_basic(at);
        Claim {
            access_key: self.access_key.to_owned(),
            date: timestamp.get(..8).unwrap_or_default().to_owned(),
            region: self.region.to_owned(),
            service: self.service.to_owned(),
            signed_headers: Vec::new(),
            signature: String::new(),
            presigned: false,
            expires_seconds: None,
            timestamp,
            signed_at: at,
            session_token: self.session_token.map(str::to_owned),
        }
    }
}

fn value(text: &str) -> Result<HeaderValue, SigV4Error> {
    HeaderValue::from_str(text).map_err(|_| SigV4Error::incomplete("A header value is not ASCII."))
}

/// Adds `X-Amz-Date`, the session token and `Authorization`; signs every header present.
pub fn sign(
    parts: &mut Parts,
    scope: Scope<'_>,
    payload_hash: &str,
    secret: &str,
    at: Timestamp,
) -> Result<Claim, SigV4Error> {
    let mut claim = scope.claim(at);
    parts.headers.insert("x-amz-date", value(&claim.timestamp)?);
    if let Some(token) = scope.session_token {
        parts.headers.insert("x-amz-security-token", value(token)?);
    }
    let mut names: Vec<String> = parts
        .headers
        .keys()
        .map(|n| n.as_str().to_owned())
        .collect();
    if !names.iter().any(|n| n == "host") {
        names.push("host".to_owned());
    }
    names.sort();
    claim.signed_headers = names;
    let key = SigningKey::derive(secret, &claim.date, &claim.region, &claim.service);
    claim.signature = key.sign(&string_to_sign(&claim, parts, payload_hash)?);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
        claim.access_key,
        claim.scope(),
        claim.signed_headers.join(";"),
        claim.signature
    );
    parts
        .headers
        .insert(http::header::AUTHORIZATION, value(&authorization)?);
    Ok(claim)
}

/// Rewrites the URI of `parts` into a presigned one that works for `expires`.
pub fn presign(
    parts: &mut Parts,
    scope: Scope<'_>,
    secret: &str,
    at: Timestamp,
    expires: Duration,
) -> Result<(), SigV4Error> {
    let mut claim = scope.claim(at);
    claim.presigned = true;
    claim.signed_headers = vec!["host".to_owned()];
    let mut query = parts
        .uri
        .query()
        .map(|q| format!("{q}&"))
        .unwrap_or_default();
    query.push_str(&format!(
        "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={}&X-Amz-SignedHeaders=host",
        encode(&format!("{}/{}/{}/{}/{TERMINATOR}", claim.access_key, claim.date, claim.region, claim.service)),
        claim.timestamp,
        expires.as_secs(),
    ));
    if let Some(token) = scope.session_token {
        query.push_str(&format!("&X-Amz-Security-Token={}", encode(token)));
    }
    set_query(parts, &query)?;
    let hash = if scope.service == "s3" {
        UNSIGNED_PAYLOAD
    } else {
        super::EMPTY_SHA256
    };
    let key = SigningKey::derive(secret, &claim.date, &claim.region, &claim.service);
    let signature = key.sign(&string_to_sign(&claim, parts, hash)?);
    query.push_str(&format!("&X-Amz-Signature={signature}"));
    set_query(parts, &query)
}

fn set_query(parts: &mut Parts, query: &str) -> Result<(), SigV4Error> {
    let path_and_query = format!("{}?{query}", parts.uri.path());
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.path_and_query = Some(
        path_and_query
            .parse()
            .map_err(|_| SigV4Error::incomplete("The request's URI is not valid."))?,
    );
    parts.uri = Uri::from_parts(uri)
        .map_err(|_| SigV4Error::incomplete("The request's URI is not valid."))?;
    Ok(())
}

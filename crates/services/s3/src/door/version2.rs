//! Presigned addresses of Signature Version 2, which boto3 still makes unless it is told otherwise
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html>).

use crate::error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use neargate_base::Timestamp;
use neargate_service::AwsError;
use neargate_service::door::{Signer, Visitor};
use neargate_wire::sigv4::{Claim, SigV4Error};
use percent_encoding::percent_decode_str;
use ring::hmac;
use std::collections::BTreeMap;
use std::time::Duration;

/// What of the query string is signed.
const SIGNED: [&str; 31] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "encryption",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Does a request sign itself by this version in its head? That S3 takes nowhere any more where
/// buckets are new.
pub fn is_header(parts: &Parts) -> bool {
    let header = parts.headers.get(http::header::AUTHORIZATION);
    header.is_some_and(|h| h.as_bytes().starts_with(b"AWS "))
}

/// Who signed an address so; `None`: nobody did. `path` has the bucket in it.
///
/// # Errors
/// In S3's words.
pub fn judge(
    parts: &Parts,
    path: &str,
    visitor: &Visitor,
    now: Timestamp,
) -> Result<Option<Signer>, AwsError> {
    let query = parts.uri.query().unwrap_or_default();
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8_lossy().into_owned();
        parameters.insert(name.to_owned(), (pair.contains('='), value));
    }
    let get = |name: &str| parameters.get(name).map(|(_, value)| value.as_str());
    let Some(access_key) = get("AWSAccessKeyId") else {
        return Ok(None);
    };
    let (Some(signature), Some(expires)) = (get("Signature"), get("Expires")) else {
        return Err(error::access_denied_because(
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        ));
    };
    let seconds: u64 = expires.parse().map_err(|_| {
        error::access_denied_because(format!(
            "Invalid date (should be seconds since epoch): {expires}"
        ))
    })?;
    let until = Timestamp::default() + Duration::from_secs(seconds);
    let claim = Claim {
        access_key: access_key.to_owned(),
        date: String::new(),
        region: visitor.default_scope.region.to_string(),
        service: "s3".to_owned(),
        signed_headers: Vec::new(),
        signature: signature.to_owned(),
        presigned: true,
        expires_seconds: None,
        timestamp: String::new(),
        signed_at: now,
        session_token: get("x-amz-security-token").map(str::to_owned),
    };
    let signer = visitor.keys.signer(&claim);
    let signer = signer.map_err(|why| error::signature(&why))?;
    let Some(secret) = &signer.secret else {
        return Ok(Some(signer));
    };
    if now > until {
        return Err(error::access_denied_because("Request has expired")
            .field("Expires", until.rfc3339())
            .field("ServerTime", now.rfc3339()));
    }
    let header = |name: &str| {
        let own = parts.headers.get(name).and_then(|h| h.to_str().ok());
        own.or_else(|| get(name)).unwrap_or_default().to_owned()
    };
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &parts.headers {
        if name.as_str().starts_with("x-amz-") {
            let value = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
            named.insert(name.to_string(), value);
        }
    }
    for (name, (_, value)) in &parameters {
        if name.starts_with("x-amz-") {
            named.insert(name.clone(), value.clone());
        }
    }
    let named: String = named.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
    let signed: Vec<String> = parameters
        .iter()
        .filter(|(name, _)| SIGNED.contains(&name.as_str()))
        .map(|(name, (valued, value))| match valued {
            true => format!("{name}={value}"),
            false => name.clone(),
        })
        .collect();
    let signed = match signed.is_empty() {
        true => String::new(),
        false => format!("?{}", signed.join("&")),
    };
    let text = format!(
        "{}\n{}\n{}\n{expires}\n{named}{path}{signed}",
        parts.method,
        header("content-md5"),
        header("content-type"),
    );
    let key = hmac::Key::new(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        secret.expose().as_bytes(),
    );
    let given = STANDARD.decode(signature).unwrap_or_default();
    match hmac::verify(&key, text.as_bytes(), &given) {
        Ok(()) => Ok(Some(signer)),
        Err(_) => Err(error::signature(&SigV4Error::Mismatch(String::new()))),
    }
}

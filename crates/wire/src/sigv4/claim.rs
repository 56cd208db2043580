//! What a request says about who signed it: read, not yet believed.

use super::date::{parse_basic, parse_http};
use super::error::SigV4Error;
use super::{ALGORITHM, TERMINATOR, UNSIGNED_PAYLOAD};
use http::request::Parts;
use neargate_base::Timestamp;
use percent_encoding::percent_decode_str;

/// A signature and everything it was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub access_key: String,
    /// `YYYYMMDD`, from the credential scope.
    pub date: String,
    pub region: String,
    /// The signing name: `ecs`, `monitoring`, `elasticloadbalancing`.
    pub service: String,
    /// Lower case, in the order the client listed (and signed) them.
    pub signed_headers: Vec<String>,
    /// Lower-case hex as the client sent it.
    pub signature: String,
    /// The signature came in the query string.
    pub presigned: bool,
    /// Only presigned: how long after `signed_at` the URL works.
    pub expires_seconds: Option<u64>,
    /// `X-Amz-Date` (or `Date`) as sent; part of the string to sign.
    pub timestamp: String,
    pub signed_at: Timestamp,
    pub session_token: Option<String>,
}

impl Claim {
    /// `date/region/service/aws4_request`.
    pub fn scope(&self) -> String {
        format!(
            "{}/{}/{}/{TERMINATOR}",
            self.date, self.region, self.service
        )
    }
}

/// How the body takes part in the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// The signature covers the hash of the whole body, which the caller computes.
    Whole,
    /// `x-amz-content-sha256` declares the body's hash: the caller must compare it to the body's.
    Declared(String),
    /// Not covered.
    Unsigned,
    /// `aws-chunked`, each chunk signed; with `trailer`, headers follow the last chunk.
    Chunked { trailer: bool },
    /// `aws-chunked`, unsigned, with headers behind the last chunk.
    UnsignedChunked,
}

impl Payload {
    /// Reads `x-amz-content-sha256`. Presigned S3 URLs leave the body out when it is absent.
    pub fn of(claim: &Claim, parts: &Parts) -> Result<Payload, SigV4Error> {
        let Some(value) = parts.headers.get("x-amz-content-sha256") else {
            let unsigned = claim.presigned && claim.service == "s3";
            return Ok(if unsigned {
                Payload::Unsigned
            } else {
                Payload::Whole
            });
        };
        match value.to_str().unwrap_or("") {
            UNSIGNED_PAYLOAD => Ok(Payload::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Payload::Chunked { trailer: false }),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Payload::Chunked { trailer: true }),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Payload::UnsignedChunked),
            hash if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Ok(Payload::Declared(hash.to_owned()))
            }
            _ => Err(SigV4Error::BadContentSha256),
        }
    }

    /// The last line of the canonical request; `body_hash` is asked for only when it is needed.
    pub fn hash_line(&self, body_hash: impl FnOnce() -> String) -> String {
        match self {
            Payload::Whole => body_hash(),
            Payload::Declared(hash) => hash.clone(),
            Payload::Unsigned => UNSIGNED_PAYLOAD.to_owned(),
            Payload::Chunked { trailer: false } => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
            Payload::Chunked { trailer: true } => {
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned()
            }
            Payload::UnsignedChunked => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        }
    }
}

/// Reads the claim of a request: `None` when it is not signed by SigV4 at all (no
/// `Authorization` header of that scheme and no `X-Amz-Algorithm`), an error when it is, badly.
/// Other schemes (`Basic` and `Bearer`, which the registry and Git use) are none of our business.
pub fn parse(parts: &Parts) -> Result<Option<Claim>, SigV4Error> {
    if let Some(value) = parts.headers.get(http::header::AUTHORIZATION) {
        let text = value
            .to_str()
            .map_err(|_| SigV4Error::incomplete("Authorization header is not ASCII."))?;
        if text.starts_with("AWS4-") {
            return from_header(parts, text).map(Some);
        }
    }
    match parts.uri.query() {
        Some(query) if query.contains("X-Amz-Algorithm=") => from_query(query).map(Some),
        _ => Ok(None),
    }
}

fn from_header(parts: &Parts, text: &str) -> Result<Claim, SigV4Error> {
    let (algorithm, rest) = text.split_once(' ').unwrap_or((text, ""));
    if algorithm != ALGORITHM {
        return Err(SigV4Error::UnsupportedAlgorithm(algorithm.to_owned()));
    }
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for pair in rest
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(SigV4Error::incomplete(format!(
                "'{pair}' not a valid key=value pair (missing equal-sign) in Authorization header: '{text}'."
            )));
        };
        match name {
            "Credential" => credential = Some(value),
            "SignedHeaders" => signed_headers = Some(value),
            "Signature" => signature = Some(value),
            _ => {}
        }
    }
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
    let timestamp = header("x-amz-date").or_else(|| header("date"));
    let (Some(credential), Some(signed_headers), Some(signature), Some(timestamp)) =
        (credential, signed_headers, signature, timestamp)
    else {
        let mut message = String::new();
        for (missing, name) in [
            (credential.is_none(), "'Credential' parameter"),
            (signature.is_none(), "'Signature' parameter"),
            (signed_headers.is_none(), "'SignedHeaders' parameter"),
        ] {
            if missing {
                message.push_str(&format!("Authorization header requires {name}. "));
            }
        }
        if timestamp.is_none() {
            message.push_str(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
            );
        }
        // AWS echoes the header; the signature it may hold is of no use without its request.
        message.push_str(&format!("Authorization={text}"));
        return Err(SigV4Error::incomplete(message));
    };
    let signed_at = parse_http(timestamp).ok_or_else(|| {
        SigV4Error::incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{timestamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
        ))
    })?;
    let scope = CredentialScope::parse(credential)?;
    Ok(Claim {
        access_key: scope.access_key,
        date: scope.date,
        region: scope.region,
        service: scope.service,
        signed_headers: header_names(signed_headers),
        signature: signature.to_owned(),
        presigned: false,
        expires_seconds: None,
        timestamp: timestamp.to_owned(),
        signed_at,
        session_token: header("x-amz-security-token").map(str::to_owned),
    })
}

fn from_query(query: &str) -> Result<Claim, SigV4Error> {
    let get = |wanted: &str| {
        query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(name, _)| percent_decode_str(name).eq(wanted.bytes()))
            .map(|(_, value)| percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    let need = |name: &'static str| {
        get(name)
            .filter(|v| !v.is_empty())
            .ok_or(SigV4Error::QueryParameterMissing(name))
    };
    let algorithm = need("X-Amz-Algorithm")?;
    if algorithm != ALGORITHM {
        return Err(SigV4Error::UnsupportedAlgorithm(algorithm));
    }
    let scope = CredentialScope::parse(&need("X-Amz-Credential")?)?;
    let signature = need("X-Amz-Signature")?;
    let signed_headers = need("X-Amz-SignedHeaders")?;
    let timestamp = need("X-Amz-Date")?;
    let signed_at = parse_basic(&timestamp).ok_or(SigV4Error::BadQueryDate)?;
    // S3 demands the parameter; elsewhere a URL without it is good for the usual clock skew.
    let expires_seconds = match get("X-Amz-Expires") {
        Some(text) => Some(text.parse().map_err(|_| SigV4Error::BadExpires)?),
        None if scope.service == "s3" => {
            return Err(SigV4Error::QueryParameterMissing("X-Amz-Expires"));
        }
        None => None,
    };
    Ok(Claim {
        access_key: scope.access_key,
        date: scope.date,
        region: scope.region,
        service: scope.service,
        signed_headers: header_names(&signed_headers),
        signature,
        presigned: true,
        expires_seconds,
        timestamp,
        signed_at,
        session_token: get("X-Amz-Security-Token"),
    })
}

fn header_names(list: &str) -> Vec<String> {
    list.split(';')
        .filter(|name| !name.is_empty())
        .map(str::to_ascii_lowercase)
        .collect()
}

struct CredentialScope {
    access_key: String,
    date: String,
    region: String,
    service: String,
}

impl CredentialScope {
    /// `keyid/date/region/service/aws4_request`. A key id may hold slashes in none of AWS's forms.
    fn parse(credential: &str) -> Result<Self, SigV4Error> {
        let elements: Vec<&str> = credential.split('/').collect();
        let [access_key, date, region, service, terminator] = elements[..] else {
            return Err(SigV4Error::incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
            )));
        };
        if terminator != TERMINATOR {
            return Err(SigV4Error::mismatch(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
            )));
        }
        Ok(CredentialScope {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }
}

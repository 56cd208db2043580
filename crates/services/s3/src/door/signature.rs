//! Who calls, and whether what he says of himself holds. The head of a request suffices: S3's
//! clients say what the body's hash is, or how the body is signed piece by piece.

use super::version2;
use crate::error;
use http::request::Parts;
use neargate_base::Timestamp;
use neargate_service::door::{Signer, Visitor};
use neargate_service::{AwsError, Principal, Scope};
use neargate_wire::sigv4::{
    self, ChunkDecoder, Claim, Payload, SigV4Error, SigningKey, verify_with_key,
};

/// Who calls, and how his body is to be read.
#[derive(Debug)]
pub struct Caller {
    pub scope: Scope,
    pub principal: Principal,
    /// The SHA-256 that the body must have.
    pub sha256: Option<String>,
    pub chunks: Option<ChunkDecoder>,
}

/// Judges a request's head. `path` has the bucket in it.
///
/// # Errors
/// In S3's words.
pub fn judge(
    parts: &Parts,
    path: &str,
    visitor: &Visitor,
    now: Timestamp,
) -> Result<Caller, AwsError> {
    let default = &visitor.default_scope;
    let claim = match sigv4::parse(parts) {
        Ok(claim) => claim,
        Err(_) if !visitor.must_prove => None,
        Err(why) => return Err(error::signature(&why)),
    };
    let Some(claim) = claim else {
        if let Some(signer) = version2::judge(parts, path, visitor, now)? {
            return Ok(Caller {
                scope: default.of_account(signer.account),
                principal: signer.principal,
                sha256: None,
                chunks: unsigned_chunks(parts)?,
            });
        }
        if version2::is_header(parts) && visitor.must_prove {
            return Err(error::invalid_request(
                "The authorization mechanism you have provided is not supported. Please use \
                 AWS4-HMAC-SHA256.",
            ));
        }
        let principal = match visitor.must_prove {
            true => Principal::anonymous(),
            false => Principal::root(&default.account, ""),
        };
        return Ok(Caller {
            scope: default.clone(),
            principal,
            sha256: None,
            chunks: unsigned_chunks(parts)?,
        });
    };
    let refuse = |why: SigV4Error| error::signature(&why);
    let region = claim.region.parse();
    let region = region.map_err(|_| malformed_region(&claim))?;
    let Signer {
        secret,
        account,
        principal,
    } = visitor.keys.signer(&claim).map_err(refuse)?;
    let scope = Scope { account, region };
    let payload = match Payload::of(&claim, parts) {
        Ok(Payload::Whole) if secret.is_some() => {
            return Err(error::invalid_request(
                "Missing required header for this request: x-amz-content-sha256",
            ));
        }
        Ok(payload) => payload,
        Err(why) => return Err(refuse(why)),
    };
    let key = secret.map(|secret| {
        let secret = secret.expose();
        SigningKey::derive(secret, &claim.date, &claim.region, &claim.service)
    });
    if let Some(key) = &key {
        if claim.service != neargate_api_s3::SERVICE.signing_name {
            return Err(malformed_service(&claim));
        }
        let line = payload.hash_line(String::new);
        verify_with_key(&claim, parts, &line, key, now).map_err(refuse)?;
    }
    let (sha256, chunks) = match &payload {
        Payload::Declared(hash) => (Some(hash.clone()), None),
        Payload::Whole | Payload::Unsigned => (None, unsigned_chunks(parts)?),
        Payload::Chunked { .. } | Payload::UnsignedChunked => {
            let length = Some(decoded_length(parts)?);
            (None, Some(ChunkDecoder::new(&claim, &payload, key, length)))
        }
    };
    Ok(Caller {
        scope,
        principal,
        sha256,
        chunks,
    })
}

/// How long the body is without its frame.
fn decoded_length(parts: &Parts) -> Result<u64, AwsError> {
    let header = parts.headers.get("x-amz-decoded-content-length");
    let length = header.and_then(|h| h.to_str().ok()?.trim().parse().ok());
    length.ok_or_else(error::missing_content_length)
}

/// A body in `aws-chunked` of who signs nothing.
fn unsigned_chunks(parts: &Parts) -> Result<Option<ChunkDecoder>, AwsError> {
    let declared = parts.headers.get("x-amz-content-sha256");
    let declared = declared.and_then(|h| h.to_str().ok()).unwrap_or_default();
    if !declared.starts_with("STREAMING-") {
        return Ok(None);
    }
    let nobody = Claim {
        access_key: String::new(),
        date: String::new(),
        region: String::new(),
        service: String::new(),
        signed_headers: Vec::new(),
        signature: String::new(),
        presigned: false,
        expires_seconds: None,
        timestamp: String::new(),
        signed_at: Timestamp::default(),
        session_token: None,
    };
    let length = Some(decoded_length(parts)?);
    let decoder = ChunkDecoder::new(&nobody, &Payload::UnsignedChunked, None, length);
    Ok(Some(decoder))
}

fn malformed_region(claim: &Claim) -> AwsError {
    let region = &claim.region;
    AwsError::client(
        "AuthorizationHeaderMalformed",
        format!("The authorization header is malformed; the region '{region}' is wrong"),
    )
}

fn malformed_service(claim: &Claim) -> AwsError {
    let service = &claim.service;
    AwsError::client(
        "AuthorizationHeaderMalformed",
        format!(
            "The authorization header is malformed; incorrect service \"{service}\". This endpoint \
             belongs to \"s3\"."
        ),
    )
}

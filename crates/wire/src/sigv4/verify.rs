//! Recomputing a signature and judging its age.

use super::canonical::canonical_request;
use super::claim::Claim;
use super::date::format_basic;
use super::error::{MISMATCH, SigV4Error};
use super::key::{SigningKey, sha256_hex};
use super::{ALGORITHM, TERMINATOR};
use http::request::Parts;
use neargate_base::Timestamp;
use std::time::Duration;

/// How far a client's clock may be off, either way: 15 minutes ("Troubleshoot Signature Version
/// 4 signing", and S3's `RequestTimeTooSkewed`).
pub const MAX_SKEW: Duration = Duration::from_secs(15 * 60);
/// A presigned URL works for seven days at most.
pub const MAX_PRESIGNED_EXPIRY_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Checks age, scope and signature of a claim. `payload_hash` is the last line of the canonical
/// request: see [`super::Payload::hash_line`]. That a *declared* hash is the body's is the
/// caller's to check, since it may not have read the body yet.
pub fn verify(
    claim: &Claim,
    parts: &Parts,
    payload_hash: &str,
    secret: &str,
    now: Timestamp,
) -> Result<(), SigV4Error> {
    let key = SigningKey::derive(secret, &claim.date, &claim.region, &claim.service);
    verify_with_key(claim, parts, payload_hash, &key, now)
}

/// [`verify`] with a derived key, which a busy gateway may keep for the day.
pub fn verify_with_key(
    claim: &Claim,
    parts: &Parts,
    payload_hash: &str,
    key: &SigningKey,
    now: Timestamp,
) -> Result<(), SigV4Error> {
    check_scope(claim)?;
    check_age(claim, now)?;
    let string_to_sign = string_to_sign(claim, parts, payload_hash)?;
    if key.matches(&string_to_sign, &claim.signature) {
        Ok(())
    } else {
        Err(SigV4Error::mismatch(MISMATCH))
    }
}

pub(super) fn string_to_sign(
    claim: &Claim,
    parts: &Parts,
    payload_hash: &str,
) -> Result<String, SigV4Error> {
    let canonical = canonical_request(claim, parts, payload_hash)?;
    let hash = sha256_hex(canonical.as_bytes());
    Ok(format!(
        "{ALGORITHM}\n{}\n{}\n{hash}",
        basic(claim),
        claim.scope()
    ))
}

/// The string to sign wants the basic form even where the client sent an RFC 1123 `Date`.
fn basic(claim: &Claim) -> String {
    format_basic(claim.signed_at)
}

fn check_scope(claim: &Claim) -> Result<(), SigV4Error> {
    if !claim
        .signed_headers
        .iter()
        .any(|name| name == "host" || name == ":authority")
    {
        return Err(SigV4Error::mismatch(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    let stamp = basic(claim);
    if !stamp.starts_with(&claim.date) || claim.date.len() != 8 {
        return Err(SigV4Error::mismatch(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', from '{}'.",
            claim.date,
            stamp.get(..8).unwrap_or(&stamp),
            claim.timestamp,
        )));
    }
    debug_assert!(claim.scope().ends_with(TERMINATOR));
    Ok(())
}

fn check_age(claim: &Claim, now: Timestamp) -> Result<(), SigV4Error> {
    let skew_minutes = MAX_SKEW.as_secs() / 60;
    let (signed, current) = (format_basic(claim.signed_at), format_basic(now));
    if claim.signed_at > now + MAX_SKEW {
        return Err(SigV4Error::NotYetCurrent(format!(
            "Signature not yet current: {signed} is still later than {} ({current} + {skew_minutes} min.)",
            format_basic(now + MAX_SKEW),
        )));
    }
    let Some(seconds) = claim.expires_seconds else {
        if claim.signed_at < now - MAX_SKEW {
            return Err(SigV4Error::Expired(format!(
                "Signature expired: {signed} is now earlier than {} ({current} - {skew_minutes} min.)",
                format_basic(now - MAX_SKEW),
            )));
        }
        return Ok(());
    };
    if seconds > MAX_PRESIGNED_EXPIRY_SECONDS {
        return Err(SigV4Error::ExpiresTooLong);
    }
    let until = claim.signed_at + Duration::from_secs(seconds);
    if now > until {
        return Err(SigV4Error::PresignedExpired(format!(
            "Signature expired: {} is now earlier than {current}",
            format_basic(until),
        )));
    }
    Ok(())
}

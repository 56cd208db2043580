//! AWS Signature Version 4 as pure functions: read a claim from a request, recompute its
//! signature, decode `aws-chunked` bodies.
//!
//! It knows no account: whoever calls looks the secret up by [`Claim::access_key`] and judges
//! the session token. It reads no clock: `now` is an argument. [`parse`] alone is enough where
//! signatures are not enforced, since routing needs the credential scope only.
//!
//! Source: "AWS Signature Version 4 for API requests", IAM User Guide
//! (`reference_sigv.html`), and for streaming bodies "Signature calculations for the
//! Authorization header: transferring a payload in multiple chunks", S3 API Reference
//! (`sigv4-streaming.html`, `sigv4-streaming-trailers.html`).

mod canonical;
mod chunked;
mod claim;
mod date;
mod error;
mod key;
mod sign;
mod verify;

pub use canonical::canonical_request;
pub use chunked::{ChunkDecoder, Decoded};
pub use claim::{Claim, Payload, parse};
pub use date::parse_basic;
pub use error::{Answer, ErrorStyle, SigV4Error};
pub use key::{SigningKey, sha256_hex};
pub use sign::{Scope, presign, sign};
pub use verify::{MAX_PRESIGNED_EXPIRY_SECONDS, MAX_SKEW, verify, verify_with_key};

/// The only algorithm we take. (`AWS4-ECDSA-P256-SHA256`, SigV4a, is refused by name.)
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The fixed last element of a credential scope.
pub const TERMINATOR: &str = "aws4_request";
/// SHA-256 of nothing, in hex.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// The payload hash that says "the body is not signed".
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// May clients of the service leave a request's body out of its signature? S3's alone may.
pub fn may_leave_body_unsigned(signing_name: &str) -> bool {
    signing_name == crate::schema::S3
}

#[cfg(test)]
mod tests;

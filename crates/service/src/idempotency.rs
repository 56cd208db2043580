//! Calls that a client may make again: the same token with the same request means the same call,
//! and with another request it is a mistake.
//!
//! A service keeps the digest of the request beside what the call made, under the token, and says
//! in its own words when the two do not fit.

use neargate_wire::json::to_json;
use neargate_wire::structure::Structure;
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a request in its stored form, in hexadecimal digits. What the caller may write
/// differently without meaning another call is taken out of it before.
pub fn digest<T: Structure>(request: &T) -> String {
    hex::encode(Sha256::digest(to_json(request).to_string()))
}

/// Are these the characters of a token: printable ASCII without spaces?
pub fn is_printable(token: &str) -> bool {
    token.bytes().all(|b| b.is_ascii_graphic())
}

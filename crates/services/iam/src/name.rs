//! Names, paths, unique ids and ARNs
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).

use data_encoding::BASE32;
use neargate_base::{AccountId, Rng};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a unique id begins with.
pub const USER: &str = "AIDA";
pub const GROUP: &str = "AGPA";
pub const ROLE: &str = "AROA";
pub const POLICY: &str = "ANPA";
pub const PROFILE: &str = "AIPA";
pub const SSH_KEY: &str = "APKA";
pub const SERVER_CERTIFICATE: &str = "ASCA";
pub const SERVICE_CREDENTIAL: &str = "ACCA";

/// Letters and digits behind the prefix.
const RANDOM_CHARS: usize = 17;
/// RFC 3986's reserved characters, as AWS encodes policies in its answers.
const DOCUMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A new unique id, 21 characters long.
pub fn unique_id(prefix: &str, rng: &Rng) -> String {
    let mut bytes = [0; 15];
    rng.fill(&mut bytes);
    let random = BASE32.encode(&bytes);
    format!("{prefix}{}", &random[..RANDOM_CHARS])
}

/// `arn:aws:iam::123456789012:user/division/ann`
pub fn arn(account: &AccountId, kind: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{kind}{path}{name}")
}

/// The path of what was given none.
pub fn path(given: Option<String>) -> String {
    given.unwrap_or_else(|| "/".into())
}

/// The name at the end of an ARN of IAM's, or of a path.
pub fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// A policy as it stands in answers.
pub fn encoded(document: &str) -> String {
    utf8_percent_encode(document, DOCUMENT).to_string()
}

//! What a policy must be to be kept: its grammar is `neargate_policy`'s, the longest texts are
//! here (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).

use crate::error;
use neargate_policy::{Document, Use};
use neargate_service::AwsError;

/// The longest managed policy.
const MANAGED: usize = 6_144;
/// The longest trust policy, unless AWS grants more.
const TRUST: usize = 2_048;

/// How long a policy is: spaces and line ends do not count.
pub fn size(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

/// A policy for users, groups and roles.
pub fn check_identity(text: &str) -> Result<(), AwsError> {
    parse(text, Use::Identity).map(drop)
}

pub fn check_managed(text: &str) -> Result<(), AwsError> {
    if size(text) > MANAGED {
        return Err(error::quota("PolicySize", MANAGED));
    }
    check_identity(text)
}

/// A policy that says who may assume a role.
pub fn check_trust(text: &str) -> Result<(), AwsError> {
    if size(text) > TRUST {
        return Err(error::quota("ACLSizePerRole", TRUST));
    }
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(error::malformed_policy("This policy contains invalid Json"));
    }
    parse(text, Use::Trust).map(drop)
}

/// A policy to decide by.
pub fn parse(text: &str, used: Use) -> Result<Document, AwsError> {
    Document::parse_as(used, text).map_err(|why| error::malformed_policy(why.to_string()))
}

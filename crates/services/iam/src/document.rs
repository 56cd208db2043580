//! What a policy must be to be kept: its grammar is `neargate_policy`'s, the longest texts are
//! here (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).

use crate::call::View;
use crate::{error, name};
use neargate_policy::document::Matcher;
use neargate_policy::principal::Named;
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

/// A policy of a user, a group or a role. It may be of the version of 2008, or say none.
pub fn check_identity(text: &str) -> Result<(), AwsError> {
    parse(text, Use::Identity).map(drop)
}

pub fn check_managed(text: &str) -> Result<(), AwsError> {
    if size(text) > MANAGED {
        return Err(error::quota("PolicySize", MANAGED));
    }
    parse(text, Use::Managed).map(drop)
}

/// A policy that says who may assume a role. Whom it names must be there, as far as that can be
/// known: users and roles of the same account.
pub fn check_trust(view: &View, text: &str) -> Result<(), AwsError> {
    if size(text) > TRUST {
        return Err(error::quota("ACLSizePerRole", TRUST));
    }
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(error::malformed_policy("This policy contains invalid Json"));
    }
    let document = parse(text, Use::Trust)?;
    let named = document
        .statements
        .iter()
        .filter_map(|s| s.principals.as_ref());
    for principal in named.flat_map(|(Matcher::Any(all) | Matcher::Not(all))| all) {
        match principal {
            Named::Principal(principal) if !is_there(view, principal) => {
                let why = format!("Invalid principal in policy: \"AWS\":\"{principal}\"");
                return Err(error::malformed_policy(why));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Is this no user and no role of the account that there is none of?
fn is_there(view: &View, principal: &str) -> bool {
    let own = format!("arn:aws:iam::{}:", view.id());
    match principal.strip_prefix(&own).and_then(|r| r.split_once('/')) {
        Some(("user", path)) => view.users.named(name::last(path)).is_some(),
        Some(("role", path)) => view.roles.named(name::last(path)).is_some(),
        _ => true,
    }
}

/// A policy to decide by.
pub fn parse(text: &str, used: Use) -> Result<Document, AwsError> {
    Document::parse_as(used, text).map_err(|why| error::malformed_policy(why.to_string()))
}

//! `taskRoleArn` and `executionRoleArn`: "the short name or full Amazon Resource Name (ARN)".
//! Whether the role exists is IAM's to know.

use crate::error::client;
use neargate_base::Arn;
use neargate_service::AwsError;

/// The longest that a role's name may be
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>).
const MAX_NAME: usize = 64;

/// An empty one is none.
///
/// # Errors
/// `ClientException` for what names no role
/// (<https://github.com/aws-samples/aws-modern-application-workshop/issues/9> shows it).
pub fn check(given: Option<&str>) -> Result<(), AwsError> {
    match given {
        Some(given) if !given.is_empty() && !names_role(given) => Err(client("Role is not valid")),
        _ => Ok(()),
    }
}

fn names_role(given: &str) -> bool {
    if !given.starts_with("arn:") {
        return is_path(given);
    }
    let Ok(arn) = given.parse::<Arn>() else {
        return false;
    };
    let account = arn.account.as_bytes();
    arn.service == "iam"
        && arn.region.is_empty()
        && account.len() == 12
        && account.iter().all(u8::is_ascii_digit)
        && arn.resource.strip_prefix("role/").is_some_and(is_path)
}

/// A name, behind a path or not.
fn is_path(given: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    let name = given.rsplit('/').next().unwrap_or_default();
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(legal)
        && given.bytes().all(|b| b.is_ascii_graphic())
}

/// The role's ARN, in the account and partition of `of`, the definition's own ARN.
pub fn arn(given: Option<&String>, of: &str) -> Option<String> {
    let given = given.filter(|given| !given.is_empty())?;
    match of.parse::<Arn>() {
        Ok(of) if !given.starts_with("arn:") => {
            let (partition, account) = (of.partition, of.account);
            let name = given.trim_start_matches('/');
            Some(format!("arn:{partition}:iam::{account}:role/{name}"))
        }
        _ => Some(given.clone()),
    }
}

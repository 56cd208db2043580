//! What one account may do in another's registry: what the policy of the repository grants it
//! (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html>), and
//! otherwise nothing. What a policy says in words that are not understood here grants nothing,
//! and denies.

use crate::ecr::contents::Contents;
use crate::ecr::error;
use neargate_base::AccountId;
use neargate_service::{AwsError, House, Scope};
use serde_json::Value;
use std::sync::Arc;

/// The repository, if `caller` may do all of `actions` there.
///
/// # Errors
/// `AccessDeniedException` in another account's registry, whether there is such a repository or
/// not; `RepositoryNotFoundException` in one's own.
pub async fn open(
    house: &Arc<House>,
    caller: &AccountId,
    scope: &Scope,
    name: &str,
    actions: &[&str],
) -> Result<Contents, AwsError> {
    let found = Contents::open(house, scope, name).await;
    if *caller == scope.account {
        return found;
    }
    let denied = |action: &str| {
        let resource = scope.arn("ecr", format!("repository/{name}"));
        error::access_denied(caller, action, &resource)
    };
    let contents = match found {
        Err(e) if !e.is("RepositoryNotFoundException") => return Err(e),
        found => found.ok(),
    };
    let policy = contents
        .as_ref()
        .and_then(|c| c.repository.policy.as_deref());
    for action in actions {
        if !policy.is_some_and(|policy| allows(policy, caller, action)) {
            return Err(denied(action));
        }
    }
    contents.ok_or_else(|| denied("*"))
}

/// Does this policy let the account's root do the action (`BatchGetImage`)?
fn allows(policy: &str, account: &AccountId, action: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else {
        return false;
    };
    let all = one_or_many(&policy["Statement"]);
    let about = |statement: &Value| Applies::to(statement, account, action);
    let of = |effect: &str| {
        let statements = all.iter().filter(|s| s["Effect"] == effect);
        statements.map(&about).collect::<Vec<_>>()
    };
    let known = all
        .iter()
        .all(|s| s["Effect"] == "Allow" || s["Effect"] == "Deny");
    known && !of("Deny").iter().any(|a| *a != Applies::No) && of("Allow").contains(&Applies::Yes)
}

/// Whether a statement is about an account and an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applies {
    Yes,
    No,
    /// It depends on what is not evaluated here.
    Perhaps,
}

impl Applies {
    fn to(statement: &Value, account: &AccountId, action: &str) -> Applies {
        let not = ["NotPrincipal", "NotAction", "Condition", "NotResource"];
        let open = not.iter().any(|key| !statement[key].is_null());
        let actions = one_or_many(&statement["Action"]);
        let named = format!("ecr:{action}");
        let by_action = statement["Action"].is_null()
            || actions
                .iter()
                .filter_map(Value::as_str)
                .any(|a| matches(a, &named));
        let by_principal =
            statement["Principal"].is_null() || is_principal(&statement["Principal"], account);
        match (by_action && by_principal, open) {
            (false, _) => Applies::No,
            (true, true) => Applies::Perhaps,
            (true, false) => Applies::Yes,
        }
    }
}

fn is_principal(principal: &Value, account: &AccountId) -> bool {
    if principal == "*" {
        return true;
    }
    let root = format!(":iam::{account}:root");
    let all = one_or_many(&principal["AWS"]);
    all.iter().filter_map(Value::as_str).any(|named| {
        let by_arn = named.starts_with("arn:aws") && named.ends_with(&root);
        named == "*" || named == account.as_str() || by_arn
    })
}

/// IAM's lists may be one value.
fn one_or_many(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(all) => all.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

/// Does the pattern, with `*` and `?`, match? Actions know no case.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pulls(statements: Value) -> bool {
        let account = "999999999999".parse().expect("an account");
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        allows(&policy.to_string(), &account, "BatchGetImage")
    }

    #[test]
    fn what_a_policy_grants_and_to_whom() {
        let allow = |principal: Value, action: Value| {
            pulls(json!([{ "Effect": "Allow", "Principal": principal, "Action": action }]))
        };
        for principal in [
            json!("*"),
            json!({ "AWS": "*" }),
            json!({ "AWS": "999999999999" }),
            json!({ "AWS": ["111122223333", "arn:aws:iam::999999999999:root"] }),
        ] {
            assert!(
                allow(principal.clone(), json!("ecr:BatchGetImage")),
                "{principal}"
            );
        }
        for principal in [
            json!({ "AWS": "111122223333" }),
            json!({ "AWS": "arn:aws:iam::999999999999:role/deploy" }),
            json!({ "AWS": "x:iam::999999999999:root" }),
            json!({ "Service": "ecs.amazonaws.com" }),
            json!("999999999999"),
            json!({}),
        ] {
            assert!(!allow(principal.clone(), json!("ecr:*")), "{principal}");
        }
        for (action, expected) in [
            (json!("*"), true),
            (json!("ecr:*"), true),
            (json!("ECR:batchget*"), true),
            (json!(["ecr:PutImage", "ecr:BatchGetImage"]), true),
            (json!("ecr:?atchGetImage"), true),
            (json!("ecr:BatchGet"), false),
            (json!("ecr:PutImage"), false),
            (json!([]), false),
        ] {
            assert_eq!(allow(json!("*"), action.clone()), expected, "{action}");
        }
    }

    #[test]
    fn what_is_not_understood_grants_nothing_and_denies() {
        let any = json!({ "Effect": "Allow", "Principal": "*", "Action": "ecr:*" });
        assert!(pulls(any.clone()), "one statement needs no list");
        let mut bound = any.clone();
        bound["Condition"] = json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1" } });
        assert!(!pulls(bound.clone()));
        bound["Effect"] = json!("Deny");
        assert!(!pulls(json!([any, bound])));
        let others =
            json!({ "Effect": "Deny", "Principal": { "AWS": "111122223333" }, "Action": "*" });
        assert!(pulls(json!([any, others])));
        let all_but = json!({ "Effect": "Deny", "NotPrincipal": { "AWS": "1" }, "Action": "*" });
        assert!(!pulls(json!([any, all_but])));
        assert!(!pulls(json!([any, { "Effect": "deny" }])));
        let account = "999999999999".parse().expect("an account");
        assert!(!allows("no policy", &account, "BatchGetImage"));
    }
}

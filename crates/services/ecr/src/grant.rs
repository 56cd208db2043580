//! What one account may do in another's registry: what the policy of the repository grants it
//! (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html>), and
//! otherwise nothing. What a policy says in words that are not understood here grants nothing,
//! and denies.

use crate::contents::{Contents, NotOpen};
use crate::error;
use crate::policy::{Effect, OneOrMany, Policy, Principal, Statement};
use neargate_base::AccountId;
use neargate_service::wildcard::Wildcards;
use neargate_service::{House, Scope};
use std::sync::Arc;

/// The repository, if `caller` may do all of `actions` there.
///
/// # Errors
/// [`NotOpen::Denied`] in another account's registry, whether there is such a repository or not;
/// [`NotOpen::Missing`] in one's own.
pub async fn open(
    house: &Arc<House>,
    caller: &AccountId,
    scope: &Scope,
    name: &str,
    actions: &[&str],
) -> Result<Contents, NotOpen> {
    let found = Contents::open(house, scope, name).await;
    if *caller == scope.account {
        return found;
    }
    let denied = |action: &str| {
        let resource = scope.arn("ecr", format!("repository/{name}"));
        NotOpen::Denied(error::access_denied(caller, action, &resource))
    };
    let contents = match found {
        Ok(contents) => Some(contents),
        Err(NotOpen::Missing(_)) => None,
        Err(e) => return Err(e),
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

/// Does this policy let the account's root do the action (`BatchGetImage`)? One that is not
/// understood to the last key grants nothing, for it may have been meant to deny.
fn allows(policy: &str, account: &AccountId, action: &str) -> bool {
    let Some(policy) = Policy::of_repository(policy) else {
        return false;
    };
    let mut granted = false;
    for statement in policy.statements() {
        match (Applies::to(statement, account, action), statement.effect) {
            (Applies::Yes, Effect::Allow) => granted = true,
            (Applies::Yes | Applies::Perhaps, Effect::Deny) => return false,
            (Applies::No, _) | (Applies::Perhaps, Effect::Allow) => {}
        }
    }
    granted
}

/// Whether a statement is about an account and an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applies {
    Yes,
    No,
    /// It depends on what is not evaluated here: a condition, or all but who or what is named.
    Perhaps,
}

impl Applies {
    fn to(statement: &Statement, account: &AccountId, action: &str) -> Applies {
        let named = format!("ecr:{action}");
        let action = statement
            .actions()
            .map(|all| all.iter().any(|a| matches(a, &named)));
        let principal = statement.principal.as_ref();
        let principal = principal.map(|p| is_principal(p, account));
        match (principal, action) {
            (Some(false), _) | (_, Some(false)) => Applies::No,
            (Some(true), Some(true)) if !statement.is_conditional() => Applies::Yes,
            _ => Applies::Perhaps,
        }
    }
}

fn is_principal(principal: &Principal, account: &AccountId) -> bool {
    let named = match principal {
        Principal::Text(text) => return text == "*",
        Principal::Of(kinds) => kinds.get("AWS").map_or(&[][..], OneOrMany::all),
    };
    let root = format!(":iam::{account}:root");
    named.iter().any(|named| {
        let by_arn = named.starts_with("arn:aws") && named.ends_with(&root);
        named == "*" || named == account.as_str() || by_arn
    })
}

/// Is it one of the actions that the pattern means? Actions know no case.
fn matches(pattern: &str, action: &str) -> bool {
    Wildcards::StarAndOne.matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

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
        let all_but = json!({ "Effect": "Deny", "Principal": "*", "NotAction": "ecr:PutImage" });
        assert!(!pulls(json!([any, all_but])));
        for malformed in [
            json!({ "Effect": "deny" }),
            json!({ "Effect": "Deny" }),
            json!({ "Effect": "Deny", "Principals": "*", "Action": "ecr:*" }),
            json!({ "Effect": "Deny", "Principal": { "AWS": 999999999999_u64 }, "Action": "*" }),
        ] {
            assert!(!pulls(json!([any, malformed])), "{malformed}");
        }
        let account = "999999999999".parse().expect("an account");
        assert!(!allows("no policy", &account, "BatchGetImage"));
    }

    /// What would narrow a grant, were it understood or spelt right, leaves nothing of it.
    #[test]
    fn an_allow_grants_by_principal_and_action_alone() {
        let any = json!({ "Sid": "x", "Effect": "Allow", "Principal": "*", "Action": "ecr:*" });
        assert!(pulls(any.clone()));
        for key in ["Principal", "Action"] {
            let mut less = any.clone();
            let value = less.as_object_mut().expect("an object").remove(key);
            assert!(!pulls(less.clone()), "without {key}");
            for other in [format!("{key}s"), key.to_lowercase()] {
                let mut misspelt = less.clone();
                misspelt[&other] = value.clone().expect("it was there");
                assert!(!pulls(misspelt), "{other}");
            }
            less[format!("Not{key}")] = json!({ "AWS": "111122223333" });
            if key == "Action" {
                less["NotAction"] = json!("ecr:PutImage");
            }
            assert!(!pulls(less), "Not{key}");
        }
        for key in ["condition", "Principals", "Resource", "NotResource", "Sids"] {
            let mut more = any.clone();
            more[key] = json!("*");
            assert!(!pulls(more), "{key}");
        }
    }
}

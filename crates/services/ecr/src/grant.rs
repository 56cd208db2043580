//! What one account may do in another's registry: what the policy of the repository grants it
//! (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policies.html>), and
//! otherwise nothing. What its own account lets a user or role do is judged before, by the gateway or
//! the registry's door.

use crate::contents::{Contents, NotOpen};
use crate::error;
use crate::policy;
use neargate_policy::{Context, Decision, Document, Guard, Policies, Request, evaluate};
use neargate_service::{House, Principal, Scope};
use std::sync::{Arc, LazyLock};

/// The repository, if `who` may do all of `actions` there.
///
/// # Errors
/// [`NotOpen::Denied`] in another account's registry, whether there is such a repository or not;
/// [`NotOpen::Missing`] in one's own.
pub async fn open(
    house: &Arc<House>,
    who: &Principal,
    scope: &Scope,
    name: &str,
    actions: &[&str],
) -> Result<Contents, NotOpen> {
    let found = Contents::open(house, scope, name).await;
    if who.is_service() || who.account().as_ref() == Some(&scope.account) {
        return found;
    }
    let resource = scope.arn("ecr", format!("repository/{name}"));
    let denied = |action: &str| NotOpen::Denied(error::access_denied(&who.arn, action, &resource));
    let contents = match found {
        Ok(contents) => Some(contents),
        Err(NotOpen::Missing(_)) => None,
        Err(e) => return Err(e),
    };
    let policy = contents
        .as_ref()
        .and_then(|c| c.repository.policy.as_deref());
    let mut context = Context::new();
    who.describe(&Default::default(), &mut context);
    context.set(
        "aws:SecureTransport",
        house.settings.is_secure().to_string(),
    );
    for action in actions {
        if !policy.is_some_and(|policy| allows(policy, who, &resource, action, &context)) {
            return Err(denied(action));
        }
    }
    contents.ok_or_else(|| denied("*"))
}

/// What the caller's own account has to say is judged elsewhere.
static ALL: LazyLock<[Arc<Document>; 1]> = LazyLock::new(|| {
    let all =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    [Arc::new(Document::parse(all).expect("a policy"))]
});

/// Does this policy let somebody of another account do the action (`BatchGetImage`)? One that is not
/// understood to the last key grants nothing, for it may have been meant to deny.
fn allows(policy: &str, who: &Principal, resource: &str, action: &str, context: &Context) -> bool {
    let Some(document) = policy::of_repository(policy) else {
        return false;
    };
    let account = who.account().map(|a| a.to_string()).unwrap_or_default();
    let request = Request {
        requester: who.requester(&account),
        action: &format!("ecr:{action}"),
        resource,
        context,
    };
    let policies = Policies {
        identity: &*ALL,
        guard: Guard {
            // Never that of who asks: whoever is at home is not asked here.
            account: Some(""),
            document: Some(&document),
            ..Guard::default()
        },
        ..Policies::default()
    };
    evaluate(&policies, &request) == Decision::Allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pulls(statements: Value) -> bool {
        let account = "999999999999".parse().expect("an account");
        let who = Principal::root(&account, "");
        let resource = "arn:aws:ecr:us-east-1:000000000000:repository/a";
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        allows(
            &policy.to_string(),
            &who,
            resource,
            "BatchGetImage",
            &Context::new(),
        )
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
        assert!(pulls(json!([any, bound])), "of no organisation");
        bound["Condition"] = json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-1" } });
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
        let who = Principal::root(&account, "");
        let resource = "arn:aws:ecr:us-east-1:000000000000:repository/a";
        assert!(!allows(
            "no policy",
            &who,
            resource,
            "BatchGetImage",
            &Context::new()
        ));
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
            assert!(pulls(less), "Not{key}: all others");
        }
        for key in ["condition", "Principals", "Resource", "NotResource", "Sids"] {
            let mut more = any.clone();
            more[key] = json!("*");
            assert!(!pulls(more), "{key}");
        }
    }
}

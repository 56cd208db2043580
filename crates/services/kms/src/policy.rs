//! Key policies: what a key has unless its maker says otherwise
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>).

use crate::error;
use neargate_base::arn;
use neargate_policy::{Context, Document, Guard, Policies, Request, Use, evaluate};
use neargate_service::{AwsError, Ctx, Scope};
use std::sync::Arc;

/// A key has one policy, of this name.
pub(crate) const NAME: &str = "default";
/// AWS's limit.
const LONGEST: usize = 32 * 1024;

/// The account's root may do everything, and so whom IAM allows to.
pub(crate) fn default(scope: &Scope) -> String {
    let (partition, account) = (arn::partition(&scope.region), &scope.account);
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:{partition}:iam::{account}:root"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#
    )
}

/// The account's principals use the key through the service alone.
pub(crate) fn of_managed(scope: &Scope, service: &str) -> String {
    let (partition, account) = (arn::partition(&scope.region), &scope.account);
    let region = &scope.region;
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "auto-{service}-2",
  "Statement" : [ {{
    "Sid" : "Allow access through {service} for all principals in the account that are authorized to use {service}",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "*"
    }},
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {{
      "StringEquals" : {{
        "kms:CallerAccount" : "{account}",
        "kms:ViaService" : "{service}.{region}.amazonaws.com"
      }}
    }}
  }}, {{
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:{partition}:iam::{account}:root"
    }},
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant" ],
    "Resource" : "*"
  }} ]
}}"#
    )
}

/// # Errors
/// It is no policy, or one that nobody could ever change: whoever calls must be let to, unless the
/// caller wants none of this check.
pub(crate) fn check(cx: &Ctx, arn: &str, text: &str, bypass: Option<bool>) -> Result<(), AwsError> {
    if text.len() > LONGEST {
        return Err(error::limit("Policy document is too long."));
    }
    let document = Document::parse_as(Use::Resource, text);
    let document = document.map_err(|why| error::malformed_policy(&why.to_string()))?;
    if bypass == Some(true) || lets_change(cx, arn, &document) {
        Ok(())
    } else {
        Err(error::malformed_policy(
            "The new key policy will not allow you to update the key policy in the future.",
        ))
    }
}

const ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// Could the caller still put a policy, if IAM lets it do everything?
fn lets_change(cx: &Ctx, arn: &str, document: &Document) -> bool {
    let account = cx.scope.account.as_str();
    let all = Document::parse(ALL).expect("a policy that lets do all");
    let identity = [Arc::new(all)];
    let policies = Policies {
        identity: &identity,
        guard: Guard {
            account: Some(account),
            document: Some(document),
            is_decisive: true,
            is_trust: false,
            grant: None,
        },
        ..Policies::default()
    };
    let context = Context::new();
    let request = Request {
        requester: cx.principal.requester(account),
        action: "kms:PutKeyPolicy",
        resource: arn,
        context: &context,
    };
    evaluate(&policies, &request).is_allowed()
}

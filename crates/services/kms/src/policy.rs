//! Key policies: what a key has unless its maker says otherwise
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>).

use crate::error;
use neargate_base::arn;
use neargate_service::{AwsError, Scope};

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
/// It is no policy.
pub(crate) fn check(text: &str) -> Result<(), AwsError> {
    if text.len() > LONGEST {
        return Err(error::limit("Policy document is too long."));
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(policy)) if policy.contains_key("Statement") => Ok(()),
        Ok(_) => Err(error::malformed_policy(
            "Policy contains a statement with no principal.",
        )),
        Err(_) => Err(error::malformed_policy(
            "The new key policy is not valid JSON.",
        )),
    }
}

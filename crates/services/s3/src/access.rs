//! Who may do what to a bucket and its objects: its owner; whom the bucket's policy lets; whom an
//! access control list names
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html>).

use crate::asked::Asked;
use crate::error;
use crate::model::{Acl, AclGrant, Bucket};
use neargate_base::AccountId;
use neargate_policy::{Decision, Denial, Document, Guard, Use};
use neargate_service::authority::Authority;
use neargate_service::{AwsError, Ctx, Principal, identity};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

pub const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
pub const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
pub const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// The ownership of a bucket that does not say otherwise: lists have no effect.
pub const BUCKET_OWNER_ENFORCED: &str = "BucketOwnerEnforced";

pub fn is_anonymous(principal: &Principal) -> bool {
    principal.kind == identity::Kind::Anonymous
}

/// The id by which lists name an account: 64 hexadecimal digits.
pub fn canonical_id(account: &AccountId) -> String {
    hex::encode(Sha256::digest(format!("neargate account {account}")))
}

/// What the bucket itself says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Yes,
    No,
    /// It depends on the object's own list.
    Object,
}

/// What an operation needs of a bucket's list, if that can grant it.
fn permission_on_bucket(action: &str) -> Option<&'static str> {
    Some(match action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => "READ",
        "s3:PutObject" | "s3:DeleteObject" | "s3:AbortMultipartUpload" => "WRITE",
        "s3:GetBucketAcl" => "READ_ACP",
        "s3:PutBucketAcl" => "WRITE_ACP",
        _ => return None,
    })
}

/// What an operation needs of an object's list, if that can grant it.
pub fn permission_on_object(action: &str) -> Option<&'static str> {
    Some(match action {
        "s3:GetObject" | "s3:GetObjectVersion" => "READ",
        "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => "READ_ACP",
        "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => "WRITE_ACP",
        _ => return None,
    })
}

/// What the bucket says of this action by the caller, on its object `key` or on itself.
pub fn word(cx: &Ctx, bucket: &Bucket, action: &str, key: Option<&str>) -> Word {
    let owner = !is_anonymous(&cx.principal) && cx.scope.account == bucket.account;
    if let Some(decided) = by_policy(cx, bucket, action, key, owner) {
        return decided;
    }
    if owner {
        return Word::Yes;
    }
    let granted = permission_on_bucket(action)
        .is_some_and(|permission| lists(cx, bucket, &bucket.acl, permission));
    match granted {
        true => Word::Yes,
        false if permission_on_object(action).is_some() => Word::Object,
        false => Word::No,
    }
}

/// What policies decide: the bucket's, and where they are enforced, those of who calls. `None`: they
/// say nothing of it.
fn by_policy(
    cx: &Ctx,
    bucket: &Bucket,
    action: &str,
    key: Option<&str>,
    owner: bool,
) -> Option<Word> {
    let strict = cx.is_bounded();
    let text = bucket.policy.as_deref();
    let document = text.and_then(|text| Document::parse_as(Use::Resource, text).ok());
    if document.is_none() && !strict {
        return None;
    }
    let resource = match key {
        Some(key) => format!("{}/{key}", bucket.arn()),
        None => bucket.arn(),
    };
    let home = bucket.account.to_string();
    let guard = Guard {
        account: Some(&home),
        document: document.as_ref(),
        ..Guard::default()
    };
    let asked = asked(cx);
    let mut keys = asked.keys.clone();
    for key in ["aws:ResourceAccount", "s3:ResourceAccount"] {
        keys.push((key.to_owned(), home.clone()));
    }
    match Authority::of(cx, &asked.from).weigh(guard, action, &resource, &keys) {
        Decision::Denied(Denial::Explicit(_)) => Some(Word::No),
        Decision::Denied(Denial::Implicit(_)) if strict => Some(Word::No),
        Decision::Denied(Denial::Implicit(_)) => None,
        // A public policy lets nobody from elsewhere in while the block holds.
        Decision::Allowed
            if !owner
                && blocks(bucket, Block::RestrictPublicBuckets)
                && text.is_some_and(is_public) =>
        {
            Some(Word::No)
        }
        Decision::Allowed => Some(Word::Yes),
    }
}

/// May who calls do what no bucket has a say in?
///
/// # Errors
/// `AccessDenied`.
pub fn require(cx: &Ctx, action: &str, resource: &str) -> Result<(), AwsError> {
    if is_anonymous(&cx.principal) {
        return Err(error::access_denied());
    }
    if !cx.is_bounded() {
        return Ok(());
    }
    let asked = asked(cx);
    let authority = Authority::of(cx, &asked.from);
    match authority.weigh(Guard::default(), action, resource, &asked.keys) {
        Decision::Allowed => Ok(()),
        Decision::Denied(why) => Err(error::access_denied_because(why.sentence(
            &cx.principal.arn,
            action,
            &format!("\"{resource}\""),
        ))),
    }
}

/// How the call came in; one from within leaves this host as little as any.
fn asked(cx: &Ctx) -> Arc<Asked> {
    Asked::current().unwrap_or_else(|| {
        let mut within = Asked::default();
        within.from.secure = cx.house.settings.is_secure();
        Arc::new(within)
    })
}

/// Does the list grant this permission to the caller?
pub fn lists(cx: &Ctx, bucket: &Bucket, acl: &Acl, permission: &str) -> bool {
    if bucket.ownership.as_deref().unwrap_or(BUCKET_OWNER_ENFORCED) == BUCKET_OWNER_ENFORCED {
        return false;
    }
    let public = !blocks(bucket, Block::IgnorePublicAcls);
    let own = (!is_anonymous(&cx.principal)).then(|| canonical_id(&cx.scope.account));
    acl.0.iter().any(|grant| {
        let wanted = grant.permission == permission || grant.permission == "FULL_CONTROL";
        let named = match grant.grantee.as_str() {
            ALL_USERS => public,
            AUTHENTICATED_USERS => public && own.is_some(),
            id => own.as_deref() == Some(id),
        };
        wanted && named
    })
}

/// The four settings of a public access block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "they are AWS's")]
pub enum Block {
    BlockPublicAcls,
    IgnorePublicAcls,
    BlockPublicPolicy,
    RestrictPublicBuckets,
}

pub fn blocks(bucket: &Bucket, which: Block) -> bool {
    let Some(block) = &bucket.public_access_block else {
        return false;
    };
    let set = match which {
        Block::BlockPublicAcls => block.block_public_acls,
        Block::IgnorePublicAcls => block.ignore_public_acls,
        Block::BlockPublicPolicy => block.block_public_policy,
        Block::RestrictPublicBuckets => block.restrict_public_buckets,
    };
    set.unwrap_or(false)
}

/// Does a policy let everybody in?
pub fn is_public(policy: &str) -> bool {
    use serde_json::Value;
    let everybody = |principal: &Value| match principal {
        Value::String(all) => all == "*",
        Value::Object(kinds) => kinds.get("AWS").is_some_and(|aws| match aws {
            Value::String(all) => all == "*",
            Value::Array(all) => all.iter().any(|one| one == "*"),
            _ => false,
        }),
        _ => false,
    };
    let Ok(document) = serde_json::from_str::<Value>(policy) else {
        return false;
    };
    let statements = match &document["Statement"] {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    statements.iter().any(|statement| {
        let open = statement["Effect"] == "Allow" && everybody(&statement["Principal"]);
        open && !is_narrow(&statement["Condition"])
    })
}

/// Do the conditions name who is meant?
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>
fn is_narrow(conditions: &serde_json::Value) -> bool {
    const FIXED: [&str; 13] = [
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceowner",
        "aws:sourceaccount",
        "aws:userid",
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:sourceip",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    ];
    let Some(operators) = conditions.as_object() else {
        return false;
    };
    operators.iter().any(|(operator, keys)| {
        let negated = operator.contains("Not");
        let keys = keys.as_object();
        !negated
            && keys.is_some_and(|keys| {
                keys.iter().any(|(key, value)| {
                    FIXED.contains(&key.to_ascii_lowercase().as_str())
                        && !value.to_string().contains('*')
                })
            })
    })
}

/// Whom a list names beside the owner is everybody.
pub fn is_public_acl(acl: &Acl) -> bool {
    let groups = [ALL_USERS, AUTHENTICATED_USERS];
    acl.0.iter().any(|g| groups.contains(&g.grantee.as_str()))
}

/// A canned list, with the owner's own grant left out.
///
/// # Errors
/// `InvalidArgument` of a name that is none.
pub fn canned(name: &str, bucket_owner: &AccountId) -> Result<Acl, AwsError> {
    let grant = |grantee: &str, permission: &str| AclGrant {
        grantee: grantee.to_owned(),
        permission: permission.to_owned(),
    };
    Ok(Acl(match name {
        "private" | "bucket-owner-full-control" => Vec::new(),
        "public-read" => vec![grant(ALL_USERS, "READ")],
        "public-read-write" => vec![grant(ALL_USERS, "READ"), grant(ALL_USERS, "WRITE")],
        "authenticated-read" => vec![grant(AUTHENTICATED_USERS, "READ")],
        "bucket-owner-read" => vec![grant(&canonical_id(bucket_owner), "READ")],
        "aws-exec-read" => return Err(error::not_built("the canned ACL aws-exec-read")),
        "log-delivery-write" => {
            vec![
                grant(LOG_DELIVERY, "WRITE"),
                grant(LOG_DELIVERY, "READ_ACP"),
            ]
        }
        other => return Err(error::invalid_argument("x-amz-acl", other, "")),
    }))
}

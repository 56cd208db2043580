//! Who may do what to a bucket and its objects: its owner; whom the bucket's policy lets; whom an
//! access control list names
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html>).

use crate::error;
use crate::model::{Acl, AclGrant, Bucket};
use neargate_base::AccountId;
use neargate_policy::{Context, Decision, Denial, Document, Guard, Policies, Request, Use};
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
    let principal = &cx.principal;
    let strict = cx.is_bounded();
    let text = bucket.policy.as_deref();
    let document = text.and_then(|text| Document::parse_as(Use::Resource, text).ok());
    if document.is_none() && !strict {
        return None;
    }
    let anonymous = is_anonymous(principal);
    let resource = match key {
        Some(key) => format!("{}/{key}", bucket.arn()),
        None => bucket.arn(),
    };
    let account = match anonymous {
        true => String::new(),
        false => cx.scope.account.to_string(),
    };
    let mut context = Context::new();
    context.set(
        "aws:SecureTransport",
        cx.house.settings.is_secure().to_string(),
    );
    context.set("aws:CurrentTime", cx.now().rfc3339());
    context.set("aws:EpochTime", (cx.now().as_millis() / 1_000).to_string());
    context.set("aws:RequestedRegion", cx.scope.region.as_str());
    context.set("aws:ResourceAccount", bucket.account.as_str());
    if !anonymous {
        context.set("aws:PrincipalArn", principal.identity());
        context.set("aws:PrincipalAccount", account.clone());
        context.set("aws:userid", principal.user_id.clone());
    }
    let request = Request {
        requester: principal.requester(&account),
        action,
        resource: &resource,
        context: &context,
    };
    let mine = strict.then(|| Mine::of(cx));
    let home = bucket.account.to_string();
    let policies = Policies {
        identity: mine.as_ref().map_or(&[], |m| &m.identity),
        boundary: mine.as_ref().and_then(|m| m.boundary.as_deref()),
        session: mine.as_ref().and_then(|m| m.session.as_deref()),
        guard: Guard {
            account: Some(&home),
            document: document.as_ref(),
            ..Guard::default()
        },
    };
    match neargate_policy::evaluate(&policies, &request) {
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
    let mine = Mine::of(cx);
    let account = cx.scope.account.to_string();
    let mut context = Context::new();
    context.set("aws:PrincipalArn", cx.principal.identity());
    let request = Request {
        requester: cx.principal.requester(&account),
        action,
        resource,
        context: &context,
    };
    let policies = Policies {
        identity: &mine.identity,
        boundary: mine.boundary.as_deref(),
        session: mine.session.as_deref(),
        guard: Guard::default(),
    };
    match neargate_policy::evaluate(&policies, &request) {
        Decision::Allowed => Ok(()),
        Decision::Denied(why) => Err(error::access_denied_because(why.sentence(
            &cx.principal.arn,
            action,
            &format!("\"{resource}\""),
        ))),
    }
}

/// The policies of who calls.
struct Mine {
    identity: Vec<Arc<Document>>,
    boundary: Option<Arc<Document>>,
    session: Option<Vec<Arc<Document>>>,
}

impl Mine {
    fn of(cx: &Ctx) -> Mine {
        let identities = cx.house.identities.get();
        let kept = identities.policies(&cx.principal);
        let session = cx.principal.session.as_deref().and_then(|session| {
            if session.policy.is_none() && session.policy_arns.is_empty() {
                return None;
            }
            // What cannot be read grants nothing: the session is bounded all the same.
            let inline = session.policy.as_deref().map(Document::parse);
            let inline = inline.and_then(Result::ok).map(Arc::new);
            let managed = session.policy_arns.iter();
            let account = &cx.scope.account;
            let managed = managed.filter_map(|arn| identities.managed_policy(account, arn));
            Some(inline.into_iter().chain(managed).collect())
        });
        Mine {
            identity: kept.own.iter().chain(&kept.of_groups).cloned().collect(),
            boundary: kept.boundary.clone(),
            session,
        }
    }
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

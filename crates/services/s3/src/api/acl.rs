//! Access control lists, of buckets and of objects
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>).

use super::{get, owner, settings};
use crate::access::{self, BUCKET_OWNER_ENFORCED, Block, canonical_id};
use crate::model::{Acl, AclGrant, Bucket};
use crate::notify::Change;
use crate::{S3, bucket, error, versions};
use neargate_api_s3 as api;
use neargate_base::AccountId;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// The headers that grant one permission each.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    pub full_control: Option<String>,
    pub read: Option<String>,
    pub read_acp: Option<String>,
    pub write: Option<String>,
    pub write_acp: Option<String>,
}

pub fn not_supported() -> AwsError {
    AwsError::client(
        "AccessControlListNotSupported",
        "The bucket does not allow ACLs",
    )
}

/// The list that a request gives by name or by headers; `None`: it gives none.
///
/// # Errors
/// `InvalidRequest` of both, `InvalidArgument` of grantees that are none.
pub fn given(
    name: Option<&str>,
    headers: &Headers,
    bucket_owner: &AccountId,
) -> Result<Option<Acl>, AwsError> {
    let mut grants = Vec::new();
    for (permission, header) in [
        ("FULL_CONTROL", &headers.full_control),
        ("READ", &headers.read),
        ("READ_ACP", &headers.read_acp),
        ("WRITE", &headers.write),
        ("WRITE_ACP", &headers.write_acp),
    ] {
        for grantee in header.iter().flat_map(|h| h.split(',')) {
            grants.push(AclGrant {
                grantee: of_header(grantee)?,
                permission: permission.to_owned(),
            });
        }
    }
    match (name, grants.is_empty()) {
        (Some(_), false) => Err(error::invalid_request(
            "Specifying both Canned ACLs and Header Grants is not allowed",
        )),
        (Some(name), true) => access::canned(name, bucket_owner).map(Some),
        (None, false) => Ok(Some(Acl(grants))),
        (None, true) => Ok(None),
    }
}

/// `id="…"`, `uri="…"`.
fn of_header(text: &str) -> Result<String, AwsError> {
    let (kind, value) = text.trim().split_once('=').unwrap_or(("", ""));
    let value = value.trim().trim_matches('"');
    match kind.trim() {
        "id" => Ok(value.to_owned()),
        "uri" => group(value),
        "emailAddress" => Err(unresolvable(value)),
        _ => Err(error::invalid_argument(
            "x-amz-grant",
            text,
            "Argument format not recognized",
        )),
    }
}

fn group(uri: &str) -> Result<String, AwsError> {
    let known = [
        access::ALL_USERS,
        access::AUTHENTICATED_USERS,
        access::LOG_DELIVERY,
    ];
    match known.contains(&uri) {
        true => Ok(uri.to_owned()),
        false => Err(error::invalid_argument("uri", uri, "Invalid group uri")),
    }
}

fn unresolvable(email: &str) -> AwsError {
    AwsError::client(
        "UnresolvableGrantByEmailAddress",
        "The e-mail address you provided does not match any account on record.",
    )
    .field("emailAddress", email)
}

/// # Errors
/// `AccessDenied` of a public list where the block forbids them.
pub fn refuse_public(bucket: &Bucket, acl: &Acl) -> Result<(), AwsError> {
    match access::blocks(bucket, Block::BlockPublicAcls) && access::is_public_acl(acl) {
        true => Err(error::access_denied()),
        false => Ok(()),
    }
}

/// A list in the body of a request.
fn of_body(policy: api::AccessControlPolicy, owner: &AccountId) -> Result<Acl, AwsError> {
    let id = canonical_id(owner);
    let named = policy
        .owner
        .and_then(|o| o.id)
        .ok_or_else(error::malformed_xml)?;
    if named != id {
        return Err(error::access_denied());
    }
    let mut grants = Vec::new();
    for grant in policy.grants.unwrap_or_default() {
        let grantee = grant.grantee.ok_or_else(error::malformed_xml)?;
        let permission = grant.permission.ok_or_else(error::malformed_xml)?;
        let grantee = match grantee.r#type.as_str() {
            "CanonicalUser" => grantee.id.ok_or_else(error::malformed_xml)?,
            "Group" => group(&grantee.uri.unwrap_or_default())?,
            _ => return Err(unresolvable(&grantee.email_address.unwrap_or_default())),
        };
        grants.push(AclGrant {
            grantee,
            permission,
        });
    }
    // The owner's own full control is never missing, and is not kept.
    grants.retain(|g| !(g.grantee == id && g.permission == "FULL_CONTROL"));
    Ok(Acl(grants))
}

fn shown(acl: &Acl, account: &AccountId) -> Vec<api::Grant> {
    let user = |id: &str| api::Grantee {
        id: Some(id.to_owned()),
        r#type: "CanonicalUser".into(),
        ..Default::default()
    };
    let own = api::Grant {
        grantee: Some(user(&canonical_id(account))),
        permission: Some("FULL_CONTROL".into()),
    };
    let others = acl.0.iter().map(|grant| api::Grant {
        grantee: Some(match grant.grantee.starts_with("http") {
            true => api::Grantee {
                uri: Some(grant.grantee.clone()),
                r#type: "Group".into(),
                ..Default::default()
            },
            false => user(&grant.grantee),
        }),
        permission: Some(grant.permission.clone()),
    });
    std::iter::once(own).chain(others).collect()
}

/// The list of a request that puts one, in whichever of the three ways.
macro_rules! wanted {
    ($input:ident, $bucket:ident) => {{
        let headers = Headers {
            full_control: $input.grant_full_control.clone(),
            read: $input.grant_read.clone(),
            read_acp: $input.grant_read_acp.clone(),
            write: $input.grant_write.clone(),
            write_acp: $input.grant_write_acp.clone(),
        };
        let given = given($input.acl.as_deref(), &headers, &$bucket.account)?;
        let acl = match (given, $input.access_control_policy.clone()) {
            (Some(_), Some(_)) => {
                return Err(error::invalid_request(
                    "This request does not support content",
                ));
            }
            (Some(acl), None) => acl,
            (None, Some(policy)) => of_body(policy, &$bucket.account)?,
            (None, None) => {
                return Err(AwsError::client(
                    "MissingSecurityHeader",
                    "Your request was missing a required header",
                )
                .field("MissingHeaderName", "x-amz-acl"));
            }
        };
        let ownership = $bucket
            .ownership
            .as_deref()
            .unwrap_or(BUCKET_OWNER_ENFORCED);
        if ownership == BUCKET_OWNER_ENFORCED && !acl.0.is_empty() {
            return Err(not_supported());
        }
        refuse_public(&$bucket, &acl)?;
        acl
    }};
}

pub async fn put_bucket_acl(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketAclInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let open = bucket::open(&cx, &input.bucket, owner, "s3:PutBucketAcl", None).await?;
    let acl = wanted!(input, open);
    settings::change(&cx, &input.bucket, owner, "s3:PutBucketAcl", |bucket| {
        bucket.acl = acl.clone();
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn get_bucket_acl(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketAclInput,
) -> Result<api::GetBucketAclOutput, AwsError> {
    let expected = input.expected_bucket_owner.as_deref();
    let open = bucket::open(&cx, &input.bucket, expected, "s3:GetBucketAcl", None).await?;
    Ok(api::GetBucketAclOutput {
        owner: Some(owner(&open.account)),
        grants: Some(shown(&open.acl, &open.account)),
    })
}

pub async fn put_object_acl(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutObjectAclInput,
) -> Result<api::PutObjectAclOutput, AwsError> {
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let open = bucket::open(&cx, &input.bucket, owner, "s3:PutObjectAcl", Some(key)).await?;
    let acl = wanted!(input, open);
    let version = input.version_id.as_deref();
    let (_, content) = get::content(&cx, &open, key, version, "PUT").await?;
    open.require(&cx, &content.about.acl)?;
    let changed =
        versions::amend(
            &cx,
            &open,
            key,
            version,
            Some(Change::AclPut),
            |object| match &mut object.content {
                Some(content) => {
                    content.about.acl = acl.clone();
                    Ok(())
                }
                None => Err(error::method_not_allowed("PUT", "DeleteMarker")),
            },
        );
    changed.await?.ok_or_else(|| get::missing(key, version))?;
    Ok(api::PutObjectAclOutput::default())
}

pub async fn get_object_acl(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetObjectAclInput,
) -> Result<api::GetObjectAclOutput, AwsError> {
    let (expected, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let open = bucket::open(&cx, &input.bucket, expected, "s3:GetObjectAcl", Some(key)).await?;
    let version = input.version_id.as_deref();
    let (_, content) = get::content(&cx, &open, key, version, "GET").await?;
    open.require(&cx, &content.about.acl)?;
    Ok(api::GetObjectAclOutput {
        owner: Some(owner(&open.account)),
        grants: Some(shown(&content.about.acl, &open.account)),
        request_charged: None,
    })
}

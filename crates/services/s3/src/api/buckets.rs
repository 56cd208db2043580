//! Buckets: made, found, listed, deleted.

use crate::access::{self, BUCKET_OWNER_ENFORCED};
use crate::model::{Bucket, keys};
use crate::{S3, bucket, error};
use neargate_api_s3 as api;
use neargate_base::Region;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use neargate_wire::json::Json;
use neargate_wire::structure::Unit;
use std::sync::Arc;

const MAX_BUCKETS: i32 = 10_000;

/// The region whose buckets have no location.
const FIRST_REGION: &str = "us-east-1";

pub async fn create_bucket(
    _: Arc<S3>,
    cx: Ctx,
    input: api::CreateBucketInput,
) -> Result<api::CreateBucketOutput, AwsError> {
    let name = &input.bucket;
    access::require(&cx, "s3:CreateBucket", &format!("arn:aws:s3:::{name}"))?;
    if name.ends_with("--x-s3") {
        return Err(error::not_built("directory buckets"));
    }
    if !bucket::is_name(name) {
        return Err(error::invalid_bucket_name(name));
    }
    let configuration = input.create_bucket_configuration.unwrap_or_default();
    if configuration.location.is_some() || configuration.bucket.is_some() {
        return Err(error::not_built("directory buckets"));
    }
    if input
        .bucket_namespace
        .as_deref()
        .is_some_and(|n| n != "global")
    {
        return Err(error::not_built("bucket namespaces of accounts"));
    }
    let region = located(
        &cx.scope.region,
        configuration.location_constraint.as_deref(),
    )?;
    let tags = super::tagging::read(configuration.tags.unwrap_or_default(), 50)?;
    let ownership = input
        .object_ownership
        .unwrap_or_else(|| BUCKET_OWNER_ENFORCED.into());
    let acl = match super::acl::given(
        input.acl.as_deref(),
        &super::acl::Headers {
            full_control: input.grant_full_control,
            read: input.grant_read,
            read_acp: input.grant_read_acp,
            write: input.grant_write,
            write_acp: input.grant_write_acp,
        },
        &cx.scope.account,
    )? {
        Some(acl) if ownership == BUCKET_OWNER_ENFORCED && !acl.0.is_empty() => {
            return Err(AwsError::client(
                "InvalidBucketAclWithObjectOwnership",
                "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
            ));
        }
        // The public access block that every new bucket begins with.
        Some(acl) if access::is_public_acl(&acl) => return Err(error::access_denied()),
        acl => acl.unwrap_or_default(),
    };
    let lock = input.object_lock_enabled_for_bucket.unwrap_or(false);
    let made = Bucket {
        name: name.clone(),
        uid: cx.house.rng.hex(16),
        account: cx.scope.account.clone(),
        region,
        created_at: cx.now(),
        emptying_since: None,
        versioning: lock.then(|| "Enabled".to_owned()),
        tags,
        policy: None,
        public_access_block: Some(Json(api::PublicAccessBlockConfiguration {
            block_public_acls: Some(true),
            ignore_public_acls: Some(true),
            block_public_policy: Some(true),
            restrict_public_buckets: Some(true),
        })),
        ownership: Some(ownership),
        acl,
        cors: None,
        website: None,
        lifecycle: None,
        encryption: None,
        object_lock: lock.then(|| {
            Json(api::ObjectLockConfiguration {
                object_lock_enabled: Some("Enabled".into()),
                rule: None,
            })
        }),
        notifications: None,
    };
    let place = keys::bucket(name);
    if let Committed::Conflict = cx.db().tx().create(place, &made).commit().await? {
        let there = bucket::get(cx.db(), name).await?;
        if there.account != cx.scope.account {
            return Err(error::bucket_already_exists(name));
        }
        // There alone, making what one has is no error.
        if there.region.as_str() != FIRST_REGION || cx.scope.region.as_str() != FIRST_REGION {
            return Err(error::bucket_already_owned_by_you(name));
        }
    }
    Ok(api::CreateBucketOutput {
        location: Some(format!("/{name}")),
        bucket_arn: Some(made.arn()),
    })
}

/// Where a bucket is made that a call to `region` asks for.
fn located(region: &Region, constraint: Option<&str>) -> Result<Region, AwsError> {
    match constraint.filter(|c| !c.is_empty()) {
        None if region.as_str() == FIRST_REGION => Ok(region.clone()),
        None => Err(error::illegal_location(None)),
        Some(FIRST_REGION) => Err(error::invalid_location(FIRST_REGION)),
        Some("EU") if ["eu-west-1", FIRST_REGION].contains(&region.as_str()) => {
            Ok("eu-west-1".parse().expect("a region"))
        }
        Some(constraint) if constraint == region.as_str() => Ok(region.clone()),
        Some(constraint) => {
            let other = constraint.parse::<Region>();
            let other = other.map_err(|_| error::invalid_location(constraint))?;
            match region.as_str() {
                FIRST_REGION => Ok(other),
                _ => Err(error::illegal_location(Some(constraint))),
            }
        }
    }
}

pub async fn head_bucket(
    _: Arc<S3>,
    cx: Ctx,
    input: api::HeadBucketInput,
) -> Result<api::HeadBucketOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = bucket::open(&cx, &input.bucket, owner, "s3:ListBucket", None).await?;
    Ok(api::HeadBucketOutput {
        bucket_region: Some(bucket.region.to_string()),
        access_point_alias: Some(false),
        bucket_arn: Some(bucket.arn()),
        ..Default::default()
    })
}

pub async fn get_bucket_location(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketLocationInput,
) -> Result<api::GetBucketLocationOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = bucket::open(&cx, &input.bucket, owner, "s3:GetBucketLocation", None).await?;
    let region = bucket.region.to_string();
    Ok(api::GetBucketLocationOutput {
        location_constraint: Some(region).filter(|r| r != FIRST_REGION),
    })
}

pub async fn list_buckets(
    _: Arc<S3>,
    cx: Ctx,
    input: api::ListBucketsInput,
) -> Result<api::ListBucketsOutput, AwsError> {
    access::require(&cx, "s3:ListAllMyBuckets", "*")?;
    let max = input.max_buckets.unwrap_or(MAX_BUCKETS);
    if !(1..=MAX_BUCKETS).contains(&max) {
        let message = "Argument max-buckets must be an integer between 1 and 10000";
        return Err(error::invalid_argument(
            "max-buckets",
            &max.to_string(),
            message,
        ));
    }
    let after = match &input.continuation_token {
        Some(token) => Some(super::list::open_token(token)?),
        None => None,
    };
    let prefix = input.prefix.clone().unwrap_or_default();
    let all: Vec<Stored<Bucket>> = cx.db().list_prefix(&keys::bucket(&prefix)).await?;
    let mut own: Vec<&Stored<Bucket>> = all
        .iter()
        .filter(|b| b.account == cx.scope.account)
        .filter(|b| {
            input
                .bucket_region
                .as_ref()
                .is_none_or(|r| r == b.region.as_str())
        })
        .filter(|b| after.as_ref().is_none_or(|after| b.name > *after))
        .collect();
    let more = own.len() > max as usize;
    own.truncate(max as usize);
    let token = own
        .last()
        .filter(|_| more)
        .map(|b| super::list::token(&b.name));
    Ok(api::ListBucketsOutput {
        buckets: Some(
            own.into_iter()
                .map(|b| api::Bucket {
                    name: Some(b.name.clone()),
                    creation_date: Some(super::seconds(b.created_at)),
                    bucket_region: Some(b.region.to_string()),
                    bucket_arn: Some(b.arn()),
                })
                .collect(),
        ),
        owner: Some(super::owner(&cx.scope.account)),
        continuation_token: token,
        prefix: input.prefix,
    })
}

pub async fn delete_bucket(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::DeleteBucketInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let open = bucket::open(&cx, &input.bucket, owner, "s3:DeleteBucket", None).await?;
    let key = open.bucket.key.clone();
    let uid = open.uid.clone();
    // From here on nothing is put into it, so that what is found to be empty stays so.
    let begun = cx.db().modify::<Bucket, _>(&key, |bucket| {
        if bucket.uid != uid {
            return Err(error::no_such_bucket(&input.bucket));
        }
        bucket.emptying_since = Some(cx.now());
        Ok(true)
    });
    let begun = begun
        .await?
        .ok_or_else(|| error::no_such_bucket(&input.bucket))?;
    let objects = holds(&cx, &keys::objects(&begun)).await?;
    if objects || holds(&cx, &keys::versions(&begun)).await? {
        let kept = cx.db().modify::<Bucket, _>(&key, |bucket| {
            bucket.emptying_since = None;
            Ok(true)
        });
        kept.await?;
        let versioned = begun.versioning.is_some();
        return Err(error::bucket_not_empty(&input.bucket, versioned));
    }
    match cx.db().tx().delete(&begun).commit().await? {
        Committed::At(_) => {}
        Committed::Conflict => return Err(error::operation_aborted()),
    }
    // Uploads in parts do not keep a bucket.
    super::uploads::forget_all(&s3, cx.db(), &begun).await?;
    Ok(Unit)
}

/// Is anything kept under this prefix?
async fn holds(cx: &Ctx, prefix: &str) -> Result<bool, AwsError> {
    let page = cx.db().store().range(prefix, None, 1, None).await?;
    Ok(!page.entries.is_empty())
}

//! Tags of buckets and of objects.

use super::settings::change;
use crate::notify::Change;
use crate::{S3, bucket, error, versions};
use neargate_api_s3 as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An object has no more tags than this.
pub const MAX_OBJECT_TAGS: usize = 10;
const MAX_BUCKET_TAGS: usize = 50;

/// Tags as they are kept.
///
/// # Errors
/// `InvalidTag`, `BadRequest` of too many.
pub fn read(tags: Vec<api::Tag>, max: usize) -> Result<BTreeMap<String, String>, AwsError> {
    if tags.len() > max {
        return Err(AwsError::client(
            "BadRequest",
            match max {
                MAX_OBJECT_TAGS => "Object tags cannot be greater than 10".to_owned(),
                max => format!("Bucket tag count cannot be greater than {max}"),
            },
        ));
    }
    let mut read = BTreeMap::new();
    for api::Tag { key, value } in tags {
        if key.is_empty() || key.chars().count() > 128 || !is_text(&key) {
            return Err(
                error::invalid_tag("The TagKey you have provided is invalid").field("TagKey", key),
            );
        }
        if value.chars().count() > 256 || !is_text(&value) {
            return Err(
                error::invalid_tag("The TagValue you have provided is invalid")
                    .field("TagKey", key)
                    .field("TagValue", value),
            );
        }
        if key.starts_with("aws:") {
            return Err(error::invalid_tag(
                "System tags cannot be added/updated by requester",
            ));
        }
        if read.insert(key.clone(), value).is_some() {
            return Err(
                error::invalid_tag("Cannot provide multiple Tags with the same key")
                    .field("TagKey", key),
            );
        }
    }
    Ok(read)
}

fn is_text(text: &str) -> bool {
    let letters = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    text.chars().all(letters)
}

/// Tags as the header `x-amz-tagging` gives them: a query string.
///
/// # Errors
/// Those of [`read`].
pub fn of_header(header: Option<&str>) -> Result<BTreeMap<String, String>, AwsError> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text).decode_utf8();
        decoded.map(|t| t.into_owned()).map_err(|_| {
            error::invalid_argument(
                "x-amz-tagging",
                &text,
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query \
                 parameters without tag name duplicates.",
            )
        })
    };
    let pairs = header
        .unwrap_or_default()
        .split('&')
        .filter(|p| !p.is_empty());
    let tags = pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok(api::Tag {
            key: decode(key)?,
            value: decode(value)?,
        })
    });
    read(tags.collect::<Result<_, AwsError>>()?, MAX_OBJECT_TAGS)
}

pub fn written(tags: &BTreeMap<String, String>) -> Vec<api::Tag> {
    tags.iter()
        .map(|(key, value)| api::Tag {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

pub async fn put_bucket_tagging(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketTaggingInput,
) -> Result<Unit, AwsError> {
    let tags = read(input.tagging.tag_set, MAX_BUCKET_TAGS)?;
    let owner = input.expected_bucket_owner.as_deref();
    change(&cx, &input.bucket, owner, "s3:PutBucketTagging", |bucket| {
        bucket.tags = tags.clone();
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn get_bucket_tagging(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketTaggingInput,
) -> Result<api::GetBucketTaggingOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = bucket::open(&cx, &input.bucket, owner, "s3:GetBucketTagging", None).await?;
    if bucket.tags.is_empty() {
        return Err(error::unset(
            "NoSuchTagSet",
            "The TagSet does not exist",
            &input.bucket,
        ));
    }
    Ok(api::GetBucketTaggingOutput {
        tag_set: Some(written(&bucket.tags)),
    })
}

pub async fn delete_bucket_tagging(
    _: Arc<S3>,
    cx: Ctx,
    input: api::DeleteBucketTaggingInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    change(&cx, &input.bucket, owner, "s3:PutBucketTagging", |bucket| {
        bucket.tags.clear();
        Ok(())
    })
    .await?;
    Ok(Unit)
}

async fn set(
    cx: &Ctx,
    bucket: &crate::model::Bucket,
    key: &str,
    version: Option<&str>,
    tags: &BTreeMap<String, String>,
) -> Result<Option<String>, AwsError> {
    let change = match tags.is_empty() {
        true => Change::Untagged,
        false => Change::Tagged,
    };
    let changed = versions::amend(
        cx,
        bucket,
        key,
        version,
        Some(change),
        |object| match &mut object.content {
            Some(content) => {
                content.about.tags = tags.clone();
                Ok(())
            }
            None => Err(error::method_not_allowed("PUT", "DeleteMarker")),
        },
    );
    let changed = changed.await?;
    let changed = changed.ok_or_else(|| super::get::missing(key, version))?;
    Ok(shown_version(bucket, &changed))
}

/// The version id, as answers have it: none where the bucket never had versions.
pub fn shown_version(
    bucket: &crate::model::Bucket,
    object: &crate::model::Object,
) -> Option<String> {
    bucket.versioning.as_ref()?;
    Some(object.version_name().to_owned())
}

pub async fn put_object_tagging(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutObjectTaggingInput,
) -> Result<api::PutObjectTaggingOutput, AwsError> {
    let tags = read(input.tagging.tag_set, MAX_OBJECT_TAGS)?;
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let action = "s3:PutObjectTagging";
    let bucket = bucket::open(&cx, &input.bucket, owner, action, Some(key)).await?;
    let version_id = set(&cx, &bucket, key, input.version_id.as_deref(), &tags).await?;
    Ok(api::PutObjectTaggingOutput { version_id })
}

pub async fn delete_object_tagging(
    _: Arc<S3>,
    cx: Ctx,
    input: api::DeleteObjectTaggingInput,
) -> Result<api::DeleteObjectTaggingOutput, AwsError> {
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let action = "s3:DeleteObjectTagging";
    let bucket = bucket::open(&cx, &input.bucket, owner, action, Some(key)).await?;
    let none = BTreeMap::new();
    let version_id = set(&cx, &bucket, key, input.version_id.as_deref(), &none).await?;
    Ok(api::DeleteObjectTaggingOutput { version_id })
}

pub async fn get_object_tagging(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetObjectTaggingInput,
) -> Result<api::GetObjectTaggingOutput, AwsError> {
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let action = "s3:GetObjectTagging";
    let bucket = bucket::open(&cx, &input.bucket, owner, action, Some(key)).await?;
    let version = input.version_id.as_deref();
    let (found, content) = super::get::content(&cx, &bucket, key, version, "GET").await?;
    Ok(api::GetObjectTaggingOutput {
        version_id: shown_version(&bucket, &found.object),
        tag_set: Some(written(&content.about.tags)),
    })
}

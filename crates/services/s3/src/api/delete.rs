//! Objects, deleted one by one and many at once.

use super::tagging::shown_version;
use super::{lock, put};
use crate::bucket::{self, Open};
use crate::model::Object;
use crate::notify::By;
use crate::versions::{self, Conditions, etag_matches};
use crate::{S3, error};
use futures_util::StreamExt as _;
use futures_util::stream;
use neargate_api_s3 as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Transactions go on beside each other, and the store commits them together.
const AT_ONCE: usize = 32;
const MAX_OBJECTS: usize = 1000;

/// What is deleted, and what must hold of it.
#[derive(Debug, Default)]
struct Target {
    key: String,
    version: Option<String>,
    if_match: Option<String>,
    if_modified: Option<Timestamp>,
    if_size: Option<i64>,
    bypass: bool,
}

/// What became of it.
struct Deleted {
    /// The delete marker that was made or taken away.
    marker: bool,
    version_id: Option<String>,
}

async fn delete(s3: &S3, cx: &Ctx, open: &Open, target: &Target) -> Result<Deleted, AwsError> {
    if target.if_modified.is_some() || target.if_size.is_some() {
        return Err(error::not_built(
            "conditions on a deletion by time or size, which directory buckets have",
        ));
    }
    put::check_key(&target.key)?;
    let key = &target.key;
    let Some(version) = &target.version else {
        let conditions = Conditions {
            if_match: target.if_match.clone(),
            if_none_match: None,
        };
        let placed = versions::delete(cx, open, key, &conditions, By::Request).await?;
        let marked = open.versioning.is_some();
        let Some(placed) = placed else {
            return Ok(Deleted {
                marker: false,
                version_id: None,
            });
        };
        s3.forget(placed.gone).await;
        return Ok(Deleted {
            marker: marked,
            version_id: shown_version(open, &placed.object).filter(|_| marked),
        });
    };
    let allowed = |object: &Object| {
        if let Some(list) = &target.if_match {
            let etag = object.content.as_ref().map_or("", |c| c.etag.as_str());
            if !etag_matches(list, etag) {
                return Err(error::precondition_failed("If-Match"));
            }
        }
        lock::may_delete(cx, object, target.bypass)
    };
    let taken = versions::delete_version(cx, open, key, version, By::Request, allowed).await?;
    let Some(taken) = taken else {
        return Ok(Deleted {
            marker: false,
            version_id: Some(version.clone()),
        });
    };
    s3.forget(taken.gone).await;
    Ok(Deleted {
        marker: taken.object.content.is_none(),
        version_id: Some(version.clone()),
    })
}

fn action(version: Option<&str>) -> &'static str {
    match version {
        None => "s3:DeleteObject",
        Some(_) => "s3:DeleteObjectVersion",
    }
}

pub async fn delete_object(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::DeleteObjectInput,
) -> Result<api::DeleteObjectOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = action(input.version_id.as_deref());
    let open = bucket::open(&cx, &input.bucket, owner, action, Some(&input.key)).await?;
    let target = Target {
        key: input.key,
        version: input.version_id,
        if_match: input.if_match,
        if_modified: input.if_match_last_modified_time,
        if_size: input.if_match_size,
        bypass: input.bypass_governance_retention.unwrap_or(false),
    };
    let deleted = delete(&s3, &cx, &open, &target).await?;
    Ok(api::DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version_id,
        request_charged: None,
    })
}

pub async fn delete_objects(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::DeleteObjectsInput,
) -> Result<api::DeleteObjectsOutput, AwsError> {
    let objects = input.delete.objects;
    if objects.is_empty() || objects.len() > MAX_OBJECTS {
        return Err(error::malformed_xml());
    }
    let owner = input.expected_bucket_owner.as_deref();
    // Each object is judged for itself; that the bucket is there and is whose it should be is not.
    let there = bucket::get(cx.db(), &input.bucket).await?;
    if owner.is_some_and(|o| o != there.account.as_str()) {
        return Err(error::access_denied());
    }
    let quiet = input.delete.quiet.unwrap_or(false);
    let bypass = input.bypass_governance_retention.unwrap_or(false);
    let jobs = objects.into_iter().map(|object| {
        let target = Target {
            key: object.key,
            version: object.version_id.filter(|v| !v.is_empty()),
            if_match: object.e_tag,
            if_modified: object.last_modified_time,
            if_size: object.size,
            bypass,
        };
        let (s3, cx, bucket) = (&s3, &cx, &input.bucket);
        async move {
            let action = action(target.version.as_deref());
            let deleted = async {
                let open = bucket::open(cx, bucket, owner, action, Some(&target.key)).await?;
                delete(s3, cx, &open, &target).await
            };
            let deleted = deleted.await;
            (target, deleted)
        }
    });
    let jobs: Vec<_> = jobs.collect();
    let done: Vec<_> = stream::iter(jobs).buffered(AT_ONCE).collect().await;
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for (target, outcome) in done {
        match outcome {
            Ok(_) if quiet => {}
            Ok(done) => deleted.push(api::DeletedObject {
                key: Some(target.key),
                delete_marker: done.marker.then_some(true),
                delete_marker_version_id: done.version_id.filter(|_| done.marker),
                version_id: target.version,
            }),
            Err(why) if why.status >= 500 && why.code != "NotImplemented" => return Err(why),
            Err(why) => errors.push(api::Error {
                key: Some(target.key),
                version_id: target.version,
                code: Some(why.code),
                message: Some(why.message),
            }),
        }
    }
    Ok(api::DeleteObjectsOutput {
        deleted: Some(deleted),
        errors: Some(errors),
        request_charged: None,
    })
}

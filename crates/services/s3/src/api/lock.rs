//! Object lock: retention and legal holds, which keep a version from being deleted
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>).

use super::{get, settings};
use crate::model::{Bucket, Object, Retention};
use crate::notify::Change;
use crate::{S3, access, bucket, error, versions};
use neargate_api_s3 as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::Json;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn not_locking() -> AwsError {
    error::invalid_request("Bucket is missing Object Lock Configuration")
}

/// What a new version is kept by: as the request says, else as the bucket does.
pub fn given(
    cx: &Ctx,
    bucket: &Bucket,
    mode: Option<String>,
    until: Option<Timestamp>,
    hold: Option<&str>,
) -> Result<(Option<Retention>, bool), AwsError> {
    if !bucket.has_object_lock() {
        return match mode.is_some() || until.is_some() || hold.is_some() {
            true => Err(not_locking()),
            false => Ok((None, false)),
        };
    }
    let hold = hold == Some("ON");
    match (mode, until) {
        (Some(mode), Some(until)) => Ok((Some(retention(cx, mode, until)?), hold)),
        (None, None) => {
            let rule = bucket.object_lock.as_ref().and_then(|l| l.rule.clone());
            let default = rule.and_then(|r| r.default_retention);
            let kept = default.and_then(|d| {
                let days = d.days.unwrap_or(0) + 365 * d.years.unwrap_or(0);
                Some(Retention {
                    mode: d.mode?,
                    until: cx.now() + DAY * days.max(0) as u32,
                })
            });
            Ok((kept, hold))
        }
        _ => Err(error::invalid_argument(
            "x-amz-object-lock-mode",
            "null",
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        )),
    }
}

fn retention(cx: &Ctx, mode: String, until: Timestamp) -> Result<Retention, AwsError> {
    if !["GOVERNANCE", "COMPLIANCE"].contains(&mode.as_str()) {
        return Err(error::malformed_xml());
    }
    if until <= cx.now() {
        return Err(error::invalid_argument(
            "RetainUntilDate",
            &until.rfc3339(),
            "The retain until date must be in the future!",
        ));
    }
    Ok(Retention { mode, until })
}

/// May a version be deleted? `bypass`: the caller means to, although it is retained.
///
/// # Errors
/// `AccessDenied`, in the words that S3 has for this.
pub fn may_delete(cx: &Ctx, object: &Object, bypass: bool) -> Result<(), AwsError> {
    let Some(content) = &object.content else {
        return Ok(());
    };
    let about = &content.about;
    let kept = about.retention.as_ref().is_some_and(|r| {
        r.until > cx.now() && !(bypass && r.mode == "GOVERNANCE" && is_owner_like(cx))
    });
    match kept || about.legal_hold {
        true => Err(error::access_denied_because(
            "Access Denied because object protected by object lock.",
        )),
        false => Ok(()),
    }
}

/// `s3:BypassGovernanceRetention` is the account's to use until policies of users decide.
fn is_owner_like(cx: &Ctx) -> bool {
    !access::is_anonymous(&cx.principal)
}

pub async fn put_object_lock_configuration(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutObjectLockConfigurationInput,
) -> Result<api::PutObjectLockConfigurationOutput, AwsError> {
    let wanted = input.object_lock_configuration.clone().unwrap_or_default();
    if wanted.object_lock_enabled.as_deref() != Some("Enabled") {
        return Err(error::malformed_xml());
    }
    if let Some(rule) = &wanted.rule {
        let default = rule.default_retention.clone().unwrap_or_default();
        if default.default_event_hold.is_some() {
            return Err(error::not_built("object lock's event holds"));
        }
        let one = default.days.is_some() != default.years.is_some();
        if !one || default.mode.is_none() {
            return Err(error::malformed_xml());
        }
        if default.days.or(default.years).is_some_and(|n| n <= 0) {
            let message = "Default retention period must be a positive integer value.";
            return Err(error::invalid_argument("Days", "0", message));
        }
    }
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutBucketObjectLockConfiguration";
    settings::change(&cx, &input.bucket, owner, action, |bucket| {
        if !bucket.is_versioned() {
            return Err(AwsError::client(
                "InvalidBucketState",
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
            )
            .status(409));
        }
        bucket.object_lock = Some(Json(wanted.clone()));
        Ok(())
    })
    .await?;
    Ok(api::PutObjectLockConfigurationOutput::default())
}

pub async fn get_object_lock_configuration(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetObjectLockConfigurationInput,
) -> Result<api::GetObjectLockConfigurationOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:GetBucketObjectLockConfiguration";
    let bucket = bucket::open(&cx, &input.bucket, owner, action, None).await?;
    let set = bucket.object_lock.clone().ok_or_else(|| {
        error::unset(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
            &input.bucket,
        )
    })?;
    Ok(api::GetObjectLockConfigurationOutput {
        object_lock_configuration: Some(set.0),
    })
}

pub async fn put_object_retention(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutObjectRetentionInput,
) -> Result<api::PutObjectRetentionOutput, AwsError> {
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let open = bucket::open(
        &cx,
        &input.bucket,
        owner,
        "s3:PutObjectRetention",
        Some(key),
    )
    .await?;
    if !open.has_object_lock() {
        return Err(not_locking());
    }
    let wanted = input.retention.clone().unwrap_or_default();
    if wanted.event_hold.is_some() || wanted.event_hold_duration.is_some() {
        return Err(error::not_built("object lock's event holds"));
    }
    let wanted = match (wanted.mode, wanted.retain_until_date) {
        (Some(mode), Some(until)) => Some(retention(&cx, mode, until)?),
        (None, None) => None,
        _ => return Err(error::malformed_xml()),
    };
    let bypass = input.bypass_governance_retention.unwrap_or(false);
    let version = input.version_id.as_deref();
    let changed = versions::amend(&cx, &open, key, version, Some(Change::Retained), |object| {
        let Some(content) = &mut object.content else {
            return Err(error::method_not_allowed("PUT", "DeleteMarker"));
        };
        let about = &mut content.about;
        if let Some(old) = about.retention.as_ref().filter(|r| r.until > cx.now()) {
            let longer = wanted.as_ref().is_some_and(|w| {
                w.until >= old.until && (w.mode == old.mode || old.mode == "GOVERNANCE")
            });
            let weaker_mode = wanted.as_ref().is_some_and(|w| w.mode != old.mode);
            let free = bypass && old.mode == "GOVERNANCE";
            if !free && (!longer || weaker_mode && old.mode == "COMPLIANCE") {
                return Err(error::access_denied_because(
                    "Access Denied because object protected by object lock.",
                ));
            }
        }
        about.retention.clone_from(&wanted);
        Ok(())
    });
    changed.await?.ok_or_else(|| get::missing(key, version))?;
    Ok(api::PutObjectRetentionOutput::default())
}

pub async fn get_object_retention(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetObjectRetentionInput,
) -> Result<api::GetObjectRetentionOutput, AwsError> {
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let open = bucket::open(
        &cx,
        &input.bucket,
        owner,
        "s3:GetObjectRetention",
        Some(key),
    )
    .await?;
    if !open.has_object_lock() {
        return Err(not_locking());
    }
    let version = input.version_id.as_deref();
    let (_, content) = get::content(&cx, &open, key, version, "GET").await?;
    let retention = content.about.retention.ok_or_else(no_lock)?;
    Ok(api::GetObjectRetentionOutput {
        retention: Some(api::ObjectLockRetention {
            mode: Some(retention.mode),
            retain_until_date: Some(retention.until),
            ..Default::default()
        }),
    })
}

fn no_lock() -> AwsError {
    AwsError::client(
        "NoSuchObjectLockConfiguration",
        "The specified object does not have a ObjectLock configuration",
    )
    .status(404)
}

pub async fn put_object_legal_hold(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutObjectLegalHoldInput,
) -> Result<api::PutObjectLegalHoldOutput, AwsError> {
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let open = bucket::open(
        &cx,
        &input.bucket,
        owner,
        "s3:PutObjectLegalHold",
        Some(key),
    )
    .await?;
    if !open.has_object_lock() {
        return Err(not_locking());
    }
    let status = input.legal_hold.clone().and_then(|h| h.status);
    let hold = match status.as_deref() {
        Some("ON") => true,
        Some("OFF") => false,
        _ => return Err(error::malformed_xml()),
    };
    let version = input.version_id.as_deref();
    let changed = versions::amend(&cx, &open, key, version, None, |object| {
        match &mut object.content {
            Some(content) => {
                content.about.legal_hold = hold;
                Ok(())
            }
            None => Err(error::method_not_allowed("PUT", "DeleteMarker")),
        }
    });
    changed.await?.ok_or_else(|| get::missing(key, version))?;
    Ok(api::PutObjectLegalHoldOutput::default())
}

pub async fn get_object_legal_hold(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetObjectLegalHoldInput,
) -> Result<api::GetObjectLegalHoldOutput, AwsError> {
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let open = bucket::open(
        &cx,
        &input.bucket,
        owner,
        "s3:GetObjectLegalHold",
        Some(key),
    )
    .await?;
    if !open.has_object_lock() {
        return Err(not_locking());
    }
    let version = input.version_id.as_deref();
    let (_, content) = get::content(&cx, &open, key, version, "GET").await?;
    let status = match content.about.legal_hold {
        true => "ON",
        false => "OFF",
    };
    Ok(api::GetObjectLegalHoldOutput {
        legal_hold: Some(api::ObjectLockLegalHold {
            status: Some(status.into()),
        }),
    })
}

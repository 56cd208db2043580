//! A bucket's lifecycle rules, put, got and taken away.

use super::settings::change;
use crate::{S3, bucket, error};
use neargate_api_s3 as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::Json;
use neargate_wire::structure::Unit;
use std::collections::BTreeSet;
use std::sync::Arc;

const MAX_RULES: usize = 1000;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
const SIZE: &str = "all_storage_classes_128K";

pub async fn put_bucket_lifecycle_configuration(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketLifecycleConfigurationInput,
) -> Result<api::PutBucketLifecycleConfigurationOutput, AwsError> {
    let mut wanted = input.lifecycle_configuration.clone().unwrap_or_default();
    if wanted.rules.is_empty() || wanted.rules.len() > MAX_RULES {
        return Err(error::malformed_xml());
    }
    let mut ids = BTreeSet::new();
    for rule in &mut wanted.rules {
        check(rule)?;
        let id = rule.id.clone().filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| cx.house.rng.uuid());
        if id.chars().count() > 255 {
            let message = "ID length should not exceed allowed limit of 255";
            return Err(error::invalid_argument("ID", &id, message));
        }
        if !ids.insert(id.clone()) {
            let message = "Rule ID must be unique. Found same ID for more than one rule";
            return Err(error::invalid_argument("ID", &id, message));
        }
        rule.id = Some(id);
    }
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutLifecycleConfiguration";
    change(&cx, &input.bucket, owner, action, |bucket| {
        bucket.lifecycle = Some(Json(wanted.clone()));
        Ok(())
    })
    .await?;
    Ok(api::PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some(SIZE.into()),
    })
}

fn check(rule: &api::LifecycleRule) -> Result<(), AwsError> {
    let positive = |name: &str, days: Option<i32>| match days {
        Some(days) if days <= 0 => {
            let message = format!("'{name}' for {name} action must be a positive integer");
            Err(error::invalid_argument(name, &days.to_string(), message))
        }
        _ => Ok(()),
    };
    if rule.filter.is_some() == rule.prefix.is_some() {
        return Err(error::malformed_xml());
    }
    if !["Enabled", "Disabled"].contains(&rule.status.as_str()) {
        return Err(error::malformed_xml());
    }
    let any = rule.expiration.is_some()
        || rule.transitions.is_some()
        || rule.noncurrent_version_transitions.is_some()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some();
    if !any {
        return Err(error::invalid_request(
            "At least one action needs to be specified in a rule.",
        ));
    }
    if let Some(expiry) = &rule.expiration {
        let given = [
            expiry.days.is_some(),
            expiry.date.is_some(),
            expiry.expired_object_delete_marker.is_some(),
        ];
        if given.iter().filter(|g| **g).count() != 1 {
            return Err(error::malformed_xml());
        }
        positive("Days", expiry.days)?;
        if expiry.date.is_some_and(|d| d.as_millis() % DAY_MILLIS != 0) {
            let message = "'Date' must be at midnight GMT";
            return Err(error::invalid_argument("Date", "", message));
        }
    }
    let noncurrent = rule.noncurrent_version_expiration.as_ref();
    positive("NoncurrentDays", noncurrent.and_then(|n| n.noncurrent_days))?;
    let abort = rule.abort_incomplete_multipart_upload.as_ref();
    positive(
        "DaysAfterInitiation",
        abort.and_then(|a| a.days_after_initiation),
    )
}

pub async fn get_bucket_lifecycle_configuration(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketLifecycleConfigurationInput,
) -> Result<api::GetBucketLifecycleConfigurationOutput, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:GetLifecycleConfiguration";
    let bucket = bucket::open(&cx, &input.bucket, owner, action, None).await?;
    let lifecycle = bucket.lifecycle.clone().ok_or_else(|| {
        error::unset(
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
            &input.bucket,
        )
    })?;
    Ok(api::GetBucketLifecycleConfigurationOutput {
        rules: Some(lifecycle.0.rules),
        transition_default_minimum_object_size: Some(SIZE.into()),
    })
}

pub async fn delete_bucket_lifecycle(
    _: Arc<S3>,
    cx: Ctx,
    input: api::DeleteBucketLifecycleInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutLifecycleConfiguration";
    change(&cx, &input.bucket, owner, action, |bucket| {
        bucket.lifecycle = None;
        Ok(())
    })
    .await?;
    Ok(Unit)
}

//! What a bucket's rules take away with time: objects, older versions, markers that stand alone,
//! uploads that nobody ended
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>).
//!
//! A rule is applied by going through the bucket now and then. Transitions are kept and told, and move
//! nothing: all storage here is of one kind.

use crate::S3;
use crate::api::{lock, uploads};
use crate::model::{Bucket, Object, Upload, keys};
use crate::notify::By;
use crate::versions::{self, Conditions};
use neargate_api_s3 as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx, House, Principal, Scope, Stored, db};
use neargate_store::MAX_PAGE;
use std::sync::Arc;
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(10 * 60);
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

pub async fn run(s3: Arc<S3>, house: Arc<House>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        if let Err(error) = apply(&s3, &house).await {
            tracing::warn!(%error, "cannot apply the lifecycle rules of buckets");
        }
    }
}

/// Applies the rules of every bucket once.
///
/// # Errors
/// Those of the store; what was done until then stays so.
pub async fn apply(s3: &S3, house: &Arc<House>) -> Result<(), AwsError> {
    let buckets: Vec<Stored<Bucket>> = house.db.list_prefix(keys::BUCKETS).await?;
    for bucket in buckets {
        let Some(lifecycle) = bucket.lifecycle.clone() else {
            continue;
        };
        let cx = Ctx {
            request_id: house.rng.uuid(),
            scope: Scope {
                account: bucket.account.clone(),
                region: bucket.region.clone(),
            },
            principal: Principal::service("lifecycle.s3.amazonaws.com"),
            reached_at: None,
            house: house.clone(),
        };
        let rules = lifecycle.0.rules;
        let rules: Vec<_> = rules.iter().filter(|r| r.status == "Enabled").collect();
        of_bucket(s3, &cx, &bucket, &rules).await?;
    }
    Ok(())
}

async fn of_bucket(
    s3: &S3,
    cx: &Ctx,
    bucket: &Stored<Bucket>,
    rules: &[&api::LifecycleRule],
) -> Result<(), AwsError> {
    let base = keys::objects(bucket);
    let mut after = None::<String>;
    loop {
        let store = cx.db().store();
        let page = store.range(&base, after.as_deref(), MAX_PAGE, None).await?;
        for entry in &page.entries {
            let key = &entry.key[base.len()..];
            let object = db::decode::<Object>(entry)?.value;
            of_key(s3, cx, bucket, rules, key, object).await?;
        }
        match page.entries.last() {
            Some(last) if page.more => after = Some(last.key.clone()),
            _ => break,
        }
    }
    let under_way: Vec<Stored<Upload>> = cx.db().list_prefix(&keys::uploads(bucket)).await?;
    for upload in under_way {
        let over = rules.iter().any(|rule| {
            let abort = rule.abort_incomplete_multipart_upload.as_ref();
            let days = abort.and_then(|a| a.days_after_initiation);
            upload.key.starts_with(prefix(rule))
                && days.is_some_and(|days| due(upload.initiated_at, days) <= cx.now())
        });
        if over {
            let _ = uploads::abort(s3, cx.db(), bucket, &upload).await?;
        }
    }
    Ok(())
}

async fn of_key(
    s3: &S3,
    cx: &Ctx,
    bucket: &Stored<Bucket>,
    rules: &[&api::LifecycleRule],
    key: &str,
    newest: Object,
) -> Result<(), AwsError> {
    let now = cx.now();
    let mut older: Vec<Stored<Object>> =
        cx.db().list_prefix(&keys::versions_of(bucket, key)).await?;
    // How long a version is not the newest: since the one above it came.
    let mut since = newest.modified_at;
    let mut above = 0;
    let mut gone = Vec::new();
    older.retain(|version| {
        let (became, newer) = (since, above);
        since = version.modified_at;
        above += 1;
        let over = rules.iter().any(|rule| {
            let Some(expiry) = &rule.noncurrent_version_expiration else {
                return false;
            };
            let old = due(became, expiry.noncurrent_days.unwrap_or(0)) <= now;
            let enough = newer >= expiry.newer_noncurrent_versions.unwrap_or(0);
            old && enough && means(rule, key, version)
        });
        if over && lock::may_delete(cx, version, false).is_ok() {
            gone.push(version.version_name().to_owned());
            return false;
        }
        true
    });
    for version in gone {
        let kept = |object: &Object| lock::may_delete(cx, object, false);
        let taken =
            versions::delete_version(cx, bucket, key, &version, By::Lifecycle, kept).await?;
        s3.forget(taken.map(|t| t.gone).unwrap_or_default()).await;
    }
    let expires = rules.iter().any(|rule| {
        let Some(expiry) = &rule.expiration else {
            return false;
        };
        let by_days = expiry
            .days
            .is_some_and(|days| due(newest.modified_at, days) <= now);
        let by_date = expiry.date.is_some_and(|date| date <= now);
        match &newest.content {
            Some(_) => (by_days || by_date) && means(rule, key, &newest),
            // A marker with nothing behind it hides nothing.
            None => {
                let alone = older.is_empty() && key.starts_with(prefix(rule));
                alone && (expiry.expired_object_delete_marker == Some(true) || by_days || by_date)
            }
        }
    });
    if !expires {
        return Ok(());
    }
    let taken = match newest.content {
        Some(_) => {
            // Nobody else's newer version.
            let etag = newest.content.as_ref().map(|c| c.etag.clone());
            let conditions = Conditions {
                if_match: etag,
                if_none_match: None,
            };
            match versions::delete(cx, bucket, key, &conditions, By::Lifecycle).await {
                Err(why) if why.code == "PreconditionFailed" || why.code == "NoSuchKey" => None,
                taken => taken?,
            }
        }
        None => {
            let version = newest.version_name().to_owned();
            versions::delete_version(cx, bucket, key, &version, By::Lifecycle, |_| Ok(())).await?
        }
    };
    s3.forget(taken.map(|t| t.gone).unwrap_or_default()).await;
    Ok(())
}

fn prefix(rule: &api::LifecycleRule) -> &str {
    let filter = rule.filter.as_ref();
    let of_filter = filter.and_then(|f| {
        let both = f.and.as_ref().and_then(|a| a.prefix.as_deref());
        f.prefix.as_deref().or(both)
    });
    of_filter.or(rule.prefix.as_deref()).unwrap_or_default()
}

/// Does a rule mean this version?
fn means(rule: &api::LifecycleRule, key: &str, object: &Object) -> bool {
    if !key.starts_with(prefix(rule)) {
        return false;
    }
    let Some(content) = &object.content else {
        return true;
    };
    let tagged = |tag: &api::Tag| content.about.tags.get(&tag.key) == Some(&tag.value);
    let larger = |than: Option<i64>| than.is_none_or(|than| content.bytes as i64 > than);
    let smaller = |than: Option<i64>| than.is_none_or(|than| (content.bytes as i64) < than);
    let Some(filter) = &rule.filter else {
        return true;
    };
    let and = filter.and.clone().unwrap_or_default();
    filter.tag.iter().all(tagged)
        && and.tags.iter().flatten().all(tagged)
        && larger(filter.object_size_greater_than)
        && larger(and.object_size_greater_than)
        && smaller(filter.object_size_less_than)
        && smaller(and.object_size_less_than)
}

/// The midnight (UTC) that comes after so many days.
fn due(from: Timestamp, days: i32) -> Timestamp {
    let at = from.as_millis() + i64::from(days) * DAY_MILLIS;
    let midnights = at.div_euclid(DAY_MILLIS) + i64::from(at.rem_euclid(DAY_MILLIS) != 0);
    Timestamp::from_millis(midnights * DAY_MILLIS)
}

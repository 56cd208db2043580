//! The versions of a key: which there are, what a put and a delete make of them, each in one
//! transaction.
//!
//! All changes of a key meet in the record of its newest version, or in the one they take away, so
//! that whoever comes second sees the other.

use crate::bucket;
use crate::content::Piece;
use crate::error;
use crate::model::{Bucket, Content, Object, Upload, keys};
use crate::notify::{self, By, Change};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use neargate_base::{Rng, Timestamp};
use neargate_service::{AwsError, Committed, Ctx, Db, Stored, db};

/// A version that was found.
#[derive(Debug)]
pub struct Found {
    pub object: Stored<Object>,
    pub is_latest: bool,
}

/// What a put or a delete made.
#[derive(Debug)]
pub struct Placed {
    pub object: Object,
    /// What it replaced: nobody has these any more.
    pub gone: Vec<Piece>,
}

/// What must hold of the newest version for a write to happen.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
}

impl Conditions {
    fn check(&self, key: &str, current: Option<&Object>) -> Result<(), AwsError> {
        let content = current.and_then(|o| o.content.as_ref());
        if let Some(wanted) = &self.if_match {
            let content = content.ok_or_else(|| error::no_such_key(key))?;
            if !etag_matches(wanted, &content.etag) {
                return Err(error::precondition_failed("If-Match"));
            }
        }
        match self.if_none_match.as_deref().map(str::trim) {
            Some("*") if content.is_some() => Err(error::precondition_failed("If-None-Match")),
            Some("*") | None => Ok(()),
            Some(_) => Err(error::not_built("If-None-Match with an ETag on a write")),
        }
    }
}

/// Is the ETag in the list that a condition gives?
pub fn etag_matches(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|wanted| wanted == "*" || wanted.trim_start_matches("W/").trim_matches('"') == etag)
}

fn version_id(sequence: u64, rng: &Rng) -> String {
    let mut bytes = [0; 24];
    rng.fill(&mut bytes);
    // It tells where the version lies to who knows this, and is no counter to who does not.
    for (byte, of_sequence) in (0..8).zip(sequence.to_be_bytes()) {
        bytes[byte] = bytes[byte + 8] ^ of_sequence;
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The sequence in a version's id; `None`: it was never one of ours.
fn sequence_of(version: &str) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(version).ok()?;
    if bytes.len() != 24 {
        return None;
    }
    let mut sequence = [0; 8];
    for (at, byte) in sequence.iter_mut().enumerate() {
        *byte = bytes[at] ^ bytes[at + 8];
    }
    Some(u64::from_be_bytes(sequence))
}

pub async fn current(
    db: &Db,
    bucket: &Bucket,
    key: &str,
) -> Result<Option<Stored<Object>>, AwsError> {
    db.get_key(&keys::object(bucket, key)).await
}

/// A version of a key, the newest unless another is named.
///
/// # Errors
/// `InvalidArgument` of what cannot be a version's id.
pub async fn find(
    db: &Db,
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
) -> Result<Option<Found>, AwsError> {
    let Some(newest) = current(db, bucket, key).await? else {
        if let Some(version) = version.filter(|v| *v != "null") {
            sequence_of(version).ok_or_else(|| invalid_version(version))?;
        }
        return Ok(None);
    };
    let latest = |object| {
        Ok(Some(Found {
            object,
            is_latest: true,
        }))
    };
    let Some(version) = version else {
        return latest(newest);
    };
    if newest.version_name() == version {
        return latest(newest);
    }
    let sequence = match version {
        "null" => newest.older_null,
        id => Some(sequence_of(id).ok_or_else(|| invalid_version(id))?),
    };
    let Some(sequence) = sequence else {
        return Ok(None);
    };
    let older = db
        .get_key::<Object>(&keys::version(bucket, key, sequence))
        .await?;
    let older = older.filter(|o| o.version_name() == version);
    Ok(older.map(|object| Found {
        object,
        is_latest: false,
    }))
}

fn invalid_version(version: &str) -> AwsError {
    error::invalid_argument("versionId", version, "Invalid version id specified")
}

/// What becomes the newest version of a key.
#[derive(Debug, Clone)]
pub struct Write {
    /// `None`: a delete marker.
    pub content: Option<Content>,
    /// What it is told as.
    pub change: Change,
}

/// Makes a write the newest version of the key. `upload` is a record that ends with that; the answer is
/// `None` when it had ended before.
///
/// # Errors
/// `NoSuchBucket`, `OperationAborted`, those of the conditions.
pub async fn put(
    cx: &Ctx,
    name: &str,
    uid: &str,
    key: &str,
    write: Write,
    conditions: &Conditions,
    upload: Option<&Stored<Upload>>,
) -> Result<Option<Placed>, AwsError> {
    loop {
        if let Some(upload) = upload
            && cx.db().store().get(&upload.key).await?.is_none()
        {
            return Ok(None);
        }
        let bucket = bucket::get(cx.db(), name).await?;
        if bucket.uid != uid {
            return Err(error::no_such_bucket(name));
        }
        if bucket::is_emptying(cx, &bucket) {
            return Err(error::operation_aborted());
        }
        let before = current(cx.db(), &bucket, key).await?;
        conditions.check(key, before.as_deref())?;
        let now = cx.now();
        let sequence = next_sequence(now, before.as_deref());
        let versioned = bucket.is_versioned();
        let mut object = Object {
            sequence,
            version_id: versioned.then(|| version_id(sequence, &cx.house.rng)),
            modified_at: now,
            older_null: None,
            content: write.content.clone(),
        };
        let mut gone = Vec::new();
        let mut tx = cx.db().tx().unchanged(&bucket);
        let place = keys::object(&bucket, key);
        match &before {
            None => tx = tx.create(place, &object),
            Some(old) if old.version_id.is_none() && !versioned => {
                gone.extend_from_slice(old.pieces());
                tx = tx.update(old, &object);
            }
            Some(old) => {
                let mut older = old.value.clone();
                let null = match older.version_id {
                    None => Some(older.sequence),
                    Some(_) => older.older_null.take(),
                };
                match null {
                    Some(sequence) if !versioned => {
                        let place = keys::version(&bucket, key, sequence);
                        if let Some(null) = cx.db().get_key::<Object>(&place).await? {
                            gone.extend_from_slice(null.pieces());
                            tx = tx.delete(&null);
                        }
                    }
                    null => object.older_null = null,
                }
                tx = tx.put(keys::version(&bucket, key, older.sequence), &older);
                tx = tx.update(old, &object);
            }
        }
        if let Some(upload) = upload {
            tx = tx.delete(upload);
        }
        let tx = notify::told(tx, cx, &bucket, write.change, key, &object);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(Some(Placed { object, gone }));
        }
    }
}

fn next_sequence(now: Timestamp, before: Option<&Object>) -> u64 {
    let by_clock = (now.as_millis().max(0) as u64) << 8;
    by_clock.max(before.map_or(0, |o| o.sequence + 1))
}

/// A version as it is told of when it is taken away: of a later sequence than when it came.
fn removed(cx: &Ctx, object: &Object) -> Object {
    Object {
        sequence: next_sequence(cx.now(), Some(object)),
        ..object.clone()
    }
}

/// Takes the newest version of a key in a bucket that never had others; `None`: there is none.
async fn take(
    cx: &Ctx,
    bucket: &Bucket,
    key: &str,
    conditions: &Conditions,
    by: By,
) -> Result<Option<Placed>, AwsError> {
    loop {
        let before = current(cx.db(), bucket, key).await?;
        conditions.check(key, before.as_deref())?;
        let Some(before) = before else {
            return Ok(None);
        };
        let tx = cx.db().tx().delete(&before);
        let removed = removed(cx, &before);
        let tx = notify::told(tx, cx, bucket, Change::Removed(by), key, &removed);
        if let Committed::At(_) = tx.commit().await? {
            let gone = before.pieces().to_vec();
            return Ok(Some(Placed {
                object: before.value,
                gone,
            }));
        }
    }
}

/// What `DeleteObject` without a version does: a bucket that has versions gets a delete marker.
///
/// # Errors
/// Those of [`put`].
pub async fn delete(
    cx: &Ctx,
    bucket: &Stored<Bucket>,
    key: &str,
    conditions: &Conditions,
    by: By,
) -> Result<Option<Placed>, AwsError> {
    let marker = || Write {
        content: None,
        change: Change::Marked(by),
    };
    match bucket.versioning {
        None => take(cx, bucket, key, conditions, by).await,
        Some(_) => {
            put(
                cx,
                &bucket.name,
                &bucket.uid,
                key,
                marker(),
                conditions,
                None,
            )
            .await
        }
    }
}

/// Takes one version away for good. Where it was the newest, the one before it is the newest then.
/// `allowed` is asked of the version as it is then. `None`: there is none.
///
/// # Errors
/// Those of [`find`] and of `allowed`.
pub async fn delete_version(
    cx: &Ctx,
    bucket: &Stored<Bucket>,
    key: &str,
    version: &str,
    by: By,
    allowed: impl Fn(&Object) -> Result<(), AwsError>,
) -> Result<Option<Placed>, AwsError> {
    loop {
        let Some(found) = find(cx.db(), bucket, key, Some(version)).await? else {
            return Ok(None);
        };
        allowed(&found.object)?;
        let tx = cx.db().tx();
        let tx = match found.is_latest {
            true => match newest_older(cx.db(), bucket, key).await? {
                None => tx.delete(&found.object),
                Some(older) => {
                    let mut newest = older.value.clone();
                    if newest.version_id.is_some() {
                        newest.older_null = found.object.older_null;
                    }
                    // As a new write of the newest, and of no earlier sequence than it had.
                    tx.delete(&older).update(&found.object, &newest)
                }
            },
            false if found.object.version_id.is_none() => {
                let Some(newest) = current(cx.db(), bucket, key).await? else {
                    continue;
                };
                let mut without = newest.value.clone();
                without.older_null = None;
                tx.delete(&found.object).update(&newest, &without)
            }
            false => tx.delete(&found.object),
        };
        let removed = removed(cx, &found.object);
        let tx = notify::told(tx, cx, bucket, Change::Removed(by), key, &removed);
        if let Committed::At(_) = tx.commit().await? {
            let gone = found.object.pieces().to_vec();
            return Ok(Some(Placed {
                object: found.object.value,
                gone,
            }));
        }
    }
}

async fn newest_older(
    db: &Db,
    bucket: &Bucket,
    key: &str,
) -> Result<Option<Stored<Object>>, AwsError> {
    let page = db
        .store()
        .range(&keys::versions_of(bucket, key), None, 1, None)
        .await?;
    page.entries.first().map(db::decode).transpose()
}

/// Changes what is said of a version, not its bytes. `None`: there is no such version.
///
/// # Errors
/// Those of [`find`] and of `change`.
pub async fn amend(
    cx: &Ctx,
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
    told: Option<Change>,
    change: impl Fn(&mut Object) -> Result<(), AwsError>,
) -> Result<Option<Object>, AwsError> {
    loop {
        let Some(found) = find(cx.db(), bucket, key, version).await? else {
            return Ok(None);
        };
        let mut changed = found.object.value.clone();
        change(&mut changed)?;
        let mut tx = cx.db().tx().update(&found.object, &changed);
        if let Some(told) = told {
            tx = notify::told(tx, cx, bucket, told, key, &changed);
        }
        if let Committed::At(_) = tx.commit().await? {
            return Ok(Some(changed));
        }
    }
}

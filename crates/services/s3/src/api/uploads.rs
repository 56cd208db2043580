//! Uploads in parts: begun, listed, aborted.

use super::encryption::show_encryption;
use super::list::{Encoding, behind, limit, rolled};
use super::put::{check_key, said};
use super::{owner, seconds};
use crate::content::Piece;
use crate::content::checksum::{Algorithm, Type};
use crate::model::{Bucket, Part, Upload, keys};
use crate::{S3, bucket, error};
use neargate_api_s3 as api;
use neargate_service::{AwsError, Committed, Ctx, Db, Stored, Tx, db};
use neargate_store::{MAX_PAGE, MAX_TXN_OPS};
use std::sync::Arc;

pub async fn create_multipart_upload(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::CreateMultipartUploadInput,
) -> Result<api::CreateMultipartUploadOutput, AwsError> {
    let key = &input.key;
    check_key(key)?;
    let owner = input.expected_bucket_owner.as_deref();
    let open = bucket::open(&cx, &input.bucket, owner, "s3:PutObject", Some(key)).await?;
    let algorithm = match input.checksum_algorithm.as_deref() {
        Some(name) => Some(Algorithm::of(name).ok_or_else(super::put::unknown_algorithm)?),
        None => None,
    };
    let checksum_type = match (algorithm, input.checksum_type.as_deref()) {
        (None, Some(_)) => {
            return Err(error::invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm \
                 header.",
            ));
        }
        (None, None) => None,
        (Some(algorithm), None) => Some(algorithm.default_type()),
        (Some(algorithm), Some(name)) => {
            let kind = Type::of(name).ok_or_else(|| {
                error::invalid_request("Value for x-amz-checksum-type header is invalid.")
            })?;
            if !algorithm.allows(kind) {
                return Err(error::invalid_request(format!(
                    "The {} checksum type cannot be used with the {} checksum algorithm.",
                    kind.name(),
                    algorithm.name().to_ascii_lowercase()
                )));
            }
            Some(kind)
        }
    };
    let about = said!(input).read(&cx, &open, key).await?;
    s3.extents.require_room(0).map_err(error::blob)?;
    let upload = Upload {
        key: key.clone(),
        id: cx.house.rng.hex(64),
        initiated_at: cx.now(),
        initiator: cx.principal.arn.clone(),
        algorithm,
        checksum_type,
        about,
    };
    let place = keys::upload(&open, key, &upload.id);
    let tx = cx.db().tx().unchanged(&open.bucket).create(place, &upload);
    if bucket::is_emptying(&cx, &open) || tx.commit().await? == Committed::Conflict {
        return Err(error::operation_aborted());
    }
    let mut output = api::CreateMultipartUploadOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(key.clone()),
        upload_id: Some(upload.id),
        checksum_algorithm: algorithm.map(|a| a.name().to_owned()),
        checksum_type: checksum_type.map(|t| t.name().to_owned()),
        ..Default::default()
    };
    show_encryption!(output, upload.about);
    Ok(output)
}

/// An upload that is under way.
///
/// # Errors
/// `NoSuchUpload`.
pub async fn find(
    db: &Db,
    bucket: &Bucket,
    key: &str,
    id: &str,
) -> Result<Stored<Upload>, AwsError> {
    // An id of ours has no character that means something in a key of the store.
    let known = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    let found = match known {
        true => db.get_key(&keys::upload(bucket, key, id)).await?,
        false => None,
    };
    found.ok_or_else(|| error::no_such_upload(id))
}

pub async fn parts(db: &Db, bucket: &Bucket, id: &str) -> Result<Vec<Stored<Part>>, AwsError> {
    db.list_prefix(&keys::parts(bucket, id)).await
}

/// Forgets the parts of an upload that is over; `kept` of their pieces are an object's now.
pub async fn forget_parts(
    s3: &S3,
    db: &Db,
    parts: Vec<Stored<Part>>,
    kept: &std::collections::HashSet<String>,
) -> Result<(), AwsError> {
    for some in parts.chunks(MAX_TXN_OPS) {
        let keys = some.iter().map(|part| part.key.clone());
        match keys.fold(db.tx(), Tx::delete_key).commit().await? {
            Committed::At(_) | Committed::Conflict => {}
        }
    }
    let pieces = parts.into_iter().flat_map(|part| {
        let Part {
            pieces, replaced, ..
        } = part.value;
        pieces.into_iter().chain(replaced)
    });
    let gone: Vec<Piece> = pieces.filter(|p| !kept.contains(&p.name)).collect();
    s3.forget(gone).await;
    Ok(())
}

/// Takes an upload away, with its parts.
///
/// # Errors
/// Those of the store.
pub async fn abort(
    s3: &S3,
    db: &Db,
    bucket: &Bucket,
    upload: &Stored<Upload>,
) -> Result<Committed, AwsError> {
    let aborted = db.tx().delete(upload).commit().await?;
    if aborted != Committed::Conflict {
        let parts = parts(db, bucket, &upload.id).await?;
        forget_parts(s3, db, parts, &Default::default()).await?;
    }
    Ok(aborted)
}

/// Aborts all uploads of a bucket that is no more.
pub async fn forget_all(s3: &S3, db: &Db, bucket: &Bucket) -> Result<(), AwsError> {
    let uploads: Vec<Stored<Upload>> = db.list_prefix(&keys::uploads(bucket)).await?;
    for upload in &uploads {
        let _ = abort(s3, db, bucket, upload).await?;
    }
    Ok(())
}

pub async fn abort_multipart_upload(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::AbortMultipartUploadInput,
) -> Result<api::AbortMultipartUploadOutput, AwsError> {
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let action = "s3:AbortMultipartUpload";
    let open = bucket::open(&cx, &input.bucket, owner, action, Some(key)).await?;
    if input.if_match_initiated_time.is_some() {
        return Err(error::not_built(
            "aborting uploads by the time they were begun",
        ));
    }
    let upload = find(cx.db(), &open, key, &input.upload_id).await?;
    match abort(&s3, cx.db(), &open, &upload).await? {
        Committed::At(_) => Ok(api::AbortMultipartUploadOutput::default()),
        Committed::Conflict => Err(error::no_such_upload(&input.upload_id)),
    }
}

pub async fn list_multipart_uploads(
    _: Arc<S3>,
    cx: Ctx,
    input: api::ListMultipartUploadsInput,
) -> Result<api::ListMultipartUploadsOutput, AwsError> {
    let encoding = Encoding::of(input.encoding_type.as_deref())?;
    let limit = limit(input.max_uploads, "max-uploads")?;
    let expected = input.expected_bucket_owner.as_deref();
    let action = "s3:ListBucketMultipartUploads";
    let open = bucket::open(&cx, &input.bucket, expected, action, None).await?;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = input.delimiter.as_deref().filter(|d| !d.is_empty());
    let marker = input.key_marker.as_deref().unwrap_or_default();
    let id_marker = input
        .upload_id_marker
        .as_deref()
        .filter(|_| !marker.is_empty());
    let base = keys::uploads(&open);
    let begin = format!("{base}{}", keys::ordered(prefix));
    let mut told = rolled(marker, prefix, delimiter).map(str::to_owned);
    // Behind all uploads of the marker's key, or behind one of them.
    let mut after = match (marker, &told, id_marker) {
        ("", _, _) => None,
        (marker, Some(told), _) if told == marker => Some(behind(&keys::ordered(told))),
        (marker, _, Some(id)) => Some(format!("{}\0\0{id}", keys::ordered(marker))),
        (marker, _, None) => Some(format!("{}\0\0{}", keys::ordered(marker), char::MAX)),
    };
    let (mut uploads, mut prefixes) = (Vec::<Upload>::new(), Vec::<String>::new());
    let mut more = false;
    let mut last: Option<(String, Option<String>)> = None;
    'walk: loop {
        if limit == 0 {
            break;
        }
        let cursor = after.as_ref().map(|after| format!("{base}{after}"));
        let store = cx.db().store();
        let page = store
            .range(&begin, cursor.as_deref(), MAX_PAGE, None)
            .await?;
        let mut jumped = false;
        for entry in &page.entries {
            let upload = db::decode::<Upload>(entry)?.value;
            after = Some(entry.key[base.len()..].to_owned());
            let common = rolled(&upload.key, prefix, delimiter).map(str::to_owned);
            if common.is_some() && common == told {
                continue;
            }
            if uploads.len() + prefixes.len() == limit {
                more = true;
                break 'walk;
            }
            if let Some(common) = common {
                last = Some((common.clone(), None));
                after = Some(behind(&keys::ordered(&common)));
                prefixes.push(common.clone());
                told = Some(common);
                jumped = true;
                break;
            }
            last = Some((upload.key.clone(), Some(upload.id.clone())));
            uploads.push(upload);
        }
        if !jumped && !page.more {
            break;
        }
    }
    let last = last.filter(|_| more);
    let account = &open.account;
    Ok(api::ListMultipartUploadsOutput {
        bucket: Some(input.bucket.clone()),
        key_marker: Some(encoding.write(marker)),
        upload_id_marker: Some(id_marker.unwrap_or_default().to_owned()),
        next_key_marker: last.as_ref().map(|(key, _)| encoding.write(key)),
        next_upload_id_marker: last.and_then(|(_, id)| id),
        prefix: Some(encoding.write(prefix)),
        delimiter: delimiter.map(|d| encoding.write(d)),
        max_uploads: Some(limit as i32),
        is_truncated: Some(more),
        uploads: Some(
            uploads
                .into_iter()
                .map(|upload| api::MultipartUpload {
                    upload_id: Some(upload.id),
                    key: Some(encoding.write(&upload.key)),
                    initiated: Some(seconds(upload.initiated_at)),
                    storage_class: Some(
                        upload
                            .about
                            .storage_class
                            .unwrap_or_else(|| "STANDARD".into()),
                    ),
                    owner: Some(owner(account)),
                    initiator: Some(api::Initiator {
                        id: Some(upload.initiator),
                        display_name: None,
                    }),
                    checksum_algorithm: upload.algorithm.map(|a| a.name().to_owned()),
                    checksum_type: upload.checksum_type.map(|t| t.name().to_owned()),
                    version_id: None,
                })
                .collect(),
        ),
        common_prefixes: Some(
            prefixes
                .iter()
                .map(|p| api::CommonPrefix {
                    prefix: Some(encoding.write(p)),
                })
                .collect(),
        ),
        encoding_type: input.encoding_type.clone(),
        request_charged: None,
    })
}

//! The parts of an upload: brought, copied from an object, listed.

use super::copy::{ATTEMPTS, origin};
use super::encryption::{Customer, customer, show_encryption};
use super::get::ranged;
use super::put::{Incoming, MAX_PUT_BYTES, given, receive, show_checksum};
use super::{owner, quoted, seconds, uploads};
use crate::bucket::{self, Open};
use crate::content::Piece;
use crate::content::checksum::{Algorithm, Checksum};
use crate::model::{Encryption, Part, Upload, keys};
use crate::{S3, error};
use neargate_api_s3 as api;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use neargate_store::Compare;
use std::sync::Arc;

pub const MAX_PARTS: i32 = 10_000;

pub async fn upload_part(
    s3: Arc<S3>,
    cx: Ctx,
    mut input: api::UploadPartInput,
) -> Result<api::UploadPartOutput, AwsError> {
    let mut body = Incoming::whole(input.body.take().unwrap_or_default());
    upload_part_from(s3, cx, input, &mut body).await
}

fn check_number(number: i32) -> Result<(), AwsError> {
    match (1..=MAX_PARTS).contains(&number) {
        true => Ok(()),
        false => Err(error::invalid_part_number(number)),
    }
}

/// Whose key seals a part: the one that the upload began with.
fn check_customer(upload: &Upload, customer: &Customer) -> Result<(), AwsError> {
    match (&upload.about.encryption, customer.key.is_some()) {
        (Encryption::Customer { .. }, false) => Err(error::invalid_request(
            "The multipart upload initiate requested encryption. Subsequent part requests must \
             include the appropriate encryption parameters.",
        )),
        (Encryption::Installation | Encryption::Kms(_), true) => Err(error::invalid_request(
            "The multipart upload initiate did not request encryption. Please resend the request \
             without sending encryption parameters.",
        )),
        _ => Ok(()),
    }
}

/// Keeps a part, in place of the one that had its number.
async fn keep(
    cx: &Ctx,
    open: &Open,
    upload: &Stored<Upload>,
    mut part: Part,
) -> Result<Part, AwsError> {
    let place = keys::part(open, &upload.id, part.number);
    loop {
        let before = cx.db().get_key::<Part>(&place).await?;
        part.replaced.clear();
        let under_way = vec![Compare::Exists(upload.key.clone())];
        let tx = cx.db().tx().with(under_way, Vec::new());
        let tx = match &before {
            None => tx.create(place.clone(), &part),
            Some(before) => {
                part.replaced.clone_from(&before.replaced);
                part.replaced.extend_from_slice(&before.pieces);
                tx.update(before, &part)
            }
        };
        if let Committed::At(_) = tx.commit().await? {
            return Ok(part);
        }
        // It was aborted or completed meanwhile?
        uploads::find(cx.db(), open, &upload.value.key, &upload.value.id).await?;
    }
}

/// UploadPart, with a body that is a stream.
///
/// # Errors
/// In S3's words.
pub async fn upload_part_from(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::UploadPartInput,
    incoming: &mut Incoming,
) -> Result<api::UploadPartOutput, AwsError> {
    check_number(input.part_number)?;
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let open = bucket::open(&cx, &input.bucket, owner, "s3:PutObject", Some(key)).await?;
    let upload = uploads::find(cx.db(), &open, key, &input.upload_id).await?;
    let mut given = given!(input, incoming)?;
    match (upload.algorithm, &given.sum) {
        (Some(wanted), Some((got, _))) if wanted != *got => {
            return Err(error::invalid_request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum \
                 Type: {}",
                wanted.name().to_ascii_lowercase(),
                got.name().to_ascii_lowercase()
            )));
        }
        (Some(wanted), None) => given.sum = Some((wanted, None)),
        _ => {}
    }
    let customer = customer!(input);
    check_customer(&upload, &customer)?;
    s3.extents
        .require_room(input.content_length.unwrap_or_default().max(0) as u64)
        .map_err(error::blob)?;
    let place = s3.sealed(&cx, &upload.about.encryption, &customer).await?;
    let (written, checksum) = receive(&cx, place, incoming, &given).await?;
    let part = Part {
        number: input.part_number,
        modified_at: cx.now(),
        bytes: written.bytes,
        etag: hex::encode(written.md5),
        checksum: Some(checksum),
        pieces: written.piece.clone().into_iter().collect(),
        replaced: Vec::new(),
    };
    let part = keep(&cx, &open, &upload, part).await?;
    written.keep();
    let mut output = api::UploadPartOutput {
        e_tag: Some(quoted(&part.etag)),
        ..Default::default()
    };
    show_encryption!(output, upload.about);
    // One that nobody asked for is S3's own matter.
    if given.sum.is_some() {
        show_checksum!(output, &part.checksum);
    }
    Ok(output)
}

pub async fn upload_part_copy(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::UploadPartCopyInput,
) -> Result<api::UploadPartCopyOutput, AwsError> {
    check_number(input.part_number)?;
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let open = bucket::open(&cx, &input.bucket, owner, "s3:PutObject", Some(key)).await?;
    let upload = uploads::find(cx.db(), &open, key, &input.upload_id).await?;
    let customer = customer!(input);
    check_customer(&upload, &customer)?;
    let origin = origin!(input);
    s3.extents.require_room(0).map_err(error::blob)?;
    for _ in 0..ATTEMPTS {
        let found = origin.find(&s3, &cx).await?;
        let all = found.content.bytes;
        let range = match input.copy_source_range.as_deref() {
            None => None,
            Some(text) => {
                let exact = text.strip_prefix("bytes=").and_then(|r| r.split_once('-'));
                let exact = exact.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                let (first, last): (u64, u64) = exact.filter(|(a, b)| a <= b).ok_or_else(|| {
                    let message = "The x-amz-copy-source-range value must be of the form \
                                   bytes=first-last where first and last are the zero-based \
                                   offsets of the first and last bytes to copy";
                    error::invalid_argument("x-amz-copy-source-range", text, message)
                })?;
                if last >= all || ranged(text, all).is_none_or(|r| r.is_empty()) {
                    let message =
                        format!("Range specified is not valid for source object of size: {all}");
                    return Err(error::invalid_argument(
                        "x-amz-copy-source-range",
                        text,
                        message,
                    ));
                }
                Some(first..last + 1)
            }
        };
        let bytes = range.as_ref().map_or(all, |r| r.end - r.start);
        if bytes > MAX_PUT_BYTES {
            return Err(error::invalid_request(format!(
                "The specified copy source is larger than the maximum allowable size for a copy \
                 source: {MAX_PUT_BYTES}"
            )));
        }
        let place = s3.sealed(&cx, &upload.about.encryption, &customer).await?;
        let into = (&upload.about.encryption, place);
        let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
        let Some((copied, checksum)) = found.copy(&s3, &cx, into, range, algorithm).await? else {
            continue;
        };
        let part = Part {
            number: input.part_number,
            modified_at: cx.now(),
            bytes,
            etag: copied.etag().unwrap_or_else(|| found.content.etag.clone()),
            checksum: Some(checksum),
            pieces: copied.pieces(),
            replaced: Vec::new(),
        };
        let part = keep(&cx, &open, &upload, part).await?;
        copied.keep();
        let mut result = api::CopyPartResult {
            e_tag: Some(quoted(&part.etag)),
            last_modified: Some(seconds(part.modified_at)),
            ..Default::default()
        };
        if upload.algorithm.is_some() {
            show_checksum!(result, &part.checksum);
        }
        let mut output = api::UploadPartCopyOutput {
            copy_source_version_id: found.version_id,
            copy_part_result: Some(result),
            ..Default::default()
        };
        show_encryption!(output, upload.about);
        return Ok(output);
    }
    Err(error::operation_aborted())
}

pub async fn list_parts(
    _: Arc<S3>,
    cx: Ctx,
    input: api::ListPartsInput,
) -> Result<api::ListPartsOutput, AwsError> {
    let limit = super::list::limit(input.max_parts, "max-parts")?;
    let (expected, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let action = "s3:ListMultipartUploadParts";
    let open = bucket::open(&cx, &input.bucket, expected, action, Some(key)).await?;
    let upload = uploads::find(cx.db(), &open, key, &input.upload_id).await?;
    let marker = input.part_number_marker.unwrap_or(0);
    let mut parts = uploads::parts(cx.db(), &open, &upload.value.id).await?;
    parts.retain(|part| part.number > marker);
    let more = parts.len() > limit;
    parts.truncate(limit);
    let next = parts.last().map(|part| part.number);
    Ok(api::ListPartsOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(key.clone()),
        upload_id: Some(input.upload_id.clone()),
        part_number_marker: Some(marker),
        next_part_number_marker: Some(next.unwrap_or(0)),
        max_parts: Some(limit as i32),
        is_truncated: Some(more),
        parts: Some(
            parts
                .iter()
                .map(|part| {
                    let mut shown = api::Part {
                        part_number: Some(part.number),
                        last_modified: Some(seconds(part.modified_at)),
                        e_tag: Some(quoted(&part.etag)),
                        size: Some(part.bytes as i64),
                        ..Default::default()
                    };
                    if upload.algorithm.is_some() {
                        show_checksum!(shown, &part.checksum);
                    }
                    shown
                })
                .collect(),
        ),
        initiator: Some(api::Initiator {
            id: Some(upload.initiator.clone()),
            display_name: None,
        }),
        owner: Some(owner(&open.account)),
        storage_class: Some(
            upload
                .about
                .storage_class
                .clone()
                .unwrap_or_else(|| "STANDARD".into()),
        ),
        checksum_algorithm: upload.algorithm.map(|a| a.name().to_owned()),
        checksum_type: upload.checksum_type.map(|t| t.name().to_owned()),
        ..Default::default()
    })
}

/// The pieces of parts, in the order that they are given.
pub fn pieces(parts: &[&Stored<Part>]) -> Vec<Piece> {
    parts.iter().flat_map(|part| part.pieces.clone()).collect()
}

/// A part's checksum, when it is of that algorithm.
pub fn checksum(part: &Part, algorithm: Algorithm) -> Option<&Checksum> {
    part.checksum.as_ref().filter(|c| c.algorithm == algorithm)
}

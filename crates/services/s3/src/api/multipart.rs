//! CompleteMultipartUpload: parts become an object
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>).

use super::put::show_checksum;
use super::tagging::shown_version;
use super::{parts, quoted, uploads};
use crate::bucket;
use crate::content::checksum::{self, Algorithm, Checksum, Type};
use crate::model::{Content, Encryption, Part, PartMark, Upload};
use crate::notify::Change;
use crate::versions::{self, Conditions, Write};
use crate::{S3, error};
use md5::{Digest as _, Md5};
use neargate_api_s3 as api;
use neargate_service::{AwsError, Ctx, Stored};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// All parts but the last have as many bytes.
const MIN_PART_BYTES: u64 = 5 << 20;

pub async fn complete_multipart_upload(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::CompleteMultipartUploadInput,
) -> Result<api::CompleteMultipartUploadOutput, AwsError> {
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let open = bucket::open(&cx, &input.bucket, owner, "s3:PutObject", Some(key)).await?;
    let upload = uploads::find(cx.db(), &open, key, &input.upload_id).await?;
    let named = input.multipart_upload.clone().unwrap_or_default();
    let named = named.parts.unwrap_or_default();
    if named.is_empty() || named.len() > parts::MAX_PARTS as usize {
        return Err(error::malformed_xml());
    }
    let brought = uploads::parts(cx.db(), &open, &upload.value.id).await?;
    let chosen = choose(&upload, &named, &brought)?;
    let bytes: u64 = chosen.iter().map(|part| part.bytes).sum();
    if let Some(expected) = input.mpu_object_size
        && expected as u64 != bytes
    {
        return Err(error::invalid_request(format!(
            "The provided 'x-amz-mp-object-size' header value {expected} does not match what was \
             computed: {bytes}"
        )));
    }
    let checksum = sum(&upload, &chosen)?;
    check_given(&input, &upload, checksum.as_ref())?;
    let mut md5 = Md5::new();
    for part in &chosen {
        md5.update(hex::decode(&part.etag).unwrap_or_default());
    }
    let etag = format!("{}-{}", hex::encode(md5.finalize()), chosen.len());
    let marks = chosen.iter().map(|part| PartMark {
        number: part.number,
        bytes: part.bytes,
        checksum: upload
            .algorithm
            .and_then(|a| parts::checksum(part, a))
            .map(|c| c.value.clone()),
    });
    let content = Content {
        bytes,
        etag,
        pieces: parts::pieces(&chosen),
        parts: marks.collect(),
        checksum,
        about: upload.about.clone(),
    };
    let kept: HashSet<String> = content.pieces.iter().map(|p| p.name.clone()).collect();
    let conditions = Conditions {
        if_match: input.if_match.clone(),
        if_none_match: input.if_none_match.clone(),
    };
    // The upload is over with the transaction that makes the object.
    let (name, uid, upload) = (&open.name, &open.uid, Some(&upload));
    let write = Write {
        content: Some(content),
        change: Change::Completed,
    };
    let placed = versions::put(&cx, name, uid, key, write, &conditions, upload).await?;
    let placed = placed.ok_or_else(|| error::no_such_upload(&input.upload_id))?;
    s3.forget(placed.gone).await;
    uploads::forget_parts(&s3, cx.db(), brought, &kept).await?;
    let mut output = api::CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{key}", input.bucket)),
        bucket: Some(input.bucket.clone()),
        key: Some(key.clone()),
        version_id: shown_version(&open, &placed.object),
        ..Default::default()
    };
    if let Some(content) = &placed.object.content {
        output.e_tag = Some(quoted(&content.etag));
        match &content.about.encryption {
            Encryption::Installation => output.server_side_encryption = Some("AES256".into()),
            Encryption::Customer { .. } => {}
            Encryption::Kms(kms) => {
                output.server_side_encryption = Some(kms.algorithm.clone());
                output.ssekms_key_id = Some(kms.key.clone());
                output.bucket_key_enabled = kms.bucket_key.then_some(true);
            }
        }
        show_checksum!(output, &content.checksum);
        output.checksum_type = content.checksum.as_ref().map(|c| c.kind.name().to_owned());
    }
    Ok(output)
}

/// The parts that are named, in their order.
fn choose<'a>(
    upload: &Upload,
    named: &[api::CompletedPart],
    brought: &'a [Stored<Part>],
) -> Result<Vec<&'a Stored<Part>>, AwsError> {
    let by_number: BTreeMap<i32, &Stored<Part>> = brought.iter().map(|p| (p.number, p)).collect();
    let mut chosen: Vec<&Stored<Part>> = Vec::with_capacity(named.len());
    // Their order is looked at before any of them is.
    let numbers = named.iter().filter_map(|part| part.part_number);
    if !numbers.is_sorted_by(|a, b| a < b) {
        return Err(error::invalid_part_order(&upload.id));
    }
    for (at, wanted) in named.iter().enumerate() {
        let number = wanted.part_number.ok_or_else(error::malformed_xml)?;
        let etag = wanted.e_tag.as_deref().ok_or_else(error::malformed_xml)?;
        let etag = etag.trim().trim_matches('"');
        let wrong = || error::invalid_part(&upload.id, number, etag);
        let part = by_number.get(&number).copied().filter(|p| p.etag == etag);
        let part = part.ok_or_else(wrong)?;
        let given = [
            (Algorithm::Crc32, &wanted.checksum_crc32),
            (Algorithm::Crc32c, &wanted.checksum_crc32_c),
            (Algorithm::Crc64Nvme, &wanted.checksum_crc64_nvme),
            (Algorithm::Sha1, &wanted.checksum_sha1),
            (Algorithm::Sha256, &wanted.checksum_sha256),
            (Algorithm::Sha512, &wanted.checksum_sha512),
            (Algorithm::Md5, &wanted.checksum_md5),
            (Algorithm::XxHash64, &wanted.checksum_xxhash64),
            (Algorithm::XxHash3, &wanted.checksum_xxhash3),
            (Algorithm::XxHash128, &wanted.checksum_xxhash128),
        ];
        for (algorithm, value) in given {
            let Some(value) = value else { continue };
            let same = parts::checksum(part, algorithm).is_some_and(|c| c.value == *value);
            if !same {
                return Err(wrong());
            }
        }
        if at + 1 < named.len() && part.bytes < MIN_PART_BYTES {
            return Err(error::entity_too_small(number, part.bytes, &part.etag));
        }
        chosen.push(part);
    }
    Ok(chosen)
}

/// The checksum of the object: as the upload wants it, else S3's own, of the whole.
fn sum(upload: &Upload, chosen: &[&Stored<Part>]) -> Result<Option<Checksum>, AwsError> {
    let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let kind = upload.checksum_type.unwrap_or(Type::FullObject);
    let mut values = Vec::with_capacity(chosen.len());
    for part in chosen {
        match parts::checksum(part, algorithm) {
            Some(checksum) => values.push((checksum.value.as_str(), part.bytes)),
            // Parts of an upload without an algorithm may bring one of their own.
            None => return Ok(None),
        }
    }
    let value = checksum::of_parts(algorithm, kind, &values);
    Ok(value.map(|value| Checksum {
        algorithm,
        kind,
        value,
    }))
}

/// Is the checksum that the request gives of the whole the one that is?
fn check_given(
    input: &api::CompleteMultipartUploadInput,
    upload: &Upload,
    checksum: Option<&Checksum>,
) -> Result<(), AwsError> {
    if let (Some(given), Some(kind)) = (input.checksum_type.as_deref(), upload.checksum_type)
        && given != kind.name()
    {
        return Err(error::invalid_request(format!(
            "The upload was created using the {} checksum mode. The complete request must use the \
             same checksum mode.",
            kind.name()
        )));
    }
    let given = [
        (Algorithm::Crc32, &input.checksum_crc32),
        (Algorithm::Crc32c, &input.checksum_crc32_c),
        (Algorithm::Crc64Nvme, &input.checksum_crc64_nvme),
        (Algorithm::Sha1, &input.checksum_sha1),
        (Algorithm::Sha256, &input.checksum_sha256),
        (Algorithm::Sha512, &input.checksum_sha512),
        (Algorithm::Md5, &input.checksum_md5),
        (Algorithm::XxHash64, &input.checksum_xxhash64),
        (Algorithm::XxHash3, &input.checksum_xxhash3),
        (Algorithm::XxHash128, &input.checksum_xxhash128),
    ];
    for (algorithm, value) in given {
        let Some(value) = value else { continue };
        let Some(own) = checksum.filter(|c| c.algorithm == algorithm) else {
            continue;
        };
        let bare = own.value.split('-').next().unwrap_or_default();
        if *value != own.value && value != bare {
            return Err(error::bad_checksum(algorithm.name()));
        }
    }
    Ok(())
}

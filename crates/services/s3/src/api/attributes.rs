//! GetObjectAttributes: what is asked for of an object, and nothing else.

use super::encryption::customer;
use super::put::show_checksum;
use super::tagging::shown_version;
use super::{get, seconds};
use crate::content::checksum::{Algorithm, Checksum, Type};
use crate::model::{Content, PartMark};
use crate::{S3, bucket, error};
use neargate_api_s3 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const KNOWN: [&str; 5] = [
    "ETag",
    "Checksum",
    "ObjectParts",
    "StorageClass",
    "ObjectSize",
];

pub async fn get_object_attributes(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::GetObjectAttributesInput,
) -> Result<api::GetObjectAttributesOutput, AwsError> {
    let (owner, key) = (input.expected_bucket_owner.as_deref(), &input.key);
    let wanted = &input.object_attributes;
    if wanted.is_empty() || wanted.iter().any(|w| !KNOWN.contains(&w.as_str())) {
        let message = "Invalid attribute name specified.";
        let given = wanted.join(",");
        return Err(error::invalid_argument(
            "x-amz-object-attributes",
            &given,
            message,
        ));
    }
    let version = input.version_id.as_deref();
    let action = match version {
        None => "s3:GetObject",
        Some(_) => "s3:GetObjectVersion",
    };
    let open = bucket::open(&cx, &input.bucket, owner, action, Some(key)).await?;
    let (found, content) = get::content(&cx, &open, key, version, "GET").await?;
    open.require(&cx, &content.about.acl)?;
    s3.sealed(&cx, &content.about.encryption, &customer!(input))
        .await?;
    let asks = |name: &str| wanted.iter().any(|w| w == name);
    let class = content.about.storage_class.clone();
    let mut output = api::GetObjectAttributesOutput {
        last_modified: Some(seconds(found.object.modified_at)),
        version_id: shown_version(&open, &found.object),
        e_tag: asks("ETag").then(|| content.etag.clone()),
        storage_class: asks("StorageClass").then(|| class.unwrap_or_else(|| "STANDARD".into())),
        object_size: asks("ObjectSize").then_some(content.bytes as i64),
        ..Default::default()
    };
    if asks("Checksum")
        && let Some(own) = &content.checksum
    {
        let mut checksum = api::Checksum {
            checksum_type: Some(own.kind.name().to_owned()),
            ..Default::default()
        };
        // Without the number of parts here.
        let bare = Checksum {
            value: own.value.split('-').next().unwrap_or_default().to_owned(),
            ..own.clone()
        };
        show_checksum!(checksum, &Some(bare));
        output.checksum = Some(checksum);
    }
    if asks("ObjectParts") && !content.parts.is_empty() {
        output.object_parts = Some(parts(&input, &content)?);
    }
    Ok(output)
}

fn parts(
    input: &api::GetObjectAttributesInput,
    content: &Content,
) -> Result<api::GetObjectAttributesParts, AwsError> {
    let limit = super::list::limit(input.max_parts, "max-parts")?;
    let marker = input.part_number_marker.unwrap_or(0);
    let total = content.parts.len() as i32;
    // Parts are told one by one only where each has a checksum of its own.
    let checksum = content.checksum.as_ref();
    let algorithm = checksum
        .filter(|c| c.kind == Type::Composite)
        .map(|c| c.algorithm);
    let Some(algorithm) = algorithm else {
        return Ok(api::GetObjectAttributesParts {
            total_parts_count: Some(total),
            ..Default::default()
        });
    };
    // They are numbered anew, from one.
    let numbered = (1..)
        .zip(&content.parts)
        .filter(|(number, _)| *number > marker);
    let mut parts: Vec<(i32, &PartMark)> = numbered.collect();
    let more = parts.len() > limit;
    parts.truncate(limit);
    Ok(api::GetObjectAttributesParts {
        total_parts_count: Some(total),
        part_number_marker: Some(marker),
        next_part_number_marker: Some(parts.last().map_or(0, |(number, _)| *number)),
        max_parts: Some(limit as i32),
        is_truncated: Some(more),
        parts: Some(
            parts
                .into_iter()
                .map(|(n, part)| shown(n, part, algorithm))
                .collect(),
        ),
    })
}

fn shown(number: i32, part: &PartMark, algorithm: Algorithm) -> api::ObjectPart {
    let mut shown = api::ObjectPart {
        part_number: Some(number),
        size: Some(part.bytes as i64),
        ..Default::default()
    };
    let checksum = part.checksum.clone().map(|value| Checksum {
        algorithm,
        kind: Type::FullObject,
        value,
    });
    show_checksum!(shown, &checksum);
    shown
}

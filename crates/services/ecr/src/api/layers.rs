//! Layers through the API: what `docker push` does, in AWS calls.

use super::open;
use crate::Ecr;
use crate::contents::Contents;
use crate::model::ShortPart;
use crate::token::{self, Claims};
use crate::{error, names};
use neargate_api_ecr as api;
use neargate_blob::{BlobError, Digest, Upload};
use neargate_service::{AwsError, Committed, Ctx, db};
use std::sync::Arc;

/// What AWS asks parts to be large.
const PART_BYTES: i64 = 10 * 1024 * 1024;
/// Every part but the last must have this many bytes.
const MIN_PART_BYTES: usize = 5 * 1024 * 1024;

pub async fn batch_check_layer_availability(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::BatchCheckLayerAvailabilityInput,
) -> Result<api::BatchCheckLayerAvailabilityOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "BatchCheckLayerAvailability",
    )
    .await?;
    let (mut layers, mut failures) = (Vec::new(), Vec::new());
    for text in input.layer_digests {
        let Ok(digest) = text.parse::<Digest>() else {
            let (code, reason) = match text.is_empty() {
                true => (
                    "MissingLayerDigest",
                    "Invalid request parameters: layer digest cannot be null",
                ),
                false => (
                    "InvalidLayerDigest",
                    "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
                ),
            };
            failures.push(api::LayerFailure {
                layer_digest: Some(text),
                failure_code: Some(code.into()),
                failure_reason: Some(reason.into()),
            });
            continue;
        };
        let layer = contents.layer(&digest).await?;
        let availability = if layer.is_some() {
            "AVAILABLE"
        } else {
            "UNAVAILABLE"
        };
        layers.push(api::Layer {
            layer_digest: Some(text),
            layer_availability: Some(availability.into()),
            layer_size: layer.and_then(|l| i64::try_from(l.size_bytes).ok()),
            media_type: None,
        });
    }
    Ok(api::BatchCheckLayerAvailabilityOutput {
        layers: Some(layers),
        failures: Some(failures),
    })
}

pub async fn initiate_layer_upload(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::InitiateLayerUploadInput,
) -> Result<api::InitiateLayerUploadOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "InitiateLayerUpload",
    )
    .await?;
    cx.house.blobs.require_room(0).map_err(error::blob)?;
    let id = contents.new_upload_id();
    cx.house.blobs.begin(&id).await.map_err(error::blob)?;
    Ok(api::InitiateLayerUploadOutput {
        upload_id: Some(id),
        part_size: Some(PART_BYTES),
    })
}

async fn resume(contents: &Contents, id: &str) -> Result<Upload, AwsError> {
    let gone = || error::upload_not_found(&contents.scope, contents.name(), id);
    let id = id.to_ascii_lowercase();
    if !contents.owns_upload(&id) {
        return Err(gone());
    }
    contents
        .house
        .blobs
        .resume(&id)
        .await
        .map_err(error::blob)?
        .ok_or_else(gone)
}

pub async fn upload_layer_part(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::UploadLayerPartInput,
) -> Result<api::UploadLayerPartOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "UploadLayerPart",
    )
    .await?;
    let mut upload = resume(&contents, &input.upload_id).await?;
    let part = input.layer_part_blob;
    let refuse = |why: &str| {
        let (scope, name) = (&contents.scope, contents.name());
        let at = upload.offset();
        Err(error::invalid_layer_part(
            scope,
            name,
            &input.upload_id,
            at,
            why,
        ))
    };
    if i64::try_from(upload.offset()).ok() != Some(input.part_first_byte) {
        return refuse("The layer part does not continue the upload where the last one ended.");
    }
    let length = i64::try_from(part.len()).unwrap_or(i64::MAX);
    if input.part_last_byte.checked_sub(input.part_first_byte) != length.checked_sub(1) {
        return refuse("The layer part is not as long as partFirstByte and partLastByte say.");
    }
    let short = part.len() < MIN_PART_BYTES;
    let end = upload.append_bytes(part).await.map_err(error::blob)?;
    if short {
        // Only the first short part counts: no other may come behind it.
        let key = short_part_key(&contents, upload.id());
        let tx = cx.db().tx().create(key, &ShortPart { end, at: cx.now() });
        match tx.commit().await? {
            Committed::At(_) | Committed::Conflict => {}
        }
    }
    Ok(api::UploadLayerPartOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(input.repository_name),
        upload_id: Some(input.upload_id),
        last_byte_received: i64::try_from(end).ok().map(|end| end - 1),
    })
}

fn short_part_key(contents: &Contents, upload_id: &str) -> String {
    db::key::<ShortPart>(&contents.scope, upload_id)
}

pub async fn complete_layer_upload(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::CompleteLayerUploadInput,
) -> Result<api::CompleteLayerUploadOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "CompleteLayerUpload",
    )
    .await?;
    let upload = resume(&contents, &input.upload_id).await?;
    if upload.offset() == 0 {
        return Err(error::empty_upload());
    }
    let short = short_part_key(&contents, upload.id());
    let short_part = cx.db().get_key::<ShortPart>(&short).await?;
    if short_part
        .as_ref()
        .is_some_and(|s| s.end != upload.offset())
    {
        return Err(error::layer_part_too_small());
    }
    let given = input.layer_digests.into_iter().next().unwrap_or_default();
    let digest: Digest = given
        .parse()
        .map_err(|_| error::invalid_layer_digest(&given))?;
    let existed = contents.layer(&digest).await?.is_some();
    let finished = upload.finish(Some(&digest)).await;
    if short_part.is_some() {
        match cx.db().tx().delete_key(short).commit().await? {
            Committed::At(_) | Committed::Conflict => {}
        }
    }
    let stored = match finished {
        Err(BlobError::DigestMismatch { actual, .. }) => {
            return Err(error::invalid_layer(&given, &actual));
        }
        finished => finished.map_err(error::blob)?,
    };
    contents.link(stored).await?;
    if existed {
        return Err(error::layer_already_exists(
            &contents.scope,
            contents.name(),
            &digest,
        ));
    }
    Ok(api::CompleteLayerUploadOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(input.repository_name),
        upload_id: Some(input.upload_id),
        layer_digest: Some(stored.digest.to_string()),
    })
}

pub async fn get_download_url_for_layer(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::GetDownloadUrlForLayerInput,
) -> Result<api::GetDownloadUrlForLayerOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "GetDownloadUrlForLayer",
    )
    .await?;
    let missing = || error::layer_not_found(&contents.scope, contents.name(), &input.layer_digest);
    let digest: Digest = input.layer_digest.parse().map_err(|_| missing())?;
    contents.layer(&digest).await?.ok_or_else(missing)?;
    let claims = Claims {
        account: contents.scope.account.clone(),
        bearer: None,
        expires_at: token::after(cx.now(), token::LINK_VALID_FOR),
        blob: Some(digest),
        repository: Some(contents.repository.uid.clone()),
    };
    let token = token::issue(&cx.house, &claims).await?;
    let settings = &cx.house.settings;
    let path = names::path(settings, &contents.scope, contents.name());
    let url = format!(
        "{}/v2/{path}/blobs/{digest}?token={token}",
        settings.registry_url()
    );
    Ok(api::GetDownloadUrlForLayerOutput {
        download_url: Some(url),
        layer_digest: Some(digest.to_string()),
    })
}

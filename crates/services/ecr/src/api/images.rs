//! Images: put, get and delete by digest or tag.

use super::open;
use crate::Ecr;
use crate::contents::Contents;
use crate::delete::{self, NotRemoved};
use crate::manifest::MAX_BYTES;
use crate::model::Image;
use crate::push::{Push, push};
use crate::{error, names};
use neargate_api_ecr as api;
use neargate_blob::Digest;
use neargate_service::{AwsError, Ctx, Stored};
use std::sync::Arc;

pub async fn put_image(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::PutImageInput,
) -> Result<api::PutImageOutput, AwsError> {
    let mut contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "PutImage",
    )
    .await?;
    let tag = input.image_tag.as_deref();
    let request = Push {
        manifest: input.image_manifest.clone().into(),
        media_type: input.image_manifest_media_type.as_deref(),
        tag,
        digest: input.image_digest.as_deref(),
    };
    let pushed = push(&mut contents, request).await?;
    if pushed.existed {
        let digest = &pushed.image.digest;
        return Err(error::image_already_exists(
            &contents.scope,
            contents.name(),
            digest,
            tag,
        ));
    }
    let image = shown(&contents, &pushed.image, tag, input.image_manifest);
    Ok(api::PutImageOutput { image: Some(image) })
}

fn shown(contents: &Contents, image: &Image, tag: Option<&str>, manifest: String) -> api::Image {
    api::Image {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(contents.name().to_owned()),
        image_id: Some(api::ImageIdentifier {
            image_digest: Some(image.digest.to_string()),
            image_tag: tag.map(str::to_owned),
        }),
        image_manifest: Some(manifest),
        image_manifest_media_type: Some(image.media_type.clone()),
    }
}

pub async fn batch_get_image(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::BatchGetImageInput,
) -> Result<api::BatchGetImageOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "BatchGetImage",
    )
    .await?;
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    for id in input.image_ids {
        match find(&contents, &id).await? {
            Ok(image) => {
                let bytes = cx.house.blobs.read(&image.digest, MAX_BYTES as u64).await;
                let bytes = bytes.map_err(error::blob)?;
                let manifest = String::from_utf8_lossy(&bytes).into_owned();
                contents.pulled(&image).await?;
                images.push(shown(&contents, &image, id.image_tag.as_deref(), manifest));
            }
            Err(failure) => failures.push(failed(id, failure)),
        }
    }
    Ok(api::BatchGetImageOutput {
        images: Some(images),
        failures: Some(failures),
    })
}

pub async fn batch_delete_image(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::BatchDeleteImageInput,
) -> Result<api::BatchDeleteImageOutput, AwsError> {
    let mut contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "BatchDeleteImage",
    )
    .await?;
    let (mut image_ids, mut failures) = (Vec::new(), Vec::new());
    for id in input.image_ids {
        let image = match find(&contents, &id).await? {
            Ok(image) => image,
            Err(failure) => {
                failures.push(failed(id, failure));
                continue;
            }
        };
        let removed = match id.image_tag.as_deref() {
            Some(tag) => {
                let digest = delete::tag(&mut contents, tag, true).await;
                digest.map(|digest| (digest, vec![tag.to_owned()]))
            }
            None => {
                let tags = delete::image(&mut contents, &image.digest).await;
                tags.map(|tags| (image.digest, tags))
            }
        };
        match removed {
            Ok((digest, tags)) => image_ids.extend(identifiers(&digest, &tags)),
            Err(NotRemoved::NotFound) => failures.push(failed(id, Failure::NotFound)),
            Err(NotRemoved::InIndex(index)) => failures.push(failed(id, Failure::InIndex(index))),
            Err(NotRemoved::NotOpen(e)) => return Err(e.into()),
        }
    }
    Ok(api::BatchDeleteImageOutput {
        image_ids: Some(image_ids),
        failures: Some(failures),
    })
}

/// One identifier a tag; an untagged image has one of its digest alone.
pub(super) fn identifiers(digest: &Digest, tags: &[String]) -> Vec<api::ImageIdentifier> {
    let one = |tag: Option<&String>| api::ImageIdentifier {
        image_digest: Some(digest.to_string()),
        image_tag: tag.cloned(),
    };
    match tags {
        [] => vec![one(None)],
        tags => tags.iter().map(|t| one(Some(t))).collect(),
    }
}

/// Why one image of a batch was not handled.
pub(super) enum Failure {
    NoIdentifier,
    InvalidDigest,
    InvalidTag,
    TagOfAnother,
    NotFound,
    InIndex(Digest),
}

fn failed(id: api::ImageIdentifier, why: Failure) -> api::ImageFailure {
    let (code, reason) = match why {
        Failure::NoIdentifier => (
            "MissingDigestAndTag",
            "Invalid request parameters: both tag and digest cannot be null".to_owned(),
        ),
        Failure::InvalidDigest => (
            "InvalidImageDigest",
            "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'".to_owned(),
        ),
        Failure::InvalidTag => (
            "InvalidImageTag",
            "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'".to_owned(),
        ),
        Failure::TagOfAnother => {
            ("ImageTagDoesNotMatchDigest", "Requested image tag does not match the requested image digest".to_owned())
        }
        Failure::NotFound => ("ImageNotFound", "Requested image not found".to_owned()),
        Failure::InIndex(index) => (
            "ImageReferencedByManifestList",
            format!("Requested image referenced by manifest list: [{index}]"),
        ),
    };
    api::ImageFailure {
        image_id: Some(id),
        failure_code: Some(code.into()),
        failure_reason: Some(reason),
    }
}

/// The image that a digest, a tag, or both together name.
pub(super) async fn find(
    contents: &Contents,
    id: &api::ImageIdentifier,
) -> Result<Result<Stored<Image>, Failure>, AwsError> {
    let digest = match id.image_digest.as_deref().map(str::parse::<Digest>) {
        Some(Err(_)) => return Ok(Err(Failure::InvalidDigest)),
        Some(Ok(digest)) => Some(digest),
        None => None,
    };
    let image = match (digest, id.image_tag.as_deref()) {
        (None, None) => return Ok(Err(Failure::NoIdentifier)),
        (_, Some(tag)) if !names::is_tag(tag) => return Ok(Err(Failure::InvalidTag)),
        (None, Some(tag)) => contents.tagged(tag).await?,
        (Some(digest), None) => contents.image(&digest).await?,
        (Some(digest), Some(tag)) => match contents.tagged(tag).await? {
            Some(image) if image.digest != digest => return Ok(Err(Failure::TagOfAnother)),
            image => image,
        },
    };
    Ok(image.ok_or(Failure::NotFound))
}

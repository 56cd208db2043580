//! Adding an image: one transaction for the image, its tag, and the promise that all it refers
//! to is in the repository.

use crate::contents::{Contents, NotOpen};
use crate::event::{self, Action};
use crate::manifest::{self, Manifest};
use crate::model::{Image, Repository, Tag};
use crate::{error, names};
use bytes::Bytes;
use neargate_blob::{BlobError, Digest};
use neargate_service::wildcard::Wildcards;
use neargate_service::{AwsError, Committed};

/// What is to be pushed.
#[derive(Debug)]
pub struct Push<'a> {
    pub manifest: Bytes,
    /// As the caller declares it.
    pub media_type: Option<&'a str>,
    pub tag: Option<&'a str>,
    /// What the caller says the digest is.
    pub digest: Option<&'a str>,
}

/// An image that is now in the repository.
#[derive(Debug)]
pub struct Pushed {
    pub image: Image,
    /// Nothing was changed: the image, with this tag, was there already.
    pub existed: bool,
}

/// Why an image was not pushed, each with AWS's words for it.
#[derive(Debug)]
pub enum NotPushed {
    /// The manifest is none, or the tag cannot be one.
    Invalid(AwsError),
    /// The digest is not the manifest's.
    WrongDigest(AwsError),
    /// The repository lacks what the manifest refers to.
    Incomplete(AwsError),
    /// The tag exists and may not be moved.
    Immutable(AwsError),
    /// The blob store failed.
    Blob(BlobError),
    /// The repository was deleted meanwhile, or the store failed.
    NotOpen(NotOpen),
}

impl From<NotOpen> for NotPushed {
    fn from(e: NotOpen) -> Self {
        NotPushed::NotOpen(e)
    }
}

impl From<AwsError> for NotPushed {
    fn from(e: AwsError) -> Self {
        NotPushed::NotOpen(e.into())
    }
}

impl From<NotPushed> for AwsError {
    fn from(e: NotPushed) -> Self {
        match e {
            NotPushed::Invalid(e)
            | NotPushed::WrongDigest(e)
            | NotPushed::Incomplete(e)
            | NotPushed::Immutable(e) => e,
            NotPushed::Blob(e) => error::blob(e),
            NotPushed::NotOpen(e) => e.into(),
        }
    }
}

/// Add an image, or a tag to an image.
pub async fn push(contents: &mut Contents, push: Push<'_>) -> Result<Pushed, NotPushed> {
    let manifest = manifest::parse(&push.manifest, push.media_type)
        .map_err(|why| NotPushed::Invalid(error::invalid_manifest(&why)))?;
    if let Some(tag) = push.tag.filter(|t| !names::is_tag(t)) {
        return Err(NotPushed::Invalid(error::invalid_image_tag(tag)));
    }
    let digest = Digest::of(&push.manifest);
    if let Some(given) = push.digest.filter(|given| *given != digest.to_string()) {
        let wrong = error::image_digest_does_not_match(given, &digest);
        return Err(NotPushed::WrongDigest(wrong));
    }
    // Cheap refusals first; then the bytes, so that a stored image always has them.
    require(contents, &manifest).await?;
    let blobs = contents.house.blobs.clone();
    let stored = blobs
        .put_bytes(push.manifest, Some(&digest))
        .await
        .map_err(NotPushed::Blob)?;
    loop {
        if let Some(pushed) = attempt(
            contents,
            &manifest,
            stored.digest,
            stored.size_bytes,
            push.tag,
        )
        .await?
        {
            return Ok(pushed);
        }
        contents.reopen().await?;
    }
}

/// `None`: somebody else changed the repository meanwhile.
async fn attempt(
    contents: &Contents,
    manifest: &Manifest,
    digest: Digest,
    manifest_bytes: u64,
    tag: Option<&str>,
) -> Result<Option<Pushed>, NotPushed> {
    let image_bytes = require(contents, manifest).await?;
    let old_image = contents.image(&digest).await?;
    let old_tag = match tag {
        Some(tag) => contents.tag(tag).await?,
        None => None,
    };
    let same_tag = old_tag.as_ref().is_some_and(|t| t.digest == digest);
    if let Some(old) = old_image.as_ref().filter(|_| tag.is_none() || same_tag) {
        return Ok(Some(Pushed {
            image: old.value.clone(),
            existed: true,
        }));
    }
    let repository = &contents.repository;
    if let Some(tag) = tag.filter(|t| old_tag.is_some() && is_immutable(repository, t)) {
        let exists = error::image_tag_already_exists(contents.name(), tag);
        return Err(NotPushed::Immutable(exists));
    }
    let image = old_image.as_ref().map_or_else(
        || Image {
            digest,
            media_type: manifest.media_type.clone(),
            artifact_type: manifest.artifact_type.clone(),
            config_media_type: manifest.config_media_type.clone(),
            manifest_bytes,
            image_bytes,
            blobs: manifest.blobs.clone(),
            images: manifest.images.clone(),
            subject: manifest.subject,
            pushed_at: contents.house.now(),
            last_pull_at: None,
        },
        |old| old.value.clone(),
    );
    let db = &contents.house.db;
    let mut tx = db.tx().update(repository, &contents.changed());
    if old_image.is_none() {
        tx = tx.create(contents.key::<Image>(&digest.hex()), &image);
    }
    if let Some(tag) = tag {
        tx = tx.put(
            contents.key::<Tag>(tag),
            &Tag {
                tag: tag.to_owned(),
                digest,
            },
        );
    }
    tx = event::posted(tx, contents, Action::Push, &digest, tag);
    match tx.commit().await? {
        Committed::At(_) => Ok(Some(Pushed {
            image,
            existed: false,
        })),
        Committed::Conflict => Ok(None),
    }
}

/// All that the manifest refers to must be here; answers the image's size.
async fn require(contents: &Contents, manifest: &Manifest) -> Result<u64, NotPushed> {
    let mut missing = Vec::new();
    for digest in &manifest.blobs {
        if contents.layer(digest).await?.is_none() {
            missing.push(*digest);
        }
    }
    if !missing.is_empty() {
        let layers = error::layers_required(&contents.scope, contents.name(), &missing);
        return Err(NotPushed::Incomplete(layers));
    }
    let mut largest = manifest.size_bytes;
    for digest in &manifest.images {
        match contents.image(digest).await? {
            Some(image) => largest = largest.max(image.image_bytes),
            None => missing.push(*digest),
        }
    }
    if !missing.is_empty() {
        let images = error::images_required(&contents.scope, contents.name(), &missing);
        return Err(NotPushed::Incomplete(images));
    }
    Ok(largest)
}

/// May this tag, once it exists, not be moved?
/// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html>)
pub fn is_immutable(repository: &Repository, tag: &str) -> bool {
    let excepted = || {
        repository
            .mutability_exclusions
            .iter()
            .any(|pattern| Wildcards::Star.matches(pattern, tag))
    };
    match repository.tag_mutability.as_str() {
        "IMMUTABLE" => true,
        "IMMUTABLE_WITH_EXCLUSION" => !excepted(),
        "MUTABLE_WITH_EXCLUSION" => excepted(),
        _ => false,
    }
}

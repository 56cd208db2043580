//! Adding an image: one transaction for the image, its tag, and the promise that all it refers
//! to is in the repository.

use crate::contents::Contents;
use crate::manifest::{self, Manifest};
use crate::model::{Image, Repository, Tag};
use crate::{error, names};
use bytes::Bytes;
use neargate_blob::Digest;
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

/// Add an image, or a tag to an image.
///
/// # Errors
/// `InvalidParameterException` for what is no manifest, `ImageDigestDoesNotMatchException`,
/// `LayersNotFoundException`, `ReferencedImagesNotFoundException`,
/// `ImageTagAlreadyExistsException` for an immutable tag, `RepositoryNotFoundException`.
pub async fn push(contents: &mut Contents, push: Push<'_>) -> Result<Pushed, AwsError> {
    let manifest = manifest::parse(&push.manifest, push.media_type)
        .map_err(|why| error::invalid_manifest(&why))?;
    if let Some(tag) = push.tag.filter(|t| !names::is_tag(t)) {
        let tag: String = tag.chars().take(300).collect();
        return Err(error::invalid_parameter(
            "imageTag",
            &format!("'{tag}' is not a valid tag"),
        ));
    }
    let digest = Digest::of(&push.manifest);
    if let Some(given) = push.digest.filter(|given| *given != digest.to_string()) {
        return Err(error::image_digest_does_not_match(given, &digest));
    }
    // Cheap refusals first; then the bytes, so that a stored image always has them.
    require(contents, &manifest).await?;
    let blobs = contents.house.blobs.clone();
    let stored = blobs
        .put_bytes(push.manifest, Some(&digest))
        .await
        .map_err(error::blob)?;
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
) -> Result<Option<Pushed>, AwsError> {
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
        return Err(error::image_tag_already_exists(contents.name(), tag));
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
    match tx.commit().await? {
        Committed::At(_) => Ok(Some(Pushed {
            image,
            existed: false,
        })),
        Committed::Conflict => Ok(None),
    }
}

/// All that the manifest refers to must be here; answers the image's size.
async fn require(contents: &Contents, manifest: &Manifest) -> Result<u64, AwsError> {
    let mut missing = Vec::new();
    for digest in &manifest.blobs {
        if contents.layer(digest).await?.is_none() {
            missing.push(*digest);
        }
    }
    if !missing.is_empty() {
        return Err(error::layers_required(
            &contents.scope,
            contents.name(),
            &missing,
        ));
    }
    let mut largest = manifest.size_bytes;
    for digest in &manifest.images {
        match contents.image(digest).await? {
            Some(image) => largest = largest.max(image.image_bytes),
            None => missing.push(*digest),
        }
    }
    if !missing.is_empty() {
        return Err(error::images_required(
            &contents.scope,
            contents.name(),
            &missing,
        ));
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
            .any(|pattern| matches(pattern, tag))
    };
    match repository.tag_mutability.as_str() {
        "IMMUTABLE" => true,
        "IMMUTABLE_WITH_EXCLUSION" => !excepted(),
        "MUTABLE_WITH_EXCLUSION" => excepted(),
        _ => false,
    }
}

/// Does `text` match a pattern in which `*` stands for anything?
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards() {
        for (pattern, text) in [
            ("*", ""),
            ("v*", "v1"),
            ("*-rc", "1-rc"),
            ("a*b*c", "aXbYc"),
            ("x", "x"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("v*", "1v"), ("a*b*c", "aXc"), ("a*a", "a"), ("x", "xy")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}

//! Lists of images.

use super::images::{find, identifiers};
use super::{cut, open};
use crate::Ecr;
use crate::contents::Contents;
use crate::error;
use crate::manifest::MAX_BYTES;
use crate::model::Image;
use neargate_api_ecr as api;
use neargate_blob::Digest;
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

pub async fn list_images(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::ListImagesInput,
) -> Result<api::ListImagesOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "ListImages",
    )
    .await?;
    let status = input.filter.as_ref().and_then(|f| f.tag_status.as_deref());
    let lifecycle = input
        .filter
        .as_ref()
        .and_then(|f| f.image_status.as_deref());
    let ids: Vec<api::ImageIdentifier> = matching(&contents, status, lifecycle)
        .await?
        .iter()
        .flat_map(|(image, tags)| identifiers(&image.digest, tags))
        .collect();
    let page = cut(ids, input.next_token.as_deref(), input.max_results, |id| {
        format!(
            "{} {}",
            id.image_digest.as_deref().unwrap_or_default(),
            id.image_tag.as_deref().unwrap_or_default()
        )
    })?;
    Ok(api::ListImagesOutput {
        image_ids: Some(page.items),
        next_token: page.next_token,
    })
}

pub async fn describe_images(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::DescribeImagesInput,
) -> Result<api::DescribeImagesOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "DescribeImages",
    )
    .await?;
    if let Some(ids) = input.image_ids.filter(|ids| !ids.is_empty()) {
        let tags = contents.tags_by_image().await?;
        let mut details: Vec<api::ImageDetail> = Vec::with_capacity(ids.len());
        for id in ids {
            let Ok(image) = find(&contents, &id).await? else {
                let (digest, tag) = (id.image_digest.as_deref(), id.image_tag.as_deref());
                return Err(error::image_not_found(
                    &contents.scope,
                    contents.name(),
                    digest,
                    tag,
                ));
            };
            let detail = shown(&contents, &image, tags.get(&image.digest));
            if !details
                .iter()
                .any(|d| d.image_digest == detail.image_digest)
            {
                details.push(detail);
            }
        }
        return Ok(api::DescribeImagesOutput {
            image_details: Some(details),
            next_token: None,
        });
    }
    let status = input.filter.as_ref().and_then(|f| f.tag_status.as_deref());
    let lifecycle = input
        .filter
        .as_ref()
        .and_then(|f| f.image_status.as_deref());
    let all = matching(&contents, status, lifecycle).await?;
    let page = cut(
        all,
        input.next_token.as_deref(),
        input.max_results,
        |(image, _)| image.digest.to_string(),
    )?;
    let details = page
        .items
        .iter()
        .map(|(image, tags)| shown(&contents, image, Some(tags)));
    Ok(api::DescribeImagesOutput {
        image_details: Some(details.collect()),
        next_token: page.next_token,
    })
}

/// The images of a tag status, with their tags, by digest. Every image is `ACTIVE`: none is
/// ever archived here.
async fn matching(
    contents: &Contents,
    tag_status: Option<&str>,
    image_status: Option<&str>,
) -> Result<Vec<(Image, Vec<String>)>, AwsError> {
    if matches!(image_status, Some("ARCHIVED" | "ACTIVATING")) {
        return Ok(Vec::new());
    }
    let mut tags: BTreeMap<Digest, Vec<String>> = contents.tags_by_image().await?;
    let images = contents.images().await?.into_iter().map(|image| {
        let tags = tags.remove(&image.digest).unwrap_or_default();
        (image.value, tags)
    });
    let wanted = |tags: &Vec<String>| match tag_status {
        Some("TAGGED") => !tags.is_empty(),
        Some("UNTAGGED") => tags.is_empty(),
        _ => true,
    };
    Ok(images.filter(|(_, tags)| wanted(tags)).collect())
}

fn shown(contents: &Contents, image: &Image, tags: Option<&Vec<String>>) -> api::ImageDetail {
    api::ImageDetail {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(contents.name().to_owned()),
        image_digest: Some(image.digest.to_string()),
        image_tags: tags.filter(|t| !t.is_empty()).cloned(),
        image_size_in_bytes: i64::try_from(image.image_bytes).ok(),
        image_pushed_at: Some(image.pushed_at),
        image_manifest_media_type: Some(image.media_type.clone()),
        artifact_media_type: image.config_media_type.clone(),
        last_recorded_pull_time: image.last_pull_at,
        subject_manifest_digest: image.subject.map(|d| d.to_string()),
        image_status: Some("ACTIVE".into()),
        ..Default::default()
    }
}

pub async fn list_image_referrers(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::ListImageReferrersInput,
) -> Result<api::ListImageReferrersOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "ListImageReferrers",
    )
    .await?;
    let subject = input.subject_id.image_digest.parse::<Digest>();
    let subject = subject.map_err(|_| error::invalid_subject())?;
    let filter = input.filter.unwrap_or_default();
    let types = filter.artifact_types.unwrap_or_default();
    let active = matches!(
        filter.artifact_status.as_deref(),
        None | Some("ACTIVE" | "ANY")
    );
    let wanted = |image: &Image| {
        let kind = image.artifact_type.clone().unwrap_or_default();
        active && image.subject == Some(subject) && (types.is_empty() || types.contains(&kind))
    };
    let all: Vec<Image> = contents
        .images()
        .await?
        .into_iter()
        .map(|i| i.value)
        .filter(wanted)
        .collect();
    let page = cut(all, input.next_token.as_deref(), input.max_results, |i| {
        i.digest.to_string()
    })?;
    let mut referrers = Vec::with_capacity(page.items.len());
    for image in page.items {
        let bytes = cx.house.blobs.read(&image.digest, MAX_BYTES as u64).await;
        let bytes = bytes.map_err(error::blob)?;
        referrers.push(api::ImageReferrer {
            digest: Some(image.digest.to_string()),
            media_type: Some(image.media_type),
            artifact_type: image.artifact_type,
            size: i64::try_from(image.manifest_bytes).ok(),
            annotations: annotations(&bytes),
            artifact_status: Some("ACTIVE".into()),
        });
    }
    Ok(api::ListImageReferrersOutput {
        referrers: Some(referrers),
        next_token: page.next_token,
    })
}

fn annotations(manifest: &[u8]) -> Option<BTreeMap<String, String>> {
    let document: serde_json::Value = serde_json::from_slice(manifest).ok()?;
    serde_json::from_value(document.get("annotations")?.clone()).ok()
}

//! Tags of certificates.

use super::{find, tags_of};
use crate::{Acm, error};
use neargate_api_acm as api;
use neargate_service::certificate::Certificate;
use neargate_service::db::{Tx, settle};
use neargate_service::tags::{self, Tags};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

async fn change(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut Tags) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    settle(async || -> Result<(Tx, ()), AwsError> {
        let stored = find(cx, arn).await?;
        let mut value: Certificate = stored.value.clone();
        change(&mut value.tags)?;
        Ok((cx.db().tx().update(&stored, &value), ()))
    })
    .await
}

pub async fn add_tags_to_certificate(
    _: Arc<Acm>,
    cx: Ctx,
    input: api::AddTagsToCertificateInput,
) -> Result<api::AddTagsToCertificateOutput, AwsError> {
    let new = tags_of(Some(input.tags))?;
    let add = |tags: &mut Tags| tags::merge(tags, &new).map_err(error::tags);
    change(&cx, &input.certificate_arn, add).await?;
    Ok(Default::default())
}

/// A tag with a value goes only if it has that value.
pub async fn remove_tags_from_certificate(
    _: Arc<Acm>,
    cx: Ctx,
    input: api::RemoveTagsFromCertificateInput,
) -> Result<api::RemoveTagsFromCertificateOutput, AwsError> {
    let remove = |tags: &mut Tags| {
        for gone in &input.tags {
            let same = |value: &String| gone.value.as_ref().is_none_or(|v| v == value);
            if tags.get(&gone.key).is_some_and(same) {
                tags.remove(&gone.key);
            }
        }
        Ok(())
    };
    change(&cx, &input.certificate_arn, remove).await?;
    Ok(Default::default())
}

pub async fn list_tags_for_certificate(
    _: Arc<Acm>,
    cx: Ctx,
    input: api::ListTagsForCertificateInput,
) -> Result<api::ListTagsForCertificateOutput, AwsError> {
    let stored = find(&cx, &input.certificate_arn).await?;
    let tag = |(key, value): (&String, &String)| api::Tag {
        key: key.clone(),
        value: Some(value.clone()),
    };
    Ok(api::ListTagsForCertificateOutput {
        tags: Some(stored.tags.iter().map(tag).collect()),
    })
}

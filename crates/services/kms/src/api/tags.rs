//! Tags of keys.

use super::{FIFTY, change, paged};
use crate::keys::find_key;
use crate::{Kms, error};
use neargate_api_kms as api;
use neargate_service::tags::{self, Tags};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// The tags that a caller sent.
pub(crate) fn parse(given: Vec<api::Tag>) -> Result<Tags, AwsError> {
    let pairs = given.into_iter().map(|t| (t.tag_key, t.tag_value));
    tags::parse(pairs).map_err(error::tags)
}

pub async fn tag_resource(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<Unit, AwsError> {
    let given = parse(input.tags)?;
    let found = find_key(&cx, &input.key_id).await?;
    let found = found.customers(&cx, "TagResource")?.kept()?;
    change(&cx, &found, |key| {
        tags::merge(&mut key.tags, &given).map_err(error::tags)?;
        Ok(true)
    })
    .await?;
    Ok(Unit)
}

pub async fn untag_resource(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<Unit, AwsError> {
    let found = find_key(&cx, &input.key_id).await?;
    let found = found.customers(&cx, "UntagResource")?.kept()?;
    change(&cx, &found, |key| {
        Ok(tags::remove(&mut key.tags, &input.tag_keys))
    })
    .await?;
    Ok(Unit)
}

pub async fn list_resource_tags(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::ListResourceTagsInput,
) -> Result<api::ListResourceTagsOutput, AwsError> {
    let found = find_key(&cx, &input.key_id).await?;
    let all = found.tags.iter();
    let paged = paged(
        all,
        input.marker.as_deref(),
        input.limit,
        FIFTY,
        |(key, _)| (*key).clone(),
    )?;
    let shown = |(key, value): (&String, &String)| api::Tag {
        tag_key: key.clone(),
        tag_value: value.clone(),
    };
    Ok(api::ListResourceTagsOutput {
        tags: Some(paged.items.into_iter().map(shown).collect()),
        truncated: Some(paged.next_token.is_some()),
        next_marker: paged.next_token,
    })
}

//! Tags of parameters.

use super::change;
use crate::name::{self, Named, find};
use crate::{Ssm, error};
use neargate_api_ssm as api;
use neargate_service::tags::{self, Tags};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The tags that a caller sent.
pub(crate) fn parse(given: Vec<api::Tag>) -> Result<Tags, AwsError> {
    let pairs = given.into_iter().map(|tag| (tag.key, tag.value));
    tags::parse(pairs).map_err(error::tags)
}

fn named(cx: &Ctx, kind: &str, id: &str) -> Result<Named, AwsError> {
    match kind {
        "Parameter" => name::parse(cx, id),
        other => Err(error::resource_type(other)),
    }
}

pub async fn add_tags_to_resource(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::AddTagsToResourceInput,
) -> Result<api::AddTagsToResourceOutput, AwsError> {
    let named = named(&cx, &input.resource_type, &input.resource_id)?;
    let given = parse(input.tags)?;
    change(&cx, &named, error::resource_id, None, |parameter| {
        tags::merge(&mut parameter.tags, &given).map_err(error::tags)
    })
    .await?;
    Ok(api::AddTagsToResourceOutput {})
}

pub async fn remove_tags_from_resource(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::RemoveTagsFromResourceInput,
) -> Result<api::RemoveTagsFromResourceOutput, AwsError> {
    let named = named(&cx, &input.resource_type, &input.resource_id)?;
    change(&cx, &named, error::resource_id, None, |parameter| {
        tags::remove(&mut parameter.tags, &input.tag_keys);
        Ok(())
    })
    .await?;
    Ok(api::RemoveTagsFromResourceOutput {})
}

pub async fn list_tags_for_resource(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let named = named(&cx, &input.resource_type, &input.resource_id)?;
    let stored = find(&cx, &named).await?.ok_or_else(error::resource_id)?;
    let tags = stored.value.tags.into_iter();
    let tags = tags.map(|(key, value)| api::Tag { key, value }).collect();
    Ok(api::ListTagsForResourceOutput {
        tag_list: Some(tags),
    })
}

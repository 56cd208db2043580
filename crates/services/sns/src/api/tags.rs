//! Tags of topics.

use super::{Place, place_for};
use crate::model::Topic;
use crate::{Sns, error};
use neargate_api_sns as api;
use neargate_service::{AwsError, Ctx, db, tags};
use std::sync::Arc;

/// The tags that a caller sent.
pub fn parse(given: Vec<api::Tag>) -> Result<tags::Tags, AwsError> {
    let pairs = given.into_iter().map(|t| (t.key, t.value));
    tags::parse(pairs).map_err(error::invalid_tags)
}

async fn change(
    cx: &Ctx,
    arn: &str,
    action: &str,
    change: impl Fn(&mut tags::Tags) -> Result<(), tags::InvalidTags>,
) -> Result<(), AwsError> {
    let Place { scope, name } = place_for(cx, "ResourceArn", arn, action).await?;
    let key = db::key::<Topic>(&scope, &name);
    let changed = cx.db().modify::<Topic, _>(&key, |topic| {
        change(&mut topic.tags).map_err(error::invalid_tags)?;
        Ok(true)
    });
    changed
        .await?
        .ok_or_else(error::resource_not_found)
        .map(drop)
}

pub async fn tag_resource(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let given = parse(input.tags)?;
    let add = |tags: &mut tags::Tags| tags::merge(tags, &given);
    change(&cx, &input.resource_arn, "TagResource", add).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    let remove = |tags: &mut tags::Tags| {
        tags::remove(tags, &input.tag_keys);
        Ok(())
    };
    change(&cx, &input.resource_arn, "UntagResource", remove).await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let (arn, action) = (&input.resource_arn, "ListTagsForResource");
    let Place { scope, name } = place_for(&cx, "ResourceArn", arn, action).await?;
    let topic = cx.db().get::<Topic>(&scope, &name).await?;
    let topic = topic.ok_or_else(error::resource_not_found)?;
    let tags = topic.value.tags.into_iter();
    let tags = tags.map(|(key, value)| api::Tag { key, value }).collect();
    Ok(api::ListTagsForResourceOutput { tags: Some(tags) })
}

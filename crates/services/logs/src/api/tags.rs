//! Tags of log groups: the older operations by name, the newer ones by ARN.

use crate::model::Group;
use crate::{Logs, error, reference};
use neargate_api_logs as api;
use neargate_service::tags::{self, InvalidTags, Tags};
use neargate_service::{AwsError, Ctx, db};
use std::sync::Arc;

pub async fn tag_log_group(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::TagLogGroupInput,
) -> Result<api::TagLogGroupOutput, AwsError> {
    let new = tags::parse(input.tags).map_err(error::invalid_tags)?;
    let key = db::key::<Group>(&cx.scope, &input.log_group_name);
    add(&cx, &key, &new, error::invalid_tags).await?;
    Ok(api::TagLogGroupOutput::default())
}

pub async fn untag_log_group(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::UntagLogGroupInput,
) -> Result<api::UntagLogGroupOutput, AwsError> {
    let key = db::key::<Group>(&cx.scope, &input.log_group_name);
    remove(&cx, &key, &input.tags).await?;
    Ok(api::UntagLogGroupOutput::default())
}

pub async fn list_tags_log_group(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::ListTagsLogGroupInput,
) -> Result<api::ListTagsLogGroupOutput, AwsError> {
    let group = reference::group(cx.db(), &cx.scope, &input.log_group_name).await?;
    Ok(api::ListTagsLogGroupOutput {
        tags: Some(group.value.tags),
    })
}

pub async fn tag_resource(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let new = tags::parse(input.tags).map_err(error::invalid_tags)?;
    let group = reference::of_arn(&cx, &input.resource_arn).await?;
    let too_many = |_| error::too_many_tags(&input.resource_arn);
    add(&cx, &group.key, &new, too_many).await?;
    Ok(api::TagResourceOutput::default())
}

pub async fn untag_resource(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    let group = reference::of_arn(&cx, &input.resource_arn).await?;
    remove(&cx, &group.key, &input.tag_keys).await?;
    Ok(api::UntagResourceOutput::default())
}

pub async fn list_tags_for_resource(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let group = reference::of_arn(&cx, &input.resource_arn).await?;
    Ok(api::ListTagsForResourceOutput {
        tags: Some(group.value.tags),
    })
}

async fn add(
    cx: &Ctx,
    key: &str,
    new: &Tags,
    too_many: impl Fn(InvalidTags) -> AwsError,
) -> Result<(), AwsError> {
    let change = |group: &mut Group| {
        tags::merge(&mut group.tags, new).map_err(&too_many)?;
        Ok(true)
    };
    cx.db()
        .modify(key, change)
        .await?
        .ok_or_else(error::group_not_found)?;
    Ok(())
}

async fn remove(cx: &Ctx, key: &str, keys: &[String]) -> Result<(), AwsError> {
    let change = |group: &mut Group| Ok(tags::remove(&mut group.tags, keys));
    cx.db()
        .modify(key, change)
        .await?
        .ok_or_else(error::group_not_found)?;
    Ok(())
}

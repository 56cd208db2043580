//! Tags of notification rules.

use super::{change, rule};
use crate::{CodeStarNotifications, error};
use neargate_api_codestar_notifications as api;
use neargate_service::{AwsError, Ctx, tags};
use std::sync::Arc;

pub async fn tag_resource(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let given = tags::parse(input.tags).map_err(|why| error::tags(&why))?;
    let after = change(&cx, &input.arn, |rule| {
        tags::merge(&mut rule.tags, &given).map_err(|why| error::tags(&why))
    });
    Ok(api::TagResourceOutput {
        tags: Some(after.await?.tags),
    })
}

pub async fn untag_resource(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    let after = change(&cx, &input.arn, |rule| {
        tags::remove(&mut rule.tags, &input.tag_keys);
        Ok(())
    });
    after.await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    _: Arc<CodeStarNotifications>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    Ok(api::ListTagsForResourceOutput {
        tags: Some(rule(&cx, &input.arn).await?.value.tags),
    })
}

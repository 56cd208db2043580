//! Tags of scalable targets.

use crate::model::{Named, Target};
use crate::{ApplicationAutoscaling, error};
use neargate_api_application_autoscaling as api;
use neargate_service::{AwsError, Ctx, Stored, tags};
use std::sync::Arc;

async fn find(cx: &Ctx, arn: &str) -> Result<Stored<Target>, AwsError> {
    let targets = cx.db().list::<Target>(&cx.scope).await?;
    let is_it = |t: &Stored<Target>| !t.deregistered && t.arn(&cx.scope) == arn;
    let found = targets.into_iter().find(is_it);
    found.ok_or_else(|| error::no_such_resource(arn))
}

async fn change(
    cx: &Ctx,
    arn: &str,
    decide: impl Fn(&mut Target) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let named: Named = find(cx, arn).await?.named();
    super::change(cx, &named, |target| match target.arn(&cx.scope) == arn {
        true => decide(target),
        false => Err(error::no_such_resource(arn)),
    })
    .await
}

pub async fn list_tags_for_resource(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let found = find(&cx, &input.resource_arn).await?;
    Ok(api::ListTagsForResourceOutput {
        tags: Some(found.value.tags),
    })
}

pub async fn tag_resource(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let arn = &input.resource_arn;
    let new = tags::parse(input.tags.clone()).map_err(|why| error::tags(arn, why))?;
    change(&cx, arn, |target| {
        tags::merge(&mut target.tags, &new).map_err(|why| error::tags(arn, why))
    })
    .await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    change(&cx, &input.resource_arn, |target| {
        tags::remove(&mut target.tags, &input.tag_keys);
        Ok(())
    })
    .await?;
    Ok(api::UntagResourceOutput {})
}

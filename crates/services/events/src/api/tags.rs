//! Tags of buses and rules.

use super::{bus, buses, rule, rules};
use crate::name::{Tagged, tagged};
use crate::{Events, error};
use neargate_api_events as api;
use neargate_service::{AwsError, Ctx, tags};
use std::sync::Arc;

/// The tags that a caller sent.
pub fn parse(given: Vec<api::Tag>) -> Result<tags::Tags, AwsError> {
    let pairs = given.into_iter().map(|t| (t.key, t.value));
    tags::parse(pairs).map_err(|why| error::invalid_tags(&why))
}

async fn change(
    events: &Events,
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut tags::Tags) -> Result<(), AwsError> + Send + Sync,
) -> Result<(), AwsError> {
    match tagged(cx, arn)? {
        Tagged::Bus(name) => buses::change_tags(cx, &name, change).await,
        Tagged::Rule(bus, name) => {
            rules::change(events, cx, &bus, &name, |rule| change(&mut rule.tags)).await
        }
    }
}

pub async fn tag_resource(
    events: Arc<Events>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let given = parse(input.tags)?;
    let add =
        |tags: &mut tags::Tags| tags::merge(tags, &given).map_err(|why| error::invalid_tags(&why));
    change(&events, &cx, &input.resource_arn, add).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    events: Arc<Events>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    let remove = |tags: &mut tags::Tags| {
        tags::remove(tags, &input.tag_keys);
        Ok(())
    };
    change(&events, &cx, &input.resource_arn, remove).await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    _: Arc<Events>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let tags = match tagged(&cx, &input.resource_arn)? {
        Tagged::Bus(name) => bus(&cx, &name).await?.1.tags,
        Tagged::Rule(of, name) => rule(&cx, &of, &name).await?.value.tags,
    };
    let tags = tags.into_iter();
    let tags = tags.map(|(key, value)| api::Tag { key, value }).collect();
    Ok(api::ListTagsForResourceOutput { tags: Some(tags) })
}

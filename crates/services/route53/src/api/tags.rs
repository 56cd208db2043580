//! Tags of hosted zones.

use super::zone;
use crate::{Route53, error};
use neargate_api_route53 as api;
use neargate_service::dns::HostedZone;
use neargate_service::{AwsError, Ctx, tags};
use std::sync::Arc;

const ZONE: &str = "hostedzone";

fn only_zones(kind: &str, id: &str) -> Result<(), AwsError> {
    match kind {
        ZONE => Ok(()),
        _ => Err(error::no_such_health_check(id)),
    }
}

pub async fn change_tags_for_resource(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ChangeTagsForResourceInput,
) -> Result<api::ChangeTagsForResourceOutput, AwsError> {
    only_zones(&input.resource_type, &input.resource_id)?;
    let given = input.add_tags.unwrap_or_default().into_iter();
    let given = given.map(|t| (t.key.unwrap_or_default(), t.value.unwrap_or_default()));
    let given = tags::parse(given).map_err(error::invalid_tags)?;
    let gone = input.remove_tag_keys.unwrap_or_default();
    let found = zone(&cx, &input.resource_id).await?;
    let changed = cx.db().modify::<HostedZone, _>(&found.key, |zone| {
        tags::remove(&mut zone.tags, &gone);
        tags::merge(&mut zone.tags, &given).map_err(error::invalid_tags)?;
        Ok(true)
    });
    let changed = changed.await?;
    changed.ok_or_else(|| error::no_such_hosted_zone(found.id()))?;
    Ok(api::ChangeTagsForResourceOutput {})
}

async fn of(cx: &Ctx, id: &str) -> Result<api::ResourceTagSet, AwsError> {
    let found = zone(cx, id).await?;
    let tag = |(key, value): (&String, &String)| api::Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    Ok(api::ResourceTagSet {
        resource_type: Some(ZONE.to_owned()),
        resource_id: Some(found.id().to_owned()),
        tags: Some(found.tags.iter().map(tag).collect()),
    })
}

pub async fn list_tags_for_resource(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    only_zones(&input.resource_type, &input.resource_id)?;
    Ok(api::ListTagsForResourceOutput {
        resource_tag_set: Some(of(&cx, &input.resource_id).await?),
    })
}

pub async fn list_tags_for_resources(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ListTagsForResourcesInput,
) -> Result<api::ListTagsForResourcesOutput, AwsError> {
    let mut sets = Vec::new();
    for id in &input.resource_ids {
        only_zones(&input.resource_type, id)?;
        sets.push(of(&cx, id).await?);
    }
    Ok(api::ListTagsForResourcesOutput {
        resource_tag_sets: Some(sets),
    })
}

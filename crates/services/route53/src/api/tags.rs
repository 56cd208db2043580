//! Tags of hosted zones and health checks.

use super::{health_checks, id, zone};
use crate::model::HealthCheck;
use crate::{Route53, error};
use neargate_api_route53 as api;
use neargate_service::dns::HostedZone;
use neargate_service::tags::{self, Tags};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const ZONE: &str = "hostedzone";

pub async fn change_tags_for_resource(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ChangeTagsForResourceInput,
) -> Result<api::ChangeTagsForResourceOutput, AwsError> {
    let given = input.add_tags.unwrap_or_default().into_iter();
    let given = given.map(|t| (t.key.unwrap_or_default(), t.value.unwrap_or_default()));
    let given = tags::parse(given).map_err(error::invalid_tags)?;
    let gone = input.remove_tag_keys.unwrap_or_default();
    let change = |tags: &mut Tags| {
        tags::remove(tags, &gone);
        tags::merge(tags, &given).map_err(error::invalid_tags)?;
        Ok(true)
    };
    let resource = input.resource_id;
    if input.resource_type == ZONE {
        let key = zone(&cx, &resource).await?.key;
        let changed = cx
            .db()
            .modify::<HostedZone, _>(&key, |zone| change(&mut zone.tags));
        let changed = changed.await?;
        changed.ok_or_else(|| error::no_such_hosted_zone(id(&resource)))?;
    } else {
        let key = health_checks::found(&cx, &resource).await?.key;
        let changed = cx
            .db()
            .modify::<HealthCheck, _>(&key, |check| change(&mut check.tags));
        let changed = changed.await?;
        changed.ok_or_else(|| error::no_such_health_check(&resource))?;
    }
    Ok(api::ChangeTagsForResourceOutput {})
}

async fn of(cx: &Ctx, kind: &str, given: &str) -> Result<api::ResourceTagSet, AwsError> {
    let tags = match kind {
        ZONE => zone(cx, given).await?.value.tags,
        _ => health_checks::found(cx, given).await?.value.tags,
    };
    let tag = |(key, value): (String, String)| api::Tag {
        key: Some(key),
        value: Some(value),
    };
    Ok(api::ResourceTagSet {
        resource_type: Some(kind.to_owned()),
        resource_id: Some(id(given).to_owned()),
        tags: Some(tags.into_iter().map(tag).collect()),
    })
}

pub async fn list_tags_for_resource(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    Ok(api::ListTagsForResourceOutput {
        resource_tag_set: Some(of(&cx, &input.resource_type, &input.resource_id).await?),
    })
}

pub async fn list_tags_for_resources(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ListTagsForResourcesInput,
) -> Result<api::ListTagsForResourcesOutput, AwsError> {
    let mut sets = Vec::new();
    for id in &input.resource_ids {
        sets.push(of(&cx, &input.resource_type, id).await?);
    }
    Ok(api::ListTagsForResourcesOutput {
        resource_tag_sets: Some(sets),
    })
}

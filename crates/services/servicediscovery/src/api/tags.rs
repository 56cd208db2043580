//! Tags of namespaces and services.

use crate::model::{Namespace, Service};
use crate::{ServiceDiscovery, error};
use neargate_api_servicediscovery as api;
use neargate_service::{AwsError, Ctx, db, tags};
use std::sync::Arc;

/// The tags that a caller sent.
pub fn parse(given: Vec<api::Tag>) -> Result<tags::Tags, AwsError> {
    let pairs = given.into_iter().map(|t| (t.key, t.value));
    tags::parse(pairs).map_err(error::invalid_tags)
}

/// What an ARN names.
enum Named<'a> {
    Namespace(&'a str),
    Service(&'a str),
}

fn named<'a>(cx: &Ctx, arn: &'a str) -> Result<Named<'a>, AwsError> {
    let own = cx.arn("servicediscovery", "");
    let rest = arn.strip_prefix(&own);
    let parts = rest.and_then(|rest| rest.split_once('/'));
    match parts {
        Some(("namespace", id)) => Ok(Named::Namespace(id)),
        Some(("service", id)) => Ok(Named::Service(id)),
        _ => Err(error::resource_not_found(arn)),
    }
}

async fn change(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut tags::Tags) -> Result<(), tags::InvalidTags>,
) -> Result<tags::Tags, AwsError> {
    let missing = || error::resource_not_found(arn);
    let change = |tags: &mut tags::Tags| {
        let before = tags.clone();
        change(tags).map_err(error::invalid_tags)?;
        Ok(*tags != before)
    };
    match named(cx, arn)? {
        Named::Namespace(id) => {
            let key = db::key::<Namespace>(&cx.scope, id);
            let changed = cx
                .db()
                .modify::<Namespace, _>(&key, |n| change(&mut n.tags));
            Ok(changed.await?.ok_or_else(missing)?.value.tags)
        }
        Named::Service(id) => {
            let key = db::key::<Service>(&cx.scope, id);
            let changed = cx.db().modify::<Service, _>(&key, |s| change(&mut s.tags));
            Ok(changed.await?.ok_or_else(missing)?.value.tags)
        }
    }
}

pub async fn tag_resource(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let given = parse(input.tags)?;
    let add = |tags: &mut tags::Tags| tags::merge(tags, &given);
    change(&cx, &input.resource_arn, add).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    let remove = |tags: &mut tags::Tags| {
        tags::remove(tags, &input.tag_keys);
        Ok(())
    };
    change(&cx, &input.resource_arn, remove).await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let tags = change(&cx, &input.resource_arn, |_| Ok(())).await?;
    let tags = tags.into_iter().map(|(key, value)| api::Tag { key, value });
    Ok(api::ListTagsForResourceOutput {
        tags: Some(tags.collect()),
    })
}

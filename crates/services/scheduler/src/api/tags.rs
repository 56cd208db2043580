//! Tags of groups; schedules have none.

use super::group;
use crate::model::{DEFAULT_GROUP, Group};
use crate::{Scheduler, error};
use neargate_api_scheduler as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, db, tags};
use std::sync::Arc;

/// The tags that a caller sent.
pub fn parse(given: Vec<api::Tag>) -> Result<tags::Tags, AwsError> {
    let pairs = given.into_iter().map(|t| (t.key, t.value));
    tags::parse(pairs).map_err(|why| error::invalid_tags(&why))
}

/// The group that an ARN names.
fn named(cx: &Ctx, arn: &str) -> Result<String, AwsError> {
    let wrong = || error::validation(format!("Invalid resource ARN {arn}."));
    let parsed: Arn = arn.parse().map_err(|_| wrong())?;
    let group = parsed.resource.strip_prefix("schedule-group/");
    match group {
        Some(name) if cx.scope.holds(&parsed) => Ok(name.to_owned()),
        _ => Err(wrong()),
    }
}

async fn change(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut tags::Tags) -> Result<(), tags::InvalidTags>,
) -> Result<(), AwsError> {
    let name = named(cx, arn)?;
    if name == DEFAULT_GROUP {
        return Err(error::validation(
            "The default schedule group cannot have tags.",
        ));
    }
    let key = db::key::<Group>(&cx.scope, &name);
    let changed = cx.db().modify::<Group, _>(&key, |group| {
        change(&mut group.tags).map_err(|why| error::invalid_tags(&why))?;
        Ok(true)
    });
    let found = changed.await?;
    found.ok_or_else(|| error::group_not_found(&name)).map(drop)
}

pub async fn tag_resource(
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let given = parse(input.tags)?;
    change(&cx, &input.resource_arn, |tags| tags::merge(tags, &given)).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<Scheduler>,
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
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let name = named(&cx, &input.resource_arn)?;
    let tags = group(&cx, &name).await?.map(|group| group.value.tags);
    let tags = tags.unwrap_or_default().into_iter();
    let tags = tags.map(|(key, value)| api::Tag { key, value }).collect();
    Ok(api::ListTagsForResourceOutput { tags: Some(tags) })
}

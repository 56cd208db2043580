//! Tags of groups
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html>).

use super::{PAGE, all, change, paged, size, text};
use crate::model::{Group, Tag};
use crate::{Autoscaling, error};
use neargate_api_autoscaling as api;
use neargate_service::tags::{MAX_TAGS, is_reserved};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) fn of_new(name: &str, given: &[api::Tag]) -> Result<BTreeMap<String, Tag>, AwsError> {
    let mut tags = BTreeMap::new();
    for tag in given {
        if tag.resource_id.as_ref().is_some_and(|id| id != name) {
            return Err(error::validation(
                "The ResourceId of the tag does not match the AutoScalingGroupName.",
            ));
        }
        put(&mut tags, tag)?;
    }
    Ok(tags)
}

fn put(tags: &mut BTreeMap<String, Tag>, given: &api::Tag) -> Result<(), AwsError> {
    let kind = given.resource_type.as_deref();
    if kind.is_some_and(|kind| kind != "auto-scaling-group") {
        return Err(error::validation(
            "The only supported ResourceType is auto-scaling-group.",
        ));
    }
    if is_reserved(&given.key) {
        return Err(error::validation(
            "Tag keys starting with 'aws:' are reserved for system use",
        ));
    }
    let tag = Tag {
        value: given.value.clone().unwrap_or_default(),
        propagates: given.propagate_at_launch == Some(true),
    };
    tags.insert(given.key.clone(), tag);
    match tags.len() > MAX_TAGS {
        true => Err(error::limit_exceeded("Tags per AutoScalingGroup", MAX_TAGS)),
        false => Ok(()),
    }
}

/// The tags of a call by the groups that it names.
fn by_group(tags: &[api::Tag]) -> Result<BTreeMap<String, Vec<api::Tag>>, AwsError> {
    let mut groups: BTreeMap<String, Vec<api::Tag>> = BTreeMap::new();
    for tag in tags {
        let Some(name) = tag.resource_id.clone() else {
            return Err(error::validation("The ResourceId of a tag is required."));
        };
        groups.entry(name).or_default().push(tag.clone());
    }
    Ok(groups)
}

/// # Errors
/// `ValidationError` in the words that the operations on tags have for it.
async fn exist<'a>(cx: &Ctx, names: impl Iterator<Item = &'a String>) -> Result<(), AwsError> {
    let known: BTreeSet<String> = all(cx).await?.into_iter().map(|g| g.value.name).collect();
    for name in names {
        if !known.contains(name) {
            return Err(error::resource_not_found(name));
        }
    }
    Ok(())
}

pub async fn create_or_update_tags(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::CreateOrUpdateTagsInput,
) -> Result<Unit, AwsError> {
    let groups = by_group(&input.tags)?;
    exist(&cx, groups.keys()).await?;
    for (name, new) in groups {
        change(&cx, &name, |group| {
            new.iter().try_for_each(|tag| put(&mut group.tags, tag))
        })
        .await?;
    }
    Ok(Unit)
}

pub async fn delete_tags(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DeleteTagsInput,
) -> Result<Unit, AwsError> {
    let groups = by_group(&input.tags)?;
    exist(&cx, groups.keys()).await?;
    for (name, doomed) in groups {
        change(&cx, &name, |group| {
            group.tags.retain(|key, tag| {
                let hit = |d: &api::Tag| {
                    d.key == *key && d.value.as_ref().is_none_or(|v| *v == tag.value)
                };
                !doomed.iter().any(hit)
            });
            Ok(())
        })
        .await?;
    }
    Ok(Unit)
}

pub async fn describe_tags(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeTagsInput,
) -> Result<api::DescribeTagsOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let filters = input.filters.unwrap_or_default();
    for filter in &filters {
        let name = filter.name.as_deref().unwrap_or_default();
        let known = ["auto-scaling-group", "key", "value", "propagate-at-launch"];
        if !known.contains(&name) {
            return Err(error::validation(format!(
                "The filter {name} is not valid."
            )));
        }
    }
    let groups = all(&cx).await?;
    let tags = groups.iter().flat_map(|g| shown(g));
    let tags = tags.filter(|t| filters.iter().all(|f| fits(t, f)));
    let position = |t: &api::TagDescription| {
        let of = |s: &Option<String>| s.clone().unwrap_or_default();
        format!(
            "{}\u{0}{}",
            crate::model::escaped(&of(&t.resource_id)),
            of(&t.key)
        )
    };
    let found = paged(tags, input.next_token.as_deref(), limit, position)?;
    Ok(api::DescribeTagsOutput {
        tags: Some(found.items),
        next_token: found.next_token,
    })
}

fn fits(tag: &api::TagDescription, filter: &api::Filter) -> bool {
    let value = match filter.name.as_deref() {
        Some("auto-scaling-group") => tag.resource_id.clone(),
        Some("key") => tag.key.clone(),
        Some("value") => tag.value.clone(),
        _ => tag.propagate_at_launch.map(|p| p.to_string()),
    };
    let values = filter.values.as_deref().unwrap_or_default();
    value.is_some_and(|v| values.contains(&v))
}

pub(super) fn shown(group: &Group) -> Vec<api::TagDescription> {
    let tags = group.tags.iter();
    tags.map(|(key, tag)| api::TagDescription {
        resource_id: text(&group.name),
        resource_type: text("auto-scaling-group"),
        key: text(key),
        value: text(&tag.value),
        propagate_at_launch: Some(tag.propagates),
    })
    .collect()
}

//! Tags of everything that has an ARN.

use super::shown::tag_list;
use crate::model::{Instance, ParameterGroup, Snapshot, SubnetGroup};
use crate::{Rds, error};
use neargate_api_rds as api;
use neargate_service::tags::{self, InvalidTags, Tags};
use neargate_service::{AwsError, Ctx, Resource, db};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// The tags that a caller sent.
pub fn parse(given: Option<Vec<api::Tag>>) -> Result<Tags, AwsError> {
    let pairs = given.into_iter().flatten();
    let pairs = pairs.map(|t| (t.key.unwrap_or_default(), t.value.unwrap_or_default()));
    tags::parse(pairs).map_err(error::tags)
}

trait Tagged: Resource {
    fn tags(&mut self) -> &mut Tags;
}

macro_rules! tagged {
    ($($kind:ty),*) => {
        $(impl Tagged for $kind {
            fn tags(&mut self) -> &mut Tags {
                &mut self.tags
            }
        })*
    };
}

tagged!(Instance, Snapshot, SubnetGroup, ParameterGroup);

async fn change_of<T: Tagged>(
    cx: &Ctx,
    id: &str,
    missing: AwsError,
    change: impl Fn(&mut Tags) -> Result<(), InvalidTags>,
) -> Result<Tags, AwsError> {
    if !super::is_key(id) {
        return Err(missing);
    }
    let key = db::key::<T>(&cx.scope, id);
    let changed = cx.db().modify::<T, _>(&key, |resource| {
        let tags = resource.tags();
        let before = tags.clone();
        change(tags).map_err(error::tags)?;
        Ok(*tags != before)
    });
    match changed.await? {
        Some(mut stored) => Ok(stored.value.tags().clone()),
        None => Err(missing),
    }
}

async fn change(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut Tags) -> Result<(), InvalidTags>,
) -> Result<Tags, AwsError> {
    let own = cx.arn("rds", "");
    let named = arn.strip_prefix(&own).and_then(|rest| rest.split_once(':'));
    match named {
        Some(("db", id)) => {
            change_of::<Instance>(cx, id, error::instance_not_found(id), change).await
        }
        Some(("snapshot", id)) => {
            change_of::<Snapshot>(cx, id, error::snapshot_not_found(id), change).await
        }
        Some(("subgrp", id)) => {
            change_of::<SubnetGroup>(cx, id, error::subnet_group_not_found(id), change).await
        }
        Some(("pg", id)) => {
            let missing = error::parameter_group_not_found(id);
            change_of::<ParameterGroup>(cx, id, missing, change).await
        }
        _ => Err(error::value(format!(
            "The specified resource name does not match an RDS resource in this region: {arn}"
        ))),
    }
}

pub async fn add_tags_to_resource(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::AddTagsToResourceInput,
) -> Result<Unit, AwsError> {
    let given = parse(Some(input.tags))?;
    let add = |tags: &mut Tags| tags::merge(tags, &given);
    change(&cx, &input.resource_name, add).await?;
    Ok(Unit)
}

pub async fn remove_tags_from_resource(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::RemoveTagsFromResourceInput,
) -> Result<Unit, AwsError> {
    let remove = |tags: &mut Tags| {
        tags::remove(tags, &input.tag_keys);
        Ok(())
    };
    change(&cx, &input.resource_name, remove).await?;
    Ok(Unit)
}

pub async fn list_tags_for_resource(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let tags = change(&cx, &input.resource_name, |_| Ok(())).await?;
    Ok(api::ListTagsForResourceOutput {
        tag_list: Some(tag_list(&tags)),
    })
}

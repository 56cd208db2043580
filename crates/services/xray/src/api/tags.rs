//! Tags of groups and sampling rules.

use super::paged;
use crate::model::{Group, Rule, rule_arn};
use crate::{XRay, error};
use neargate_api_xray as api;
use neargate_service::tags::{self, InvalidTags, Tags};
use neargate_service::{AwsError, Ctx, db};
use std::sync::Arc;

/// The tags that a caller sent.
pub fn parse(given: Vec<api::Tag>, of: &str) -> Result<Tags, AwsError> {
    let pairs = given.into_iter().map(|t| (t.key, t.value));
    tags::parse(pairs).map_err(|why| error::invalid_tags(&why, of))
}

/// What an ARN names.
enum Named {
    Group(String),
    Rule(String),
}

async fn named(cx: &Ctx, arn: &str) -> Result<Named, AwsError> {
    let missing = || error::resource_not_found(arn);
    if let Some((_, rest)) = arn.split_once(":sampling-rule/") {
        let is_it = rule_arn(&cx.scope, rest) == arn;
        return is_it
            .then(|| Named::Rule(rest.to_owned()))
            .ok_or_else(missing);
    }
    let (_, rest) = arn.split_once(":group/").ok_or_else(missing)?;
    let name = rest.split('/').next().unwrap_or_default();
    let stored = cx.db().get::<Group>(&cx.scope, name).await?;
    let is_it = stored.is_some_and(|group| group.arn(&cx.scope) == arn);
    is_it
        .then(|| Named::Group(name.to_owned()))
        .ok_or_else(missing)
}

async fn change(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut Tags) -> Result<(), InvalidTags>,
) -> Result<(), AwsError> {
    let change = |tags: &mut Tags| {
        change(tags).map_err(|why| error::invalid_tags(&why, arn))?;
        Ok(true)
    };
    let found = match named(cx, arn).await? {
        Named::Group(name) => {
            let key = db::key::<Group>(&cx.scope, &name);
            let changed = cx
                .db()
                .modify::<Group, _>(&key, |group| change(&mut group.tags));
            changed.await?.is_some()
        }
        Named::Rule(name) => {
            let key = db::key::<Rule>(&cx.scope, &name);
            let changed = cx
                .db()
                .modify::<Rule, _>(&key, |rule| change(&mut rule.tags));
            changed.await?.is_some()
        }
    };
    found
        .then_some(())
        .ok_or_else(|| error::resource_not_found(arn))
}

pub async fn tag_resource(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let given = parse(input.tags, &input.resource_arn)?;
    change(&cx, &input.resource_arn, |tags| tags::merge(tags, &given)).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    let remove = |tags: &mut Tags| {
        tags::remove(tags, &input.tag_keys);
        Ok(())
    };
    change(&cx, &input.resource_arn, remove).await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let arn = &input.resource_arn;
    let tags = match named(&cx, arn).await? {
        Named::Group(name) => {
            let stored = cx.db().get::<Group>(&cx.scope, &name).await?;
            stored.map(|group| group.value.tags)
        }
        Named::Rule(name) => {
            let stored = cx.db().get::<Rule>(&cx.scope, &name).await?;
            stored.map(|rule| rule.value.tags)
        }
    };
    let tags = tags.ok_or_else(|| error::resource_not_found(arn))?;
    let page = paged(
        tags.into_iter().collect(),
        input.next_token.as_deref(),
        |(key, _): &(String, String)| key.clone(),
    )?;
    let tags = page.items.into_iter();
    Ok(api::ListTagsForResourceOutput {
        tags: Some(tags.map(|(key, value)| api::Tag { key, value }).collect()),
        next_token: page.next_token,
    })
}

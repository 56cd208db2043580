//! Tags of pipelines and of action types.

use crate::model::{CustomType, Pipeline};
use crate::{CodePipeline, error};
use neargate_api_codepipeline as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, db, tags};
use std::sync::Arc;

/// The tags that a caller sent.
pub fn parse(given: Vec<api::Tag>) -> Result<tags::Tags, AwsError> {
    let pairs = given.into_iter().map(|t| (t.key, t.value));
    tags::parse(pairs).map_err(|why| error::invalid_tags(&why))
}

/// What an ARN names: a pipeline, or `actiontype:Custom/Category/Provider/Version`.
enum Named {
    Pipeline(String),
    Type(String),
}

fn named(cx: &Ctx, arn: &str) -> Result<Named, AwsError> {
    let parsed: Arn = arn.parse().map_err(|_| error::invalid_arn(arn))?;
    if parsed.service != "codepipeline" || !cx.scope.holds(&parsed) {
        return Err(error::invalid_arn(arn));
    }
    Ok(match parsed.resource.strip_prefix("actiontype:Custom/") {
        Some(id) => Named::Type(id.to_owned()),
        None => Named::Pipeline(parsed.resource),
    })
}

async fn change(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut tags::Tags) -> Result<(), tags::InvalidTags>,
) -> Result<tags::Tags, AwsError> {
    let changed = |tags: &mut tags::Tags| -> Result<bool, AwsError> {
        let before = tags.clone();
        change(tags).map_err(|why| error::invalid_tags(&why))?;
        Ok(*tags != before)
    };
    match named(cx, arn)? {
        Named::Pipeline(name) => {
            let key = db::key::<Pipeline>(&cx.scope, &name);
            let found = cx
                .db()
                .modify::<Pipeline, _>(&key, |p| changed(&mut p.tags));
            let found = found.await?;
            let found = found.ok_or_else(|| error::resource_not_found(&cx.scope, &name))?;
            Ok(found.value.tags)
        }
        Named::Type(id) => {
            let key = db::key::<CustomType>(&cx.scope, &id);
            let found = cx
                .db()
                .modify::<CustomType, _>(&key, |t| changed(&mut t.tags));
            let found = found.await?;
            let found = found.ok_or_else(|| error::resource_not_found(&cx.scope, &id))?;
            Ok(found.value.tags)
        }
    }
}

pub async fn tag_resource(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let given = parse(input.tags)?;
    change(&cx, &input.resource_arn, |tags| tags::merge(tags, &given)).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<CodePipeline>,
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
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let tags = change(&cx, &input.resource_arn, |_| Ok(())).await?;
    let tags = tags.into_iter();
    let tags = tags.map(|(key, value)| api::Tag { key, value }).collect();
    Ok(api::ListTagsForResourceOutput {
        tags: Some(tags),
        next_token: None,
    })
}

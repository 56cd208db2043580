//! Tags of repositories.

use super::repositories::change;
use super::{paged, repository};
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, tags};
use neargate_wire::structure::Unit;
use std::sync::Arc;

const PAGE: usize = 50;

/// The repository's name in its ARN.
fn named(cx: &Ctx, arn: &str) -> Result<String, AwsError> {
    let parsed: Arn = arn.parse().map_err(|_| error::invalid_arn())?;
    match parsed.service == "codecommit" && cx.scope.holds(&parsed) {
        true => Ok(parsed.resource),
        false => Err(error::invalid_arn()),
    }
}

pub async fn tag_resource(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<Unit, AwsError> {
    let name = named(&cx, &input.resource_arn)?;
    let given = tags::parse(input.tags).map_err(error::tags)?;
    let set = change(&cx, &name, |repository| {
        tags::merge(&mut repository.tags, &given).map_err(error::tags)
    });
    set.await.map(|_| Unit {})
}

pub async fn untag_resource(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<Unit, AwsError> {
    let name = named(&cx, &input.resource_arn)?;
    let set = change(&cx, &name, |repository| {
        tags::remove(&mut repository.tags, &input.tag_keys);
        Ok(())
    });
    set.await.map(|_| Unit {})
}

pub async fn list_tags_for_resource(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let found = repository(&cx, &named(&cx, &input.resource_arn)?).await?;
    let all: Vec<(String, String)> = found.value.tags.into_iter().collect();
    let page = paged(all, input.next_token.as_deref(), PAGE, |(key, _)| {
        key.clone()
    })?;
    Ok(api::ListTagsForResourceOutput {
        tags: Some(page.items.into_iter().collect()),
        next_token: page.next_token,
    })
}

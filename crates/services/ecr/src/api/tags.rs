//! Tags of repositories (AWS's resource tags, not those of images).

use crate::Ecr;
use crate::contents::Contents;
use crate::model::Repository;
use crate::{error, grant};
use neargate_api_ecr as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, Scope, tags};
use std::sync::Arc;

/// The repository an ARN names.
async fn resource(cx: &Ctx, arn: &str, action: &str) -> Result<Contents, AwsError> {
    let invalid = || error::invalid_parameter("resourceArn", "must be the ARN of a repository");
    let arn: Arn = arn.parse().map_err(|_| invalid())?;
    let (kind, name) = arn.resource_type();
    if arn.service != "ecr" || kind != "repository" || arn.region != cx.scope.region.as_str() {
        return Err(invalid());
    }
    let account = arn.account.parse().map_err(|_| invalid())?;
    let scope = Scope {
        account,
        region: cx.scope.region.clone(),
    };
    grant::open(&cx.house, &cx.scope.account, &scope, name, &[action]).await
}

async fn change(
    cx: &Ctx,
    contents: &Contents,
    mut change: impl FnMut(&mut tags::Tags),
) -> Result<(), AwsError> {
    let changed = cx
        .db()
        .modify::<Repository, _>(&contents.repository.key, |r| {
            change(&mut r.tags);
            if r.tags.len() > tags::MAX_TAGS {
                return Err(error::invalid_tags(tags::InvalidTags::TooMany));
            }
            Ok(true)
        });
    let missing = || error::repository_not_found(&contents.scope, contents.name());
    changed.await?.ok_or_else(missing).map(drop)
}

pub async fn tag_resource(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let contents = resource(&cx, &input.resource_arn, "TagResource").await?;
    let given = input.tags.into_iter().map(|t| (t.key, t.value));
    let given = tags::parse(given).map_err(error::invalid_tags)?;
    change(&cx, &contents, |tags| tags.extend(given.clone())).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    let contents = resource(&cx, &input.resource_arn, "UntagResource").await?;
    change(&cx, &contents, |tags| {
        tags.retain(|key, _| !input.tag_keys.contains(key))
    })
    .await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let contents = resource(&cx, &input.resource_arn, "ListTagsForResource").await?;
    let tags = contents.repository.value.tags.into_iter();
    let tags = tags.map(|(key, value)| api::Tag { key, value }).collect();
    Ok(api::ListTagsForResourceOutput { tags: Some(tags) })
}

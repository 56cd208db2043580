//! Tags of repositories (AWS's resource tags, not those of images).

use crate::Ecr;
use crate::contents::Contents;
use crate::{error, grant};
use neargate_api_ecr as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, tags};
use std::sync::Arc;

/// The repository an ARN names.
async fn resource(cx: &Ctx, arn: &str, action: &str) -> Result<Contents, AwsError> {
    let arn: Arn = arn.parse().map_err(|_| error::invalid_resource_arn())?;
    let (kind, name) = arn.resource_type();
    if arn.service != "ecr" || kind != "repository" || arn.region != cx.scope.region.as_str() {
        return Err(error::invalid_resource_arn());
    }
    let account = arn.account.parse();
    let scope = cx
        .scope
        .of_account(account.map_err(|_| error::invalid_resource_arn())?);
    Ok(grant::open(&cx.house, &cx.principal, &scope, name, &[action]).await?)
}

pub async fn tag_resource(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let contents = resource(&cx, &input.resource_arn, "TagResource").await?;
    let given = input.tags.into_iter().map(|t| (t.key, t.value));
    let given = tags::parse(given).map_err(error::invalid_tags)?;
    contents
        .modify(|r| tags::merge(&mut r.tags, &given).map_err(error::invalid_tags))
        .await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    let contents = resource(&cx, &input.resource_arn, "UntagResource").await?;
    contents
        .modify(|r| {
            tags::remove(&mut r.tags, &input.tag_keys);
            Ok(())
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

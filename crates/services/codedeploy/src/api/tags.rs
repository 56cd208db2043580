//! Tags of applications and deployment groups.

use crate::model::{Application, Group};
use crate::{CodeDeploy, error};
use neargate_api_codedeploy as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, db, tags};
use std::sync::Arc;

/// The tags that a caller sent.
pub fn parse(given: Vec<api::Tag>) -> Result<tags::Tags, AwsError> {
    let pairs = given.into_iter();
    let pairs = pairs.map(|t| (t.key.unwrap_or_default(), t.value.unwrap_or_default()));
    tags::parse(pairs).map_err(|why| error::invalid_tags(&why))
}

async fn change(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut tags::Tags) -> Result<(), tags::InvalidTags>,
) -> Result<tags::Tags, AwsError> {
    let wrong = || error::named("InvalidArn", format!("Invalid ARN: {arn}"));
    let parsed: Arn = arn.parse().map_err(|_| wrong())?;
    if parsed.service != "codedeploy" || !cx.scope.holds(&parsed) {
        return Err(wrong());
    }
    let changed = |tags: &mut tags::Tags| -> Result<bool, AwsError> {
        let before = tags.clone();
        change(tags).map_err(|why| error::invalid_tags(&why))?;
        Ok(*tags != before)
    };
    match parsed.resource.split_once(':') {
        Some(("application", name)) => {
            let key = db::key::<Application>(&cx.scope, name);
            let found = cx
                .db()
                .modify::<Application, _>(&key, |of| changed(&mut of.tags));
            let found = found.await?.ok_or_else(|| error::no_application(name))?;
            Ok(found.value.tags)
        }
        Some(("deploymentgroup", id)) => {
            let key = db::key::<Group>(&cx.scope, id);
            let found = cx.db().modify::<Group, _>(&key, |of| changed(&mut of.tags));
            let found = found.await?.ok_or_else(|| error::no_group(id))?;
            Ok(found.value.tags)
        }
        _ => Err(wrong()),
    }
}

pub async fn tag_resource(
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let given = parse(input.tags)?;
    change(&cx, &input.resource_arn, |tags| tags::merge(tags, &given)).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<CodeDeploy>,
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
    _: Arc<CodeDeploy>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let tags = change(&cx, &input.resource_arn, |_| Ok(())).await?;
    let tags = tags.into_iter().map(|(key, value)| api::Tag {
        key: Some(key),
        value: Some(value),
    });
    Ok(api::ListTagsForResourceOutput {
        tags: Some(tags.collect()),
        next_token: None,
    })
}

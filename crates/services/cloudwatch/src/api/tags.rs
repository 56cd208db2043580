//! Tags of alarms, their mute rules, and dashboards.

use crate::model::{Alarm, Dashboard, MuteRule};
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, alarm, db, tags};
use std::sync::Arc;

/// The tags that a caller sent.
pub fn parse(given: Vec<api::Tag>) -> Result<tags::Tags, AwsError> {
    let pairs = given.into_iter().map(|t| (t.key, t.value));
    tags::parse(pairs).map_err(error::invalid_tags)
}

/// What an ARN names.
enum Tagged {
    Alarm(String),
    MuteRule(String),
    Dashboard(String),
}

fn tagged(cx: &Ctx, arn: &str) -> Result<Tagged, AwsError> {
    let invalid = || error::not_a_value("ResourceARN", arn);
    let parsed: Arn = arn.parse().map_err(|_| invalid())?;
    if parsed.service != "cloudwatch" || parsed.account != cx.scope.account.as_str() {
        return Err(invalid());
    }
    if let Some(name) = parsed.resource.strip_prefix("alarm:") {
        let key = db::key::<Alarm>(&cx.scope, &alarm::id(name));
        return Ok(Tagged::Alarm(key));
    }
    if let Some(name) = parsed.resource.strip_prefix("alarm-mute-rule:") {
        return Ok(Tagged::MuteRule(super::mute_rules::key(&cx.scope, name)));
    }
    match parsed.resource.strip_prefix("dashboard/") {
        Some(name) => Ok(Tagged::Dashboard(db::key::<Dashboard>(&cx.scope, name))),
        None => Err(error::resource_not_found()),
    }
}

async fn change(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut tags::Tags) -> Result<(), tags::InvalidTags>,
) -> Result<(), AwsError> {
    let changed = match tagged(cx, arn)? {
        Tagged::Alarm(key) => {
            let alarm = cx.db().modify::<Alarm, _>(&key, |alarm| {
                change(&mut alarm.tags).map_err(error::invalid_tags)?;
                Ok(true)
            });
            alarm.await?.is_some()
        }
        Tagged::MuteRule(key) => {
            let rule = cx.db().modify::<MuteRule, _>(&key, |rule| {
                change(&mut rule.tags).map_err(error::invalid_tags)?;
                Ok(true)
            });
            rule.await?.is_some()
        }
        Tagged::Dashboard(key) => {
            let dashboard = cx.db().modify::<Dashboard, _>(&key, |dashboard| {
                change(&mut dashboard.tags).map_err(error::invalid_tags)?;
                Ok(true)
            });
            dashboard.await?.is_some()
        }
    };
    changed.then_some(()).ok_or_else(error::resource_not_found)
}

pub async fn tag_resource(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let given = parse(input.tags)?;
    change(&cx, &input.resource_arn, |tags| tags::merge(tags, &given)).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<CloudWatch>,
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
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let found = match tagged(&cx, &input.resource_arn)? {
        Tagged::Alarm(key) => cx.db().get_key::<Alarm>(&key).await?.map(|a| a.value.tags),
        Tagged::MuteRule(key) => {
            let rule = cx.db().get_key::<MuteRule>(&key).await?;
            rule.map(|rule| rule.value.tags)
        }
        Tagged::Dashboard(key) => cx
            .db()
            .get_key::<Dashboard>(&key)
            .await?
            .map(|d| d.value.tags),
    };
    let found = found.ok_or_else(error::resource_not_found)?;
    let tags = found
        .into_iter()
        .map(|(key, value)| api::Tag { key, value });
    Ok(api::ListTagsForResourceOutput {
        tags: Some(tags.collect()),
    })
}

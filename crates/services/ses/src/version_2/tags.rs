//! Tags of identities, configuration sets and templates.

use super::worded;
use crate::model::settings::{ConfigurationSet, Identity, Template, id};
use crate::{Ses, error, identity};
use neargate_api_sesv2 as api;
use neargate_service::tags::{self, InvalidTags, Tags};
use neargate_service::{AwsError, Ctx, db};
use std::sync::Arc;

/// Changes the tags of what an ARN names, and answers them.
async fn change(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut Tags) -> Result<bool, InvalidTags>,
) -> Result<Tags, AwsError> {
    let missing = || error::resource_missing(arn);
    let ours = cx.arn("ses", "");
    let resource = arn.strip_prefix(ours.as_str()).ok_or_else(missing)?;
    let (kind, name) = resource.split_once('/').ok_or_else(missing)?;
    let scope = &cx.scope;
    let said = |e: InvalidTags| error::tags(e);
    match kind {
        "identity" => {
            let key = db::key::<Identity>(scope, &id(&identity::named(name)));
            let done = cx
                .db()
                .modify::<Identity, _>(&key, |i| change(&mut i.tags).map_err(said));
            Ok(done.await?.ok_or_else(missing)?.value.tags)
        }
        "configuration-set" => {
            let key = db::key::<ConfigurationSet>(scope, &id(name));
            let done = cx
                .db()
                .modify::<ConfigurationSet, _>(&key, |s| change(&mut s.tags).map_err(said));
            Ok(done.await?.ok_or_else(missing)?.value.tags)
        }
        "template" => {
            let key = db::key::<Template>(scope, &id(name));
            let done = cx
                .db()
                .modify::<Template, _>(&key, |t| change(&mut t.tags).map_err(said));
            Ok(done.await?.ok_or_else(missing)?.value.tags)
        }
        _ => Err(missing()),
    }
}

pub async fn tag_resource(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let pairs = input.tags.into_iter().map(|t| (t.key, t.value));
    let given = tags::parse(pairs).map_err(error::tags)?;
    let add = |tags: &mut Tags| tags::merge(tags, &given).map(|()| true);
    worded(change(&cx, &input.resource_arn, add).await)?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    let remove = |tags: &mut Tags| Ok(tags::remove(tags, &input.tag_keys));
    worded(change(&cx, &input.resource_arn, remove).await)?;
    Ok(api::UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let tags = worded(change(&cx, &input.resource_arn, |_| Ok(false)).await)?;
    let tags = tags.into_iter().map(|(key, value)| api::Tag { key, value });
    Ok(api::ListTagsForResourceOutput {
        tags: Some(tags.collect()),
    })
}

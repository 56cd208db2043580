//! Tags of queues.

use super::{find, key_of};
use crate::model::Queue;
use crate::{Sqs, error};
use neargate_api_sqs as api;
use neargate_service::tags::{self, InvalidTags, Tags};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

async fn change(
    cx: &Ctx,
    url: &str,
    change: impl Fn(&mut Tags) -> Result<(), InvalidTags>,
) -> Result<(), AwsError> {
    let key = key_of(cx, url)?;
    let changed = cx.db().modify::<Queue, _>(&key, |queue| {
        change(&mut queue.tags).map_err(|why| error::invalid_tags(&why))?;
        Ok(true)
    });
    changed.await?.ok_or_else(error::no_queue).map(drop)
}

pub async fn tag_queue(
    _: Arc<Sqs>,
    cx: Ctx,
    input: api::TagQueueInput,
) -> Result<api::TagQueueOutput, AwsError> {
    let given = tags::parse(input.tags).map_err(|why| error::invalid_tags(&why))?;
    change(&cx, &input.queue_url, |tags| tags::merge(tags, &given)).await?;
    Ok(api::TagQueueOutput {})
}

pub async fn untag_queue(
    _: Arc<Sqs>,
    cx: Ctx,
    input: api::UntagQueueInput,
) -> Result<api::UntagQueueOutput, AwsError> {
    let remove = |tags: &mut Tags| {
        tags::remove(tags, &input.tag_keys);
        Ok(())
    };
    change(&cx, &input.queue_url, remove).await?;
    Ok(api::UntagQueueOutput {})
}

pub async fn list_queue_tags(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::ListQueueTagsInput,
) -> Result<api::ListQueueTagsOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let tags = found.queue.value.tags;
    Ok(api::ListQueueTagsOutput {
        tags: (!tags.is_empty()).then_some(tags),
    })
}

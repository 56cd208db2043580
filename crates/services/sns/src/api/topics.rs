//! Topics.

use super::{tags, topic_name};
use crate::model::Topic;
use crate::{Sns, attributes, error};
use neargate_api_sns as api;
use neargate_service::page::page;
use neargate_service::{AwsError, Committed, Ctx, db};
use std::sync::Arc;

/// AWS's own.
const PAGE: usize = 100;

pub async fn create_topic(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::CreateTopicInput,
) -> Result<api::CreateTopicOutput, AwsError> {
    if input.data_protection_policy.is_some() {
        return Err(AwsError::not_implemented("sns", "DataProtectionPolicy"));
    }
    let given = input.attributes.unwrap_or_default();
    let topic = Topic {
        attributes: attributes::at_creation(&input.name, given)?,
        tags: tags::parse(input.tags.unwrap_or_default())?,
        created_at: cx.now(),
        name: input.name,
    };
    let key = db::key::<Topic>(&cx.scope, &topic.name);
    let arn = cx.arn("sns", &topic.name);
    loop {
        if let Some(there) = cx.db().get_key::<Topic>(&key).await? {
            return same(&topic, &there).map(|()| created(arn));
        }
        match cx.db().tx().create(key.clone(), &topic).commit().await? {
            Committed::At(_) => return Ok(created(arn)),
            Committed::Conflict => {}
        }
    }
}

fn created(arn: String) -> api::CreateTopicOutput {
    api::CreateTopicOutput {
        topic_arn: Some(arn),
    }
}

/// A topic is made once; who asks again may name no attribute and no tag that it does not have.
fn same(asked: &Topic, there: &Topic) -> Result<(), AwsError> {
    let mut attributes = asked.attributes.iter();
    if !attributes.all(|(name, value)| there.attributes.get(name) == Some(value)) {
        return Err(error::invalid_parameter(
            "Attributes Reason: Topic already exists with different attributes",
        ));
    }
    if !asked.tags.is_empty() && asked.tags != there.tags {
        return Err(error::invalid_parameter(
            "Tags Reason: Topic already exists with different tags",
        ));
    }
    Ok(())
}

/// A topic that does not exist is as good as deleted.
pub async fn delete_topic(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::DeleteTopicInput,
) -> Result<api::DeleteTopicOutput, AwsError> {
    let name = topic_name(&cx, "TopicArn", &input.topic_arn, "DeleteTopic")?;
    let key = db::key::<Topic>(&cx.scope, &name);
    // Without a compare there is no conflict.
    let _ = cx.db().tx().delete_key(key).commit().await?;
    Ok(api::DeleteTopicOutput {})
}

pub async fn list_topics(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::ListTopicsInput,
) -> Result<api::ListTopicsOutput, AwsError> {
    let all = cx.db().list::<Topic>(&cx.scope).await?;
    let token = input.next_token.as_deref();
    let paged = page(all, token, PAGE, |topic| topic.name.clone())
        .map_err(|_| error::invalid_parameter("NextToken"))?;
    let shown = |name: &str| api::Topic {
        topic_arn: Some(cx.arn("sns", name)),
    };
    Ok(api::ListTopicsOutput {
        topics: Some(paged.items.iter().map(|t| shown(&t.name)).collect()),
        next_token: paged.next_token,
    })
}

pub async fn get_topic_attributes(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::GetTopicAttributesInput,
) -> Result<api::GetTopicAttributesOutput, AwsError> {
    let name = topic_name(&cx, "TopicArn", &input.topic_arn, "GetTopicAttributes")?;
    let topic = cx.db().get::<Topic>(&cx.scope, &name).await?;
    let topic = topic.ok_or_else(error::topic_not_found)?;
    let attributes = attributes::described(&topic, &input.topic_arn, &cx.scope);
    Ok(api::GetTopicAttributesOutput {
        attributes: Some(attributes),
    })
}

pub async fn set_topic_attributes(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::SetTopicAttributesInput,
) -> Result<api::SetTopicAttributesOutput, AwsError> {
    let name = topic_name(&cx, "TopicArn", &input.topic_arn, "SetTopicAttributes")?;
    let (attribute, value) = (input.attribute_name, input.attribute_value);
    let value = value.unwrap_or_default();
    let key = db::key::<Topic>(&cx.scope, &name);
    let changed = cx.db().modify::<Topic, _>(&key, |topic| {
        attributes::check_change(topic, &attribute, &value)?;
        topic.attributes.insert(attribute.clone(), value.clone());
        Ok(true)
    });
    changed.await?.ok_or_else(error::topic_not_found)?;
    Ok(api::SetTopicAttributesOutput {})
}

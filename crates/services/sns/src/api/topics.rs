//! Topics.

use super::{Place, place, place_for, tags};
use crate::model::{Subscription, Topic};
use crate::{Sns, attributes, error, topics};
use neargate_api_sns as api;
use neargate_service::page::page;
use neargate_service::{AwsError, Committed, Ctx, db};
use std::sync::Arc;

/// AWS's own.
const PAGE: usize = 100;
/// Subscriptions of one transaction.
const DELETED_TOGETHER: usize = 500;

pub async fn create_topic(
    sns: Arc<Sns>,
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
        subscriptions_deleted: 0,
        name: input.name,
    };
    let key = db::key::<Topic>(&cx.scope, &topic.name);
    let arn = cx.arn("sns", &topic.name);
    loop {
        if let Some(there) = cx.db().get_key::<Topic>(&key).await? {
            return same(&topic, &there).map(|()| created(arn));
        }
        let mut tx = cx.db().tx().create(key.clone(), &topic);
        // What a deletion that was cut short left of one of this name.
        for left in topics::subscriptions(&cx.house, &cx.scope, &topic.name).await? {
            let id = Subscription::key_id(&left.topic, &left.id);
            tx = tx.delete_key(db::key::<Subscription>(&cx.scope, &id));
        }
        if let Committed::At(_) = tx.commit().await? {
            sns.deliveries.topics.changed(&cx.scope, &topic.name);
            return Ok(created(arn));
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

/// A topic that does not exist is as good as deleted. Its subscriptions go with it.
pub async fn delete_topic(
    sns: Arc<Sns>,
    cx: Ctx,
    input: api::DeleteTopicInput,
) -> Result<api::DeleteTopicOutput, AwsError> {
    let asked = place(&cx, "TopicArn", &input.topic_arn)?;
    let Place { scope, name } = match asked.scope.account == cx.scope.account {
        true => asked,
        false => place_for(&cx, "TopicArn", &input.topic_arn, "DeleteTopic").await?,
    };
    // Nobody can subscribe any more once it is gone, and then none is missed. Without a compare there
    // is no conflict.
    let key = db::key::<Topic>(&scope, &name);
    let _ = cx.db().tx().delete_key(key).commit().await?;
    sns.deliveries.topics.changed(&scope, &name);
    let left = topics::subscriptions(&cx.house, &scope, &name).await?;
    for some in left.chunks(DELETED_TOGETHER) {
        let mut tx = cx.db().tx();
        for one in some {
            let id = Subscription::key_id(&one.topic, &one.id);
            tx = tx.delete_key(db::key::<Subscription>(&scope, &id));
        }
        let _ = tx.commit().await?;
    }
    sns.deliveries.topics.changed(&scope, &name);
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
    let arn = &input.topic_arn;
    let Place { scope, name } = place_for(&cx, "TopicArn", arn, "GetTopicAttributes").await?;
    let topic = cx.db().get::<Topic>(&scope, &name).await?;
    let topic = topic.ok_or_else(error::topic_not_found)?;
    let all = topics::subscriptions(&cx.house, &scope, &name).await?;
    let mut attributes = attributes::described(&topic, arn, &scope);
    let confirmed = all.iter().filter(|s| s.confirmed.is_some()).count();
    let mut count = |name: &str, value: String| attributes.insert(name.to_owned(), value);
    count("SubscriptionsConfirmed", confirmed.to_string());
    count("SubscriptionsPending", (all.len() - confirmed).to_string());
    count(
        "SubscriptionsDeleted",
        topic.subscriptions_deleted.to_string(),
    );
    Ok(api::GetTopicAttributesOutput {
        attributes: Some(attributes),
    })
}

pub async fn set_topic_attributes(
    sns: Arc<Sns>,
    cx: Ctx,
    input: api::SetTopicAttributesInput,
) -> Result<api::SetTopicAttributesOutput, AwsError> {
    let arn = &input.topic_arn;
    let Place { scope, name } = place_for(&cx, "TopicArn", arn, "SetTopicAttributes").await?;
    let (attribute, value) = (input.attribute_name, input.attribute_value);
    let value = value.unwrap_or_default();
    let key = db::key::<Topic>(&scope, &name);
    let changed = cx.db().modify::<Topic, _>(&key, |topic| {
        attributes::check_change(topic, &attribute, &value)?;
        topic.attributes.insert(attribute.clone(), value.clone());
        Ok(true)
    });
    changed.await?.ok_or_else(error::topic_not_found)?;
    sns.deliveries.topics.changed(&scope, &name);
    Ok(api::SetTopicAttributesOutput {})
}

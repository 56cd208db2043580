//! Subscriptions.

use super::{Place, Subscribed, place_for, subscribed};
use crate::message::{Kind as MessageKind, Message};
use crate::model::{Confirmation, Protocol, Subscription, Topic};
use crate::subscription::{self, effective_delivery_policy};
use crate::{Sns, api::confirm, error, topics};
use neargate_api_sns as api;
use neargate_service::identity::Kind;
use neargate_service::page::page;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE: usize = 100;
/// AWS's limit of standard topics is higher: each publication looks at all of them.
const MOST: usize = 10_000;
/// AWS's own (<https://docs.aws.amazon.com/general/latest/gr/sns.html>).
const MOST_OF_FIFO: usize = 100;

pub async fn subscribe(
    sns: Arc<Sns>,
    cx: Ctx,
    input: api::SubscribeInput,
) -> Result<api::SubscribeOutput, AwsError> {
    let place = place_for(&cx, "TopicArn", &input.topic_arn, "Subscribe").await?;
    let topic = cx.db().get::<Topic>(&place.scope, &place.name).await?;
    topic.ok_or_else(error::topic_not_found)?;
    let endpoint = input.endpoint.unwrap_or_default();
    let protocol = subscription::protocol(&input.protocol, &endpoint, &place.name)?;
    if matches!(protocol, Protocol::Http | Protocol::Https) {
        let allowed = cx.house.outbound.check(&endpoint);
        allowed.map_err(|why| error::unreachable_endpoint(&why))?;
    }
    let given = input.attributes.unwrap_or_default();
    let attributes = subscription::at_creation(given, protocol, &endpoint, &place.name)?;
    let shows_arn = input.return_subscription_arn == Some(true);
    loop {
        let topic = cx.db().get::<Topic>(&place.scope, &place.name).await?;
        let topic = topic.ok_or_else(error::topic_not_found)?;
        let all = topics::subscriptions(&cx.house, &place.scope, &place.name).await?;
        let same = |s: &&Subscription| s.protocol == protocol && s.endpoint == endpoint;
        if let Some(there) = all.iter().find(same) {
            let differs = attributes
                .iter()
                .any(|(k, v)| there.attributes.get(k) != Some(v));
            if differs {
                return Err(error::invalid_parameter(
                    "Attributes Reason: Subscription already exists with different attributes",
                ));
            }
            if there.confirmed.is_none() {
                ask_to_confirm(&sns, &cx, &place, &topic, there).await?;
            }
            return Ok(answer(&place, there, shows_arn));
        }
        let most = if topic.is_fifo() { MOST_OF_FIFO } else { MOST };
        if all.len() >= most {
            return Err(error::too_many_subscriptions());
        }
        let new = Subscription {
            topic: place.name.clone(),
            id: cx.house.rng.uuid(),
            protocol,
            endpoint: endpoint.clone(),
            owner: cx.scope.account.to_string(),
            principal: cx.principal.arn.clone(),
            attributes: attributes.clone(),
            created_at: cx.now(),
            // A queue of who subscribes it needs no further word.
            confirmed: (protocol == Protocol::Sqs && is_of(&cx, &endpoint)).then_some(
                Confirmation {
                    authenticated: true,
                    guarded: false,
                },
            ),
        };
        let key = db::key::<Subscription>(&place.scope, &Subscription::key_id(&new.topic, &new.id));
        let tx = cx.db().tx().create(key, &new).unchanged(&topic);
        if let Committed::Conflict = tx.commit().await? {
            continue;
        }
        sns.deliveries.topics.changed(&place.scope, &place.name);
        if new.confirmed.is_none() {
            ask_to_confirm(&sns, &cx, &place, &topic, &new).await?;
        }
        return Ok(answer(&place, &new, shows_arn));
    }
}

/// Is the queue of the account that calls?
fn is_of(cx: &Ctx, queue_arn: &str) -> bool {
    queue_arn.split(':').nth(4) == Some(cx.scope.account.as_str())
}

fn answer(place: &Place, of: &Subscription, shows_arn: bool) -> api::SubscribeOutput {
    let arn = match of.confirmed.is_some() || shows_arn {
        true => arn_of(place, of),
        false => "pending confirmation".to_owned(),
    };
    api::SubscribeOutput {
        subscription_arn: Some(arn),
    }
}

fn arn_of(place: &Place, of: &Subscription) -> String {
    let id = Subscription::key_id(&of.topic, &of.id);
    place.scope.arn("sns", id)
}

async fn ask_to_confirm(
    sns: &Sns,
    cx: &Ctx,
    place: &Place,
    topic: &Topic,
    of: &Subscription,
) -> Result<(), AwsError> {
    let topic_arn = place.scope.arn("sns", &place.name);
    let text = format!(
        "You have chosen to subscribe to the topic {topic_arn}.\nTo confirm the subscription, visit the \
         SubscribeURL included in this message."
    );
    let token = confirm::token(cx, &arn_of(place, of), None);
    let kind = MessageKind::SubscriptionConfirmation { token };
    let message = said(cx, topic, topic_arn, kind, text);
    sns.deliveries.tell(message, &of.id).await
}

/// What SNS says itself.
fn said(cx: &Ctx, topic: &Topic, topic_arn: String, kind: MessageKind, text: String) -> Message {
    Message {
        kind,
        id: cx.house.rng.uuid(),
        topic_arn,
        subject: None,
        text,
        texts: BTreeMap::new(),
        attributes: BTreeMap::new(),
        order: None,
        group: None,
        at: cx.now(),
        signature_version: super::publish::signature_version(topic),
        ended: None,
    }
}

/// A subscription that is not there is as good as ended.
pub async fn unsubscribe(
    sns: Arc<Sns>,
    cx: Ctx,
    input: api::UnsubscribeInput,
) -> Result<api::UnsubscribeOutput, AwsError> {
    let arn = &input.subscription_arn;
    let Some(named) = subscribed(&cx, arn)? else {
        return Err(error::invalid_parameter("SubscriptionId"));
    };
    let Place { scope, name } = &named.place;
    loop {
        let there = cx.db().get::<Subscription>(scope, &named.key_id()).await?;
        let Some(there) = there else {
            return Ok(api::UnsubscribeOutput {});
        };
        let unproven = cx.principal.kind == Kind::Anonymous;
        let is_owner = !unproven && is_mine(&cx, &named, &there);
        let guarded = there.confirmed.is_some_and(|c| c.guarded);
        if !is_owner && (!unproven || guarded) {
            return Err(error::not_authorized(&cx.principal.arn, "Unsubscribe", arn));
        }
        let mut tx = cx.db().tx().delete(&there);
        let topic = cx.db().get::<Topic>(scope, name).await?;
        if let Some(topic) = &topic {
            let mut changed = topic.value.clone();
            changed.subscriptions_deleted += 1;
            tx = tx.update(topic, &changed);
        }
        if let Committed::Conflict = tx.commit().await? {
            continue;
        }
        sns.deliveries.topics.changed(scope, name);
        if let Some(topic) = topic.filter(|_| unproven && there.confirmed.is_some()) {
            farewell(&sns, &cx, &named, &topic, &there).await?;
        }
        return Ok(api::UnsubscribeOutput {});
    }
}

/// Whoever followed a link may not have been the owner: the endpoint is told how to take that back.
async fn farewell(
    sns: &Sns,
    cx: &Ctx,
    named: &Subscribed,
    topic: &Topic,
    there: &Stored<Subscription>,
) -> Result<(), AwsError> {
    let arn = arn_of(&named.place, there);
    let text = format!(
        "You have chosen to deactivate subscription {arn}.\nTo cancel this operation and restore the \
         subscription, visit the SubscribeURL included in this message."
    );
    let token = confirm::token(cx, &arn, Some(&there.value));
    let kind = MessageKind::UnsubscribeConfirmation { token };
    let topic_arn = named.place.scope.arn("sns", &named.place.name);
    let mut message = said(cx, topic, topic_arn, kind, text);
    message.ended = Some(Box::new(there.value.clone()));
    sns.deliveries.tell(message, &there.value.id).await
}

/// Does it belong to the caller's account, as its own or as its topic's?
fn is_mine(cx: &Ctx, named: &Subscribed, of: &Subscription) -> bool {
    cx.principal.kind == Kind::Service
        || named.place.scope.account == cx.scope.account
        || of.owner == cx.scope.account.as_str()
}

/// The caller's subscription.
async fn mine(
    cx: &Ctx,
    arn: &str,
    action: &str,
) -> Result<(Subscribed, Stored<Subscription>), AwsError> {
    let named = subscribed(cx, arn)?.ok_or_else(error::subscription_not_found)?;
    let there = cx
        .db()
        .get::<Subscription>(&named.place.scope, &named.key_id())
        .await?;
    match there {
        Some(there) if is_mine(cx, &named, &there) => Ok((named, there)),
        Some(_) => Err(error::not_authorized(&cx.principal.arn, action, arn)),
        None => Err(error::subscription_not_found()),
    }
}

pub async fn get_subscription_attributes(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::GetSubscriptionAttributesInput,
) -> Result<api::GetSubscriptionAttributesOutput, AwsError> {
    let action = "GetSubscriptionAttributes";
    let (named, there) = mine(&cx, &input.subscription_arn, action).await?;
    let Place { scope, name } = &named.place;
    let topic = cx.db().get::<Topic>(scope, name).await?;
    let mut shown = subscription::described(&there, &arn_of(&named.place, &there));
    shown.insert("TopicArn".into(), scope.arn("sns", name));
    if let Some(policy) = topic.and_then(|t| effective_delivery_policy(&t, &there)) {
        shown.insert("EffectiveDeliveryPolicy".into(), policy);
    }
    Ok(api::GetSubscriptionAttributesOutput {
        attributes: Some(shown),
    })
}

pub async fn set_subscription_attributes(
    sns: Arc<Sns>,
    cx: Ctx,
    input: api::SetSubscriptionAttributesInput,
) -> Result<api::SetSubscriptionAttributesOutput, AwsError> {
    let action = "SetSubscriptionAttributes";
    let (named, there) = mine(&cx, &input.subscription_arn, action).await?;
    let value = input.attribute_value.unwrap_or_default();
    let changed = cx.db().modify::<Subscription, _>(&there.key, |s| {
        subscription::set(s, &input.attribute_name, &value)?;
        Ok(true)
    });
    changed.await?.ok_or_else(error::subscription_not_found)?;
    let Place { scope, name } = &named.place;
    sns.deliveries.topics.changed(scope, name);
    Ok(api::SetSubscriptionAttributesOutput {})
}

fn shown(cx: &Ctx, key: &str, of: &Subscription) -> api::Subscription {
    let scope = neargate_service::Scope::of_key(key).unwrap_or_else(|| cx.scope.clone());
    let arn = match of.confirmed {
        Some(_) => scope.arn("sns", Subscription::key_id(&of.topic, &of.id)),
        None => "PendingConfirmation".to_owned(),
    };
    api::Subscription {
        subscription_arn: Some(arn),
        owner: Some(of.owner.clone()),
        protocol: Some(of.protocol.name().to_owned()),
        endpoint: Some(of.endpoint.clone()),
        topic_arn: Some(scope.arn("sns", &of.topic)),
    }
}

/// Those that the account owns, also where the topic is another's.
pub async fn list_subscriptions(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::ListSubscriptionsInput,
) -> Result<api::ListSubscriptionsOutput, AwsError> {
    use neargate_service::Resource as _;
    let prefix = format!("{}/", Subscription::KIND);
    let mut all = cx.db().list_prefix::<Subscription>(&prefix).await?;
    let region = cx.scope.region.as_str();
    all.retain(|s| s.owner == cx.scope.account.as_str() && s.key.split('/').nth(3) == Some(region));
    let token = input.next_token.as_deref();
    let paged = page(all, token, PAGE, |s| s.key.clone())
        .map_err(|_| error::invalid_parameter("NextToken"))?;
    Ok(api::ListSubscriptionsOutput {
        subscriptions: Some(paged.items.iter().map(|s| shown(&cx, &s.key, s)).collect()),
        next_token: paged.next_token,
    })
}

pub async fn list_subscriptions_by_topic(
    _: Arc<Sns>,
    cx: Ctx,
    input: api::ListSubscriptionsByTopicInput,
) -> Result<api::ListSubscriptionsByTopicOutput, AwsError> {
    let action = "ListSubscriptionsByTopic";
    let Place { scope, name } = place_for(&cx, "TopicArn", &input.topic_arn, action).await?;
    let topic = cx.db().get::<Topic>(&scope, &name).await?;
    topic.ok_or_else(error::topic_not_found)?;
    let prefix = db::key::<Subscription>(&scope, &Subscription::key_id(&name, ""));
    let all = cx.db().list_prefix::<Subscription>(&prefix).await?;
    let token = input.next_token.as_deref();
    let paged = page(all, token, PAGE, |s| s.key.clone())
        .map_err(|_| error::invalid_parameter("NextToken"))?;
    Ok(api::ListSubscriptionsByTopicOutput {
        subscriptions: Some(paged.items.iter().map(|s| shown(&cx, &s.key, s)).collect()),
        next_token: paged.next_token,
    })
}

//! Topics that are told of an identity's bounces and deliveries.

use crate::{Ses, error, identity};
use neargate_api_ses as api;
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

const KINDS: [&str; 3] = ["Bounce", "Complaint", "Delivery"];

fn check(kind: &str) -> Result<(), AwsError> {
    match KINDS.contains(&kind) {
        true => Ok(()),
        false => Err(error::invalid_parameter(format!(
            "Invalid notification type: {kind}. Valid values are: Bounce, Complaint, Delivery."
        ))),
    }
}

pub async fn set_identity_notification_topic(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::SetIdentityNotificationTopicInput,
) -> Result<api::SetIdentityNotificationTopicOutput, AwsError> {
    check(&input.notification_type)?;
    let topic = input.sns_topic.filter(|t| !t.is_empty());
    if let Some(arn) = topic.as_deref()
        && arn.split(':').nth(2) != Some("sns")
    {
        return Err(error::invalid_parameter(format!(
            "Invalid Topic ARN: {arn}"
        )));
    }
    identity::change(&cx, &input.identity, |identity| {
        match &topic {
            Some(arn) => identity
                .topics
                .insert(input.notification_type.clone(), arn.clone()),
            None => identity.topics.remove(&input.notification_type),
        };
        Ok(true)
    })
    .await?;
    Ok(api::SetIdentityNotificationTopicOutput {})
}

pub async fn set_identity_feedback_forwarding_enabled(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::SetIdentityFeedbackForwardingEnabledInput,
) -> Result<api::SetIdentityFeedbackForwardingEnabledOutput, AwsError> {
    identity::change(&cx, &input.identity, |identity| {
        let told = ["Bounce", "Complaint"].iter().all(|k| identity.topics.contains_key(*k));
        if !input.forwarding_enabled && !told {
            return Err(error::invalid_parameter(format!(
                "Identity <{}> must have bounce and complaint topics to disable feedback forwarding.",
                identity.name
            )));
        }
        identity.no_feedback = !input.forwarding_enabled;
        Ok(true)
    })
    .await?;
    Ok(api::SetIdentityFeedbackForwardingEnabledOutput {})
}

pub async fn set_identity_headers_in_notifications_enabled(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::SetIdentityHeadersInNotificationsEnabledInput,
) -> Result<api::SetIdentityHeadersInNotificationsEnabledOutput, AwsError> {
    check(&input.notification_type)?;
    identity::change(&cx, &input.identity, |identity| {
        match input.enabled {
            true => identity.headers_in.insert(input.notification_type.clone()),
            false => identity.headers_in.remove(&input.notification_type),
        };
        Ok(true)
    })
    .await?;
    Ok(api::SetIdentityHeadersInNotificationsEnabledOutput {})
}

pub async fn get_identity_notification_attributes(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetIdentityNotificationAttributesInput,
) -> Result<api::GetIdentityNotificationAttributesOutput, AwsError> {
    let mut said = BTreeMap::new();
    for name in input.identities {
        let Some(identity) = identity::find(&cx, &name).await? else {
            continue;
        };
        let topic = |kind: &str| identity.topics.get(kind).cloned();
        let headers = |kind: &str| Some(identity.headers_in.contains(kind));
        said.insert(
            name,
            api::IdentityNotificationAttributes {
                bounce_topic: topic("Bounce"),
                complaint_topic: topic("Complaint"),
                delivery_topic: topic("Delivery"),
                forwarding_enabled: Some(!identity.no_feedback),
                headers_in_bounce_notifications_enabled: headers("Bounce"),
                headers_in_complaint_notifications_enabled: headers("Complaint"),
                headers_in_delivery_notifications_enabled: headers("Delivery"),
            },
        );
    }
    Ok(api::GetIdentityNotificationAttributesOutput {
        notification_attributes: Some(said),
    })
}

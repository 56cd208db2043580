//! Amazon SNS: topics, who is subscribed, and the delivery of what is published
//! ([`deliver`]): to queues of SQS, to endpoints by HTTP, and by mail.

mod api;
mod attributes;
mod deliver;
mod door;
mod error;
mod filter;
mod message;
mod model;
mod signing;
mod subscription;
#[cfg(test)]
mod tests;
mod topics;

use async_trait::async_trait;
use deliver::Deliveries;
use neargate_api_sns::{SERVICE, ops};
use neargate_service::door::HttpDoor;
use neargate_service::{
    AfterReset, AwsError, Background, Component, House, OperationTable, Service,
};
use neargate_wire::route::Door;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What SNS's handlers share.
#[derive(Debug)]
pub struct Sns {
    deliveries: Arc<Deliveries>,
}

impl Sns {
    /// Opens the journal of what is to be delivered. Blocks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(journal: &Path) -> io::Result<Sns> {
        let deliveries = Deliveries::open(journal)?;
        Ok(Sns { deliveries })
    }
}

#[async_trait]
impl Component for Sns {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        let deliveries = self.deliveries.clone();
        background.spawn("sns-delivery-log", deliveries.write_log(house));
    }

    fn resume(self: Arc<Self>, house: &Arc<House>) {
        self.deliveries.begin(house);
    }

    fn doors(self: Arc<Self>) -> Vec<(Door, Arc<dyn HttpDoor>)> {
        let door = door::CertificateDoor(self.deliveries.clone());
        vec![(Door::SigningCertificate, Arc::new(door))]
    }

    async fn reset(self: Arc<Self>, _: &Arc<House>) -> Result<AfterReset, AwsError> {
        let forget = async move || self.deliveries.forget().await;
        Ok(AfterReset::new(forget))
    }
}

/// Which operations are served, and how completely.
fn table(sns: Arc<Sns>) -> OperationTable<Sns> {
    use api::{confirm, permissions, publish, subscriptions, tags, topics};
    OperationTable::new(&SERVICE, sns)
        .wording(error::invalid)
        // Their proof is in what they name: a token, and the id of a subscription.
        .for_anybody(ops::ConfirmSubscription)
        .for_anybody(ops::Unsubscribe)
        .on(ops::AddPermission, permissions::add_permission)
        .on(ops::ConfirmSubscription, confirm::confirm_subscription)
        .partly(ops::CreateTopic, topics::create_topic, OF_TOPICS)
        .on(ops::DeleteTopic, topics::delete_topic)
        .on(
            ops::GetSubscriptionAttributes,
            subscriptions::get_subscription_attributes,
        )
        .on(ops::GetTopicAttributes, topics::get_topic_attributes)
        .on(ops::ListSubscriptions, subscriptions::list_subscriptions)
        .on(
            ops::ListSubscriptionsByTopic,
            subscriptions::list_subscriptions_by_topic,
        )
        .on(ops::ListTagsForResource, tags::list_tags_for_resource)
        .on(ops::ListTopics, topics::list_topics)
        .partly(ops::Publish, publish::publish, OF_PUBLISH)
        .on(ops::PublishBatch, publish::publish_batch)
        .on(ops::RemovePermission, permissions::remove_permission)
        .partly(
            ops::SetSubscriptionAttributes,
            subscriptions::set_subscription_attributes,
            "SubscriptionRoleArn and ReplayPolicy are refused",
        )
        .partly(
            ops::SetTopicAttributes,
            topics::set_topic_attributes,
            OF_TOPICS,
        )
        .partly(ops::Subscribe, subscriptions::subscribe, OF_SUBSCRIBE)
        .on(ops::TagResource, tags::tag_resource)
        .on(ops::Unsubscribe, subscriptions::unsubscribe)
        .on(ops::UntagResource, tags::untag_resource)
}

const OF_TOPICS: &str = "ArchivePolicy and data protection policies are refused; tracing has no effect; a key's \
    policy does not bind services that publish";
const OF_PUBLISH: &str = "to topics; phone numbers and platform endpoints are refused";
const OF_SUBSCRIBE: &str = "by sqs, http, https, email and email-json; sms, application, lambda and firehose are \
    refused; a standard topic has 10,000 subscriptions at most";

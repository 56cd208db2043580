//! Amazon SNS: so far topics, their attributes and tags. What is published is taken, and delivered to
//! no one: there are no subscriptions.

mod api;
mod attributes;
mod error;
mod model;

#[cfg(test)]
mod tests;

use neargate_api_sns::{SERVICE, ops};
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// SNS's handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct Sns;

impl Component for Sns {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{publish, tags, topics};
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .partly(ops::CreateTopic, topics::create_topic, KEPT)
            .on(ops::DeleteTopic, topics::delete_topic)
            .on(ops::ListTopics, topics::list_topics)
            .partly(ops::Publish, publish::publish, TAKEN)
            .on(ops::GetTopicAttributes, topics::get_topic_attributes)
            .partly(ops::SetTopicAttributes, topics::set_topic_attributes, KEPT)
            .on(ops::TagResource, tags::tag_resource)
            .on(ops::UntagResource, tags::untag_resource)
            .on(ops::ListTagsForResource, tags::list_tags_for_resource);
        Arc::new(table)
    }
}

const KEPT: &str = "topics and attributes are kept; nothing can be subscribed to yet, so that none of them \
                    has an effect; a data protection policy is refused";
const TAKEN: &str = "messages to topics are taken and counted in AWS/SNS; nothing can be subscribed to yet, so \
                     that they go to no one";

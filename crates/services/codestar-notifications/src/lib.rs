//! AWS CodeStar Notifications: who is told of what happens to repositories, builds, deployments and pipelines.
//!
//! A notification rule is kept here; its controller gives EventBridge the rules that it stands for, as AWS does,
//! whose targets are the topics. So events are matched, delivered and tried again where all others are.

mod api;
mod controller;
mod error;
mod kinds;
mod model;

#[cfg(test)]
mod tests;

use neargate_api_codestar_notifications::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct CodeStarNotifications;

const TARGETS: &str = "targets are SNS topics of the same account and region, whose policies are not asked; chat \
                       clients are refused";
const DETAIL: &str = "FULL tells no more than BASIC; targets are SNS topics of the same account and region, whose \
                      policies are not asked; chat clients are refused";

impl Component for CodeStarNotifications {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{kinds, rules, tags, targets};
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .partly(
                ops::CreateNotificationRule,
                rules::create_notification_rule,
                DETAIL,
            )
            .partly(
                ops::UpdateNotificationRule,
                rules::update_notification_rule,
                DETAIL,
            )
            .on(
                ops::DescribeNotificationRule,
                rules::describe_notification_rule,
            )
            .on(ops::DeleteNotificationRule, rules::delete_notification_rule)
            .on(ops::ListNotificationRules, rules::list_notification_rules)
            .on(ops::ListEventTypes, kinds::list_event_types)
            .partly(ops::Subscribe, targets::subscribe, TARGETS)
            .on(ops::Unsubscribe, targets::unsubscribe)
            .on(ops::ListTargets, targets::list_targets)
            .on(ops::DeleteTarget, targets::delete_target)
            .on(ops::TagResource, tags::tag_resource)
            .on(ops::UntagResource, tags::untag_resource)
            .on(ops::ListTagsForResource, tags::list_tags_for_resource);
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(controller::Rules::new(house));
    }
}

//! Amazon EventBridge: buses, rules and their targets, archives.
//!
//! An event is posted ([`neargate_service::events`]) by whoever makes it, and by `PutEvents`; [`expand`] finds
//! the rules that it matches and makes of each of their targets an invocation
//! ([`neargate_service::invocation`]), which [`deliver`] carries out, as it does for EventBridge Scheduler.
//! [`schedule`] posts the events of rules that have a schedule. Each step ends in one transaction that takes
//! away what it was made from, so that an event is lost at none, and may be delivered twice.

mod api;
mod api_destination;
mod archive;
mod authorize;
mod connection;
mod deliver;
mod destinations;
mod error;
mod expand;
mod index;
mod input;
mod metrics;
mod model;
mod name;
mod policy;
mod replay;
mod retention;
mod schedule;
mod target;

#[cfg(test)]
mod tests;

use index::Index;
use neargate_api_events::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// What its handlers share besides the house.
#[derive(Debug, Default)]
pub struct Events {
    index: Arc<Index>,
}

#[async_trait::async_trait]
impl Component for Events {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{
            api_destinations, archives, buses, connections, events, permissions, replays, rules,
            tags, targets,
        };
        let table = OperationTable::new(&SERVICE, self)
            .partly(ops::CreateEventBus, buses::create_event_bus, BUSES)
            .on(ops::DeleteEventBus, buses::delete_event_bus)
            .on(ops::DescribeEventBus, buses::describe_event_bus)
            .on(ops::ListEventBuses, buses::list_event_buses)
            .partly(ops::UpdateEventBus, buses::update_event_bus, BUSES)
            .on(ops::PutPermission, permissions::put_permission)
            .on(ops::RemovePermission, permissions::remove_permission)
            .on(ops::PutRule, rules::put_rule)
            .on(ops::DescribeRule, rules::describe_rule)
            .on(ops::ListRules, rules::list_rules)
            .on(ops::EnableRule, rules::enable_rule)
            .on(ops::DisableRule, rules::disable_rule)
            .on(ops::DeleteRule, rules::delete_rule)
            .on(ops::ListRuleNamesByTarget, rules::list_rule_names_by_target)
            .partly(ops::PutTargets, targets::put_targets, TARGETS)
            .on(ops::RemoveTargets, targets::remove_targets)
            .on(ops::ListTargetsByRule, targets::list_targets_by_rule)
            .partly(ops::PutEvents, events::put_events, ENDPOINTS)
            .on(ops::TestEventPattern, events::test_event_pattern)
            .partly(ops::CreateArchive, archives::create_archive, KEYS)
            .on(ops::DescribeArchive, archives::describe_archive)
            .on(ops::ListArchives, archives::list_archives)
            .partly(ops::UpdateArchive, archives::update_archive, KEYS)
            .on(ops::DeleteArchive, archives::delete_archive)
            .on(ops::StartReplay, replays::start_replay)
            .on(ops::DescribeReplay, replays::describe_replay)
            .on(ops::ListReplays, replays::list_replays)
            .on(ops::CancelReplay, replays::cancel_replay)
            .partly(
                ops::CreateConnection,
                connections::create_connection,
                CONNECTIONS,
            )
            .partly(
                ops::UpdateConnection,
                connections::update_connection,
                CONNECTIONS,
            )
            .on(ops::DeleteConnection, connections::delete_connection)
            .on(
                ops::DeauthorizeConnection,
                connections::deauthorize_connection,
            )
            .on(ops::DescribeConnection, connections::describe_connection)
            .on(ops::ListConnections, connections::list_connections)
            .on(
                ops::CreateApiDestination,
                api_destinations::create_api_destination,
            )
            .on(
                ops::UpdateApiDestination,
                api_destinations::update_api_destination,
            )
            .on(
                ops::DeleteApiDestination,
                api_destinations::delete_api_destination,
            )
            .on(
                ops::DescribeApiDestination,
                api_destinations::describe_api_destination,
            )
            .on(
                ops::ListApiDestinations,
                api_destinations::list_api_destinations,
            )
            .on(ops::TagResource, tags::tag_resource)
            .on(ops::UntagResource, tags::untag_resource)
            .on(ops::ListTagsForResource, tags::list_tags_for_resource);
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        house.events.take(self.index.clone());
        let followed = index::follow(self.index.clone(), house.db.clone(), house.rng.clone());
        background.spawn("events-index", followed);
        background.control(expand::Expand::new(house.clone(), self.index.clone()));
        background.control(deliver::Deliver::new(house.clone()));
        background.control(authorize::Authorize::new(house.clone()));
        background.control(schedule::Schedules::new(house.clone()));
        background.control(replay::Replays::new(house.clone()));
        background.control(retention::Retention::new(house));
    }

    async fn ready(&self) {
        self.index.at(0).await;
    }
}

const BUSES: &str = "partner event sources, keys of customers and logging are refused; the bus's own dead-letter queue is kept and not used";
const TARGETS: &str = "targets are ECS clusters, SNS topics, SQS queues, log groups, event buses, CodePipeline, \
                       CodeBuild and API destinations; others are refused";
const CONNECTIONS: &str = "private connectivity and keys of customers are refused";
const KEYS: &str = "keys of customers are refused";
const ENDPOINTS: &str = "global endpoints are refused";

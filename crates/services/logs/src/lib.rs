//! Amazon CloudWatch Logs: groups, streams, events and their search.
//!
//! Groups are resources of the store. Streams and events live in the [`engine`], under a key
//! that a group gets when it is made, so that a group deleted and made again starts empty.

mod api;
mod controller;
pub mod engine;
mod error;
mod exports;
mod extraction;
mod ingest;
mod insights;
mod model;
pub mod pattern;
mod reference;
mod tail;

#[cfg(test)]
mod tests;

pub use controller::Retention;
pub use engine::{EngineError, LogEngine};

use async_trait::async_trait;
use extraction::Extraction;
use insights::queries::Queries;
use neargate_api_logs::{SERVICE, ops};
use neargate_service::{
    AfterReset, AwsError, Background, Component, House, OperationTable, Service,
};
use std::sync::Arc;
use tail::Tails;

/// What the handlers of CloudWatch Logs share.
#[derive(Debug)]
pub struct Logs {
    pub engine: Arc<LogEngine>,
    extraction: Arc<Extraction>,
    queries: Queries,
    tails: Tails,
}

impl Logs {
    pub fn new(engine: Arc<LogEngine>) -> Logs {
        let extraction = Arc::default();
        let queries = Queries::default();
        Logs {
            engine,
            extraction,
            queries,
            tails: Tails::default(),
        }
    }
}

#[async_trait]
impl Component for Logs {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        background.control(Retention {
            db: background.house().db.clone(),
            engine: self.engine.clone(),
        });
        background.control(exports::Exports {
            house: background.house().clone(),
            engine: self.engine.clone(),
        });
        let house = background.house().clone();
        let silence = self.extraction.clone().keep_silence(house);
        background.spawn("metric-filter-defaults", silence);
    }

    /// Streams and events are the engine's; the groups go with the store.
    async fn reset(self: Arc<Self>, house: &Arc<House>) -> Result<AfterReset, AwsError> {
        let now = house.now();
        let wipe = async move || {
            self.extraction.reset();
            self.queries.reset(now);
            self.engine.wipe().await.map_err(error::engine)
        };
        Ok(AfterReset::new(wipe))
    }
}

/// Which operations are served, and how completely.
fn table(logs: Arc<Logs>) -> OperationTable<Logs> {
    use api::{
        events, exports, filters, groups, insights, kms, live_tail, policies, query_definitions,
        retention, streams, subscriptions, tags,
    };
    OperationTable::new(&SERVICE, logs)
        .wording(error::invalid)
        // Docker's awslogs driver has long sent the bytes of a line as they were
        // (<https://github.com/moby/moby/pull/37986> counts what becomes of them).
        .any_text(ops::PutLogEvents)
        .partly(
            ops::CreateLogGroup,
            groups::create_log_group,
            "kmsKeyId is stored, events are not encrypted by it",
        )
        .on(ops::DeleteLogGroup, groups::delete_log_group)
        .partly(
            ops::DescribeLogGroups,
            groups::describe_log_groups,
            "no linked accounts",
        )
        .on(
            ops::PutLogGroupDeletionProtection,
            groups::put_log_group_deletion_protection,
        )
        .on(ops::CreateLogStream, streams::create_log_stream)
        .on(ops::DeleteLogStream, streams::delete_log_stream)
        .on(ops::DescribeLogStreams, streams::describe_log_streams)
        .partly(
            ops::PutLogEvents,
            events::put_log_events,
            "an entity is accepted and not stored",
        )
        .on(ops::GetLogEvents, events::get_log_events)
        .on(ops::FilterLogEvents, events::filter_log_events)
        .going_on(ops::StartLiveTail, live_tail::start_live_tail)
        .partly(
            ops::PutSubscriptionFilter,
            subscriptions::put_subscription_filter,
            "nothing that a filter may lead to is served: Kinesis, Firehose, Lambda and OpenSearch \
             are refused",
        )
        .partly(
            ops::DescribeSubscriptionFilters,
            subscriptions::describe_subscription_filters,
            "there are none",
        )
        .partly(
            ops::DeleteSubscriptionFilter,
            subscriptions::delete_subscription_filter,
            "there are none",
        )
        .partly(
            ops::PutDestination,
            subscriptions::put_destination,
            "Kinesis and Firehose, which destinations lead to, are refused",
        )
        .partly(
            ops::DescribeDestinations,
            subscriptions::describe_destinations,
            "there are none",
        )
        .partly(
            ops::PutDestinationPolicy,
            subscriptions::put_destination_policy,
            "there are no destinations",
        )
        .partly(
            ops::DeleteDestination,
            subscriptions::delete_destination,
            "there are none",
        )
        .partly(
            ops::PutResourcePolicy,
            policies::put_resource_policy,
            "those of a single log group are kept and asked by nobody",
        )
        .on(
            ops::DescribeResourcePolicies,
            policies::describe_resource_policies,
        )
        .on(ops::DeleteResourcePolicy, policies::delete_resource_policy)
        .on(ops::CreateExportTask, exports::create_export_task)
        .on(ops::DescribeExportTasks, exports::describe_export_tasks)
        .on(ops::CancelExportTask, exports::cancel_export_task)
        .partly(
            ops::AssociateKmsKey,
            kms::associate_kms_key,
            "refused: events are not encrypted by a key",
        )
        .on(ops::DisassociateKmsKey, kms::disassociate_kms_key)
        .partly(
            ops::ListLogGroups,
            groups::list_log_groups,
            "no linked accounts, data sources and field indexes",
        )
        .on(ops::PutRetentionPolicy, retention::put_retention_policy)
        .on(
            ops::DeleteRetentionPolicy,
            retention::delete_retention_policy,
        )
        .on(ops::TagLogGroup, tags::tag_log_group)
        .on(ops::UntagLogGroup, tags::untag_log_group)
        .on(ops::ListTagsLogGroup, tags::list_tags_log_group)
        .partly(ops::TagResource, tags::tag_resource, "log groups")
        .partly(ops::UntagResource, tags::untag_resource, "log groups")
        .partly(
            ops::ListTagsForResource,
            tags::list_tags_for_resource,
            "log groups",
        )
        .partly(
            ops::PutMetricFilter,
            filters::put_metric_filter,
            "fieldSelectionCriteria is refused; there are no transformed logs; at 1,000 different \
             dimensions in an hour a filter goes on with those it has",
        )
        .on(ops::DescribeMetricFilters, filters::describe_metric_filters)
        .on(ops::DeleteMetricFilter, filters::delete_metric_filter)
        .on(ops::TestMetricFilter, filters::test_metric_filter)
        .partly(
            ops::StartQuery,
            insights::start_query,
            "Logs Insights QL without SOURCE, diff, anomaly, unmask, lookup, join, subqueries \
             and filterIndex, which are refused, as OpenSearch's languages are; patterns are found in \
             a way of Neargate's own; fields are found in JSON only; a query that gathers more than 128 MiB fails; two queries run at a time",
        )
        .partly(
            ops::GetQueryResults,
            insights::get_query_results,
            "no partial results; the latest 1,000 queries and 128 MiB of results are kept, in memory",
        )
        .on(ops::StopQuery, insights::stop_query)
        .partly(
            ops::DescribeQueries,
            insights::describe_queries,
            "the latest 1,000, since the start",
        )
        .on(
            ops::ListLogGroupsForQuery,
            insights::list_log_groups_for_query,
        )
        .on(ops::GetLogRecord, insights::get_log_record)
        .partly(
            ops::GetLogGroupFields,
            insights::get_log_group_fields,
            "of the latest 2,000 events of the time",
        )
        .on(
            ops::PutQueryDefinition,
            query_definitions::put_query_definition,
        )
        .on(
            ops::DescribeQueryDefinitions,
            query_definitions::describe_query_definitions,
        )
        .on(
            ops::DeleteQueryDefinition,
            query_definitions::delete_query_definition,
        )
}

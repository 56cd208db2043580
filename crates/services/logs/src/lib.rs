//! Amazon CloudWatch Logs: groups, streams, events and their search.
//!
//! Groups are resources of the store. Streams and events live in the [`engine`], under a key
//! that a group gets when it is made, so that a group deleted and made again starts empty.

mod api;
mod controller;
pub mod engine;
mod error;
mod extraction;
mod ingest;
mod insights;
mod model;
pub mod pattern;
mod reference;

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

/// What the handlers of CloudWatch Logs share.
#[derive(Debug)]
pub struct Logs {
    pub engine: Arc<LogEngine>,
    extraction: Arc<Extraction>,
    queries: Queries,
}

impl Logs {
    pub fn new(engine: Arc<LogEngine>) -> Logs {
        let extraction = Arc::default();
        let queries = Queries::default();
        Logs {
            engine,
            extraction,
            queries,
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
    use api::{events, filters, groups, insights, query_definitions, retention, streams, tags};
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
            "Logs Insights QL without SOURCE, pattern, diff, anomaly, unmask, lookup, join, subqueries \
             and filterIndex, which are refused, as OpenSearch's languages are; fields are found in \
             JSON only; a query that gathers more than 128 MiB fails; two queries run at a time",
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

//! AWS X-Ray: traces of requests through services, what is asked of them, groups and sampling.
//!
//! Documents of segments are kept by the [`engine`]; [`trace`] understands them, [`filter`] finds them and
//! [`graph`] adds them up, all three pure. Groups, rules and policies are in the store.

mod api;
pub mod engine;
mod error;
pub mod filter;
mod graph;
mod model;
mod otlp;
mod query;
mod sampling;
#[cfg(test)]
mod tests;
pub mod trace;

pub use engine::{Engine, EngineError};

use async_trait::async_trait;
use neargate_api_xray::{SERVICE, ops};
use neargate_service::door::HttpDoor;
use neargate_service::{AfterReset, AwsError, Component, House, OperationTable, Service};
use neargate_wire::route::Door;
use std::sync::Arc;

/// What the handlers of X-Ray share.
#[derive(Debug)]
pub struct XRay {
    engine: Arc<Engine>,
    clients: sampling::Clients,
}

impl XRay {
    pub fn new(engine: Arc<Engine>) -> XRay {
        XRay {
            engine,
            clients: sampling::Clients::default(),
        }
    }
}

#[async_trait]
impl Component for XRay {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{graphs, groups, policies, rules, segments, settings, summaries, tags, targets};
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .on(ops::PutTraceSegments, segments::put_trace_segments)
            .partly(
                ops::PutTelemetryRecords,
                segments::put_telemetry_records,
                TELEMETRY,
            )
            .on(ops::BatchGetTraces, segments::batch_get_traces)
            .partly(
                ops::GetTraceSummaries,
                summaries::get_trace_summaries,
                CAUSES,
            )
            .partly(ops::GetServiceGraph, graphs::get_service_graph, GROUPS)
            .on(ops::GetTraceGraph, graphs::get_trace_graph)
            .partly(
                ops::GetTimeSeriesServiceStatistics,
                graphs::get_time_series_service_statistics,
                "no forecasts: they are refused; groups are judged when asked",
            )
            .partly(ops::CreateGroup, groups::create_group, GROUPS)
            .partly(ops::UpdateGroup, groups::update_group, GROUPS)
            .on(ops::GetGroup, groups::get_group)
            .on(ops::GetGroups, groups::get_groups)
            .on(ops::DeleteGroup, groups::delete_group)
            .partly(ops::CreateSamplingRule, rules::create_sampling_rule, BOOST)
            .partly(ops::UpdateSamplingRule, rules::update_sampling_rule, BOOST)
            .on(ops::DeleteSamplingRule, rules::delete_sampling_rule)
            .on(ops::GetSamplingRules, rules::get_sampling_rules)
            .partly(
                ops::GetSamplingTargets,
                targets::get_sampling_targets,
                BOOST,
            )
            .partly(
                ops::GetSamplingStatisticSummaries,
                targets::get_sampling_statistic_summaries,
                "of what was reported since the start of this Neargate",
            );
        let table = table
            .on(ops::TagResource, tags::tag_resource)
            .on(ops::UntagResource, tags::untag_resource)
            .on(ops::ListTagsForResource, tags::list_tags_for_resource)
            .partly(
                ops::PutResourcePolicy,
                policies::put_resource_policy,
                POLICIES,
            )
            .on(ops::DeleteResourcePolicy, policies::delete_resource_policy)
            .on(ops::ListResourcePolicies, policies::list_resource_policies)
            .on(ops::GetEncryptionConfig, settings::get_encryption_config)
            .partly(
                ops::PutEncryptionConfig,
                settings::put_encryption_config,
                "traces are not encrypted by keys of KMS: that is refused",
            )
            .on(
                ops::GetTraceSegmentDestination,
                settings::get_trace_segment_destination,
            )
            .partly(
                ops::UpdateTraceSegmentDestination,
                settings::update_trace_segment_destination,
                "XRay only: transaction search is not built, and refused",
            );
        Arc::new(table)
    }

    fn doors(self: Arc<Self>) -> Vec<(Door, Arc<dyn HttpDoor>)> {
        vec![(Door::Spans, Arc::new(otlp::SpanDoor(self)))]
    }

    /// Traces are the engine's; the rest goes with the store.
    async fn reset(self: Arc<Self>, _: &Arc<House>) -> Result<AfterReset, AwsError> {
        self.clients.forget();
        let wipe = async move || self.engine.wipe().await.map_err(error::engine);
        Ok(AfterReset::new(wipe))
    }
}

const TELEMETRY: &str = "what daemons count is logged and not kept";
const CAUSES: &str = "root causes are found by a rule of our own: AWS does not say what its is; groups are judged when \
     asked";
const GROUPS: &str = "no insights: they are refused; a group's traces are those that its expression takes when it is \
     asked, not when they came";
const BOOST: &str = "no sampling rate boost: it is refused";
const POLICIES: &str = "kept, and grant nothing";

//! Amazon CloudWatch: metrics, what is asked of them, alarms and dashboards.
//!
//! Points of metrics are kept by the [`engine`]. [`query`] computes what callers ask of them, with the
//! expressions of [`math`]; everything else is in the store.

mod alarm;
mod api;
pub mod engine;
mod error;
mod label;
mod math;
mod model;
pub mod prometheus;
mod publish;
mod query;
mod search;
mod series;
mod statistic;
#[cfg(test)]
mod tests;
mod widget;

pub use engine::{Engine, EngineError};

use async_trait::async_trait;
use neargate_api_cloudwatch::{SERVICE, ops};
use neargate_service::{
    AfterReset, AwsError, Background, Component, House, OperationTable, Service,
};
use std::sync::Arc;

/// What the handlers of CloudWatch share.
#[derive(Debug)]
pub struct CloudWatch {
    pub engine: Arc<Engine>,
    index: Arc<alarm::index::Index>,
}

impl CloudWatch {
    pub fn new(engine: Arc<Engine>) -> CloudWatch {
        let index = Arc::default();
        CloudWatch { engine, index }
    }
}

#[async_trait]
impl Component for CloudWatch {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        let observed = publish::Observed::new(self.engine.clone(), house.clock.clone());
        house.metrics.take(Arc::new(observed));
        let index = self.index.clone();
        background.spawn("alarms", alarm::index::follow(index.clone(), house.clone()));
        let keeper = alarm::keeper::Keeper {
            house: house.clone(),
            engine: self.engine.clone(),
            index,
        };
        background.spawn("alarm-keeper", keeper.run());
        background.control(alarm::act::Actor {
            house: house.clone(),
        });
        background.spawn("alarm-history", api::history::forget(house));
    }

    /// Metrics are the engine's; the rest goes with the store.
    async fn reset(self: Arc<Self>, _: &Arc<House>) -> Result<AfterReset, AwsError> {
        let wipe = async move || self.engine.wipe().await.map_err(error::engine);
        Ok(AfterReset::new(wipe))
    }
}

/// Which operations are served, and how completely.
fn table(cloudwatch: Arc<CloudWatch>) -> OperationTable<CloudWatch> {
    use api::{alarms, dashboards, data, history, list, mute_rules, put, statistics, tags, widget};
    OperationTable::new(&SERVICE, cloudwatch)
        .wording(error::invalid)
        .partly(ops::PutMetricData, put::put_metric_data, "entities are accepted and not kept")
        .on(ops::GetMetricStatistics, statistics::get_metric_statistics)
        .partly(
            ops::GetMetricData,
            data::get_metric_data,
            "no Metrics Insights queries, no anomaly detection, no linked accounts: they are refused; \
             LabelOptions has no effect",
        )
        .partly(ops::GetMetricWidgetImage, widget::get_metric_widget_image, OF_PICTURES)
        .partly(ops::ListMetrics, list::list_metrics, "no linked accounts")
        .on(ops::PutDashboard, dashboards::put_dashboard)
        .on(ops::GetDashboard, dashboards::get_dashboard)
        .on(ops::ListDashboards, dashboards::list_dashboards)
        .on(ops::DeleteDashboards, dashboards::delete_dashboards)
        .partly(ops::PutMetricAlarm, alarms::put_metric_alarm, OF_ALARMS)
        .partly(ops::PutCompositeAlarm, alarms::put_composite_alarm, OF_COMPOSITE)
        .on(ops::DescribeAlarms, alarms::describe_alarms)
        .on(ops::DescribeAlarmsForMetric, alarms::describe_alarms_for_metric)
        .on(ops::DescribeAlarmHistory, history::describe_alarm_history)
        .on(ops::SetAlarmState, alarms::set_alarm_state)
        .on(ops::EnableAlarmActions, alarms::enable_alarm_actions)
        .on(ops::DisableAlarmActions, alarms::disable_alarm_actions)
        .on(ops::DeleteAlarms, alarms::delete_alarms)
        .on(ops::PutAlarmMuteRule, mute_rules::put_alarm_mute_rule)
        .on(ops::GetAlarmMuteRule, mute_rules::get_alarm_mute_rule)
        .on(ops::ListAlarmMuteRules, mute_rules::list_alarm_mute_rules)
        .on(ops::DeleteAlarmMuteRule, mute_rules::delete_alarm_mute_rule)
        .partly(ops::TagResource, tags::tag_resource, OF_TAGS)
        .partly(ops::UntagResource, tags::untag_resource, OF_TAGS)
        .partly(ops::ListTagsForResource, tags::list_tags_for_resource, OF_TAGS)
}

const OF_PICTURES: &str = "lines over time, stacked or not, with a left axis and horizontal lines; other views, right \
    axes, alarms, bands, vertical lines and image/png answers are refused; fonts and distances are not AWS's";
const OF_ALARMS: &str = "no anomaly detection, no PromQL, no evaluation windows and warm-up periods: they are \
    refused; of actions, SNS, Auto Scaling and stopping, terminating and rebooting EC2 instances are carried \
    out, others fail as the alarm's history says";
const OF_COMPOSITE: &str = "rules of ALARM, OK, INSUFFICIENT_DATA, AND, OR, NOT, TRUE and FALSE; of actions, SNS \
    is carried out, others fail as the alarm's history says";
const OF_TAGS: &str = "alarms, alarm mute rules and dashboards";

//! Alarms as callers see them, and pages of them.

use crate::alarm::arn;
use crate::error;
use crate::model::{Alarm, HeldBy, StoredQuery};
use neargate_api_cloudwatch as api;
use neargate_service::page::{self, Size};
use neargate_service::{AwsError, Scope};

/// AWS's own.
const PAGE: Size = Size {
    default: 50,
    ..Size::up_to(100)
};

/// A page of what ascends by `id`.
pub fn page<T>(
    all: Vec<T>,
    token: Option<&str>,
    asked: Option<i32>,
    id: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let paged =
        page::page(all, token, PAGE.clamp(asked), id).map_err(|_| error::unknown_token())?;
    Ok((paged.items, paged.next_token))
}

pub fn metric_alarm(scope: &Scope, alarm: &Alarm) -> Option<api::MetricAlarm> {
    let watch = alarm.metric()?;
    let metric = watch.metric.as_ref();
    Some(api::MetricAlarm {
        alarm_name: Some(alarm.name.clone()),
        alarm_arn: Some(arn(scope, &alarm.name)),
        alarm_description: alarm.description.clone(),
        alarm_configuration_updated_timestamp: Some(alarm.configured_at),
        actions_enabled: Some(alarm.actions_enabled),
        ok_actions: Some(alarm.ok_actions.clone()),
        alarm_actions: Some(alarm.alarm_actions.clone()),
        insufficient_data_actions: Some(alarm.insufficient_data_actions.clone()),
        state_value: Some(alarm.state.value.as_str().to_owned()),
        state_reason: Some(alarm.state.reason.clone()),
        state_reason_data: alarm.state.reason_data.clone(),
        state_updated_timestamp: Some(alarm.state.updated_at),
        state_transitioned_timestamp: Some(alarm.state.transitioned_at),
        metric_name: metric.map(|m| m.name.clone()),
        namespace: metric.map(|m| m.namespace.clone()),
        statistic: metric.and_then(|m| m.statistic.clone()),
        extended_statistic: metric.and_then(|m| m.extended_statistic.clone()),
        dimensions: metric.map(|m| m.dimensions()),
        period: metric.map(|m| m.period),
        unit: metric.and_then(|m| m.unit.clone()),
        evaluation_periods: Some(watch.evaluation_periods),
        datapoints_to_alarm: watch.datapoints_to_alarm,
        threshold: Some(watch.threshold),
        comparison_operator: Some(watch.comparison_operator.clone()),
        treat_missing_data: watch.treat_missing_data.clone(),
        evaluate_low_sample_count_percentile: watch.evaluate_low_sample_count_percentile.clone(),
        metrics: metric
            .is_none()
            .then(|| watch.metrics.iter().map(StoredQuery::as_given).collect()),
        ..Default::default()
    })
}

pub fn composite_alarm(scope: &Scope, alarm: &Alarm) -> Option<api::CompositeAlarm> {
    let watch = alarm.composite()?;
    let suppressor = watch.suppressor.as_ref();
    let held = watch.held.as_ref().map(|held| match held.by {
        HeldBy::WaitPeriod => ("WaitPeriod", "it waits for the suppressor alarm"),
        HeldBy::ExtensionPeriod => (
            "ExtensionPeriod",
            "the suppressor alarm left the ALARM state",
        ),
        HeldBy::Alarm => ("Alarm", "the suppressor alarm is in the ALARM state"),
    });
    Some(api::CompositeAlarm {
        actions_enabled: Some(alarm.actions_enabled),
        alarm_actions: Some(alarm.alarm_actions.clone()),
        alarm_arn: Some(arn(scope, &alarm.name)),
        alarm_configuration_updated_timestamp: Some(alarm.configured_at),
        alarm_description: alarm.description.clone(),
        alarm_name: Some(alarm.name.clone()),
        alarm_rule: Some(watch.rule.clone()),
        insufficient_data_actions: Some(alarm.insufficient_data_actions.clone()),
        ok_actions: Some(alarm.ok_actions.clone()),
        state_reason: Some(alarm.state.reason.clone()),
        state_reason_data: alarm.state.reason_data.clone(),
        state_updated_timestamp: Some(alarm.state.updated_at),
        state_value: Some(alarm.state.value.as_str().to_owned()),
        state_transitioned_timestamp: Some(alarm.state.transitioned_at),
        actions_suppressed_by: held.map(|(by, _)| by.to_owned()),
        actions_suppressed_reason: held.map(|(_, why)| format!("Actions suppressed: {why}.")),
        actions_suppressor: suppressor.map(|s| s.alarm.clone()),
        actions_suppressor_wait_period: suppressor.map(|s| s.wait_seconds),
        actions_suppressor_extension_period: suppressor.map(|s| s.extension_seconds),
        action_configuration: None,
    })
}

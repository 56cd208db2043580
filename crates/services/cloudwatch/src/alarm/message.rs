//! What an alarm tells SNS's subscribers
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>).

use super::{arn, wording};
use crate::model::{Alarm, MetricWatch, PendingAction};
use neargate_service::Scope;
use serde_json::{Value, json};

/// The subject and the message.
pub fn message(scope: &Scope, pending: &PendingAction) -> (String, String) {
    let alarm = &pending.alarm;
    let region = region_name(scope.region.as_str());
    let subject = format!(
        "{}: \"{}\" in {region}",
        alarm.state.value.as_str(),
        alarm.name
    );
    let message = json!({
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": scope.account.as_str(),
        "AlarmConfigurationUpdatedTimestamp": wording::date(alarm.configured_at),
        "NewStateValue": alarm.state.value.as_str(),
        "NewStateReason": alarm.state.reason,
        "StateChangeTime": wording::date(alarm.state.updated_at),
        "Region": region,
        "AlarmArn": arn(scope, &alarm.name),
        "OldStateValue": pending.from.as_str(),
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
    });
    (
        subject.chars().take(100).collect(),
        with_trigger(message, alarm).to_string(),
    )
}

fn with_trigger(mut message: Value, alarm: &Alarm) -> Value {
    match (alarm.metric(), alarm.composite()) {
        (Some(watch), _) => message["Trigger"] = trigger(watch),
        (_, Some(watch)) => {
            message["AlarmRule"] = watch.rule.clone().into();
            let data = alarm
                .state
                .reason_data
                .as_ref()
                .and_then(|d| serde_json::from_str::<Value>(d).ok());
            if let Some(triggering) = data.and_then(|d| d.get("triggeringAlarms").cloned()) {
                message["TriggeringChildren"] = triggering;
            }
        }
        _ => {}
    }
    message
}

fn trigger(watch: &MetricWatch) -> Value {
    let mut trigger = match &watch.metric {
        Some(metric) => {
            let dimensions = metric.dimensions.iter();
            let dimensions: Vec<Value> = dimensions
                .map(|(name, value)| json!({ "value": value, "name": name }))
                .collect();
            let mut trigger = json!({ "MetricName": metric.name, "Namespace": metric.namespace });
            match &metric.statistic {
                Some(statistic) => {
                    trigger["StatisticType"] = "Statistic".into();
                    trigger["Statistic"] = statistic_name(statistic).into();
                }
                None => {
                    trigger["StatisticType"] = "ExtendedStatistic".into();
                    trigger["ExtendedStatistic"] = metric.extended_statistic.clone().into();
                }
            }
            trigger["Unit"] = metric.unit.clone().into();
            trigger["Dimensions"] = dimensions.into();
            trigger["Period"] = metric.period.into();
            trigger
        }
        None => {
            let query = |q: &crate::model::StoredQuery| {
                let stat = q.metric.as_ref().map(|m| {
                    let dimensions = m.dimensions.iter();
                    let dimensions: Vec<Value> =
                        dimensions.map(|(name, value)| json!({ "value": value, "name": name })).collect();
                    json!({
                        "Metric": { "Dimensions": dimensions, "MetricName": m.name, "Namespace": m.namespace },
                        "Period": m.period,
                        "Stat": m.stat(),
                    })
                });
                json!({
                    "Expression": q.expression,
                    "Id": q.id,
                    "Label": q.label,
                    "MetricStat": stat,
                    "ReturnData": q.return_data.unwrap_or(true),
                })
            };
            json!({ "Metrics": watch.metrics.iter().map(query).collect::<Vec<_>>() })
        }
    };
    trigger["EvaluationPeriods"] = watch.evaluation_periods.into();
    if let Some(count) = watch.datapoints_to_alarm {
        trigger["DatapointsToAlarm"] = count.into();
    }
    trigger["ComparisonOperator"] = watch.comparison_operator.clone().into();
    trigger["Threshold"] = watch.threshold.into();
    trigger["TreatMissingData"] = watch.treat_missing_data.clone().unwrap_or_default().into();
    let low = watch.evaluate_low_sample_count_percentile.clone();
    trigger["EvaluateLowSampleCountPercentile"] = low.unwrap_or_default().into();
    trigger
}

/// As messages write it: `SAMPLE_COUNT`.
fn statistic_name(statistic: &str) -> String {
    match statistic {
        "SampleCount" => "SAMPLE_COUNT".to_owned(),
        other => other.to_uppercase(),
    }
}

/// AWS's name of a region, where it is known here.
fn region_name(region: &str) -> &str {
    match region {
        "us-east-1" => "US East (N. Virginia)",
        "us-east-2" => "US East (Ohio)",
        "us-west-1" => "US West (N. California)",
        "us-west-2" => "US West (Oregon)",
        "ca-central-1" => "Canada (Central)",
        "eu-central-1" => "EU (Frankfurt)",
        "eu-north-1" => "EU (Stockholm)",
        "eu-south-1" => "EU (Milan)",
        "eu-west-1" => "EU (Ireland)",
        "eu-west-2" => "EU (London)",
        "eu-west-3" => "EU (Paris)",
        "ap-northeast-1" => "Asia Pacific (Tokyo)",
        "ap-northeast-2" => "Asia Pacific (Seoul)",
        "ap-northeast-3" => "Asia Pacific (Osaka)",
        "ap-south-1" => "Asia Pacific (Mumbai)",
        "ap-southeast-1" => "Asia Pacific (Singapore)",
        "ap-southeast-2" => "Asia Pacific (Sydney)",
        "sa-east-1" => "South America (Sao Paulo)",
        other => other,
    }
}

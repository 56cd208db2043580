//! `PutMetricAlarm`.

use super::{initial, only_built, write};
use crate::alarm::judge::Missing;
use crate::model::{Alarm, MetricWatch, SingleMetric, StoredQuery, Watches};
use crate::query::{self, Kind, is_period};
use crate::statistic::Statistic;
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::collections::BTreeSet;
use std::sync::Arc;

/// "The number of evaluation periods multiplied by the length of each can't exceed" seven days, one day where the
/// period is shorter than an hour.
const LONGEST: i64 = 604_800;
const DAY: i64 = 86_400;
/// Metrics of an alarm's expressions.
const METRICS: usize = 10;

pub async fn put_metric_alarm(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::PutMetricAlarmInput,
) -> Result<Unit, AwsError> {
    let comparison = input.comparison_operator.as_deref();
    only_built(&[
        (
            input.evaluation_criteria.is_some(),
            "alarms on PromQL queries",
        ),
        (
            input.evaluation_interval.is_some(),
            "alarms on PromQL queries",
        ),
        (
            input.evaluation_window.is_some(),
            "evaluation windows of alarms",
        ),
        (
            input.warm_up_configuration.is_some(),
            "warm-up periods of alarms",
        ),
        (
            input.action_configuration.is_some(),
            "action configurations of alarms",
        ),
        (
            input.threshold_metric_id.is_some(),
            "alarms on anomaly detection",
        ),
        (
            comparison.is_some_and(|c| c.contains("Upper") || c.contains("Lower")),
            "alarms on anomaly detection",
        ),
    ])?;
    let watch = metric_watch(&cx, &input)?;
    let alarm = Alarm {
        name: input.alarm_name,
        description: input.alarm_description,
        actions_enabled: input.actions_enabled.unwrap_or(true),
        ok_actions: input.ok_actions.unwrap_or_default(),
        alarm_actions: input.alarm_actions.unwrap_or_default(),
        insufficient_data_actions: input.insufficient_data_actions.unwrap_or_default(),
        tags: crate::api::tags::parse(input.tags.unwrap_or_default())?,
        configured_at: cx.now(),
        watches: Watches::Metric(watch),
        state: initial(&cx),
        muted: None,
    };
    write(&cloudwatch, &cx, alarm).await
}

fn metric_watch(cx: &Ctx, input: &api::PutMetricAlarmInput) -> Result<MetricWatch, AwsError> {
    let required = |name: &str| error::validation(format!("The parameter {name} is required."));
    let evaluation_periods = input
        .evaluation_periods
        .ok_or_else(|| required("EvaluationPeriods"))?;
    let comparison = input
        .comparison_operator
        .clone()
        .ok_or_else(|| required("ComparisonOperator"))?;
    let unknown = |option: &str, name: &str, options: &str| {
        error::validation(format!(
            "Option {option} is not supported. Supported options for parameter {name} are {options}."
        ))
    };
    if let Some(low) = input.evaluate_low_sample_count_percentile.as_deref()
        && !matches!(low, "evaluate" | "ignore")
    {
        return Err(unknown(
            low,
            "EvaluateLowSampleCountPercentile",
            "evaluate and ignore",
        ));
    }
    if let Some(word) = input.treat_missing_data.as_deref()
        && Missing::of(Some(word)).is_none()
    {
        let options = "breaching, notBreaching, ignore and missing";
        return Err(unknown(word, "TreatMissingData", options));
    }
    if input
        .datapoints_to_alarm
        .is_some_and(|m| m < 1 || m > evaluation_periods)
    {
        return Err(error::validation(
            "The parameter DatapointsToAlarm must be between 1 and the parameter EvaluationPeriods.",
        ));
    }
    let (metric, metrics, period) = watched(cx, input)?;
    let longest = if period < 3_600 { DAY } else { LONGEST };
    if period * i64::from(evaluation_periods) > longest {
        return Err(error::validation(format!(
            "Metrics cannot be checked across more than {} (EvaluationPeriods * Period must be <= {longest}).",
            if longest == DAY {
                "a day"
            } else {
                "seven days"
            }
        )));
    }
    Ok(MetricWatch {
        metric,
        metrics,
        evaluation_periods,
        datapoints_to_alarm: input.datapoints_to_alarm,
        threshold: input.threshold.unwrap_or_default(),
        comparison_operator: comparison,
        treat_missing_data: input.treat_missing_data.clone(),
        evaluate_low_sample_count_percentile: input.evaluate_low_sample_count_percentile.clone(),
    })
}

type Watched = (Option<SingleMetric>, Vec<StoredQuery>, i64);

fn watched(cx: &Ctx, input: &api::PutMetricAlarmInput) -> Result<Watched, AwsError> {
    let required = |name: &str| error::validation(format!("The parameter {name} is required."));
    if let Some(given) = input.metrics.as_ref().filter(|m| !m.is_empty()) {
        let single = [
            ("MetricName", input.metric_name.is_some()),
            ("Namespace", input.namespace.is_some()),
            ("Statistic", input.statistic.is_some()),
            ("ExtendedStatistic", input.extended_statistic.is_some()),
            (
                "Dimensions",
                input.dimensions.as_ref().is_some_and(|d| !d.is_empty()),
            ),
            ("Period", input.period.is_some()),
            ("Unit", input.unit.is_some()),
        ];
        if let Some((name, _)) = single.iter().find(|(_, is)| *is) {
            return Err(error::exclusive("Metrics", name));
        }
        return queries(cx, given);
    }
    let name = input
        .metric_name
        .clone()
        .ok_or_else(|| required("MetricName"))?;
    let namespace = input
        .namespace
        .clone()
        .ok_or_else(|| required("Namespace"))?;
    let period = input.period.ok_or_else(|| required("Period"))?;
    let is_standard = is_period(period.into()) && period >= 60;
    if !is_standard && !matches!(period, 10 | 20 | 30) {
        return Err(error::validation(
            "The parameter Period must be 10, 20, 30, or a multiple of 60.",
        ));
    }
    if let Some(extended) = &input.extended_statistic {
        if input.statistic.is_some() {
            return Err(error::exclusive("Statistic", "ExtendedStatistic"));
        }
        let known = extended.parse::<Statistic>().is_ok_and(|s| !s.is_simple());
        if !known {
            return Err(error::not_supported("ExtendedStatistic", extended));
        }
    } else if input.statistic.is_none() {
        return Err(error::validation(
            "The parameters Statistic and ExtendedStatistic are missing: one of them is required.",
        ));
    }
    let dimensions = input
        .dimensions
        .iter()
        .flatten()
        .map(|d| (d.name.clone(), d.value.clone()));
    let metric = SingleMetric {
        namespace,
        name,
        dimensions: dimensions.collect(),
        statistic: input.statistic.clone(),
        extended_statistic: input.extended_statistic.clone(),
        period,
        unit: input.unit.clone(),
    };
    Ok((Some(metric), Vec::new(), period.into()))
}

fn queries(cx: &Ctx, given: &[api::MetricDataQuery]) -> Result<Watched, AwsError> {
    let queries = query::check(&cx.scope, "Metrics", given)?;
    if queries.iter().filter(|q| q.return_data).count() != 1 {
        return Err(error::validation(
            "Exactly one element of the metrics list should return data.",
        ));
    }
    let metrics = queries
        .iter()
        .filter(|q| matches!(q.kind, Kind::Metric(_)))
        .count();
    if metrics > METRICS {
        return Err(error::validation(format!(
            "An alarm's expressions can be of {METRICS} metrics at the most."
        )));
    }
    let periods: BTreeSet<i64> = queries.iter().filter_map(query::Query::period).collect();
    if periods.len() > 1 {
        return Err(error::validation("Metrics list must have the same period."));
    }
    for query in &queries {
        if let Kind::Expression { expression, .. } = &query.kind
            && expression.calls("SEARCH")
        {
            return Err(error::validation("SEARCH is not allowed in an alarm."));
        }
    }
    let stored = |query: &api::MetricDataQuery| StoredQuery {
        id: query.id.clone(),
        label: query.label.clone(),
        return_data: query.return_data,
        period: query.period,
        expression: query.expression.clone(),
        metric: query.metric_stat.as_ref().map(|stat| {
            let dimensions = stat.metric.dimensions.iter().flatten();
            SingleMetric {
                namespace: stat.metric.namespace.clone().unwrap_or_default(),
                name: stat.metric.metric_name.clone().unwrap_or_default(),
                dimensions: dimensions
                    .map(|d| (d.name.clone(), d.value.clone()))
                    .collect(),
                statistic: Some(stat.stat.clone()),
                extended_statistic: None,
                period: stat.period,
                unit: stat.unit.clone(),
            }
        }),
        account_id: query.account_id.clone(),
    };
    let period = periods.first().copied().unwrap_or(60);
    Ok((None, given.iter().map(stored).collect(), period))
}

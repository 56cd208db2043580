//! `GetMetricStatistics`.

use crate::query::{is_period, key, window};
use crate::series::sets;
use crate::statistic::Statistic;
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Datapoints of an answer.
const MOST: i64 = 1_440;

pub async fn get_metric_statistics(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::GetMetricStatisticsInput,
) -> Result<api::GetMetricStatisticsOutput, AwsError> {
    let period = i64::from(input.period);
    let seconds = |at: Timestamp| at.as_millis().div_euclid(1_000);
    let (start, end) = (seconds(input.start_time), seconds(input.end_time));
    if start >= end {
        return Err(error::invalid_value(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    if !is_period(period) {
        return Err(error::invalid_value(
            "The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60.",
        ));
    }
    let asked = (end - start + period - 1) / period;
    if asked > MOST {
        return Err(error::combination(format!(
            "You have requested up to {asked} datapoints, which exceeds the limit of {MOST}. You may reduce the \
             datapoints requested by increasing Period, or decreasing the time range."
        )));
    }
    let simple = input.statistics.unwrap_or_default();
    let extended = input.extended_statistics.unwrap_or_default();
    if simple.is_empty() == extended.is_empty() {
        return Err(error::combination(
            "Must specify either Statistics or ExtendedStatistics",
        ));
    }
    let mut wanted: Vec<(String, Statistic)> = Vec::new();
    for (n, name) in extended.iter().enumerate() {
        let statistic = name.parse::<Statistic>().ok().filter(|s| !s.is_simple());
        let parameter = format!("ExtendedStatistics.member.{}", n + 1);
        let statistic = statistic.ok_or_else(|| error::not_supported(&parameter, name))?;
        wanted.push((name.clone(), statistic));
    }
    let dimensions = input.dimensions.unwrap_or_default();
    let metric = key(&cx.scope, &input.namespace, &input.metric_name, &dimensions);
    let window = window(input.start_time, input.end_time, period, cx.now());
    let by_unit = {
        let state = cloudwatch.engine.state();
        sets(&state, &metric, input.unit.as_deref(), window, period)
    };
    let mut datapoints = Vec::new();
    for (unit, sets) in by_unit {
        for (at, set) in sets {
            let asked = |name: &str, of: Statistic| {
                simple
                    .iter()
                    .any(|s| s == name)
                    .then(|| of.of(&set))
                    .flatten()
            };
            let values = wanted
                .iter()
                .filter_map(|(name, s)| Some((name.clone(), s.of(&set)?)));
            datapoints.push(api::Datapoint {
                timestamp: Some(Timestamp::from_millis(at * 1_000)),
                sample_count: asked("SampleCount", Statistic::SampleCount),
                average: asked("Average", Statistic::Average),
                sum: asked("Sum", Statistic::Sum),
                minimum: asked("Minimum", Statistic::Minimum),
                maximum: asked("Maximum", Statistic::Maximum),
                unit: Some(unit.clone()),
                extended_statistics: (!wanted.is_empty()).then(|| values.collect()),
            });
        }
    }
    // Percentiles are not known of every set.
    datapoints.retain(|d| d.extended_statistics.as_ref().is_none_or(|e| !e.is_empty()));
    Ok(api::GetMetricStatisticsOutput {
        label: Some(input.metric_name),
        datapoints: Some(datapoints),
    })
}

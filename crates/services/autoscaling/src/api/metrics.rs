//! Which metrics of a group are collected
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html>).

use super::{change, text};
use crate::{Autoscaling, error};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

const METRICS: [&str; 22] = [
    "GroupAndWarmPoolDesiredCapacity",
    "GroupAndWarmPoolTotalCapacity",
    "GroupDesiredCapacity",
    "GroupInServiceCapacity",
    "GroupInServiceInstances",
    "GroupMaxSize",
    "GroupMinSize",
    "GroupPendingCapacity",
    "GroupPendingInstances",
    "GroupStandbyCapacity",
    "GroupStandbyInstances",
    "GroupTerminatingCapacity",
    "GroupTerminatingInstances",
    "GroupTotalCapacity",
    "GroupTotalInstances",
    "WarmPoolDesiredCapacity",
    "WarmPoolMinSize",
    "WarmPoolPendingCapacity",
    "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity",
    "WarmPoolWarmedCapacity",
    "GroupTerminatingRetainedCapacity",
];

fn named(given: Option<Vec<String>>) -> Result<Vec<String>, AwsError> {
    let given = given.filter(|names| !names.is_empty());
    let names = given.unwrap_or_else(|| METRICS.map(str::to_owned).into());
    match names.iter().find(|n| !METRICS.contains(&n.as_str())) {
        Some(other) => Err(error::validation(format!(
            "{other} is not a valid Metric Collection Type"
        ))),
        None => Ok(names),
    }
}

pub async fn enable_metrics_collection(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::EnableMetricsCollectionInput,
) -> Result<Unit, AwsError> {
    if input.granularity != "1Minute" {
        return Err(error::validation("The only valid granularity is 1Minute."));
    }
    let names = named(input.metrics)?;
    change(&cx, &input.auto_scaling_group_name, |group| {
        group.metrics.extend(names.iter().cloned());
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn disable_metrics_collection(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DisableMetricsCollectionInput,
) -> Result<Unit, AwsError> {
    let names = named(input.metrics)?;
    change(&cx, &input.auto_scaling_group_name, |group| {
        group.metrics.retain(|name| !names.contains(name));
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn describe_metric_collection_types(
    _: Arc<Autoscaling>,
    _: Ctx,
    _: Unit,
) -> Result<api::DescribeMetricCollectionTypesOutput, AwsError> {
    let metric = |name| api::MetricCollectionType { metric: text(name) };
    Ok(api::DescribeMetricCollectionTypesOutput {
        metrics: Some(METRICS.map(metric).into()),
        granularities: Some(vec![api::MetricGranularityType {
            granularity: text("1Minute"),
        }]),
    })
}

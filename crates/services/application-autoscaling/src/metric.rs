//! The metric that a policy tracks: what of it is understood, and how an alarm looks at it
//! (<https://docs.aws.amazon.com/autoscaling/application/userguide/monitoring-cloudwatch.html#predefined-metrics>).
//! Pure.

use crate::error;
use crate::model::Named;
use neargate_api_application_autoscaling as api;
use neargate_api_cloudwatch as cloudwatch;
use neargate_service::AwsError;
use neargate_service::scaling::own_alarm;

/// Of metrics of the usual resolution.
const MINUTE: i32 = 60;
/// Of ECS's metrics of high resolution.
const HIGH_RESOLUTION: i32 = 20;
const ALB: &str = "ALBRequestCountPerTarget";

/// What is wrong with a configuration, in AWS's words where they are known.
///
/// # Errors
/// `ValidationException`.
pub fn check(asked: &api::TargetTrackingScalingPolicyConfiguration) -> Result<(), AwsError> {
    let largest = 2_f64.powi(360);
    let target = asked.target_value;
    if !(target.is_finite() && target > 0.0 && target <= largest && target >= largest.recip()) {
        return Err(error::validation(
            "TargetValue must be greater than zero and in the range of 2^-360 to 2^360",
        ));
    }
    let cooldowns = [asked.scale_out_cooldown, asked.scale_in_cooldown];
    if cooldowns.iter().flatten().any(|seconds| *seconds < 0) {
        return Err(error::validation("Cooldown cannot be negative"));
    }
    match (
        &asked.predefined_metric_specification,
        &asked.customized_metric_specification,
    ) {
        (Some(given), None) => predefined(given),
        (None, Some(given)) => customized(given),
        _ => Err(error::validation(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified",
        )),
    }
}

fn predefined(given: &api::PredefinedMetricSpecification) -> Result<(), AwsError> {
    let kind = given.predefined_metric_type.as_str();
    let label = given.resource_label.as_deref();
    match (kind, label) {
        (ALB, None | Some("")) => Err(error::validation(format!(
            "Resource label should be specified for predefined metric type {ALB}"
        ))),
        (ALB, Some(label)) => match Label::parse(label) {
            Some(_) => Ok(()),
            None => Err(error::validation(format!(
                "Invalid resource label '{label}' for predefined metric type {ALB}"
            ))),
        },
        (_, Some(_)) => Err(error::validation(format!(
            "Resource label is not supported for predefined metric type {kind}"
        ))),
        _ if of_ecs(kind).is_some() => Ok(()),
        _ => Err(error::validation(format!(
            "Predefined metric type {kind} is not supported for scalable dimension {}",
            crate::model::DIMENSION
        ))),
    }
}

/// The metric of ECS, and its period.
fn of_ecs(kind: &str) -> Option<(&'static str, i32)> {
    Some(match kind {
        "ECSServiceAverageCPUUtilization" => ("CPUUtilization", MINUTE),
        "ECSServiceAverageMemoryUtilization" => ("MemoryUtilization", MINUTE),
        "ECSServiceAverageCPUUtilizationHighResolution" => ("CPUUtilization", HIGH_RESOLUTION),
        "ECSServiceAverageMemoryUtilizationHighResolution" => {
            ("MemoryUtilization", HIGH_RESOLUTION)
        }
        _ => return None,
    })
}

fn customized(given: &api::CustomizedMetricSpecification) -> Result<(), AwsError> {
    let has_one = given.metric_name.is_some()
        || given.namespace.is_some()
        || given.statistic.is_some()
        || given.unit.is_some()
        || given.dimensions.as_ref().is_some_and(|d| !d.is_empty());
    let Some(queries) = &given.metrics else {
        let is_whole =
            given.metric_name.is_some() && given.namespace.is_some() && given.statistic.is_some();
        return match is_whole {
            true => Ok(()),
            false => Err(error::validation(
                "MetricName, Namespace and Statistic must be specified for a customized metric",
            )),
        };
    };
    if has_one || queries.is_empty() {
        return Err(error::validation(
            "A customized metric is either one metric or Metrics, not both",
        ));
    }
    let returned = queries.iter().filter(|q| q.return_data.unwrap_or(true));
    if returned.count() != 1 {
        return Err(error::validation(
            "Exactly one of the metrics must have ReturnData set to true",
        ));
    }
    let is_one =
        |q: &api::TargetTrackingMetricDataQuery| q.expression.is_some() != q.metric_stat.is_some();
    match queries.iter().all(is_one) {
        true => Ok(()),
        false => Err(error::validation(
            "Each metric must specify either Expression or MetricStat, but not both",
        )),
    }
}

/// `app/my-alb/778d41231b141a0f/targetgroup/my-targets/943f017f100becff`, in its halves.
#[derive(Debug)]
pub struct Label<'a> {
    load_balancer: &'a str,
    pub target_group: &'a str,
}

impl Label<'_> {
    pub fn parse(label: &str) -> Option<Label<'_>> {
        let (load_balancer, _) = label.split_once("/targetgroup/")?;
        let target_group = &label[load_balancer.len() + 1..];
        let is_of = |text: &str, kind: &str| {
            let parts: Vec<&str> = text.split('/').collect();
            parts.len() == 3 && parts[0] == kind && parts.iter().all(|part| !part.is_empty())
        };
        let is_label = is_of(load_balancer, "app") && is_of(target_group, "targetgroup");
        is_label.then_some(Label {
            load_balancer,
            target_group,
        })
    }
}

/// The label of the load balancer whose requests are counted.
pub fn label(asked: &api::TargetTrackingScalingPolicyConfiguration) -> Option<Label<'_>> {
    let given = asked.predefined_metric_specification.as_ref()?;
    Label::parse(given.resource_label.as_deref()?)
}

/// Do both track the same metric?
pub fn is_same(
    one: &api::TargetTrackingScalingPolicyConfiguration,
    other: &api::TargetTrackingScalingPolicyConfiguration,
) -> bool {
    one.predefined_metric_specification == other.predefined_metric_specification
        && one.customized_metric_specification == other.customized_metric_specification
}

/// The alarm that says that there is too little, or too much, without its name and actions.
pub fn alarm(
    named: &Named,
    asked: &api::TargetTrackingScalingPolicyConfiguration,
    is_high: bool,
) -> cloudwatch::PutMetricAlarmInput {
    let mut input = of_metric(named, asked);
    let terms = own_alarm::terms(asked.target_value, is_high, input.period);
    input.threshold = Some(terms.threshold);
    input.comparison_operator = Some(terms.operator.into());
    input.evaluation_periods = Some(terms.periods);
    input
}

fn of_metric(
    named: &Named,
    asked: &api::TargetTrackingScalingPolicyConfiguration,
) -> cloudwatch::PutMetricAlarmInput {
    let text = |s: &str| Some(s.to_owned());
    let dimension = |name: &str, value: &str| cloudwatch::Dimension {
        name: name.into(),
        value: value.into(),
    };
    if let Some(given) = &asked.predefined_metric_specification {
        let kind = given.predefined_metric_type.as_str();
        let label = given.resource_label.as_deref().and_then(Label::parse);
        if let Some(label) = label {
            return cloudwatch::PutMetricAlarmInput {
                namespace: text("AWS/ApplicationELB"),
                metric_name: text("RequestCountPerTarget"),
                statistic: text("Sum"),
                period: Some(MINUTE),
                dimensions: Some(vec![
                    dimension("TargetGroup", label.target_group),
                    dimension("LoadBalancer", label.load_balancer),
                ]),
                ..Default::default()
            };
        }
        let (metric, period) = of_ecs(kind).unwrap_or(("CPUUtilization", MINUTE));
        return cloudwatch::PutMetricAlarmInput {
            namespace: text("AWS/ECS"),
            metric_name: text(metric),
            statistic: text("Average"),
            unit: text("Percent"),
            period: Some(period),
            dimensions: Some(vec![
                dimension("ClusterName", &named.cluster),
                dimension("ServiceName", &named.service),
            ]),
            ..Default::default()
        };
    }
    let given = asked.customized_metric_specification.clone();
    let given = given.unwrap_or_default();
    if let Some(queries) = given.metrics {
        return cloudwatch::PutMetricAlarmInput {
            metrics: Some(queries.into_iter().map(query).collect()),
            ..Default::default()
        };
    }
    let of = |d: api::MetricDimension| dimension(&d.name, &d.value);
    cloudwatch::PutMetricAlarmInput {
        namespace: given.namespace,
        metric_name: given.metric_name,
        statistic: given.statistic,
        unit: given.unit,
        period: Some(MINUTE),
        dimensions: given
            .dimensions
            .map(|all| all.into_iter().map(of).collect()),
        ..Default::default()
    }
}

fn query(asked: api::TargetTrackingMetricDataQuery) -> cloudwatch::MetricDataQuery {
    let dimension = |d: api::TargetTrackingMetricDimension| cloudwatch::Dimension {
        name: d.name,
        value: d.value,
    };
    let stat = |s: api::TargetTrackingMetricStat| cloudwatch::MetricStat {
        metric: cloudwatch::Metric {
            namespace: s.metric.namespace,
            metric_name: s.metric.metric_name,
            dimensions: s
                .metric
                .dimensions
                .map(|all| all.into_iter().map(dimension).collect()),
        },
        period: MINUTE,
        stat: s.stat,
        unit: s.unit,
    };
    cloudwatch::MetricDataQuery {
        id: asked.id,
        period: asked.expression.is_some().then_some(MINUTE),
        expression: asked.expression,
        label: asked.label,
        return_data: asked.return_data,
        metric_stat: asked.metric_stat.map(stat),
        ..Default::default()
    }
}

//! How many tasks an Express service has: a scalable target of Application Auto Scaling, and its policy.

use super::alarm::dimension;
use super::{Asking, gone, tag_map};
use neargate_api_application_autoscaling::{self as api, ops};
use neargate_api_ecs::ExpressGatewayScalingTarget;
use neargate_service::AwsError;

const NAMESPACE: &str = "ecs";
const DIMENSION: &str = "ecs:service:DesiredCount";
pub(crate) const POLICY: &str = "ecs-express-gateway-target-tracking";

/// `service/<cluster>/<service>`.
pub(crate) fn resource(cluster: &str, service: &str) -> String {
    format!("service/{cluster}/{service}")
}

impl Asking<'_> {
    pub(super) async fn scale(
        &self,
        resource: &str,
        target: &ExpressGatewayScalingTarget,
        balancer: &str,
        groups: &[(String, String)],
    ) -> Result<(), AwsError> {
        let input = api::RegisterScalableTargetInput {
            service_namespace: NAMESPACE.into(),
            resource_id: resource.to_owned(),
            scalable_dimension: DIMENSION.into(),
            min_capacity: target.min_task_count,
            max_capacity: target.max_task_count,
            tags: Some(tag_map()),
            ..Default::default()
        };
        self.call::<ops::RegisterScalableTarget>(&input).await?;
        let predefined = |metric: &str| api::PredefinedMetricSpecification {
            predefined_metric_type: metric.into(),
            resource_label: None,
        };
        let (predefined, customized) = match target.auto_scaling_metric.as_deref() {
            Some("REQUEST_COUNT_PER_TARGET") => (None, Some(requests(balancer, groups))),
            Some("AVERAGE_MEMORY") => {
                (Some(predefined("ECSServiceAverageMemoryUtilization")), None)
            }
            _ => (Some(predefined("ECSServiceAverageCPUUtilization")), None),
        };
        let input = api::PutScalingPolicyInput {
            policy_name: POLICY.into(),
            service_namespace: NAMESPACE.into(),
            resource_id: resource.to_owned(),
            scalable_dimension: DIMENSION.into(),
            policy_type: Some("TargetTrackingScaling".into()),
            target_tracking_scaling_policy_configuration: Some(
                api::TargetTrackingScalingPolicyConfiguration {
                    target_value: target.auto_scaling_target_value.unwrap_or(1).into(),
                    predefined_metric_specification: predefined,
                    customized_metric_specification: customized,
                    ..Default::default()
                },
            ),
            ..Default::default()
        };
        self.call::<ops::PutScalingPolicy>(&input).await.map(|_| ())
    }

    pub(super) async fn stop_scaling(&self, resource: &str) -> Result<(), AwsError> {
        let input = api::DeregisterScalableTargetInput {
            service_namespace: NAMESPACE.into(),
            resource_id: resource.to_owned(),
            scalable_dimension: DIMENSION.into(),
        };
        let stopped = self.call::<ops::DeregisterScalableTarget>(&input).await;
        gone(stopped, &["ObjectNotFoundException"])
    }
}

/// Of both target groups, for traffic goes from one to the other: the predefined metric knows one only.
fn requests(balancer: &str, groups: &[(String, String)]) -> api::CustomizedMetricSpecification {
    let query = |(n, (group, _)): (usize, &(String, String))| {
        let dimensions = [("LoadBalancer", balancer), ("TargetGroup", group)];
        let dimensions = dimensions.map(|(name, arn)| api::TargetTrackingMetricDimension {
            name: name.into(),
            value: dimension(arn),
        });
        api::TargetTrackingMetricDataQuery {
            id: format!("requests{n}"),
            metric_stat: Some(api::TargetTrackingMetricStat {
                metric: api::TargetTrackingMetric {
                    namespace: Some("AWS/ApplicationELB".into()),
                    metric_name: Some("RequestCountPerTarget".into()),
                    dimensions: Some(dimensions.to_vec()),
                },
                stat: "Sum".into(),
                unit: None,
            }),
            return_data: Some(false),
            ..Default::default()
        }
    };
    let mut metrics: Vec<_> = groups.iter().enumerate().map(query).collect();
    let sum: Vec<_> = metrics
        .iter()
        .map(|m| format!("FILL({}, 0)", m.id))
        .collect();
    metrics.push(api::TargetTrackingMetricDataQuery {
        id: "sum".into(),
        expression: Some(sum.join(" + ")),
        return_data: Some(true),
        ..Default::default()
    });
    api::CustomizedMetricSpecification {
        metrics: Some(metrics),
        ..Default::default()
    }
}

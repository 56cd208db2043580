//! The alarm that takes a deployment back: more than one in a hundred answers is an error, in two of three minutes
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/express-service-update-full.html>).

use super::{Asking, gone};
use crate::plan::express::{self, MANAGED_TAG};
use neargate_api_cloudwatch::{self as api, ops};
use neargate_service::AwsError;

const PERIOD: i32 = 60;
const EVALUATED: i32 = 3;
const ALARMING: i32 = 2;
const PERCENT: f64 = 1.0;

/// Its name.
pub(crate) fn name(endpoint: &str) -> String {
    format!("ecs-express-gateway-rollback-{}", express::suffix(endpoint))
}

/// What follows `loadbalancer/` or is all of it for a target group, as metrics name them.
pub(super) fn dimension(arn: &str) -> String {
    let resource = arn.rsplit(':').next().unwrap_or_default();
    resource.trim_start_matches("loadbalancer/").to_owned()
}

impl Asking<'_> {
    pub(super) async fn put_alarm(
        &self,
        endpoint: &str,
        balancer: &str,
        groups: &[(String, String)],
    ) -> Result<(), AwsError> {
        let mut metrics = Vec::new();
        let (mut errors, mut requests) = (Vec::new(), Vec::new());
        for (n, (group, _)) in groups.iter().enumerate() {
            let of = [
                ("HTTPCode_Target_4XX_Count", format!("client{n}")),
                ("HTTPCode_Target_5XX_Count", format!("server{n}")),
                ("RequestCount", format!("requests{n}")),
            ];
            for (metric, id) in of {
                let filled = format!("FILL({id}, 0)");
                match metric {
                    "RequestCount" => requests.push(filled),
                    _ => errors.push(filled),
                }
                metrics.push(query(id, metric, balancer, group));
            }
        }
        metrics.push(api::MetricDataQuery {
            id: "errors".into(),
            expression: Some(format!(
                "100 * ({}) / ({})",
                errors.join(" + "),
                requests.join(" + ")
            )),
            label: Some("4xx and 5xx answers in percent".into()),
            return_data: Some(true),
            ..Default::default()
        });
        let (key, value) = MANAGED_TAG;
        let input = api::PutMetricAlarmInput {
            alarm_name: name(endpoint),
            alarm_description: Some("Managed by Amazon ECS for an Express service".into()),
            metrics: Some(metrics),
            evaluation_periods: Some(EVALUATED),
            datapoints_to_alarm: Some(ALARMING),
            threshold: Some(PERCENT),
            comparison_operator: Some("GreaterThanThreshold".into()),
            treat_missing_data: Some("notBreaching".into()),
            tags: Some(vec![api::Tag {
                key: key.into(),
                value: value.into(),
            }]),
            ..Default::default()
        };
        self.call::<ops::PutMetricAlarm>(&input).await.map(|_| ())
    }

    pub(super) async fn delete_alarm(&self, endpoint: &str) -> Result<(), AwsError> {
        let input = api::DeleteAlarmsInput {
            alarm_names: vec![name(endpoint)],
        };
        gone(
            self.call::<ops::DeleteAlarms>(&input).await,
            &["ResourceNotFound"],
        )
    }
}

fn query(id: String, metric: &str, balancer: &str, group: &str) -> api::MetricDataQuery {
    let dimensions = [("LoadBalancer", balancer), ("TargetGroup", group)];
    let dimensions = dimensions.map(|(name, arn)| api::Dimension {
        name: name.into(),
        value: dimension(arn),
    });
    api::MetricDataQuery {
        id,
        metric_stat: Some(api::MetricStat {
            metric: api::Metric {
                namespace: Some("AWS/ApplicationELB".into()),
                metric_name: Some(metric.into()),
                dimensions: Some(dimensions.to_vec()),
            },
            period: PERIOD,
            stat: "Sum".into(),
            unit: None,
        }),
        return_data: Some(false),
        ..Default::default()
    }
}

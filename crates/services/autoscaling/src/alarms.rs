//! The alarms that policies which track a target own: made and deleted by CloudWatch's operations
//! until CloudWatch has what the group's record says
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html>).

use crate::ec2;
use crate::model::{Group, Policy};
use neargate_api_autoscaling as asked;
use neargate_api_cloudwatch::{self as api, ops};
use neargate_domain::alarm::{AlarmReading, AlarmState};
use neargate_service::alarm::id;
use neargate_service::scaling::own_alarm;
use neargate_service::{AwsError, House, Scope};
use std::sync::Arc;

const MINUTE: i32 = 60;

/// Is there anything to make or to delete?
pub fn are_due(group: &Group) -> bool {
    let mut own = group.policies.values().flat_map(|p| &p.alarms);
    !group.unwanted_alarms.is_empty() || own.any(|alarm| !alarm.is_made)
}

/// Makes and deletes what is due, and writes down what was done.
///
/// # Errors
/// CloudWatch's.
pub async fn settle(house: &Arc<House>, key: &str) -> Result<(), AwsError> {
    let found = house.db.get_key::<Group>(key).await?;
    let (Some(group), Some(scope)) = (found, Scope::of_key(key)) else {
        return Ok(());
    };
    let mut made = Vec::new();
    for (name, policy) in &group.policies {
        for own in policy.alarms.iter().filter(|alarm| !alarm.is_made) {
            let arn = group.policy_arn(&scope, name, policy);
            let Some(tracked) = &policy.asked.target_tracking_configuration else {
                continue;
            };
            let input = api::PutMetricAlarmInput {
                alarm_name: own.name.clone(),
                alarm_description: Some(own_alarm::description(&arn)),
                actions_enabled: Some(true),
                alarm_actions: Some(vec![arn]),
                ..alarm(&group.name, tracked, own.is_high)
            };
            ec2::call::<ops::PutMetricAlarm>(house, &scope, &input).await?;
            made.push(own.name.clone());
        }
    }
    let unwanted: Vec<String> = group.unwanted_alarms.iter().cloned().collect();
    for name in &unwanted {
        let input = api::DeleteAlarmsInput {
            alarm_names: vec![name.clone()],
        };
        match ec2::call::<ops::DeleteAlarms>(house, &scope, &input).await {
            Err(e) if e.status >= 500 && e.code != "NotImplemented" => return Err(e),
            _ => {}
        }
    }
    let write = |group: &mut Group| {
        let before = group.clone();
        let own = group.policies.values_mut().flat_map(|p| &mut p.alarms);
        own.filter(|alarm| made.contains(&alarm.name))
            .for_each(|alarm| alarm.is_made = true);
        group.unwanted_alarms.retain(|n| !unwanted.contains(n));
        Ok(*group != before)
    };
    house.db.modify::<Group, _>(key, write).await?;
    Ok(())
}

/// The alarm that says that there is too little, or too much, without its name and actions.
fn alarm(
    group: &str,
    tracked: &asked::TargetTrackingConfiguration,
    is_high: bool,
) -> api::PutMetricAlarmInput {
    let mut input = of_metric(group, tracked);
    let terms = own_alarm::terms(tracked.target_value, is_high, input.period);
    input.threshold = Some(terms.threshold);
    input.comparison_operator = Some(terms.operator.into());
    input.evaluation_periods = Some(terms.periods);
    input
}

fn of_metric(
    group: &str,
    tracked: &asked::TargetTrackingConfiguration,
) -> api::PutMetricAlarmInput {
    let text = |s: &str| Some(s.to_owned());
    let dimension = |name: &str, value: &str| api::Dimension {
        name: name.into(),
        value: value.into(),
    };
    if let Some(given) = &tracked.predefined_metric_specification {
        let label = given.resource_label.as_deref().unwrap_or_default();
        if let Some((load_balancer, target_group)) = label.split_once("/targetgroup/") {
            return api::PutMetricAlarmInput {
                namespace: text("AWS/ApplicationELB"),
                metric_name: text("RequestCountPerTarget"),
                statistic: text("Sum"),
                period: Some(MINUTE),
                dimensions: Some(vec![
                    dimension("TargetGroup", &format!("targetgroup/{target_group}")),
                    dimension("LoadBalancer", load_balancer),
                ]),
                ..Default::default()
            };
        }
        let (metric, unit) = match given.predefined_metric_type.as_str() {
            "ASGAverageNetworkIn" => ("NetworkIn", "Bytes"),
            "ASGAverageNetworkOut" => ("NetworkOut", "Bytes"),
            _ => ("CPUUtilization", "Percent"),
        };
        return api::PutMetricAlarmInput {
            namespace: text("AWS/EC2"),
            metric_name: text(metric),
            statistic: text("Average"),
            unit: text(unit),
            period: Some(MINUTE),
            dimensions: Some(vec![dimension("AutoScalingGroupName", group)]),
            ..Default::default()
        };
    }
    let given = tracked.customized_metric_specification.clone();
    let given = given.unwrap_or_default();
    if let Some(queries) = given.metrics {
        return api::PutMetricAlarmInput {
            metrics: Some(queries.into_iter().map(query).collect()),
            ..Default::default()
        };
    }
    let of = |d: asked::MetricDimension| dimension(&d.name, &d.value);
    api::PutMetricAlarmInput {
        namespace: given.namespace,
        metric_name: given.metric_name,
        statistic: given.statistic,
        unit: given.unit,
        period: Some(given.period.unwrap_or(MINUTE)),
        dimensions: given
            .dimensions
            .map(|all| all.into_iter().map(of).collect()),
        ..Default::default()
    }
}

fn query(asked: asked::TargetTrackingMetricDataQuery) -> api::MetricDataQuery {
    let period = asked.period;
    let dimension = |d: asked::MetricDimension| api::Dimension {
        name: d.name,
        value: d.value,
    };
    let stat = |s: asked::TargetTrackingMetricStat| api::MetricStat {
        metric: api::Metric {
            namespace: Some(s.metric.namespace),
            metric_name: Some(s.metric.metric_name),
            dimensions: s
                .metric
                .dimensions
                .map(|all| all.into_iter().map(dimension).collect()),
        },
        period: s.period.or(period).unwrap_or(MINUTE),
        stat: s.stat,
        unit: s.unit,
    };
    api::MetricDataQuery {
        id: asked.id,
        period: asked.expression.is_some().then(|| period.unwrap_or(MINUTE)),
        expression: asked.expression,
        label: asked.label,
        return_data: asked.return_data,
        metric_stat: asked.metric_stat.map(stat),
        ..Default::default()
    }
}

/// What the metrics are, by the names of policies, of which an alarm says that they are too low.
///
/// # Errors
/// When the readings cannot be read.
pub async fn lows(
    house: &House,
    scope: &Scope,
    group: &Group,
) -> Result<Vec<(String, f64)>, AwsError> {
    let mut lows = Vec::new();
    for (name, policy) in &group.policies {
        for own in policy.alarms.iter().filter(|alarm| !alarm.is_high) {
            let found = house.db.get::<AlarmReading>(scope, &id(&own.name)).await?;
            let found = found.filter(|r| r.state == AlarmState::Alarm);
            let value = found.and_then(|r| r.value.value);
            lows.extend(value.map(|value| (name.clone(), value)));
        }
    }
    Ok(lows)
}

/// The alarms that somebody gave a policy as an action.
///
/// # Errors
/// CloudWatch's.
pub async fn of_action(
    house: &Arc<House>,
    scope: &Scope,
    policy: &str,
) -> Result<Vec<asked::Alarm>, AwsError> {
    let input = api::DescribeAlarmsInput {
        action_prefix: Some(policy.to_owned()),
        ..Default::default()
    };
    let found = match ec2::call::<ops::DescribeAlarms>(house, scope, &input).await {
        Ok(found) => found.metric_alarms.unwrap_or_default(),
        Err(e) if e.is("NotImplemented") => Vec::new(),
        Err(e) => return Err(e),
    };
    let alarm = |a: api::MetricAlarm| asked::Alarm {
        alarm_name: a.alarm_name,
        alarm_arn: a.alarm_arn,
    };
    Ok(found.into_iter().map(alarm).collect())
}

/// The alarms that a policy owns.
pub fn shown(scope: &Scope, policy: &Policy) -> Vec<asked::Alarm> {
    let alarm = |own: &own_alarm::OwnAlarm| asked::Alarm {
        alarm_name: Some(own.name.clone()),
        alarm_arn: Some(scope.arn("cloudwatch", format!("alarm:{}", own.name))),
    };
    policy.alarms.iter().map(alarm).collect()
}

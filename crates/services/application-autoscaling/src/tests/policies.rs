//! Scaling policies and the alarms that they own.

use super::*;

async fn shown(p: &Place) -> Vec<api::ScalingPolicy> {
    let input = api::DescribeScalingPoliciesInput {
        service_namespace: "ecs".into(),
        resource_id: some(RESOURCE),
        ..Default::default()
    };
    let found = p.call(ops::DescribeScalingPolicies, input).await.unwrap();
    found.scaling_policies.unwrap()
}

fn delete(name: &str) -> api::DeleteScalingPolicyInput {
    api::DeleteScalingPolicyInput {
        policy_name: name.into(),
        service_namespace: "ecs".into(),
        resource_id: RESOURCE.into(),
        scalable_dimension: DIMENSION.into(),
    }
}

#[tokio::test]
async fn a_policy_that_tracks_a_target_owns_two_alarms() {
    let p = place();
    refused(
        p.call(ops::PutScalingPolicy, tracking()).await,
        "ObjectNotFoundException",
        "No scalable target registered for service namespace: ecs, resource ID: service/c/web, scalable dimension: ecs:service:DesiredCount",
    );
    p.register(1, 4).await;
    let put = p.call(ops::PutScalingPolicy, tracking()).await.unwrap();
    let (name, action) = p.own("AlarmHigh");
    assert!(
        name.starts_with("TargetTracking-service/c/web-AlarmHigh-"),
        "{name}"
    );
    assert!(
        action.starts_with(&format!("{}:createdBy/", put.policy_arn.unwrap())),
        "{action}"
    );
    let own = put.alarms.unwrap();
    assert_eq!(own[0].alarm_name.as_ref(), Some(&name));
    let arn = format!("arn:aws:cloudwatch:us-east-1:000000000000:alarm:{name}");
    assert_eq!(own[0].alarm_arn.as_ref(), Some(&arn));
    {
        let alarms = p.fake.alarms.lock();
        let high = &alarms[&name];
        assert_eq!(
            high.alarm_description.as_ref(),
            Some(&format!(
                "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {action}."
            ))
        );
        let of = |a: &cloudwatch::PutMetricAlarmInput| {
            (
                a.evaluation_periods,
                a.period,
                a.threshold,
                a.comparison_operator.clone(),
            )
        };
        assert_eq!(
            of(high),
            (Some(3), Some(60), Some(50.0), some("GreaterThanThreshold"))
        );
        let low = alarms
            .values()
            .find(|a| a.alarm_name.contains("AlarmLow"))
            .unwrap();
        assert_eq!(
            of(low),
            (Some(15), Some(60), Some(45.0), some("LessThanThreshold"))
        );
        assert_eq!(low.metric_name.as_deref(), Some("CPUUtilization"));
        assert_eq!(low.dimensions.as_ref().unwrap()[1].value, "web");
    }
    // Put again as it is, it keeps its alarms; with another target it gets new ones.
    p.call(ops::PutScalingPolicy, tracking()).await.unwrap();
    assert_eq!(p.own("AlarmHigh").0, name);
    let mut other = tracking();
    let asked = other
        .target_tracking_scaling_policy_configuration
        .as_mut()
        .unwrap();
    asked.target_value = 60.0;
    asked.disable_scale_in = Some(true);
    let put = p.call(ops::PutScalingPolicy, other).await.unwrap();
    assert_eq!(put.alarms.unwrap().len(), 1);
    assert_ne!(p.own("AlarmHigh").0, name);
    assert_eq!(p.fake.alarms.lock().len(), 1);
    let shown = shown(&p).await.remove(0);
    assert_eq!(shown.policy_arn, put.policy_arn);
    assert!(
        shown
            .policy_arn
            .unwrap()
            .ends_with(":resource/ecs/service/c/web:policyName/cpu")
    );
    p.call(ops::DeleteScalingPolicy, delete(POLICY))
        .await
        .unwrap();
    assert_eq!(p.fake.alarms.lock().len(), 0);
    refused(
        p.call(ops::DeleteScalingPolicy, delete(POLICY)).await,
        "ObjectNotFoundException",
        "No scaling policy found for service namespace: ecs, resource ID: service/c/web, scalable dimension: ecs:service:DesiredCount, policy name: cpu",
    );
}

#[tokio::test]
async fn a_deregistered_target_leaves_nothing() {
    let p = place();
    p.register(1, 4).await;
    p.call(ops::PutScalingPolicy, tracking()).await.unwrap();
    let gone = api::DeregisterScalableTargetInput {
        service_namespace: "ecs".into(),
        resource_id: RESOURCE.into(),
        scalable_dimension: DIMENSION.into(),
    };
    p.call(ops::DeregisterScalableTarget, gone).await.unwrap();
    assert_eq!(
        (p.targets().await.len(), p.fake.alarms.lock().len()),
        (0, 0)
    );
    p.live().await;
    let prefix = format!("{}/", crate::model::Target::KIND);
    let left = p
        .lab
        .house
        .db
        .list_prefix::<crate::model::Target>(&prefix)
        .await;
    assert_eq!(left.unwrap().len(), 0);
}

#[tokio::test]
async fn a_policy_whose_alarms_are_refused_is_as_it_was_before() {
    let p = place();
    p.register(1, 4).await;
    let refusal = AwsError::client("ValidationError", "no such metric");
    *p.fake.refusal.lock() = Some(refusal.clone());
    let answer = p.call(ops::PutScalingPolicy, tracking()).await;
    refused(answer, "FailedResourceAccessException", "no such metric");
    assert_eq!(shown(&p).await.len(), 0);
    *p.fake.refusal.lock() = None;
    p.call(ops::PutScalingPolicy, tracking()).await.unwrap();
    let before = p.own("AlarmHigh").0;
    *p.fake.refusal.lock() = Some(refusal);
    let mut other = tracking();
    let asked = other
        .target_tracking_scaling_policy_configuration
        .as_mut()
        .unwrap();
    asked.target_value = 60.0;
    let answer = p.call(ops::PutScalingPolicy, other).await;
    refused(answer, "FailedResourceAccessException", "no such metric");
    p.live().await;
    let asked = shown(&p)
        .await
        .remove(0)
        .target_tracking_scaling_policy_configuration;
    assert_eq!(asked.unwrap().target_value, 50.0);
    assert_eq!(p.own("AlarmHigh").0, before);
    assert_eq!(p.fake.alarms.lock().len(), 2);
}

#[tokio::test]
async fn metrics_of_all_kinds() {
    let p = place();
    p.register(1, 4).await;
    let with = |metric: &str, label: Option<&str>| {
        let mut input = tracking();
        input.policy_name = metric.into();
        let asked = input
            .target_tracking_scaling_policy_configuration
            .as_mut()
            .unwrap();
        asked.predefined_metric_specification = Some(api::PredefinedMetricSpecification {
            predefined_metric_type: metric.into(),
            resource_label: label.map(Into::into),
        });
        input
    };
    let fine = with("ECSServiceAverageMemoryUtilizationHighResolution", None);
    p.call(ops::PutScalingPolicy, fine).await.unwrap();
    let periods = |which: &str| {
        let name = p.own(which).0;
        let alarm = p.fake.alarms.lock()[&name].clone();
        (alarm.period, alarm.evaluation_periods)
    };
    assert_eq!(periods("AlarmHigh"), (Some(20), Some(3)));
    assert_eq!(periods("AlarmLow"), (Some(20), Some(30)));
    let alb = "ALBRequestCountPerTarget";
    for (label, message) in [
        (
            None,
            "Resource label should be specified for predefined metric type ALBRequestCountPerTarget",
        ),
        (
            Some("app/web"),
            "Invalid resource label 'app/web' for predefined metric type ALBRequestCountPerTarget",
        ),
        (
            Some("app/web/1/targetgroup/other/0123456789abcdef"),
            "Target group targetgroup/other/0123456789abcdef is not attached to resource service/c/web",
        ),
    ] {
        let answer = p.call(ops::PutScalingPolicy, with(alb, label)).await;
        refused(answer, "ValidationException", message);
    }
    p.fake.alarms.lock().clear();
    let label = "app/web/1/targetgroup/web/0123456789abcdef";
    p.call(ops::PutScalingPolicy, with(alb, Some(label)))
        .await
        .unwrap();
    let name = p.own("AlarmLow").0;
    let alarm = p.fake.alarms.lock()[&name].clone();
    assert_eq!(alarm.statistic.as_deref(), Some("Sum"));
    let dimensions = alarm.dimensions.unwrap();
    assert_eq!(dimensions[0].value, "targetgroup/web/0123456789abcdef");
    assert_eq!(dimensions[1].value, "app/web/1");
    refused(
        p.call(
            ops::PutScalingPolicy,
            with("RDSReaderAverageCPUUtilization", None),
        )
        .await,
        "ValidationException",
        "Predefined metric type RDSReaderAverageCPUUtilization is not supported for scalable dimension ecs:service:DesiredCount",
    );
    let again = api::PutScalingPolicyInput {
        policy_name: "again".into(),
        ..with(alb, Some(label))
    };
    refused(
        p.call(ops::PutScalingPolicy, again).await,
        "ValidationException",
        "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
    );
    let mut math = tracking();
    math.policy_name = "math".into();
    let query = |id: &str, expression: Option<&str>| api::TargetTrackingMetricDataQuery {
        id: id.into(),
        expression: expression.map(Into::into),
        return_data: Some(expression.is_some()),
        metric_stat: expression.is_none().then(|| api::TargetTrackingMetricStat {
            metric: api::TargetTrackingMetric {
                namespace: some("Queue"),
                metric_name: some("Depth"),
                ..Default::default()
            },
            stat: "Average".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let asked = math
        .target_tracking_scaling_policy_configuration
        .as_mut()
        .unwrap();
    asked.predefined_metric_specification = None;
    asked.customized_metric_specification = Some(api::CustomizedMetricSpecification {
        metrics: Some(vec![query("m1", None), query("e1", Some("m1 / 2"))]),
        ..Default::default()
    });
    p.fake.alarms.lock().clear();
    p.call(ops::PutScalingPolicy, math).await.unwrap();
    let name = p.own("AlarmHigh").0;
    let alarm = p.fake.alarms.lock()[&name].clone();
    let queries = alarm.metrics.unwrap();
    assert_eq!(queries[0].metric_stat.as_ref().unwrap().period, 60);
    assert_eq!(queries[1].expression.as_deref(), Some("m1 / 2"));
    assert_eq!(alarm.metric_name, None);
}

#[tokio::test]
async fn a_policy_of_steps_shows_the_alarms_that_name_it() {
    let p = place();
    p.register(1, 4).await;
    let step = |lower, by| api::StepAdjustment {
        metric_interval_lower_bound: lower,
        scaling_adjustment: by,
        ..Default::default()
    };
    let with = |steps| api::PutScalingPolicyInput {
        policy_name: "step".into(),
        policy_type: some("StepScaling"),
        target_tracking_scaling_policy_configuration: None,
        step_scaling_policy_configuration: Some(api::StepScalingPolicyConfiguration {
            adjustment_type: some("ChangeInCapacity"),
            step_adjustments: Some(steps),
            ..Default::default()
        }),
        ..tracking()
    };
    let both = vec![step(Some(0.0), 1), step(Some(5.0), 2)];
    refused(
        p.call(ops::PutScalingPolicy, with(both)).await,
        "ValidationException",
        "Step adjustment intervals can't overlap",
    );
    refused(
        p.call(ops::PutScalingPolicy, with(vec![])).await,
        "ValidationException",
        "At least one step adjustment must be specified",
    );
    let put = p
        .call(ops::PutScalingPolicy, with(vec![step(Some(0.0), 1)]))
        .await;
    assert_eq!(put.unwrap().alarms, Some(vec![]));
    let alarms = shown(&p).await.remove(0).alarms.unwrap();
    assert_eq!(alarms[0].alarm_name.as_deref(), Some("by-hand"));
    let predictive = api::PutScalingPolicyInput {
        policy_type: some("PredictiveScaling"),
        ..tracking()
    };
    refused(
        p.call(ops::PutScalingPolicy, predictive).await,
        "ValidationException",
        "Neargate does not do PredictiveScaling yet.",
    );
    let unknown = api::PutScalingPolicyInput {
        policy_type: some("ABCDEFG"),
        ..tracking()
    };
    refused(
        p.call(ops::PutScalingPolicy, unknown).await,
        "ValidationException",
        "1 validation error detected: Value 'ABCDEFG' at 'policyType' failed to satisfy constraint: Member must satisfy enum value set: [PredictiveScaling, StepScaling, TargetTrackingScaling]",
    );
}

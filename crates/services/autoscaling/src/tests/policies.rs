//! Policies that alarms execute, and the alarms that they own.

use super::*;
use neargate_domain::alarm::{AlarmReading, AlarmState};
use neargate_service::{Principal, alarm};

fn tracking(name: &str, metric: &str, target: f64) -> api::PutScalingPolicyInput {
    api::PutScalingPolicyInput {
        auto_scaling_group_name: "web".into(),
        policy_name: name.into(),
        policy_type: some("TargetTrackingScaling"),
        estimated_instance_warmup: Some(60),
        target_tracking_configuration: Some(api::TargetTrackingConfiguration {
            predefined_metric_specification: Some(api::PredefinedMetricSpecification {
                predefined_metric_type: metric.into(),
                resource_label: None,
            }),
            target_value: target,
            ..Default::default()
        }),
        ..Default::default()
    }
}

impl Place {
    async fn put(&self, input: api::PutScalingPolicyInput) -> api::PutScalingPolicyOutput {
        self.call(ops::PutScalingPolicy, input).await.unwrap()
    }

    /// CloudWatch executes a policy for an alarm.
    async fn rings(&self, policy: &str, value: f64, threshold: f64) {
        let input = api::ExecutePolicyInput {
            policy_name: policy.into(),
            metric_value: Some(value),
            breach_threshold: Some(threshold),
            ..Default::default()
        };
        let cx = Ctx {
            principal: Principal::service("arn:aws:iam::000000000000:role/cloudwatch"),
            ..self.cx.clone()
        };
        let called = neargate_testkit::call(&*self.table, cx, ops::ExecutePolicy, input);
        called.await.unwrap();
    }

    /// The alarm of a policy that says that there is too much rings.
    async fn is_low(&self, policy: &api::PutScalingPolicyOutput, value: f64) {
        let name = policy.alarms.as_ref().unwrap()[1]
            .alarm_name
            .clone()
            .unwrap();
        let now = self.lab.house.now();
        let reading = AlarmReading {
            arn: name.clone(),
            name: name.clone(),
            state: AlarmState::Alarm,
            since: now,
            evaluated_at: now,
            value: Some(value),
            threshold: None,
            actions_enabled: true,
            actions: vec![],
        };
        let key = db::key::<AlarmReading>(&self.cx.scope, &alarm::id(&name));
        let tx = self.lab.house.db.tx().put(key, &reading);
        assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
    }
}

#[tokio::test]
async fn a_policy_that_tracks_a_target_owns_its_alarms() {
    let p = place();
    p.create(p.new_group(1, 10)).await;
    let put = p
        .put(tracking("cpu", "ASGAverageCPUUtilization", 50.0))
        .await;
    let names: Vec<String> = put
        .alarms
        .unwrap()
        .into_iter()
        .filter_map(|a| a.alarm_name)
        .collect();
    assert!(
        names[0].starts_with("TargetTracking-web-AlarmHigh-"),
        "{names:?}"
    );
    {
        let alarms = p.ec2.alarms.lock();
        let (high, low) = (&alarms[&names[0]], &alarms[&names[1]]);
        assert_eq!(
            (high.threshold, high.evaluation_periods),
            (Some(50.0), Some(3))
        );
        assert_eq!(
            (low.threshold, low.evaluation_periods),
            (Some(45.0), Some(15))
        );
        assert_eq!(
            high.alarm_actions,
            put.policy_arn.clone().map(|arn| vec![arn])
        );
        assert_eq!(high.dimensions.as_ref().unwrap()[0].value, "web");
    }
    let same = tracking("again", "ASGAverageCPUUtilization", 60.0);
    invalid(
        p.call(ops::PutScalingPolicy, same).await,
        "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
    );
    let input = api::DescribePoliciesInput::default();
    let shown = p.call(ops::DescribePolicies, input).await.unwrap();
    let shown = shown.scaling_policies.unwrap().remove(0);
    assert_eq!(shown.alarms.unwrap().len(), 2);
    let delete = api::DeletePolicyInput {
        auto_scaling_group_name: some("web"),
        policy_name: "cpu".into(),
    };
    p.call(ops::DeletePolicy, delete).await.unwrap();
    assert_eq!(p.ec2.alarms.lock().len(), 0);
    // A group that goes takes them along.
    p.put(tracking("cpu", "ASGAverageCPUUtilization", 50.0))
        .await;
    let delete = api::DeleteAutoScalingGroupInput {
        auto_scaling_group_name: "web".into(),
        force_delete: Some(true),
    };
    p.call(ops::DeleteAutoScalingGroup, delete).await.unwrap();
    p.live().await;
    assert_eq!(p.ec2.alarms.lock().len(), 0);
    assert_eq!(
        p.lab
            .house
            .db
            .list::<Group>(&p.cx.scope)
            .await
            .unwrap()
            .len(),
        0
    );
}

#[tokio::test]
async fn a_group_grows_and_shrinks_by_its_alarms() {
    let p = place();
    p.create(p.new_group(1, 10)).await;
    p.live().await;
    p.later(61);
    let cpu = p
        .put(tracking("cpu", "ASGAverageCPUUtilization", 50.0))
        .await;
    let net = p.put(tracking("net", "ASGAverageNetworkIn", 100.0)).await;
    let (on_cpu, on_net) = (
        cpu.policy_arn.clone().unwrap(),
        net.policy_arn.clone().unwrap(),
    );
    p.rings(&on_cpu, 150.0, 50.0).await;
    assert_eq!(p.group().await.desired, 3);
    // What warms up counts: the same again asks for no more, a higher one for the difference.
    p.rings(&on_cpu, 150.0, 50.0).await;
    assert_eq!(p.group().await.desired, 3);
    p.rings(&on_net, 500.0, 100.0).await;
    assert_eq!(p.group().await.desired, 5);
    p.live().await;
    let cause = p.activities().await[0].cause.clone().unwrap();
    let sentence = "a monitor alarm in state ALARM triggered policy net changing the desired capacity from 3 to 5.";
    assert!(cause.contains(sentence), "{cause}");
    p.later(61);
    p.is_low(&cpu, 10.0).await;
    p.rings(&on_cpu, 10.0, 45.0).await;
    assert_eq!(p.group().await.desired, 5, "the network is not low");
    p.is_low(&net, 60.0).await;
    p.rings(&on_cpu, 10.0, 45.0).await;
    assert_eq!(p.group().await.desired, 3, "enough for both");
    let suspend = api::SuspendProcessesInput {
        auto_scaling_group_name: "web".into(),
        scaling_processes: Some(vec!["AlarmNotification".into()]),
    };
    p.call(ops::SuspendProcesses, suspend).await.unwrap();
    p.rings(&on_cpu, 500.0, 50.0).await;
    assert_eq!(p.group().await.desired, 3);
}

#[tokio::test]
async fn metrics_that_are_collected_are_what_the_group_is() {
    let p = place();
    p.create(p.new_group(2, 4)).await;
    p.live().await;
    let enable = api::EnableMetricsCollectionInput {
        auto_scaling_group_name: "web".into(),
        granularity: "1Minute".into(),
        metrics: None,
    };
    p.call(ops::EnableMetricsCollection, enable).await.unwrap();
    let metrics = crate::metrics::of(&p.group().await, p.lab.house.now());
    let value = |name: &str| {
        let found = metrics.iter().find(|m| m.name == name);
        found.map(|m| m.value.clone())
    };
    for (name, expected) in [
        ("GroupMinSize", 2.0),
        ("GroupMaxSize", 4.0),
        ("GroupInServiceInstances", 2.0),
        ("GroupPendingInstances", 0.0),
        ("GroupTotalCapacity", 2.0),
    ] {
        let expected = neargate_service::metrics::Observed::One(expected);
        assert_eq!(value(name), Some(expected), "{name}");
    }
    assert_eq!(value("WarmPoolMinSize"), None);
}

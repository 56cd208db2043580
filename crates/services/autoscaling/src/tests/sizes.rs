//! Sizes: by hand, by policies; what is suspended; what cools down.

use super::{invalid, place, refused, some};
use neargate_api_autoscaling::{self as api, ops};

#[tokio::test]
async fn a_group_grows_and_shrinks_between_its_bounds() {
    let p = place();
    p.create(p.new_group(1, 4)).await;
    p.live().await;
    p.desire(4).await.unwrap();
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 4);
    invalid(
        p.desire(5).await,
        "New SetDesiredCapacity value 5 is above max value 4 for the AutoScalingGroup.",
    );
    invalid(
        p.desire(0).await,
        "New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.",
    );
    let update = api::UpdateAutoScalingGroupInput {
        auto_scaling_group_name: "web".into(),
        max_size: Some(2),
        ..Default::default()
    };
    p.call(ops::UpdateAutoScalingGroup, update).await.unwrap();
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 2);
    let ended = p.activities().await;
    let ended: Vec<_> = ended
        .iter()
        .filter(|a| {
            a.description
                .as_ref()
                .unwrap()
                .starts_with("Terminating EC2 instance: i-")
        })
        .collect();
    assert_eq!(ended.len(), 2);
    let cause = ended[0].cause.clone().unwrap();
    for part in [
        "a user request update of AutoScalingGroup constraints to min: 1, max: 2, desired: 2 changing the desired capacity from 4 to 2.",
        "an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from 4 to 2.",
        "was selected for termination.",
    ] {
        assert!(cause.contains(part), "{cause}");
    }
}

#[tokio::test]
async fn what_is_protected_or_suspended_stays() {
    let p = place();
    p.create(api::CreateAutoScalingGroupInput {
        desired_capacity: Some(2),
        ..p.new_group(0, 2)
    })
    .await;
    p.live().await;
    let ids = p.in_state("InService").await;
    let protect = |protected| api::SetInstanceProtectionInput {
        instance_ids: ids.clone(),
        auto_scaling_group_name: "web".into(),
        protected_from_scale_in: protected,
    };
    p.call(ops::SetInstanceProtection, protect(true))
        .await
        .unwrap();
    p.desire(0).await.unwrap();
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 2);
    let processes = |name: &str| Some(vec![name.to_owned()]);
    let suspend = api::SuspendProcessesInput {
        auto_scaling_group_name: "web".into(),
        scaling_processes: processes("Terminate"),
    };
    p.call(ops::SuspendProcesses, suspend).await.unwrap();
    p.call(ops::SetInstanceProtection, protect(false))
        .await
        .unwrap();
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 2);
    let suspended = p.described().await.suspended_processes.unwrap();
    assert_eq!(
        suspended[0].suspension_reason.as_deref(),
        Some("User suspended at 2023-11-14T22:13:20Z")
    );
    let resume = api::ResumeProcessesInput {
        auto_scaling_group_name: "web".into(),
        scaling_processes: None,
    };
    p.call(ops::ResumeProcesses, resume).await.unwrap();
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 0);
}

#[tokio::test]
async fn policies_act_when_they_are_executed() {
    let p = place();
    p.create(p.new_group(1, 10)).await;
    p.live().await;
    let step = |lower: f64, upper: Option<f64>, by: i32| api::StepAdjustment {
        metric_interval_lower_bound: Some(lower),
        metric_interval_upper_bound: upper,
        scaling_adjustment: by,
    };
    let policy = |name: &str, kind: &str| api::PutScalingPolicyInput {
        auto_scaling_group_name: "web".into(),
        policy_name: name.into(),
        policy_type: some(kind),
        adjustment_type: some("ChangeInCapacity"),
        ..Default::default()
    };
    let simple = api::PutScalingPolicyInput {
        scaling_adjustment: Some(2),
        ..policy("more", "SimpleScaling")
    };
    p.call(ops::PutScalingPolicy, simple).await.unwrap();
    let graded = api::PutScalingPolicyInput {
        step_adjustments: Some(vec![step(0.0, Some(10.0), 1), step(10.0, None, 3)]),
        ..policy("steps", "StepScaling")
    };
    let arn = p
        .call(ops::PutScalingPolicy, graded)
        .await
        .unwrap()
        .policy_arn
        .unwrap();
    let execute = |name: &str, value: Option<f64>, honor| api::ExecutePolicyInput {
        auto_scaling_group_name: (!name.starts_with("arn:")).then(|| "web".into()),
        policy_name: name.into(),
        honor_cooldown: Some(honor),
        metric_value: value,
        breach_threshold: value.map(|_| 50.0),
    };
    p.call(ops::ExecutePolicy, execute("more", None, false))
        .await
        .unwrap();
    assert_eq!(p.group().await.desired, 3);
    p.live().await;
    let soon = p
        .call(ops::ExecutePolicy, execute("more", None, true))
        .await;
    assert_eq!(soon.unwrap_err().code, "ScalingActivityInProgress");
    p.later(301);
    p.call(ops::ExecutePolicy, execute("more", None, true))
        .await
        .unwrap();
    assert_eq!(p.group().await.desired, 5);
    p.call(ops::ExecutePolicy, execute(&arn, Some(65.0), false))
        .await
        .unwrap();
    assert_eq!(p.group().await.desired, 8);
    p.call(ops::ExecutePolicy, execute(&arn, Some(50.0), false))
        .await
        .unwrap();
    assert_eq!(p.group().await.desired, 9);
    refused(
        p.call(ops::ExecutePolicy, execute("none", None, false))
            .await,
        "ValidationError",
        "PolicyName not found - none not found",
    );
    let tracking = api::PutScalingPolicyInput {
        adjustment_type: None,
        target_tracking_configuration: Some(api::TargetTrackingConfiguration {
            predefined_metric_specification: Some(api::PredefinedMetricSpecification {
                predefined_metric_type: "ASGAverageCPUUtilization".into(),
                resource_label: None,
            }),
            target_value: 50.0,
            ..Default::default()
        }),
        ..policy("cpu", "TargetTrackingScaling")
    };
    p.call(ops::PutScalingPolicy, tracking).await.unwrap();
    let input = api::DescribePoliciesInput {
        auto_scaling_group_name: some("web"),
        ..Default::default()
    };
    let found = p.call(ops::DescribePolicies, input).await.unwrap();
    assert_eq!(found.scaling_policies.unwrap().len(), 3);
}

#[tokio::test]
async fn zones_come_into_balance_again() {
    let p = place();
    p.create(api::CreateAutoScalingGroupInput {
        availability_zones: Some(vec!["us-east-1a".into()]),
        ..p.new_group(2, 3)
    })
    .await;
    p.live().await;
    let update = api::UpdateAutoScalingGroupInput {
        auto_scaling_group_name: "web".into(),
        availability_zones: Some(vec!["us-east-1a".into(), "us-east-1b".into()]),
        ..Default::default()
    };
    p.call(ops::UpdateAutoScalingGroup, update).await.unwrap();
    p.live().await;
    let all = p.described().await.instances.unwrap();
    let mut zones: Vec<_> = all
        .into_iter()
        .filter_map(|i| i.availability_zone)
        .collect();
    zones.sort();
    assert_eq!(zones, ["us-east-1a", "us-east-1b"]);
}

//! A group has as many instances as desired, whatever happens.

use super::{place, some};
use neargate_api_autoscaling::{self as api, ops};
use neargate_service::AwsError;
use neargate_service::controller::Controller;
use neargate_service::instance;

#[tokio::test]
async fn a_group_starts_what_it_wants_and_says_why() {
    let p = place();
    let tag = |key: &str, propagates| api::Tag {
        key: key.into(),
        value: some("1"),
        propagate_at_launch: Some(propagates),
        ..Default::default()
    };
    p.create(api::CreateAutoScalingGroupInput {
        desired_capacity: Some(3),
        tags: Some(vec![tag("team", true), tag("own", false)]),
        new_instances_protected_from_scale_in: Some(true),
        ..p.new_group(1, 4)
    })
    .await;
    p.settle().await;
    assert_eq!(p.in_state("Pending").await.len(), 3);
    p.live().await;
    let shown = p.described().await;
    let instances = shown.instances.unwrap();
    assert_eq!(instances.len(), 3);
    for i in &instances {
        assert_eq!(i.lifecycle_state.as_deref(), Some("InService"));
        assert_eq!(i.health_status.as_deref(), Some("Healthy"));
        assert_eq!(i.protected_from_scale_in, Some(true));
        let template = i.launch_template.clone().unwrap();
        assert_eq!(template.version.as_deref(), Some("1"));
        let tags = p.ec2.tags.lock()[i.instance_id.as_ref().unwrap()].clone();
        let keys: Vec<_> = tags.keys().map(String::as_str).collect();
        let expected = [
            "aws:autoscaling:groupName",
            "aws:ec2launchtemplate:id",
            "aws:ec2launchtemplate:version",
            "team",
        ];
        assert_eq!(keys, expected);
    }
    let of_zone = |zone: &str| {
        let is = |i: &&api::Instance| i.availability_zone.as_deref() == Some(zone);
        instances.iter().filter(is).count()
    };
    assert_eq!((of_zone("us-east-1a"), of_zone("us-east-1b")), (2, 1));
    let activities = p.activities().await;
    assert_eq!(activities.len(), 3);
    let first = &activities[0];
    assert_eq!(first.status_code.as_deref(), Some("Successful"));
    assert_eq!(first.progress, Some(100));
    let description = first.description.clone().unwrap();
    assert!(
        description.starts_with("Launching a new EC2 instance: i-"),
        "{description}"
    );
    assert_eq!(
        first.cause.as_deref(),
        Some(
            "At 2023-11-14T22:13:20Z a user request created an AutoScalingGroup changing the \
             desired capacity from 0 to 3.  At 2023-11-14T22:13:20Z an instance was started in \
             response to a difference between desired and actual capacity, increasing the capacity \
             from 0 to 3."
        )
    );
}

#[tokio::test]
async fn an_instance_that_somebody_ended_or_called_sick_is_replaced() {
    let p = place();
    p.create(p.new_group(2, 2)).await;
    p.live().await;
    let before = p.in_state("InService").await;
    p.end(&before[0]).await;
    p.live().await;
    let after = p.in_state("InService").await;
    assert!(!after.contains(&before[0]) && after.contains(&before[1]) && after.len() == 2);
    let health = api::SetInstanceHealthInput {
        instance_id: before[1].clone(),
        health_status: "Unhealthy".into(),
        should_respect_grace_period: None,
    };
    p.call(ops::SetInstanceHealth, health).await.unwrap();
    p.live().await;
    assert!(!p.in_state("InService").await.contains(&before[1]));
    let causes: Vec<String> = p
        .activities()
        .await
        .into_iter()
        .filter_map(|a| a.cause)
        .collect();
    for cause in [
        "taken out of service in response to an EC2 health check indicating it has been terminated or stopped.",
        "taken out of service in response to a user health-check.",
        "launched in response to an unhealthy instance needing to be replaced.",
    ] {
        assert!(
            causes.iter().any(|c| c.contains(cause)),
            "{cause}: {causes:?}"
        );
    }
}

#[tokio::test]
async fn a_launch_whose_answer_was_lost_is_not_made_twice() {
    let p = place();
    p.create(p.new_group(1, 1)).await;
    let lost = AwsError::server("ServiceUnavailable", "gone").status(503);
    p.ec2.refusals.lock().push((lost, true));
    assert!(p.try_settle().await.is_err());
    assert_eq!(p.ec2.runs.lock().len(), 1, "it has started one");
    assert_eq!(p.in_state("Pending").await.len(), 0, "and not heard of it");
    // Meanwhile the template gets another version: the launch stays what it was.
    *p.ec2.latest.lock() += 1;
    p.live().await;
    assert_eq!(p.ec2.runs.lock().len(), 2);
    let all = instance::list(&p.lab.house, &p.cx.scope).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(p.in_state("InService").await, [all[0].id()]);
}

#[tokio::test]
async fn launches_that_fail_are_told_and_come_ever_more_slowly() {
    let p = place();
    p.create(api::CreateAutoScalingGroupInput {
        availability_zones: Some(vec!["us-east-1a".into()]),
        ..p.new_group(1, 1)
    })
    .await;
    for _ in 0..2 {
        let no = AwsError::client("Unsupported", "There is no such thing.");
        p.ec2.refusals.lock().push((no, false));
    }
    p.settle().await;
    let failed = p.activities().await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].status_code.as_deref(), Some("Failed"));
    assert_eq!(
        failed[0].status_message.as_deref(),
        Some("There is no such thing. Launching EC2 instance failed.")
    );
    p.settle().await;
    assert_eq!(p.activities().await.len(), 1, "it waits");
    p.later(6);
    p.settle().await;
    assert_eq!(p.activities().await.len(), 2);
    p.later(6);
    p.settle().await;
    assert_eq!(p.activities().await.len(), 2, "longer");
    p.later(5);
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 1);
}

#[tokio::test]
async fn a_zone_in_which_launches_fail_is_left_alone() {
    let p = place();
    p.create(p.new_group(1, 1)).await;
    let no = AwsError::client("InsufficientInstanceCapacity", "There is no room.");
    p.ec2.refusals.lock().push((no, false));
    p.live().await;
    let all = p.described().await.instances.unwrap();
    assert_eq!(all[0].availability_zone.as_deref(), Some("us-east-1b"));
}

#[tokio::test]
async fn the_first_override_that_can_be_had_is_taken() {
    let p = place();
    let kind = |kind: &str| api::LaunchTemplateOverrides {
        instance_type: some(kind),
        ..Default::default()
    };
    p.create(api::CreateAutoScalingGroupInput {
        launch_template: None,
        mixed_instances_policy: Some(api::MixedInstancesPolicy {
            launch_template: Some(api::LaunchTemplate {
                launch_template_specification: Some(api::LaunchTemplateSpecification {
                    launch_template_name: some("web"),
                    version: some("$Latest"),
                    ..Default::default()
                }),
                overrides: Some(vec![kind("huge"), kind("t3.small")]),
            }),
            instances_distribution: None,
        }),
        ..p.new_group(1, 1)
    })
    .await;
    let no = AwsError::client("InsufficientInstanceCapacity", "There is no room.");
    p.ec2.refusals.lock().push((no, false));
    p.live().await;
    let shown = p.described().await;
    let instance = &shown.instances.unwrap()[0];
    assert_eq!(instance.instance_type.as_deref(), Some("t3.small"));
    let policy = shown.mixed_instances_policy.unwrap();
    let template = policy
        .launch_template
        .unwrap()
        .launch_template_specification
        .unwrap();
    assert_eq!(template.launch_template_id.as_deref(), Some("lt-1"));
    assert_eq!(template.version.as_deref(), Some("$Latest"));
}

#[tokio::test]
async fn a_change_of_an_instance_wakes_its_group() {
    let p = place();
    p.create(p.new_group(1, 1)).await;
    p.live().await;
    let id = p.in_state("InService").await.remove(0);
    let key = format!("ec2/instance/000000000000/us-east-1/{id}");
    let group = "autoscaling/group/000000000000/us-east-1/web".to_owned();
    assert_eq!(p.keeper.key_of(&key), Some(group));
    assert_eq!(
        p.keeper.key_of("ec2/instance/000000000000/us-east-1/i-0"),
        None
    );
}

#[tokio::test]
async fn a_group_is_deleted_with_force_or_when_it_is_empty() {
    let p = place();
    let hook = api::LifecycleHookSpecification {
        lifecycle_hook_name: "wait".into(),
        lifecycle_transition: "autoscaling:EC2_INSTANCE_TERMINATING".into(),
        ..Default::default()
    };
    p.create(api::CreateAutoScalingGroupInput {
        new_instances_protected_from_scale_in: Some(true),
        lifecycle_hook_specification_list: Some(vec![hook]),
        ..p.new_group(2, 2)
    })
    .await;
    let delete = |force| api::DeleteAutoScalingGroupInput {
        auto_scaling_group_name: "web".into(),
        force_delete: Some(force),
    };
    let e = p.call(ops::DeleteAutoScalingGroup, delete(false)).await;
    // Nothing is there yet, so that it simply goes.
    e.unwrap();
    p.create(p.new_group(2, 2)).await;
    p.live().await;
    let e = p
        .call(ops::DeleteAutoScalingGroup, delete(false))
        .await
        .unwrap_err();
    assert_eq!(e.code, "ResourceInUse");
    p.call(ops::DeleteAutoScalingGroup, delete(true))
        .await
        .unwrap();
    p.call(ops::DeleteAutoScalingGroup, delete(true))
        .await
        .unwrap();
    assert_eq!(
        p.described().await.status.as_deref(),
        Some("Delete in progress")
    );
    assert_eq!(p.desire(1).await.unwrap_err().code, "ValidationError");
    p.live().await;
    let input = api::DescribeAutoScalingGroupsInput::default();
    let found = p.call(ops::DescribeAutoScalingGroups, input).await.unwrap();
    assert_eq!(found.auto_scaling_groups.unwrap().len(), 0);
    let all = instance::list(&p.lab.house, &p.cx.scope).await.unwrap();
    assert!(all.iter().all(|i| i.has_ended()));
    let input = api::DescribeScalingActivitiesInput {
        include_deleted_groups: Some(true),
        auto_scaling_group_name: some("web"),
        ..Default::default()
    };
    let found = p.call(ops::DescribeScalingActivities, input).await.unwrap();
    let found = found.activities.unwrap();
    assert_eq!(found.len(), 4);
    let last = found
        .iter()
        .find(|a| a.description.as_ref().unwrap().starts_with("Term"));
    let cause = last.unwrap().cause.clone().unwrap();
    assert!(cause.contains("a user request force deleted AutoScalingGroup changing the desired capacity from 2 to 0."), "{cause}");
}

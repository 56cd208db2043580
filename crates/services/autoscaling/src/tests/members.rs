//! Single instances: ended, attached, detached, in standby.

use super::{invalid, place, some};
use neargate_api_autoscaling::{self as api, ops};
use neargate_api_ec2 as ec2_api;
use neargate_service::Caller;
use neargate_service::instance::State;

#[tokio::test]
async fn an_instance_is_ended_with_or_without_its_place() {
    let p = place();
    p.create(api::CreateAutoScalingGroupInput {
        desired_capacity: Some(2),
        ..p.new_group(1, 2)
    })
    .await;
    p.live().await;
    let ids = p.in_state("InService").await;
    let end = |id: &str, decrement| api::TerminateInstanceInAutoScalingGroupInput {
        instance_id: some(id),
        should_decrement_desired_capacity: decrement,
        ..Default::default()
    };
    let ended = p
        .call(ops::TerminateInstanceInAutoScalingGroup, end(&ids[0], true))
        .await;
    let activity = ended.unwrap().activity.unwrap();
    assert_eq!(activity.status_code.as_deref(), Some("InProgress"));
    assert_eq!(
        activity.cause.unwrap(),
        format!(
            "At 2023-11-14T22:13:20Z instance {} was taken out of service in response to a user \
             request, shrinking the capacity from 2 to 1.",
            ids[0]
        )
    );
    p.live().await;
    assert_eq!(p.in_state("InService").await, [ids[1].clone()]);
    invalid(
        p.call(ops::TerminateInstanceInAutoScalingGroup, end(&ids[1], true))
            .await,
        "Currently, desiredSize equals minSize (1). Terminating instance without replacement will \
         violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to \
         false or lower group's min size.",
    );
    p.call(
        ops::TerminateInstanceInAutoScalingGroup,
        end(&ids[1], false),
    )
    .await
    .unwrap();
    p.live().await;
    let after = p.in_state("InService").await;
    assert!(after.len() == 1 && after[0] != ids[1]);
    invalid(
        p.call(ops::TerminateInstanceInAutoScalingGroup, end("i-0", true))
            .await,
        "Instance Id not found - No managed instance found for instance ID: i-0",
    );
}

#[tokio::test]
async fn instances_come_and_go_without_being_started_or_ended() {
    let p = place();
    p.create(p.new_group(0, 2)).await;
    let input = ec2_api::RunInstancesInput {
        client_token: some("mine"),
        ..Default::default()
    };
    let (house, scope) = (&p.lab.house, &p.cx.scope);
    let made = Caller::call::<ec2_api::ops::RunInstances>(house, scope, "me", &input).await;
    let id = made.unwrap().instances.unwrap()[0]
        .instance_id
        .clone()
        .unwrap();
    let attach = || api::AttachInstancesInput {
        instance_ids: Some(vec![id.clone()]),
        auto_scaling_group_name: "web".into(),
    };
    let early = p.call(ops::AttachInstances, attach()).await.unwrap_err();
    assert!(
        early.message.contains("'running' state"),
        "{}",
        early.message
    );
    p.observe(&id, State::Running).await;
    p.call(ops::AttachInstances, attach()).await.unwrap();
    p.live().await;
    assert_eq!(p.in_state("InService").await, std::slice::from_ref(&id));
    assert_eq!(p.group().await.desired, 1);
    assert_eq!(p.ec2.tags.lock()[&id]["aws:autoscaling:groupName"], "web");
    let twice = p.call(ops::AttachInstances, attach()).await.unwrap_err();
    assert_eq!(twice.code, "ValidationError");

    let detach = |decrement| api::DetachInstancesInput {
        instance_ids: Some(vec![id.clone()]),
        auto_scaling_group_name: "web".into(),
        should_decrement_desired_capacity: decrement,
    };
    let detached = p.call(ops::DetachInstances, detach(true)).await.unwrap();
    let activity = &detached.activities.unwrap()[0];
    assert_eq!(
        activity.description.clone().unwrap(),
        format!("Detaching EC2 instance: {id}")
    );
    p.live().await;
    assert_eq!(p.described().await.instances.unwrap().len(), 0);
    assert_eq!(p.ec2.tags.lock()[&id].len(), 0);
    invalid(
        p.call(ops::DetachInstances, detach(false)).await,
        &format!("The instance {id} is not part of Auto Scaling group web."),
    );
}

#[tokio::test]
async fn an_instance_stands_by_and_comes_back() {
    let p = place();
    p.create(api::CreateAutoScalingGroupInput {
        availability_zones: Some(vec!["us-east-1a".into()]),
        ..p.new_group(1, 2)
    })
    .await;
    p.live().await;
    let id = p.in_state("InService").await.remove(0);
    let enter = |decrement| api::EnterStandbyInput {
        instance_ids: Some(vec![id.clone()]),
        auto_scaling_group_name: "web".into(),
        should_decrement_desired_capacity: decrement,
    };
    invalid(
        p.call(ops::EnterStandby, enter(true)).await,
        "AutoScalingGroup web has min-size=1, max-size=2, and desired-size=1. To place into standby \
         1 instance, please update the AutoScalingGroup sizes appropriately.",
    );
    p.call(ops::EnterStandby, enter(false)).await.unwrap();
    p.live().await;
    assert_eq!(p.in_state("Standby").await, std::slice::from_ref(&id));
    assert_eq!(
        p.in_state("InService").await.len(),
        1,
        "another took its place"
    );
    let exit = || api::ExitStandbyInput {
        instance_ids: Some(vec![id.clone()]),
        auto_scaling_group_name: "web".into(),
    };
    p.call(ops::ExitStandby, exit()).await.unwrap();
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 2);
    assert_eq!(p.group().await.desired, 2);
    invalid(
        p.call(ops::ExitStandby, exit()).await,
        &format!("The instance {id} is not in Standby."),
    );
}

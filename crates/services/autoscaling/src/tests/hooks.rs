//! Lifecycle hooks hold instances.

use super::{Place, invalid, place, some};
use neargate_api_autoscaling::{self as api, ops};
use neargate_service::Stored;
use neargate_service::invocation::{Invocation, To};

impl Place {
    async fn told(&self) -> Vec<Stored<Invocation>> {
        let cx = self.lab.cx();
        cx.db().list::<Invocation>(&cx.scope).await.unwrap()
    }

    async fn hook(&self, name: &str, transition: &str, default: &str) {
        let input = api::PutLifecycleHookInput {
            lifecycle_hook_name: name.into(),
            auto_scaling_group_name: "web".into(),
            lifecycle_transition: Some(format!("autoscaling:EC2_INSTANCE_{transition}")),
            heartbeat_timeout: Some(60),
            default_result: some(default),
            ..Default::default()
        };
        self.call(ops::PutLifecycleHook, input).await.unwrap();
    }

    async fn complete(
        &self,
        name: &str,
        id: &str,
        result: &str,
    ) -> Result<(), neargate_service::AwsError> {
        let input = api::CompleteLifecycleActionInput {
            lifecycle_hook_name: name.into(),
            auto_scaling_group_name: "web".into(),
            lifecycle_action_token: None,
            lifecycle_action_result: result.into(),
            instance_id: some(id),
        };
        self.call(ops::CompleteLifecycleAction, input)
            .await
            .map(drop)
    }
}

#[tokio::test]
async fn an_instance_waits_for_all_hooks_to_start_and_to_end() {
    let p = place();
    p.create(p.new_group(0, 1)).await;
    p.hook("one", "LAUNCHING", "ABANDON").await;
    p.hook("two", "LAUNCHING", "CONTINUE").await;
    p.hook("end", "TERMINATING", "ABANDON").await;
    p.desire(1).await.unwrap();
    p.live().await;
    let id = p.in_state("Pending:Wait").await.remove(0);
    assert_eq!(
        p.activities().await[0].status_code.as_deref(),
        Some("MidLifecycleAction")
    );
    p.complete("one", &id, "CONTINUE").await.unwrap();
    p.live().await;
    assert_eq!(p.in_state("Pending:Wait").await.len(), 1);
    invalid(
        p.complete("one", &id, "CONTINUE").await,
        &format!("No active Lifecycle Action found with instance ID {id}"),
    );
    // The other one's time runs out.
    p.later(61);
    p.live().await;
    assert_eq!(p.in_state("InService").await.len(), 1);
    p.desire(0).await.unwrap();
    p.live().await;
    assert_eq!(p.in_state("Terminating:Wait").await.len(), 1);
    p.later(50);
    let token = p.group().await.instances[&id].waits["end"].token.clone();
    let beat = api::RecordLifecycleActionHeartbeatInput {
        lifecycle_hook_name: "end".into(),
        auto_scaling_group_name: "web".into(),
        lifecycle_action_token: Some(token),
        instance_id: None,
    };
    p.call(ops::RecordLifecycleActionHeartbeat, beat)
        .await
        .unwrap();
    p.later(50);
    p.live().await;
    assert_eq!(
        p.in_state("Terminating:Wait").await.len(),
        1,
        "the heartbeat counts"
    );
    p.later(11);
    p.live().await;
    assert_eq!(p.described().await.instances.unwrap().len(), 0);
}

#[tokio::test]
async fn an_abandoned_launch_is_replaced_later() {
    let p = place();
    p.create(api::CreateAutoScalingGroupInput {
        availability_zones: Some(vec!["us-east-1a".into()]),
        ..p.new_group(0, 1)
    })
    .await;
    p.hook("one", "LAUNCHING", "ABANDON").await;
    p.desire(1).await.unwrap();
    p.live().await;
    let id = p.in_state("Pending:Wait").await.remove(0);
    p.complete("one", &id, "ABANDON").await.unwrap();
    p.live().await;
    assert_eq!(p.described().await.instances.unwrap().len(), 0);
    let activities = p.activities().await;
    let cancelled = activities
        .iter()
        .find(|a| a.status_code.as_deref() == Some("Cancelled"));
    let message = cancelled.unwrap().status_message.clone().unwrap();
    assert!(
        message.ends_with("was abandoned: Lifecycle Action Completed with ABANDON Result"),
        "{message}"
    );
    p.later(6);
    p.live().await;
    assert_eq!(p.in_state("Pending:Wait").await.len(), 1);
    let delete = api::DeleteLifecycleHookInput {
        lifecycle_hook_name: "one".into(),
        auto_scaling_group_name: "web".into(),
    };
    p.call(ops::DeleteLifecycleHook, delete.clone())
        .await
        .unwrap();
    p.live().await;
    p.later(20);
    p.live().await;
    assert_eq!(
        p.in_state("InService").await.len(),
        1,
        "the next has no hook to wait for"
    );
    invalid(
        p.call(ops::DeleteLifecycleHook, delete).await,
        "No Lifecycle Hook found with name: one",
    );
}

#[tokio::test]
async fn hooks_and_topics_are_told() {
    let p = place();
    p.create(p.new_group(0, 1)).await;
    let topic = "arn:aws:sns:us-east-1:000000000000:told";
    let input = api::PutLifecycleHookInput {
        lifecycle_hook_name: "one".into(),
        auto_scaling_group_name: "web".into(),
        lifecycle_transition: some("autoscaling:EC2_INSTANCE_LAUNCHING"),
        notification_target_arn: some("arn:aws:sqs:us-east-1:000000000000:hooks"),
        role_arn: some("arn:aws:iam::000000000000:role/hooks"),
        notification_metadata: some("blue"),
        ..Default::default()
    };
    p.call(ops::PutLifecycleHook, input).await.unwrap();
    let input = api::PutNotificationConfigurationInput {
        auto_scaling_group_name: "web".into(),
        topic_arn: topic.into(),
        notification_types: vec![
            "autoscaling:EC2_INSTANCE_LAUNCH".into(),
            "autoscaling:TEST_NOTIFICATION".into(),
        ],
    };
    p.call(ops::PutNotificationConfiguration, input)
        .await
        .unwrap();
    p.desire(1).await.unwrap();
    p.live().await;
    let id = p.in_state("Pending:Wait").await.remove(0);
    p.complete("one", &id, "CONTINUE").await.unwrap();
    p.live().await;

    let mut told = Vec::new();
    for invocation in p.told().await {
        let To::Operation { input, .. } = invocation.value.to else {
            panic!("nothing");
        };
        let text = input["Message"].as_str().or(input["MessageBody"].as_str());
        let message: serde_json::Value = serde_json::from_str(text.unwrap()).unwrap();
        let what = message["Event"]
            .as_str()
            .or(message["LifecycleTransition"].as_str());
        told.push(format!(
            "{} {}",
            invocation.value.role.is_some(),
            what.unwrap()
        ));
        if message["LifecycleTransition"].is_string() {
            assert_eq!(message["NotificationMetadata"], "blue");
            assert_eq!(message["EC2InstanceId"], id.as_str());
        }
    }
    told.sort();
    let wanted = [
        "false autoscaling:EC2_INSTANCE_LAUNCH",
        "false autoscaling:TEST_NOTIFICATION",
        "true autoscaling:EC2_INSTANCE_LAUNCHING",
        "true autoscaling:TEST_NOTIFICATION",
    ];
    assert_eq!(told, wanted);
}

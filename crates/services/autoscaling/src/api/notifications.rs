//! Topics that hear of instances that start and end
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-sns-notifications.html>).

use super::{PAGE, all, change, find, paged, size, text};
use crate::tell::{self, TEST};
use crate::{Autoscaling, error};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Committed, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// Topics of a group.
const MAX_TOPICS: usize = 10;
pub(super) const TYPES: [&str; 5] = [
    "autoscaling:EC2_INSTANCE_LAUNCH",
    "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
    "autoscaling:EC2_INSTANCE_TERMINATE",
    "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
    TEST,
];

/// Replaces what the topic is told.
pub async fn put_notification_configuration(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::PutNotificationConfigurationInput,
) -> Result<Unit, AwsError> {
    let types = &input.notification_types;
    if let Some(other) = types.iter().find(|t| !TYPES.contains(&t.as_str())) {
        return Err(error::validation(format!(
            "{other} is not a valid notification type"
        )));
    }
    change(&cx, &input.auto_scaling_group_name, |group| {
        let topic = &input.topic_arn;
        if !group.notifications.contains_key(topic) && group.notifications.len() >= MAX_TOPICS {
            return Err(error::limit_exceeded(
                "SNS topics per AutoScalingGroup",
                MAX_TOPICS,
            ));
        }
        let types = types.iter().cloned().collect();
        group.notifications.insert(topic.clone(), types);
        Ok(())
    })
    .await?;
    if types.iter().any(|kind| kind == TEST) {
        tried(&cx, &input.auto_scaling_group_name, &input.topic_arn, None).await?;
    }
    Ok(Unit)
}

/// Sends a target the test message.
pub(super) async fn tried(
    cx: &Ctx,
    group: &str,
    target: &str,
    role: Option<String>,
) -> Result<(), AwsError> {
    let group = find(cx, group).await?;
    let tx = tell::test(cx.db().tx(), &cx.house, &cx.scope, &group, target, role);
    match tx.commit().await? {
        Committed::At(_) | Committed::Conflict => Ok(()),
    }
}

pub async fn describe_notification_configurations(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeNotificationConfigurationsInput,
) -> Result<api::DescribeNotificationConfigurationsOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let names = input.auto_scaling_group_names.unwrap_or_default();
    let groups = all(&cx).await?;
    let mut found = Vec::new();
    for group in groups
        .iter()
        .filter(|g| names.is_empty() || names.contains(&g.name))
    {
        for (topic, types) in &group.notifications {
            found.extend(types.iter().map(|kind| api::NotificationConfiguration {
                auto_scaling_group_name: text(&group.name),
                topic_arn: text(topic),
                notification_type: text(kind),
            }));
        }
    }
    let position = |n: &api::NotificationConfiguration| {
        let of = |s: &Option<String>| crate::model::escaped(s.as_deref().unwrap_or_default());
        let group = of(&n.auto_scaling_group_name);
        format!("{group}/{}/{}", of(&n.topic_arn), of(&n.notification_type))
    };
    found.sort_by_key(position);
    let found = paged(found, input.next_token.as_deref(), limit, position)?;
    Ok(api::DescribeNotificationConfigurationsOutput {
        notification_configurations: Some(found.items),
        next_token: found.next_token,
    })
}

pub async fn delete_notification_configuration(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DeleteNotificationConfigurationInput,
) -> Result<Unit, AwsError> {
    change(&cx, &input.auto_scaling_group_name, |group| {
        let gone = group.notifications.remove(&input.topic_arn);
        gone.map(drop)
            .ok_or_else(|| error::notification_not_found(&input.topic_arn))
    })
    .await?;
    Ok(Unit)
}

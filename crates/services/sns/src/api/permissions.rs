//! `AddPermission` and `RemovePermission`: statements of a topic's policy
//! (<https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html>).

use super::place_for;
use crate::model::Topic;
use crate::{Sns, attributes, error};
use neargate_api_sns as api;
use neargate_service::{AwsError, Ctx, db};
use serde_json::{Value, json};
use std::sync::Arc;

const ACTIONS: [&str; 9] = [
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
    "Receive",
];

pub async fn add_permission(
    sns: Arc<Sns>,
    cx: Ctx,
    input: api::AddPermissionInput,
) -> Result<api::AddPermissionOutput, AwsError> {
    let arn = &input.topic_arn;
    if let Some(unknown) = input.action_name.iter().find(|a| !is_action(a)) {
        tracing::debug!(action = unknown, "no action of a topic's policy");
        return Err(error::invalid_parameter(
            "Policy statement action out of service scope!",
        ));
    }
    let one_or_all = |all: Vec<String>| match <[String; 1]>::try_from(all) {
        Ok([one]) => Value::String(one),
        Err(all) => json!(all),
    };
    let actions = input.action_name.iter().map(|a| format!("SNS:{a}"));
    let accounts = input.aws_account_id.iter();
    let statement = json!({
        "Sid": input.label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_all(
            accounts.map(|a| format!("arn:aws:iam::{a}:root")).collect()
        ) },
        "Action": one_or_all(actions.collect()),
        "Resource": arn,
    });
    let add = |statements: &mut Vec<Value>| {
        if statements.iter().any(|s| s["Sid"] == input.label.as_str()) {
            return Err(error::invalid_parameter("Statement already exists"));
        }
        statements.push(statement.clone());
        Ok(())
    };
    change(&sns, &cx, arn, "AddPermission", add).await?;
    Ok(api::AddPermissionOutput {})
}

fn is_action(name: &str) -> bool {
    ACTIONS.contains(&name) || name == "*"
}

pub async fn remove_permission(
    sns: Arc<Sns>,
    cx: Ctx,
    input: api::RemovePermissionInput,
) -> Result<api::RemovePermissionOutput, AwsError> {
    let remove = |statements: &mut Vec<Value>| {
        statements.retain(|s| s["Sid"] != input.label.as_str());
        Ok(())
    };
    change(&sns, &cx, &input.topic_arn, "RemovePermission", remove).await?;
    Ok(api::RemovePermissionOutput {})
}

async fn change(
    sns: &Sns,
    cx: &Ctx,
    arn: &str,
    action: &str,
    change: impl Fn(&mut Vec<Value>) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let place = place_for(cx, "TopicArn", arn, action).await?;
    let key = db::key::<Topic>(&place.scope, &place.name);
    let changed = cx.db().modify::<Topic, _>(&key, |topic| {
        let text = attributes::policy(topic, arn, &place.scope);
        let mut policy: Value = serde_json::from_str(&text).map_err(AwsError::internal)?;
        let mut statements = match policy["Statement"].take() {
            Value::Array(all) => all,
            Value::Null => Vec::new(),
            one => vec![one],
        };
        change(&mut statements)?;
        policy["Statement"] = statements.into();
        topic.attributes.insert("Policy".into(), policy.to_string());
        Ok(true)
    });
    changed.await?.ok_or_else(error::topic_not_found)?;
    sns.deliveries.topics.changed(&place.scope, &place.name);
    Ok(())
}

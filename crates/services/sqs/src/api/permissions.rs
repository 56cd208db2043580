//! The statements of a queue's policy that have a label.

use super::{find, key_of};
use crate::attributes::POLICY;
use crate::model::Queue;
use crate::{Sqs, error};
use neargate_api_sqs as api;
use neargate_service::{AwsError, Ctx};
use serde_json::{Value, json};
use std::sync::Arc;

/// What can be permitted to others
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-overview-of-managing-access.html>).
const ACTIONS: [&str; 8] = [
    "*",
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
];

/// A list of one is written as that one.
fn one_or_all(mut all: Vec<String>) -> Value {
    match all.len() {
        1 => Value::from(all.remove(0)),
        _ => Value::from(all),
    }
}

pub async fn add_permission(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::AddPermissionInput,
) -> Result<api::AddPermissionOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let arn = found.arn();
    for action in &input.actions {
        if !ACTIONS.contains(&action.as_str()) {
            return Err(error::invalid_parameter(
                &format!("SQS:{action}"),
                "ActionName",
                "Please refer to the appropriate WSDL for a list of valid actions. ",
            ));
        }
    }
    if input.aws_account_ids.is_empty() || input.actions.is_empty() {
        let lacking = if input.actions.is_empty() {
            "Actions"
        } else {
            "AWSAccountIds"
        };
        return Err(error::missing(lacking));
    }
    let account = |id: &String| format!("arn:aws:iam::{id}:root");
    let statement = json!({
        "Sid": input.label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_all(input.aws_account_ids.iter().map(account).collect()) },
        "Action": one_or_all(input.actions.iter().map(|a| format!("SQS:{a}")).collect()),
        "Resource": arn,
    });
    change(&cx, &input.queue_url, |policy| {
        let mut policy = policy.unwrap_or_else(|| {
            json!({
                "Version": "2008-10-17",
                "Id": format!("{arn}/SQSDefaultPolicy"),
                "Statement": [],
            })
        });
        if !policy["Statement"].is_array() {
            policy["Statement"] = json!([policy["Statement"].take()]);
        }
        let statements = policy["Statement"].as_array_mut();
        let statements = statements.expect("it was made one above");
        if statements.iter().any(|s| s["Sid"] == *input.label) {
            return Err(error::invalid_parameter(
                &input.label,
                "Label",
                "Already exists.",
            ));
        }
        if statements.len() >= 20 {
            return Err(AwsError::client(
                "OverLimit",
                "20 Statements are the most that a policy may have.",
            )
            .status(403));
        }
        statements.push(statement.clone());
        Ok(Some(policy))
    })
    .await?;
    Ok(api::AddPermissionOutput {})
}

pub async fn remove_permission(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::RemovePermissionInput,
) -> Result<api::RemovePermissionOutput, AwsError> {
    find(&sqs, &cx, &input.queue_url).await?;
    let missing = || error::invalid_parameter(&input.label, "Label", "can't find label.");
    change(&cx, &input.queue_url, |policy| {
        let mut policy = policy.ok_or_else(missing)?;
        let statements = policy["Statement"].as_array_mut();
        let statements = statements.ok_or_else(missing)?;
        let before = statements.len();
        statements.retain(|s| s["Sid"] != *input.label);
        if statements.len() == before {
            return Err(missing());
        }
        let is_empty = statements.is_empty();
        Ok((!is_empty).then_some(policy))
    })
    .await?;
    Ok(api::RemovePermissionOutput {})
}

/// Changes a queue's policy; `None` is none.
async fn change(
    cx: &Ctx,
    url: &str,
    change: impl Fn(Option<Value>) -> Result<Option<Value>, AwsError>,
) -> Result<(), AwsError> {
    let key = key_of(cx, url)?;
    let changed = cx.db().modify::<Queue, _>(&key, |queue| {
        let policy = queue.attributes.get(POLICY);
        let policy = policy.and_then(|text| serde_json::from_str(text).ok());
        match change(policy)? {
            Some(policy) => {
                queue.attributes.insert(POLICY.into(), policy.to_string());
            }
            None => {
                queue.attributes.remove(POLICY);
            }
        }
        queue.modified_at = cx.now();
        Ok(true)
    });
    changed.await?.ok_or_else(error::no_queue).map(drop)
}

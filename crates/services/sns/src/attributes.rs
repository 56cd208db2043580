//! The attributes of a topic: which there are, what they may be, and what is answered of those
//! that were not set
//! (<https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html>).

use crate::deliver::retry;
use crate::error;
use crate::model::Topic;
use neargate_service::{AwsError, Scope};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FIFO: &str = "FifoTopic";
const MAX_DISPLAY_NAME_CHARS: usize = 100;
/// Each can be told of deliveries by three attributes.
const PROTOCOLS: [&str; 5] = ["HTTP", "Firehose", "Lambda", "Application", "SQS"];

/// Those a new topic begins with, checked.
pub fn at_creation(
    name: &str,
    mut given: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, AwsError> {
    let fifo = given.get(FIFO).is_some_and(|v| v == "true");
    let plain = name.strip_suffix(".fifo").filter(|_| fifo);
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_name = |name: &str| !name.is_empty() && name.len() <= 256 && name.chars().all(letters);
    if fifo && !plain.is_some_and(|plain| is_name(plain) && name.len() <= 256) {
        return Err(error::invalid_parameter(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and \
             lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 \
             and 256 characters long.",
        ));
    }
    if !fifo && !is_name(name) {
        return Err(error::invalid_parameter("Topic Name"));
    }
    for (attribute, value) in &given {
        let known = attribute == FIFO && is_boolean(value);
        if !known && !is_settable(attribute, fifo) {
            let text = format!("Attributes Reason: Unknown attribute {attribute}");
            return Err(error::invalid_parameter(&text));
        }
        check(attribute, value)?;
    }
    // What a topic is anyway, AWS keeps no attribute of.
    if !fifo {
        given.remove(FIFO);
    }
    Ok(given)
}

/// Checks a change of one attribute of a topic.
pub fn check_change(topic: &Topic, attribute: &str, value: &str) -> Result<(), AwsError> {
    if !is_settable(attribute, topic.is_fifo()) {
        return Err(error::invalid_parameter("AttributeName"));
    }
    check(attribute, value)
}

fn is_settable(attribute: &str, fifo: bool) -> bool {
    match attribute {
        "DeliveryPolicy" | "DisplayName" | "Policy" | "TracingConfig" | "KmsMasterKeyId"
        | "SignatureVersion" => true,
        "ContentBasedDeduplication" | "ArchivePolicy" | "FifoThroughputScope" => fifo,
        _ => PROTOCOLS.iter().any(|protocol| {
            let told = attribute.strip_prefix(protocol);
            matches!(
                told,
                Some(
                    "SuccessFeedbackRoleArn"
                        | "SuccessFeedbackSampleRate"
                        | "FailureFeedbackRoleArn"
                )
            )
        }),
    }
}

fn check(attribute: &str, value: &str) -> Result<(), AwsError> {
    let good = match attribute {
        "DisplayName" => value.chars().count() <= MAX_DISPLAY_NAME_CHARS,
        "TracingConfig" => matches!(value, "PassThrough" | "Active"),
        "SignatureVersion" => matches!(value, "1" | "2"),
        "ContentBasedDeduplication" | FIFO => is_boolean(value),
        "FifoThroughputScope" => matches!(value, "Topic" | "MessageGroup"),
        // An empty value takes the attribute away.
        "Policy" => value.is_empty() || is_object(value),
        "DeliveryPolicy" => {
            return match retry::http_policy(Some(value), None) {
                Ok(_) => Ok(()),
                Err(why) => Err(error::invalid_parameter(&why)),
            };
        }
        "ArchivePolicy" if !value.is_empty() => {
            return Err(AwsError::not_implemented("sns", "ArchivePolicy"));
        }
        "KmsMasterKeyId" => value.len() <= 2_048,
        _ if attribute.ends_with("SampleRate") => value.parse::<u8>().is_ok_and(|v| v <= 100),
        _ => true,
    };
    match good {
        true => Ok(()),
        false if attribute == "Policy" => Err(error::invalid_parameter("Policy Error: null")),
        false => Err(error::invalid_parameter(attribute)),
    }
}

fn is_boolean(value: &str) -> bool {
    matches!(value, "true" | "false")
}

fn is_object(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Value::Object(_)))
}

/// All of a topic's attributes, as `GetTopicAttributes` answers them.
pub fn described(topic: &Topic, arn: &str, scope: &Scope) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from(
        [
            ("TopicArn", arn.to_owned()),
            ("Owner", scope.account.to_string()),
            ("DisplayName", String::new()),
            ("Policy", policy(topic, arn, scope)),
            ("EffectiveDeliveryPolicy", default_delivery().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if topic.is_fifo() {
        all.insert("ContentBasedDeduplication".into(), "false".into());
    }
    let set = topic.attributes.iter().filter(|(_, v)| !v.is_empty());
    for (name, value) in set {
        if name == "DeliveryPolicy" {
            all.insert("EffectiveDeliveryPolicy".into(), value.clone());
        }
        all.insert(name.clone(), value.clone());
    }
    all
}

/// A topic's policy, AWS's default where it has none of its own.
pub fn policy(topic: &Topic, arn: &str, scope: &Scope) -> String {
    let own = topic.attribute("Policy").map(str::to_owned);
    own.unwrap_or_else(|| default_policy(arn, scope).to_string())
}

/// Only the owner may use a topic that has no policy of its own.
fn default_policy(arn: &str, scope: &Scope) -> Value {
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": [
                "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission",
                "SNS:RemovePermission", "SNS:DeleteTopic", "SNS:Subscribe",
                "SNS:ListSubscriptionsByTopic", "SNS:Publish",
            ],
            "Resource": arn,
            "Condition": { "StringEquals": { "AWS:SourceOwner": scope.account.to_string() } },
        }],
    })
}

/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>
fn default_delivery() -> Value {
    json!({
        "http": {
            "defaultHealthyRetryPolicy": {
                "minDelayTarget": 20,
                "maxDelayTarget": 20,
                "numRetries": 3,
                "numMaxDelayRetries": 0,
                "numNoDelayRetries": 0,
                "numMinDelayRetries": 0,
                "backoffFunction": "linear",
            },
            "disableSubscriptionOverrides": false,
            "defaultRequestPolicy": { "headerContentType": "text/plain; charset=UTF-8" },
        },
    })
}

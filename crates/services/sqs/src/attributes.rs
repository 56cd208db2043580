//! The attributes of a queue: which there are, what they may be, and what holds where nothing was set
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>).

use crate::error;
use crate::model::Queue;
use neargate_service::AwsError;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

pub const POLICY: &str = "Policy";
pub const REDRIVE: &str = "RedrivePolicy";
pub const REDRIVE_ALLOW: &str = "RedriveAllowPolicy";
pub const FIFO: &str = "FifoQueue";
pub const CONTENT_BASED: &str = "ContentBasedDeduplication";
pub const SCOPE: &str = "DeduplicationScope";
pub const THROUGHPUT: &str = "FifoThroughputLimit";
pub const MANAGED_SSE: &str = "SqsManagedSseEnabled";
pub const KMS_KEY: &str = "KmsMasterKeyId";
pub const KMS_REUSE: &str = "KmsDataKeyReusePeriodSeconds";
/// Where nothing else was said.
const KMS_REUSE_SECONDS: u64 = 300;

/// Numbers: least, most, default.
const NUMBERS: [(&str, i64, i64, i64); 5] = [
    ("VisibilityTimeout", 0, 43_200, 30),
    ("MaximumMessageSize", 1_024, 1_048_576, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600, 345_600),
    ("DelaySeconds", 0, 900, 0),
    ("ReceiveMessageWaitTimeSeconds", 0, 20, 0),
];

/// Those that only the queue itself knows.
const OBSERVED: [&str; 6] = [
    "QueueArn",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
];

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    pub target: String,
    pub max_receives: u32,
}

/// What a queue does, by its attributes.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a>(pub &'a Queue);

impl Rules<'_> {
    fn number(self, name: &str) -> i64 {
        let set = self.0.attributes.get(name).and_then(|v| v.parse().ok());
        let default = NUMBERS.iter().find(|(n, ..)| *n == name);
        set.or(default.map(|(.., default)| *default)).unwrap_or(0)
    }

    fn is(self, name: &str) -> bool {
        self.0.attributes.get(name).is_some_and(|v| v == "true")
    }

    pub fn visibility_seconds(self) -> i64 {
        self.number("VisibilityTimeout")
    }

    pub fn max_bytes(self) -> u64 {
        self.number("MaximumMessageSize") as u64
    }

    pub fn retention_millis(self) -> i64 {
        self.number("MessageRetentionPeriod") * 1_000
    }

    pub fn delay_seconds(self) -> i64 {
        self.number("DelaySeconds")
    }

    pub fn wait_seconds(self) -> i64 {
        self.number("ReceiveMessageWaitTimeSeconds")
    }

    pub fn dedups_by_content(self) -> bool {
        self.is(CONTENT_BASED)
    }

    /// Duplicates are known within their group alone.
    pub fn dedups_by_group(self) -> bool {
        let scope = self.0.attributes.get(SCOPE);
        scope.is_some_and(|v| v == "messageGroup")
    }

    /// Its messages are sealed on the disk, unless the queue's owner said otherwise.
    pub fn seals(self) -> bool {
        let managed = self.0.attributes.get(MANAGED_SSE);
        managed.is_none_or(|v| v == "true")
    }

    /// The key of KMS that its messages are sealed by.
    pub fn kms_key(&self) -> Option<&str> {
        let key = self.0.attributes.get(KMS_KEY).map(String::as_str);
        key.filter(|key| !key.is_empty())
    }

    /// For how long a data key is used again.
    pub fn kms_reuse(self) -> Duration {
        let set = self.0.attributes.get(KMS_REUSE);
        let set = set.and_then(|v| v.parse().ok());
        Duration::from_secs(set.unwrap_or(KMS_REUSE_SECONDS))
    }

    pub fn redrive(self) -> Option<Redrive> {
        redrive(self.0.attributes.get(REDRIVE)?).ok()
    }
}

/// Reads a `RedrivePolicy`.
pub fn redrive(text: &str) -> Result<Redrive, AwsError> {
    let bad = |reason: &str| error::invalid_parameter(text, REDRIVE, reason);
    let value: Value =
        serde_json::from_str(text).map_err(|_| bad("Redrive policy is not a valid JSON map."))?;
    if !value.is_object() {
        return Err(bad("Redrive policy is not a valid JSON map."));
    }
    let target = value["deadLetterTargetArn"].as_str();
    let count = match &value["maxReceiveCount"] {
        Value::Null => None,
        Value::Number(n) => Some(n.as_i64()),
        Value::String(s) => Some(s.parse().ok()),
        _ => Some(None),
    };
    let (Some(target), Some(count)) = (target, count) else {
        return Err(bad(
            "Redrive policy does not contain mandatory attribute: maxReceiveCount and deadLetterTargetArn.",
        ));
    };
    match count {
        Some(count) if (1..=1_000).contains(&count) => Ok(Redrive {
            target: target.to_owned(),
            max_receives: count as u32,
        }),
        _ => {
            let said = match &value["maxReceiveCount"] {
                Value::String(s) => s.clone(),
                other => other.to_string(),
            };
            let reason = format!(
                "Invalid value for maxReceiveCount: {said}, valid values are from 1 to 1000 both inclusive."
            );
            Err(bad(&reason))
        }
    }
}

/// Does a queue's `RedriveAllowPolicy` let `source` use it as its dead-letter queue?
pub fn allows_redrive(policy: Option<&String>, source: &str) -> bool {
    let policy = policy.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(policy) = policy else {
        return true;
    };
    match policy["redrivePermission"].as_str() {
        Some("denyAll") => false,
        Some("byQueue") => {
            let arns = policy["sourceQueueArns"].as_array();
            arns.is_some_and(|arns| arns.iter().any(|arn| arn == source))
        }
        _ => true,
    }
}

/// Checks the attributes of a queue to be made.
pub fn at_creation(fifo: bool, given: &BTreeMap<String, String>) -> Result<(), AwsError> {
    for (name, value) in given {
        if name == FIFO {
            match value.as_str() {
                "true" if fifo => continue,
                "true" | "false" if !fifo => return Err(error::unknown_attribute(FIFO)),
                _ => return Err(error::attribute_value(FIFO)),
            }
        }
        check(fifo, name, value)?;
    }
    if fifo && given.get(FIFO).is_none() {
        return Err(error::queue_name());
    }
    together(given)
}

/// Makes a change of attributes; an empty value takes some away.
pub fn change(queue: &mut Queue, given: &BTreeMap<String, String>) -> Result<(), AwsError> {
    let fifo = queue.is_fifo();
    for (name, value) in given {
        if name == FIFO && fifo {
            if value == "true" {
                continue;
            }
            return Err(error::attribute_reason(
                FIFO,
                "Modifying queue type is not supported.",
            ));
        }
        let is_empty = value.is_empty();
        if is_empty && [POLICY, REDRIVE, REDRIVE_ALLOW, KMS_KEY].contains(&name.as_str()) {
            queue.attributes.remove(name);
            continue;
        }
        check(fifo, name, value)?;
        queue.attributes.insert(name.clone(), value.clone());
    }
    // Messages are encrypted in one way: the one that was said last.
    if given.get(MANAGED_SSE).is_some_and(|v| v == "true") {
        queue.attributes.remove(KMS_KEY);
        queue.attributes.remove(KMS_REUSE);
    } else if given.get(KMS_KEY).is_some_and(|v| !v.is_empty()) {
        queue.attributes.insert(MANAGED_SSE.into(), "false".into());
    }
    together(&queue.attributes)
}

fn check(fifo: bool, name: &str, value: &str) -> Result<(), AwsError> {
    if let Some((_, least, most, _)) = NUMBERS.iter().find(|(n, ..)| *n == name) {
        let good = value
            .parse()
            .is_ok_and(|v: i64| (*least..=*most).contains(&v));
        return if good {
            Ok(())
        } else {
            Err(error::attribute_value(name))
        };
    }
    let is_boolean = matches!(value, "true" | "false");
    let is_object = || matches!(serde_json::from_str(value), Ok(Value::Object(_)));
    let good = match name {
        POLICY => value.is_empty() || is_object(),
        REDRIVE if value.is_empty() => true,
        REDRIVE => return redrive(value).map(drop),
        REDRIVE_ALLOW => value.is_empty() || is_object(),
        MANAGED_SSE => is_boolean,
        KMS_KEY => value.len() <= 2_048,
        KMS_REUSE => value.parse().is_ok_and(|v: i64| (60..=86_400).contains(&v)),
        CONTENT_BASED if fifo => is_boolean,
        SCOPE if fifo => matches!(value, "messageGroup" | "queue"),
        THROUGHPUT if fifo => matches!(value, "perQueue" | "perMessageGroupId"),
        SCOPE | THROUGHPUT => return Err(error::only_fifo(name)),
        _ => return Err(error::unknown_attribute(name)),
    };
    if good {
        Ok(())
    } else {
        Err(error::attribute_value(name))
    }
}

/// What attributes may be beside each other.
fn together(all: &BTreeMap<String, String>) -> Result<(), AwsError> {
    let is = |name: &str, value: &str| all.get(name).is_some_and(|v| v == value);
    if is(THROUGHPUT, "perMessageGroupId") && !is(SCOPE, "messageGroup") {
        return Err(error::attribute_reason(
            THROUGHPUT,
            "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.",
        ));
    }
    if all.get(KMS_KEY).is_some_and(|v| !v.is_empty()) && is(MANAGED_SSE, "true") {
        return Err(error::attribute_reason(
            MANAGED_SSE,
            "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
        ));
    }
    Ok(())
}

/// What the queue itself knows.
pub struct Observed {
    pub arn: String,
    pub visible: usize,
    pub in_flight: usize,
    pub delayed: usize,
}

/// The attributes that `names` ask for; all for `All`.
pub fn described(
    queue: &Queue,
    observed: &Observed,
    names: &[String],
) -> Result<BTreeMap<String, String>, AwsError> {
    let mut all = settled(queue);
    let seconds = |at: neargate_base::Timestamp| (at.as_millis() / 1_000).to_string();
    let values = [
        observed.arn.clone(),
        observed.visible.to_string(),
        observed.in_flight.to_string(),
        observed.delayed.to_string(),
        seconds(queue.created_at),
        seconds(queue.modified_at),
    ];
    all.extend(OBSERVED.iter().map(|n| (*n).to_owned()).zip(values));
    if names.iter().any(|n| n == "All") {
        return Ok(all);
    }
    for name in names {
        if !is_known(name) {
            return Err(error::unknown_attribute(name));
        }
    }
    all.retain(|name, _| names.contains(name));
    Ok(all)
}

fn is_known(name: &str) -> bool {
    let others = [
        POLICY,
        REDRIVE,
        REDRIVE_ALLOW,
        FIFO,
        CONTENT_BASED,
        SCOPE,
        THROUGHPUT,
        MANAGED_SSE,
        KMS_KEY,
        KMS_REUSE,
    ];
    others.contains(&name) || OBSERVED.contains(&name) || NUMBERS.iter().any(|(n, ..)| *n == name)
}

/// What holds, set or not.
fn settled(queue: &Queue) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = NUMBERS
        .iter()
        .map(|(name, .., default)| ((*name).to_owned(), default.to_string()))
        .collect();
    all.insert(MANAGED_SSE.into(), "true".into());
    if queue.is_fifo() {
        for (name, value) in [
            (FIFO, "true"),
            (CONTENT_BASED, "false"),
            (SCOPE, "queue"),
            (THROUGHPUT, "perQueue"),
        ] {
            all.insert(name.into(), value.into());
        }
    }
    if queue.attributes.get(KMS_KEY).is_some_and(|v| !v.is_empty()) {
        all.insert(MANAGED_SSE.into(), "false".into());
        all.insert(KMS_REUSE.into(), KMS_REUSE_SECONDS.to_string());
    }
    let set = queue.attributes.iter().filter(|(_, v)| !v.is_empty());
    all.extend(set.map(|(n, v)| (n.clone(), v.clone())));
    all
}

/// The first attribute that somebody who makes the queue again wants otherwise.
pub fn difference(queue: &Queue, given: &BTreeMap<String, String>) -> Option<String> {
    let there = settled(queue);
    let differs = |(name, value): &(&String, &String)| match there.get(*name) {
        Some(there) => there != *value,
        None => !value.is_empty(),
    };
    given.iter().find(differs).map(|(name, _)| name.clone())
}

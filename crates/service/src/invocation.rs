//! A target that is to be invoked: by a rule of EventBridge, by a schedule of its Scheduler, by what happens in
//! a bucket of S3, or by what an Auto Scaling group does to its instances. Whoever decides
//! it writes the record, in the transaction of what it follows from; EventBridge carries it out, and takes the
//! record away once it is done or given up
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html>).

use crate::ctx::Scope;
use crate::db::Resource;
use neargate_base::{Arn, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `events/invocation/…/<id>`, in the account and region of what it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    pub origin: Origin,
    pub target_arn: String,
    pub to: To,
    /// The ARN of the role under which the target is invoked; without one the service does so in its own name,
    /// and the target's policy says whether it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    pub retry: Retry,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetter>,
    pub made_at: Timestamp,
    /// How often it failed.
    pub attempts: u32,
    /// Not before.
    pub next_at: Timestamp,
}

impl Resource for Invocation {
    const KIND: &'static str = "events/invocation";
}

/// What invokes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is")]
pub enum Origin {
    Rule {
        arn: String,
        name: String,
        bus: String,
    },
    Schedule {
        arn: String,
        group: String,
        name: String,
        execution: String,
        scheduled_at: Timestamp,
    },
    /// A bucket whose notifications go to the target.
    Bucket { arn: String, account: String },
    /// An Auto Scaling group whose notifications go to the target.
    AutoScalingGroup { arn: String },
}

impl Origin {
    /// The principal that it is to resources' policies.
    pub fn service(&self) -> &'static str {
        match self {
            Origin::Rule { .. } => "events.amazonaws.com",
            Origin::Schedule { .. } => "scheduler.amazonaws.com",
            Origin::Bucket { .. } => "s3.amazonaws.com",
            Origin::AutoScalingGroup { .. } => "autoscaling.amazonaws.com",
        }
    }

    pub fn arn(&self) -> &str {
        match self {
            Origin::Rule { arn, .. }
            | Origin::Schedule { arn, .. }
            | Origin::Bucket { arn, .. }
            | Origin::AutoScalingGroup { arn } => arn,
        }
    }

    /// Whose it is. A bucket's ARN does not tell.
    pub fn account(&self) -> String {
        match self {
            Origin::Bucket { account, .. } => account.clone(),
            Origin::Rule { arn, .. }
            | Origin::Schedule { arn, .. }
            | Origin::AutoScalingGroup { arn } => {
                Scope::of_arn(arn).map_or_else(String::new, |scope| scope.account.to_string())
            }
        }
    }
}

/// What is done to the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is")]
pub enum To {
    /// An operation of a service, by its id, in an account and region.
    Operation {
        service: String,
        operation: String,
        account: String,
        region: String,
        input: Value,
    },
    /// An event for another bus.
    Bus { event: Value, hops: u8 },
    /// A request to the endpoint of an API destination.
    ApiDestination {
        body: String,
        #[serde(default)]
        path: Vec<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        query: BTreeMap<String, String>,
    },
    /// Nothing: what it should be handed cannot be made, for this reason.
    Nothing { code: String, message: String },
}

impl To {
    /// A text for a topic, which has a subject, or for a queue.
    pub fn message(target: &str, subject: &str, text: &str) -> To {
        let nothing = |message: &str| To::Nothing {
            code: "INVALID_PARAMETER".into(),
            message: message.into(),
        };
        let Ok(arn) = target.parse::<Arn>() else {
            return nothing("the target is no ARN");
        };
        let (operation, input) = match arn.service.as_str() {
            "sns" => {
                let input = json!({ "TopicArn": target, "Subject": subject, "Message": text });
                ("Publish", input)
            }
            "sqs" => {
                let input = json!({ "QueueUrl": queue_url(&arn), "MessageBody": text });
                ("SendMessage", input)
            }
            _ => return nothing("the target is neither a topic nor a queue"),
        };
        To::Operation {
            service: arn.service,
            operation: operation.into(),
            account: arn.account,
            region: arn.region,
            input,
        }
    }
}

/// The address of a queue: SQS reads account and name off its end.
pub fn queue_url(arn: &Arn) -> String {
    let (region, account, name) = (&arn.region, &arn.account, &arn.resource);
    format!("https://sqs.{region}.amazonaws.com/{account}/{name}")
}

/// How often and how long an invocation is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    pub attempts: u32,
    pub seconds: u32,
}

impl Retry {
    /// A day, and 185 times.
    pub const DEFAULT: Retry = Retry {
        attempts: 185,
        seconds: 86_400,
    };
}

/// The queue of what failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub arn: String,
    /// The message's body.
    pub body: String,
}

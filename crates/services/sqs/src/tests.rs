//! SQS's operations, called through the table as the gateway calls them.

use crate::model::{Deleted, MoveTask, Queue};
use crate::{Engine, Sqs};
use neargate_api_sqs::{self as api, ops};
use neargate_service::golden::check;
use neargate_service::{AwsError, Component};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod kms;

struct House {
    lab: Lab,
    sqs: Arc<Sqs>,
}

impl Default for House {
    fn default() -> House {
        let lab = Lab::default();
        let engine = Engine::open(&lab.path().join("messages"), lab.clock.clone());
        let sqs = Arc::new(Sqs::new(engine.expect("a scratch directory")));
        House { lab, sqs }
    }
}

fn map(pairs: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Some(pairs.iter().map(pair).collect())
}

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {}", error.code, error.message)
}

impl House {
    async fn ask<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        call(&*self.sqs.clone().table(), self.lab.cx(), op, input).await
    }

    async fn create(&self, name: &str, attributes: &[(&str, &str)]) -> Result<String, AwsError> {
        let input = api::CreateQueueInput {
            queue_name: name.into(),
            attributes: map(attributes),
            ..Default::default()
        };
        let created = self.ask(ops::CreateQueue, input).await?;
        Ok(created.queue_url.expect("a URL"))
    }

    async fn send(&self, url: &str, body: &str) -> Result<api::SendMessageOutput, AwsError> {
        let input = api::SendMessageInput {
            queue_url: url.into(),
            message_body: body.into(),
            ..Default::default()
        };
        self.ask(ops::SendMessage, input).await
    }

    async fn receive(&self, url: &str) -> Vec<api::Message> {
        let input = api::ReceiveMessageInput {
            queue_url: url.into(),
            max_number_of_messages: Some(10),
            message_system_attribute_names: Some(vec!["All".into()]),
            message_attribute_names: Some(vec!["All".into()]),
            ..Default::default()
        };
        let received = self
            .ask(ops::ReceiveMessage, input)
            .await
            .expect("received");
        received.messages.unwrap_or_default()
    }

    async fn delete(&self, url: &str, handle: &str) -> Result<(), AwsError> {
        let input = api::DeleteMessageInput {
            queue_url: url.into(),
            receipt_handle: handle.into(),
        };
        self.ask(ops::DeleteMessage, input).await.map(drop)
    }

    async fn attributes(&self, url: &str) -> BTreeMap<String, String> {
        let input = api::GetQueueAttributesInput {
            queue_url: url.into(),
            attribute_names: Some(vec!["All".into()]),
        };
        let got = self.ask(ops::GetQueueAttributes, input).await;
        got.expect("there").attributes.expect("some")
    }

    async fn set(&self, url: &str, pairs: &[(&str, &str)]) -> Result<(), AwsError> {
        let input = api::SetQueueAttributesInput {
            queue_url: url.into(),
            attributes: map(pairs).unwrap_or_default(),
        };
        self.ask(ops::SetQueueAttributes, input).await.map(drop)
    }
}

#[tokio::test]
async fn a_queue_is_made_once() {
    let house = House::default();
    let url = house
        .create("jobs", &[("DelaySeconds", "5")])
        .await
        .unwrap();
    assert_eq!(url, "http://localhost:4566/000000000000/jobs");
    house.create("jobs", &[]).await.unwrap();
    assert_eq!(
        said(house.create("jobs", &[("DelaySeconds", "6")]).await),
        "QueueNameExists A queue already exists with the same name and a different value for attribute DelaySeconds"
    );
    let gone = api::DeleteQueueInput {
        queue_url: url.clone(),
    };
    house.ask(ops::DeleteQueue, gone).await.unwrap();
    assert!(
        said(house.create("jobs", &[]).await)
            .starts_with("QueueDeletedRecently You must wait 60 seconds")
    );
    assert_eq!(
        said(house.send(&url, "x").await),
        "QueueDoesNotExist The specified queue does not exist."
    );
    house.lab.clock.advance(Duration::from_secs(60));
    house.create("jobs", &[]).await.unwrap();
}

#[tokio::test]
async fn attributes_are_checked_and_told() {
    let house = House::default();
    let cases: [(&[(&str, &str)], &str); 5] = [
        (
            &[("VisibilityTimeout", "43201")],
            "InvalidAttributeValue Invalid value for the parameter VisibilityTimeout.",
        ),
        (
            &[("Nope", "1")],
            "InvalidAttributeName Unknown Attribute Nope.",
        ),
        (
            &[("FifoQueue", "true")],
            "InvalidAttributeName Unknown Attribute FifoQueue.",
        ),
        (
            &[("ContentBasedDeduplication", "true")],
            "InvalidAttributeName Unknown Attribute ContentBasedDeduplication.",
        ),
        (
            &[("DeduplicationScope", "queue")],
            "InvalidAttributeName You can specify the DeduplicationScope only when FifoQueue is set to true.",
        ),
    ];
    for (pairs, expected) in cases {
        assert_eq!(said(house.create("jobs", pairs).await), expected);
    }
    assert!(said(house.create("a b", &[]).await).contains("Can only include alphanumeric"));
    let url = house.create("jobs", &[]).await.unwrap();
    let all = house.attributes(&url).await;
    let expected = [
        ("ApproximateNumberOfMessages", "0"),
        ("ApproximateNumberOfMessagesDelayed", "0"),
        ("ApproximateNumberOfMessagesNotVisible", "0"),
        ("CreatedTimestamp", "1700000000"),
        ("DelaySeconds", "0"),
        ("LastModifiedTimestamp", "1700000000"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("QueueArn", "arn:aws:sqs:us-east-1:000000000000:jobs"),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "30"),
    ];
    assert_eq!(Some(all), map(&expected));
    house
        .set(&url, &[("DelaySeconds", "7"), ("Policy", "")])
        .await
        .unwrap();
    assert_eq!(house.attributes(&url).await["DelaySeconds"], "7");
}

#[tokio::test]
async fn a_message_comes_as_it_was_sent() {
    let house = House::default();
    let url = house.create("jobs", &[]).await.unwrap();
    let text = |text: &str| api::MessageAttributeValue {
        string_value: Some(text.into()),
        data_type: "String".into(),
        ..Default::default()
    };
    let input = api::SendMessageInput {
        queue_url: url.clone(),
        message_body: "this is a test".into(),
        message_attributes: Some(BTreeMap::from([("Foo".to_owned(), text("Bar"))])),
        message_group_id: Some("tenant".into()),
        ..Default::default()
    };
    let sent = house.ask(ops::SendMessage, input).await.unwrap();
    // As AWS was seen to answer.
    assert_eq!(
        sent.md5_of_message_attributes.as_deref(),
        Some("ae7155c6026991b6d54b11589678bf9c")
    );
    let got = house.receive(&url).await.remove(0);
    assert_eq!(got.body.as_deref(), Some("this is a test"));
    assert_eq!(
        got.md5_of_body.as_deref(),
        Some("54b0c58c7ce9f2a8b551351102ee0938")
    );
    assert_eq!(
        got.md5_of_message_attributes,
        sent.md5_of_message_attributes
    );
    assert_eq!(got.message_id, sent.message_id);
    let system = got.attributes.unwrap();
    assert_eq!(system["SentTimestamp"], "1700000000000");
    assert_eq!(system["ApproximateReceiveCount"], "1");
    assert_eq!(system["SenderId"], "000000000000");
    assert_eq!(system["MessageGroupId"], "tenant");
    assert!(house.receive(&url).await.is_empty(), "in flight");
    assert_eq!(
        house.attributes(&url).await["ApproximateNumberOfMessagesNotVisible"],
        "1"
    );
    let handle = got.receipt_handle.unwrap();
    house.delete(&url, &handle).await.unwrap();
    house.delete(&url, &handle).await.unwrap();
    assert_eq!(
        said(house.delete(&url, "nonsense").await),
        "ReceiptHandleIsInvalid The input receipt handle \"nonsense\" is not a valid receipt handle."
    );
    house.lab.clock.advance(Duration::from_secs(31));
    assert!(house.receive(&url).await.is_empty(), "deleted");
}

#[tokio::test]
async fn bad_messages_are_refused() {
    let house = House::default();
    let url = house
        .create("jobs", &[("MaximumMessageSize", "1024")])
        .await
        .unwrap();
    assert_eq!(
        said(house.send(&url, "").await),
        "MissingRequiredParameterException The request must contain the parameter MessageBody."
    );
    assert_eq!(
        said(house.send(&url, &"x".repeat(1_025)).await),
        "InvalidParameterValueException One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
    );
    assert!(said(house.send(&url, "a\u{1}").await).starts_with("InvalidMessageContents"));
    let missing = house
        .ask(ops::SendMessage, api::SendMessageInput::default())
        .await;
    assert!(missing.is_err());
}

#[tokio::test]
async fn batches_say_what_became_of_each_entry() {
    let house = House::default();
    let url = house
        .create("jobs", &[("MaximumMessageSize", "1024")])
        .await
        .unwrap();
    let entry = |id: &str, body: &str| api::SendMessageBatchRequestEntry {
        id: id.into(),
        message_body: body.into(),
        ..Default::default()
    };
    let send = async |entries: Vec<api::SendMessageBatchRequestEntry>| {
        let queue_url = url.clone();
        let input = api::SendMessageBatchInput { queue_url, entries };
        house.ask(ops::SendMessageBatch, input).await
    };
    let long = "x".repeat(2_000);
    let sent = send(vec![entry("a", "1"), entry("b", &long), entry("c", "3")])
        .await
        .unwrap();
    let ids: Vec<_> = sent
        .successful
        .unwrap()
        .into_iter()
        .map(|e| e.id.unwrap())
        .collect();
    assert_eq!(ids, ["a", "c"]);
    let failed = sent.failed.unwrap().remove(0);
    assert_eq!(
        (failed.id.as_deref(), failed.code.as_deref()),
        (Some("b"), Some("InvalidParameterValue"))
    );
    assert!(
        said(send(vec![entry("a", "1"), entry("a", "1")]).await)
            .starts_with("BatchEntryIdsNotDistinct")
    );
    assert!(said(send(Vec::new()).await).starts_with("EmptyBatchRequest"));
    let many = (0..11).map(|i| entry(&i.to_string(), "x")).collect();
    assert_eq!(
        said(send(many).await),
        "TooManyEntriesInBatchRequest Maximum number of entries per request are 10. You have sent 11."
    );
    let large = "x".repeat(600_000);
    assert_eq!(
        said(send(vec![entry("a", &large), entry("b", &large)]).await),
        "BatchRequestTooLong Batch requests cannot be longer than 1048576 bytes. You have sent 1200000 bytes."
    );
}

#[tokio::test]
async fn fifo_queues_want_groups_and_know_duplicates() {
    let house = House::default();
    let url = house
        .create("jobs.fifo", &[("FifoQueue", "true")])
        .await
        .unwrap();
    let message = |group: Option<&str>, dedup: Option<&str>| api::SendMessageInput {
        queue_url: url.clone(),
        message_body: "x".into(),
        message_group_id: group.map(Into::into),
        message_deduplication_id: dedup.map(Into::into),
        ..Default::default()
    };
    let send = async |group, dedup| house.ask(ops::SendMessage, message(group, dedup)).await;
    assert_eq!(
        said(send(None, Some("1")).await),
        "MissingRequiredParameterException The request must contain the parameter MessageGroupId."
    );
    assert!(said(send(Some("g"), None).await).contains("ContentBasedDeduplication"));
    let first = send(Some("g"), Some("1")).await.unwrap();
    let again = send(Some("g"), Some("1")).await.unwrap();
    assert_eq!(
        (&first.message_id, &first.sequence_number),
        (&again.message_id, &again.sequence_number)
    );
    assert_eq!(house.receive(&url).await.len(), 1);
    house.lab.clock.advance(Duration::from_secs(301));
    let later = send(Some("g"), Some("1")).await.unwrap();
    assert!(later.sequence_number > first.sequence_number);
}

#[tokio::test]
async fn permissions_are_statements_of_the_policy() {
    let house = House::default();
    let url = house.create("jobs", &[]).await.unwrap();
    let add = || api::AddPermissionInput {
        queue_url: url.clone(),
        label: "p".into(),
        aws_account_ids: vec!["111111111111".into()],
        actions: vec!["SendMessage".into()],
    };
    house.ask(ops::AddPermission, add()).await.unwrap();
    let policy: serde_json::Value =
        serde_json::from_str(&house.attributes(&url).await["Policy"]).unwrap();
    assert_eq!(
        policy["Statement"][0]["Principal"]["AWS"],
        "arn:aws:iam::111111111111:root"
    );
    assert_eq!(
        said(house.ask(ops::AddPermission, add()).await),
        "InvalidParameterValueException Value p for parameter Label is invalid. Reason: Already exists."
    );
    let remove = || api::RemovePermissionInput {
        queue_url: url.clone(),
        label: "p".into(),
    };
    house.ask(ops::RemovePermission, remove()).await.unwrap();
    assert!(!house.attributes(&url).await.contains_key("Policy"));
    assert!(said(house.ask(ops::RemovePermission, remove()).await).ends_with("can't find label."));
}

#[tokio::test]
async fn dead_letter_queues_are_of_the_same_kind() {
    let house = House::default();
    house.create("dead", &[]).await.unwrap();
    house
        .create("dead.fifo", &[("FifoQueue", "true")])
        .await
        .unwrap();
    let policy = |name: &str| {
        format!(
            r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:{name}","maxReceiveCount":"1"}}"#
        )
    };
    let create = async |name: &str| {
        house
            .create("jobs", &[("RedrivePolicy", &policy(name))])
            .await
    };
    assert!(said(create("none").await).ends_with("Dead letter target does not exist."));
    assert!(said(create("dead.fifo").await).contains("same type"));
    let url = create("dead").await.unwrap();
    house.send(&url, "x").await.unwrap();
    assert_eq!(house.receive(&url).await.len(), 1);
    house.lab.clock.advance(Duration::from_secs(31));
    assert!(house.receive(&url).await.is_empty());
    let dead = house.receive("dead").await.remove(0).attributes.unwrap();
    assert_eq!(
        dead["DeadLetterQueueSourceArn"],
        "arn:aws:sqs:us-east-1:000000000000:jobs"
    );
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Queue>(dir);
    check::<Deleted>(dir);
    check::<MoveTask>(dir);
}

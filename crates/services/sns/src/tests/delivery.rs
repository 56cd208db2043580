//! What queues get of what is published.

use super::{Bench, map, message, queue, said, wait_until};
use crate::message::{Links, SignatureVersion};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_sns::{self as api, ops};
use neargate_api_sqs as sqs;
use neargate_service::AwsError;
use neargate_service::Scope;
use neargate_service::metrics::{Datum, Metrics, Observed};
use parking_lot::Mutex;
use rsa::Pkcs1v15Sign;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

fn text(value: &str) -> api::MessageAttributeValue {
    typed("String", value)
}

fn typed(data_type: &str, value: &str) -> api::MessageAttributeValue {
    api::MessageAttributeValue {
        data_type: data_type.into(),
        string_value: Some(value.into()),
        binary_value: None,
    }
}

fn body(sent: &sqs::SendMessageInput) -> Value {
    serde_json::from_str(&sent.message_body).expect("JSON")
}

#[tokio::test]
async fn a_queue_gets_the_envelope_that_aws_writes() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let arn = bench
        .subscribe(&topic, "sqs", &queue("q"), &[])
        .await
        .unwrap();
    let mut input = message(&topic, "say \"hi\"");
    input.subject = Some("greetings".into());
    input.message_attributes = Some(BTreeMap::from([("kind".to_owned(), text("x"))]));
    let id = bench
        .ask(ops::Publish, input)
        .await
        .unwrap()
        .message_id
        .unwrap();
    let sent = bench.sent(1).await.remove(0);
    assert!(sent.queue_url.ends_with("/000000000000/q"));
    assert_eq!(sent.message_attributes, None);
    let signer = bench
        .sns
        .deliveries
        .signers
        .get(&bench.lab.house)
        .await
        .unwrap();
    let at = bench.lab.house.now().rfc3339();
    let said = body(&sent);
    let signature = said["Signature"].as_str().unwrap();
    let wanted = format!(
        r#"{{
  "Type" : "Notification",
  "MessageId" : "{id}",
  "TopicArn" : "{topic}",
  "Subject" : "greetings",
  "Message" : "say \"hi\"",
  "Timestamp" : "{at}",
  "SignatureVersion" : "1",
  "Signature" : "{signature}",
  "SigningCertURL" : "http://localhost:4566{}",
  "UnsubscribeURL" : "http://localhost:4566/?Action=Unsubscribe&SubscriptionArn={arn}",
  "MessageAttributes" : {{
    "kind" : {{"Type":"String","Value":"x"}}
  }}
}}"#,
        signer.path
    );
    assert_eq!(sent.message_body, wanted);
    let canonical = format!(
        "Message\nsay \"hi\"\nMessageId\n{id}\nSubject\ngreetings\nTimestamp\n{at}\nTopicArn\n{topic}\n\
         Type\nNotification\n"
    );
    let public = signer.key().to_public_key();
    let signature = STANDARD.decode(signature).unwrap();
    let digest = Sha1::digest(canonical.as_bytes());
    public
        .verify(Pkcs1v15Sign::new::<Sha1>(), &digest, &signature)
        .unwrap();
    let (by, _) = &bench.queues.sent.lock()[0];
    assert_eq!(by.arn, "sns.amazonaws.com");
}

#[tokio::test]
async fn a_topic_signs_by_the_version_that_it_says() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[("SignatureVersion", "2")]).await;
    bench
        .subscribe(&topic, "sqs", &queue("q"), &[])
        .await
        .unwrap();
    bench.publish(&topic, "hello").await;
    let said = body(&bench.sent(1).await[0]);
    assert_eq!(said["SignatureVersion"], "2");
    let signer = bench
        .sns
        .deliveries
        .signers
        .get(&bench.lab.house)
        .await
        .unwrap();
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    let canonical = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
        .map(|name| format!("{name}\n{}\n", text(name)))
        .concat();
    let digest = Sha256::digest(canonical.as_bytes());
    let signature = STANDARD.decode(text("Signature")).unwrap();
    let public = signer.key().to_public_key();
    public
        .verify(Pkcs1v15Sign::new::<Sha256>(), &digest, &signature)
        .unwrap();
    let links = Links {
        base: String::new(),
        certificate: String::new(),
    };
    assert!(links.unsubscribe("x").ends_with("SubscriptionArn=x"));
    assert_eq!(SignatureVersion::Two.shown(), "2");
}

#[tokio::test]
async fn raw_messages_bring_their_attributes() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let raw = [("RawMessageDelivery", "true")];
    bench
        .subscribe(&topic, "sqs", &queue("q"), &raw)
        .await
        .unwrap();
    let mut input = message(&topic, "hello");
    let binary = api::MessageAttributeValue {
        data_type: "Binary".into(),
        string_value: None,
        binary_value: Some(vec![2, 3, 4].into()),
    };
    let all = [
        ("a", text("x")),
        ("n", typed("Number", "1.5")),
        ("b", binary),
    ];
    input.message_attributes = Some(all.map(|(k, v)| (k.to_owned(), v)).into());
    bench.ask(ops::Publish, input).await.unwrap();
    let sent = bench.sent(1).await.remove(0);
    assert_eq!(sent.message_body, "hello");
    let all = sent.message_attributes.unwrap();
    assert_eq!(all["a"].string_value.as_deref(), Some("x"));
    assert_eq!(all["n"].data_type, "Number");
    assert_eq!(all["b"].binary_value.as_deref(), Some(&[2, 3, 4][..]));
    // A queue takes no more than ten.
    let mut input = message(&topic, "too many");
    let many = (0..11).map(|n| (format!("a{n}"), text("x")));
    input.message_attributes = Some(many.collect());
    bench.ask(ops::Publish, input).await.unwrap();
    bench.idle().await;
    assert_eq!(bench.queues.sent.lock().len(), 1);
}

#[tokio::test]
async fn a_protocol_may_have_a_text_of_its_own() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    bench
        .subscribe(&topic, "sqs", &queue("q"), &[])
        .await
        .unwrap();
    let structured = |text: &str| api::PublishInput {
        message_structure: Some("json".into()),
        ..message(&topic, text)
    };
    bench
        .ask(
            ops::Publish,
            structured(r#"{"default":"d","sqs":"s","x":1}"#),
        )
        .await
        .unwrap();
    assert_eq!(body(&bench.sent(1).await[0])["Message"], "s");
    for (text, why) in [
        ("{", "JSON message body failed to parse"),
        (r#"{"sqs":"s"}"#, "No default entry in JSON message body"),
        (r#"{"default":1}"#, "No default entry in JSON message body"),
    ] {
        let refused = said(bench.ask(ops::Publish, structured(text)).await);
        assert!(
            refused.ends_with(&format!("Message Structure - {why}")),
            "{refused}"
        );
    }
}

#[derive(Debug, Default)]
struct Counted(Mutex<BTreeMap<String, f64>>);

impl Metrics for Counted {
    fn put(&self, _: &Scope, datum: Datum) {
        if let Observed::One(value) = datum.value {
            *self.0.lock().entry(datum.name).or_default() += value;
        }
    }
}

#[tokio::test]
async fn filters_let_through_what_they_name() {
    let bench = Bench::new();
    let counted = Arc::new(Counted::default());
    bench.lab.house.metrics.take(counted.clone());
    let topic = bench.topic("alarms", &[]).await;
    let filter = [("FilterPolicy", r#"{"kind":["a"]}"#)];
    bench
        .subscribe(&topic, "sqs", &queue("a"), &filter)
        .await
        .unwrap();
    let filter = [
        ("FilterPolicy", r#"{"deep":{"kind":["b"]}}"#),
        ("FilterPolicyScope", "MessageBody"),
    ];
    bench
        .subscribe(&topic, "sqs", &queue("b"), &filter)
        .await
        .unwrap();
    for (kind, text_) in [("a", "x"), ("b", r#"{"deep":{"kind":"b"}}"#), ("c", "{}")] {
        let mut input = message(&topic, text_);
        input.message_attributes = Some(BTreeMap::from([("kind".to_owned(), text(kind))]));
        bench.ask(ops::Publish, input).await.unwrap();
    }
    bench.idle().await;
    let to: Vec<String> = bench
        .sent(2)
        .await
        .into_iter()
        .map(|s| s.queue_url)
        .collect();
    assert!(to.iter().any(|q| q.ends_with("/a")) && to.iter().any(|q| q.ends_with("/b")));
    assert_eq!(to.len(), 2);
    let counted = counted.0.lock().clone();
    assert_eq!(counted["NumberOfMessagesPublished"], 3.0);
    assert_eq!(counted["NumberOfNotificationsFilteredOut"], 4.0);
    assert_eq!(
        counted["NumberOfNotificationsFilteredOut-MessageAttributes"],
        2.0
    );
    assert_eq!(
        counted["NumberOfNotificationsFilteredOut-InvalidMessageBody"],
        1.0
    );
    assert_eq!(counted["NumberOfNotificationsDelivered"], 2.0);
}

#[tokio::test]
async fn what_a_queue_refuses_is_a_dead_letter() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{}"}}"#, queue("dead"));
    let redrive = [
        ("RedrivePolicy", policy.as_str()),
        ("RawMessageDelivery", "true"),
    ];
    bench
        .subscribe(&topic, "sqs", &queue("gone"), &redrive)
        .await
        .unwrap();
    let none = AwsError::client("QueueDoesNotExist", "There is none.");
    bench.queues.refusing.lock().insert("/gone".into(), none);
    bench.publish(&topic, "hello").await;
    let sent = bench.sent(1).await.remove(0);
    assert!(sent.queue_url.ends_with("/dead"));
    assert_eq!(sent.message_body, "hello");
    bench.idle().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_delivered_after_a_kill() {
    let lab = neargate_testkit::Lab::default();
    let path = lab.path().join("notifications");
    let bench = Bench::in_lab(lab);
    let topic = bench.topic("alarms", &[]).await;
    let raw = [("RawMessageDelivery", "true")];
    bench
        .subscribe(&topic, "sqs", &queue("q"), &raw)
        .await
        .unwrap();
    let down = AwsError::server("InternalFailure", "It is down.");
    bench.queues.refusing.lock().insert("/q".into(), down);
    bench.publish(&topic, "one").await;
    bench.publish(&topic, "two").await;
    // What a kill leaves is what is on the disk now.
    let copy = bench.lab.path().join("copy");
    std::fs::copy(&path, &copy).expect("copied");
    bench.queues.refusing.lock().clear();
    bench.idle().await;
    bench.queues.sent.lock().clear();
    let again = crate::deliver::Deliveries::open(&copy).expect("opens");
    assert_eq!(again.outstanding(), 2);
    again.begin(&bench.lab.house);
    wait_until(|| again.outstanding() == 0).await;
    let mut texts: Vec<String> = bench
        .sent(2)
        .await
        .into_iter()
        .map(|s| s.message_body)
        .collect();
    texts.sort();
    assert_eq!(texts, ["one", "two"]);
}

#[tokio::test]
async fn batches_are_published_whole() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    bench
        .subscribe(&topic, "sqs", &queue("q"), &[])
        .await
        .unwrap();
    let entry = |id: &str, text: &str| api::PublishBatchRequestEntry {
        id: id.into(),
        message: text.into(),
        ..Default::default()
    };
    let batch = |entries: Vec<api::PublishBatchRequestEntry>| {
        let input = api::PublishBatchInput {
            topic_arn: topic.clone(),
            publish_batch_request_entries: entries,
        };
        bench.ask(ops::PublishBatch, input)
    };
    let done = batch(vec![entry("1", "a"), entry("2", "b")]).await.unwrap();
    assert_eq!(done.successful.unwrap().len(), 2);
    assert_eq!(bench.sent(2).await.len(), 2);
    let long = "x".repeat(81);
    let many = (0..11).map(|n| entry(&n.to_string(), "x")).collect();
    let big = "x".repeat(200 << 10);
    for (entries, code) in [
        (many, "TooManyEntriesInBatchRequestException"),
        (
            vec![entry("1", "a"), entry("1", "b")],
            "BatchEntryIdsNotDistinctException",
        ),
        (vec![entry(&long, "a")], "InvalidBatchEntryIdException"),
        (vec![entry("a.b", "a")], "InvalidBatchEntryIdException"),
        (
            vec![entry("1", &big), entry("2", &big)],
            "BatchRequestTooLongException",
        ),
    ] {
        let refused = said(batch(entries).await);
        assert!(refused.contains(code), "{refused}");
    }
}

#[tokio::test]
async fn attributes_of_messages_are_checked() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let empty = api::MessageAttributeValue {
        data_type: "String".into(),
        ..Default::default()
    };
    let cases = [
        (
            ".a",
            text("x"),
            "Invalid message attribute name starting with character '.' was found.",
        ),
        (
            "a.",
            text("x"),
            "Invalid message attribute name ending with character '.' was found.",
        ),
        (
            "a..b",
            text("x"),
            "Message attribute name can not have successive '.' character.",
        ),
        (
            "a^",
            text("x"),
            "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only \
             include alphanumeric characters, hyphens, underscores, or dots.",
        ),
        (
            "a",
            typed("Text", "x"),
            "The message attribute 'a' has an invalid message attribute type, the set of supported type \
             prefixes is Binary, Number, and String.",
        ),
        (
            "a",
            typed("Binary", "x"),
            "The message attribute 'a' with type 'Binary' must use field 'Binary'.",
        ),
        (
            "a",
            empty,
            "The message attribute 'a' must contain non-empty message attribute value for message \
             attribute type 'String'.",
        ),
    ];
    for (name, value, why) in cases {
        let mut input = message(&topic, "x");
        input.message_attributes = Some(BTreeMap::from([(name.to_owned(), value)]));
        let refused = said(bench.ask(ops::Publish, input).await);
        assert_eq!(refused, format!("400 InvalidParameterValueException {why}"));
    }
    assert_eq!(map(&[("a", "b")])["a"], "b");
}

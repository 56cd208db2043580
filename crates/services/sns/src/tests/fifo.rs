//! FIFO topics: order, and what is published twice.

use super::{Bench, message, queue, said};
use neargate_api_sns::{self as api, ops};
use std::time::Duration;

const FIFO: [(&str, &str); 1] = [("FifoTopic", "true")];

fn ordered(topic: &str, text: &str, group: &str, id: Option<&str>) -> api::PublishInput {
    api::PublishInput {
        message_group_id: Some(group.into()),
        message_deduplication_id: id.map(str::to_owned),
        ..message(topic, text)
    }
}

#[tokio::test]
async fn messages_keep_their_order_and_come_once() {
    let bench = Bench::new();
    let topic = bench.topic("a.fifo", &FIFO).await;
    let raw = [("RawMessageDelivery", "true")];
    bench
        .subscribe(&topic, "sqs", &queue("q.fifo"), &raw)
        .await
        .unwrap();
    let mut numbers = Vec::new();
    for n in 0..20 {
        let text = n.to_string();
        let input = ordered(&topic, &text, "g", Some(&text));
        let done = bench.ask(ops::Publish, input).await.unwrap();
        numbers.push(done.sequence_number.unwrap());
    }
    assert!(numbers.iter().all(|n| n.len() == 20));
    assert!(numbers.is_sorted());
    let sent = bench.sent(20).await;
    let texts: Vec<_> = sent.iter().map(|s| s.message_body.clone()).collect();
    assert_eq!(texts, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(sent[0].message_group_id.as_deref(), Some("g"));
    assert_eq!(sent[0].message_deduplication_id.as_deref(), Some("0"));
    // Twice within five minutes is once.
    let again = || bench.ask(ops::Publish, ordered(&topic, "other", "g", Some("0")));
    assert_eq!(
        again().await.unwrap().sequence_number.as_ref(),
        Some(&numbers[0])
    );
    bench.lab.clock.advance(Duration::from_secs(301));
    assert!(again().await.unwrap().sequence_number.unwrap() > numbers[19]);
    assert_eq!(bench.sent(21).await.len(), 21);
}

#[tokio::test]
async fn a_standard_queue_gets_no_order() {
    let bench = Bench::new();
    let content = [("FifoTopic", "true"), ("ContentBasedDeduplication", "true")];
    let topic = bench.topic("a.fifo", &content).await;
    bench
        .subscribe(&topic, "sqs", &queue("q"), &[])
        .await
        .unwrap();
    let done = bench
        .ask(ops::Publish, ordered(&topic, "x", "g", None))
        .await
        .unwrap();
    let sent = bench.sent(1).await.remove(0);
    assert_eq!(
        (sent.message_group_id, sent.message_deduplication_id),
        (None, None)
    );
    let json: serde_json::Value = serde_json::from_str(&sent.message_body).unwrap();
    assert_eq!(
        json["SequenceNumber"].as_str(),
        done.sequence_number.as_deref()
    );
    assert!(json.get("Signature").is_none());
}

#[tokio::test]
async fn what_fifo_topics_need_is_said() {
    let bench = Bench::new();
    let topic = bench.topic("a.fifo", &FIFO).await;
    let plain = bench.topic("b", &[]).await;
    let cases = [
        (
            message(&topic, "x"),
            "The MessageGroupId parameter is required for FIFO topics",
        ),
        (
            ordered(&topic, "x", "g", None),
            "The topic should either have ContentBasedDeduplication enabled or \
             MessageDeduplicationId provided explicitly",
        ),
        (
            ordered(&plain, "x", "g", Some("d")),
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter \
             that is not valid for this topic type",
        ),
    ];
    for (input, why) in cases {
        let refused = said(bench.ask(ops::Publish, input).await);
        assert_eq!(
            refused,
            format!("400 InvalidParameterException Invalid parameter: {why}")
        );
    }
}

#[tokio::test]
async fn groups_may_have_windows_of_their_own() {
    let bench = Bench::new();
    let groups = [
        ("FifoTopic", "true"),
        ("FifoThroughputScope", "MessageGroup"),
    ];
    let topic = bench.topic("a.fifo", &groups).await;
    bench
        .subscribe(&topic, "sqs", &queue("q.fifo"), &[])
        .await
        .unwrap();
    for group in ["g", "h", "g"] {
        bench
            .ask(ops::Publish, ordered(&topic, "x", group, Some("d")))
            .await
            .unwrap();
    }
    bench.idle().await;
    assert_eq!(bench.sent(2).await.len(), 2);
}

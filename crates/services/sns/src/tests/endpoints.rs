//! What endpoints get, and how often.

use super::{Bench, wait_until};
use neargate_api_sns::{self as api, ops};
use neargate_base::task;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What an endpoint was sent: heads in lower case, and bodies.
type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// An endpoint that answers the statuses in turn, the last one for good.
async fn endpoint(statuses: &'static [u16]) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let seen = Seen::default();
    let kept = seen.clone();
    task::spawn("test-endpoint", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let kept = kept.clone();
            task::spawn("test-exchange", async move {
                let mut bytes = Vec::new();
                let mut part = [0; 4096];
                loop {
                    let Ok(read) = stream.read(&mut part).await else {
                        return;
                    };
                    if read == 0 {
                        return;
                    }
                    bytes.extend_from_slice(&part[..read]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else {
                        continue;
                    };
                    let head = head.to_ascii_lowercase();
                    let length = head
                        .lines()
                        .find_map(|l| l.strip_prefix("content-length: "));
                    let length: usize = length.map_or(0, |l| l.parse().expect("a number"));
                    if body.len() < length {
                        continue;
                    }
                    let status = {
                        let mut kept = kept.lock();
                        kept.push((head, body.to_owned()));
                        statuses[(kept.len() - 1).min(statuses.len() - 1)]
                    };
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                    return;
                }
            });
        }
    });
    (url, seen)
}

async fn confirm(bench: &Bench, topic: &str, seen: &Seen) -> Value {
    wait_until(|| !seen.lock().is_empty()).await;
    let (_, body) = seen.lock()[0].clone();
    let said: Value = serde_json::from_str(&body).expect("JSON");
    let input = api::ConfirmSubscriptionInput {
        topic_arn: topic.into(),
        token: said["Token"].as_str().expect("a token").into(),
        authenticate_on_unsubscribe: None,
    };
    bench
        .ask(ops::ConfirmSubscription, input)
        .await
        .expect("confirmed");
    said
}

#[tokio::test]
async fn an_endpoint_confirms_and_gets_what_is_published() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let (url, seen) = endpoint(&[200]).await;
    let arn = bench.subscribe(&topic, "http", &url, &[]).await.unwrap();
    let asked = confirm(&bench, &topic, &seen).await;
    assert_eq!(asked["Type"], "SubscriptionConfirmation");
    let token = asked["Token"].as_str().unwrap();
    assert_eq!(
        asked["SubscribeURL"],
        format!("http://localhost:4566/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}")
    );
    let (head, _) = seen.lock()[0].clone();
    assert!(head.starts_with("post /hook http/1.1"), "{head}");
    assert!(head.contains("x-amz-sns-message-type: subscriptionconfirmation"));
    assert!(!head.contains("x-amz-sns-subscription-arn"));
    let id = bench.publish(&topic, "hello").await;
    wait_until(|| seen.lock().len() == 2).await;
    let (head, body) = seen.lock()[1].clone();
    for line in [
        "x-amz-sns-message-type: notification".to_owned(),
        format!("x-amz-sns-message-id: {id}"),
        format!("x-amz-sns-topic-arn: {topic}"),
        format!("x-amz-sns-subscription-arn: {arn}"),
        "content-type: text/plain; charset=utf-8".to_owned(),
        "user-agent: amazon simple notification service agent".to_owned(),
    ] {
        assert!(head.contains(&line), "{line} in {head}");
    }
    let said: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(said["Message"], "hello");
    let input = api::SetSubscriptionAttributesInput {
        subscription_arn: arn,
        attribute_name: "RawMessageDelivery".into(),
        attribute_value: Some("true".into()),
    };
    bench
        .ask(ops::SetSubscriptionAttributes, input)
        .await
        .unwrap();
    bench.publish(&topic, "raw").await;
    wait_until(|| seen.lock().len() == 3).await;
    let (head, body) = seen.lock()[2].clone();
    assert_eq!(body, "raw");
    assert!(head.contains("x-amz-sns-rawdelivery: true"));
    bench.idle().await;
}

#[tokio::test]
async fn what_fails_is_tried_again_as_the_policy_says() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let (url, seen) = endpoint(&[200, 503, 500, 200]).await;
    let policy = r#"{"healthyRetryPolicy":{"numRetries":3,"numNoDelayRetries":3,"minDelayTarget":1,"maxDelayTarget":1},"requestPolicy":{"headerContentType":"application/json"}}"#;
    bench
        .subscribe(&topic, "http", &url, &[("DeliveryPolicy", policy)])
        .await
        .unwrap();
    confirm(&bench, &topic, &seen).await;
    bench.publish(&topic, "hello").await;
    wait_until(|| seen.lock().len() == 4).await;
    bench.idle().await;
    let seen = seen.lock();
    assert!(seen[3].0.contains("content-type: application/json"));
    assert_eq!(seen[1].1, seen[3].1);
}

#[tokio::test]
async fn an_endpoints_own_mistake_is_final_and_a_dead_letter() {
    let bench = Bench::new();
    let topic = bench.topic("alarms", &[]).await;
    let (url, seen) = endpoint(&[200, 404]).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{}"}}"#, super::queue("dead"));
    let redrive = [("RedrivePolicy", policy.as_str())];
    bench
        .subscribe(&topic, "http", &url, &redrive)
        .await
        .unwrap();
    confirm(&bench, &topic, &seen).await;
    bench.publish(&topic, "hello").await;
    let sent = bench.sent(1).await.remove(0);
    assert!(sent.queue_url.ends_with("/dead"));
    assert_eq!(seen.lock().len(), 2);
    bench.idle().await;
}

//! Bodies: too large, cut short, malformed, compressed.

use super::Lab;
use super::client::{ECS, form, json};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

async fn clusters(lab: &Lab) -> Vec<String> {
    let reply = lab.json(&format!("{ECS}.ListClusters"), "{}").await;
    serde_json::from_value(reply.json()["clusterArns"].clone()).unwrap()
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_in_the_callers_protocol() {
    let lab = Lab::new().await;
    let large = vec![b' '; 20 << 20];
    let reply = lab
        .send(json(&format!("{ECS}.CreateCluster"), &[], &large))
        .await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "RequestEntityTooLargeException")
    );
    reply.request_id();
    let named = [
        &b"Action=GetCallerIdentity&Version=2011-06-15&x="[..],
        &large,
    ]
    .concat();
    let scope = "AWS4-HMAC-SHA256 Credential=test/20231114/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0";
    let signed = [("Authorization", scope), ("X-Amz-Date", "20231114T221320Z")];
    let reply = lab.send(form(&signed, &named)).await;
    assert_eq!(reply.status, 413, "{}", reply.text());
    assert!(
        reply
            .text()
            .contains("<Code>RequestEntityTooLargeException</Code>")
    );
    // In chunks, so that no length is declared.
    let mut client = lab.connect().await;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {ECS}.CreateCluster\r\nContent-Type: application/x-amz-json-1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    client.send(head).await;
    let chunk = [&b"100000\r\n"[..], &vec![b' '; 1 << 20], b"\r\n"].concat();
    for _ in 0..9 {
        client.send(&chunk).await;
    }
    client.send(b"0\r\n\r\n").await;
    assert_eq!(client.reply().await.expect("answered").status, 413);
    assert!(clusters(&lab).await.is_empty());
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let lab = Lab::new().await;
    let mut client = lab.connect().await;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {ECS}.CreateCluster\r\nContent-Type: application/x-amz-json-1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    client.send(head).await;
    for piece in ["{\"cluster", "Name\":", "\"pieces\"}"] {
        client
            .send(format!("{:x}\r\n{piece}\r\n", piece.len()))
            .await;
        tokio::task::yield_now().await;
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(
        client.reply().await.expect("answered").json()["cluster"]["clusterName"],
        "pieces"
    );
}

#[tokio::test]
async fn a_body_that_ends_early_does_nothing() {
    let lab = Lab::new().await;
    let whole = json(
        &format!("{ECS}.CreateCluster"),
        &[],
        br#"{"clusterName":"half"}"#,
    );
    for cut in [1, 10, 22] {
        let mut client = lab.connect().await;
        client.send(&whole[..whole.len() - cut]).await;
        client.finish().await;
        // Hyper may close without an answer; what it must not do is call.
        if let Some(reply) = client.reply().await {
            assert_eq!(reply.status, 400, "{}", reply.text());
        }
    }
    assert!(clusters(&lab).await.is_empty());
}

#[tokio::test]
async fn malformed_input_is_the_clients_mistake() {
    let lab = Lab::new().await;
    let deep = format!("{{\"tags\":{}", "[".repeat(100_000));
    for body in [
        &b"{"[..],
        b"[]",
        b"null",
        b"\"x\"",
        b"{\"clusterName\":1}",
        b"{\"tags\":{}}",
        b"{\"tags\":[1]}",
        b"{\"clusterName\":\"\xff\"}",
        b"{} {}",
        deep.as_bytes(),
    ] {
        let reply = lab
            .send(json(&format!("{ECS}.CreateCluster"), &[], body))
            .await;
        let begin = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert_eq!(reply.status, 400, "{begin}: {}", reply.text());
        assert_eq!(reply.code(), "SerializationException", "{begin}");
        reply.request_id();
    }
    // Valid, but not what the model allows.
    for (target, body) in [
        ("RegisterTaskDefinition", r#"{"family":"web"}"#),
        ("DescribeTasks", "{}"),
        ("CreateCluster", r#"{"clusterName":"a b"}"#),
    ] {
        let reply = lab.json(&format!("{ECS}.{target}"), body).await;
        assert_eq!(reply.status, 400);
        assert_ne!(
            reply.code(),
            "SerializationException",
            "{target}: {}",
            reply.text()
        );
    }
    assert!(clusters(&lab).await.is_empty());
}

#[tokio::test]
async fn gzip_is_taken_off() {
    let lab = Lab::new().await;
    let encoded = [("Content-Encoding", "gzip")];
    let target = format!("{ECS}.CreateCluster");
    let good = gzip(br#"{"clusterName":"zipped"}"#);
    let reply = lab.send(json(&target, &encoded, &good)).await;
    assert_eq!(
        reply.json()["cluster"]["clusterName"],
        "zipped",
        "{}",
        reply.text()
    );
    let sts = gzip(b"Action=GetCallerIdentity&Version=2011-06-15");
    let reply = lab.send(form(&encoded, &sts)).await;
    assert!(
        reply.text().contains("<GetCallerIdentityResponse"),
        "{}",
        reply.text()
    );
    let bomb = gzip(&vec![b' '; 64 << 20]);
    let reply = lab.send(json(&target, &encoded, &bomb)).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "RequestEntityTooLargeException")
    );
    for broken in [&good[..good.len() - 3], b"{}"] {
        let reply = lab.send(json(&target, &encoded, broken)).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "SerializationException")
        );
    }
    assert_eq!(clusters(&lab).await.len(), 1);
}

/// Log lines need not be Unicode: a batch is not refused for one byte, and nothing of it is lost.
#[tokio::test]
async fn log_events_take_any_text() {
    const LOGS: &str = "Logs_20140328";
    let lab = Lab::new().await;
    let group = r#"{"logGroupName":"/g"}"#;
    lab.json(&format!("{LOGS}.CreateLogGroup"), group).await;
    let stream = r#"{"logGroupName":"/g","logStreamName":"s"}"#;
    lab.json(&format!("{LOGS}.CreateLogStream"), stream).await;
    let listed = lab.json(&format!("{LOGS}.DescribeLogStreams"), group).await;
    let now = listed.json()["logStreams"][0]["creationTime"].clone();
    let event = |message: &[u8]| {
        let head = format!(r#"{{"timestamp":{now},"message":""#);
        [head.as_bytes(), message, b"\"}"].concat()
    };
    let events = [
        event(b"caf\xe9 au lait"),
        event(br"lone \ud800, paired \ud83d\ude00, nul \u0000"),
        event("whole é€".as_bytes()),
    ];
    let head = br#"{"logGroupName":"/g","logStreamName":"s","logEvents":["#;
    let body = [&head[..], &events.join(&b","[..]), b"]}"].concat();
    let reply = lab
        .send(json(&format!("{LOGS}.PutLogEvents"), &[], &body))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let found = lab.json(&format!("{LOGS}.FilterLogEvents"), group).await;
    let found = found.json();
    let found = found["events"].as_array().expect("events").iter();
    let messages: Vec<&str> = found
        .map(|e| e["message"].as_str().expect("text"))
        .collect();
    assert_eq!(
        messages,
        [
            "caf\u{fffd} au lait",
            "lone \u{fffd}, paired \u{1f600}, nul \0",
            "whole é€"
        ]
    );
    // Only the text: what is malformed stays so.
    for broken in [&b"{\xff"[..], b"[]", b"{\"logEvents\":\"\xe9\"}"] {
        let reply = lab
            .send(json(&format!("{LOGS}.PutLogEvents"), &[], broken))
            .await;
        assert_eq!(reply.code(), "SerializationException", "{}", reply.text());
    }
}

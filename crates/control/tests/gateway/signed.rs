//! Enforced signatures, end to end.

use super::Lab;
use super::client::{ECS, json, request};
use flate2::Compression;
use flate2::write::GzEncoder;
use neargate_base::time::SystemClock;
use neargate_base::{AccountId, Clock};
use neargate_control::gateway::Mode;
use neargate_control::root_credentials::RootCredentials;
use neargate_wire::sigv4::{Scope, UNSIGNED_PAYLOAD, sha256_hex, sign};
use std::io::Write as _;
use std::time::Duration;

fn enforced() -> Mode {
    let keys = RootCredentials::of("AKID", AccountId::default(), "secret");
    Mode::enforced(keys.into())
}

async fn lab() -> Lab {
    Lab::with(enforced()).await
}

/// A signed `ListClusters`; `line` is what the signature says of the body.
fn signed(secret: &str, extra: &[(&str, &str)], body: &[u8], line: &str) -> Vec<u8> {
    let target = format!("{ECS}.ListClusters");
    let mut builder = http::Request::post("/")
        .header("host", "localhost:4566")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", &target);
    for (name, value) in extra {
        builder = builder.header(*name, *value);
    }
    let (mut parts, ()) = builder.body(()).unwrap().into_parts();
    let scope = Scope {
        access_key: "AKID",
        region: "us-east-1",
        service: "ecs",
        session_token: None,
    };
    sign(&mut parts, scope, line, secret, SystemClock.now()).unwrap();
    let headers: Vec<(&str, &str)> = parts
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
        .collect();
    request("POST", "/", &headers, body)
}

#[tokio::test]
async fn only_signed_calls_pass() {
    let lab = lab().await;
    let hash = sha256_hex(b"{}");
    let good = lab.send(signed("secret", &[], b"{}", &hash)).await;
    assert_eq!(good.status, 200, "{}", good.text());
    let cases = [
        (
            json(&format!("{ECS}.ListClusters"), &[], b"{}"),
            "MissingAuthenticationTokenException",
        ),
        (
            signed("wrong", &[], b"{}", &hash),
            "InvalidSignatureException",
        ),
        (
            signed("secret", &[], b"{ }", &hash),
            "InvalidSignatureException",
        ),
        (
            signed(
                "secret",
                &[("x-amz-content-sha256", UNSIGNED_PAYLOAD)],
                b"{}",
                UNSIGNED_PAYLOAD,
            ),
            "InvalidSignatureException",
        ),
    ];
    for (bytes, code) in cases {
        let reply = lab.send(bytes).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, code),
            "{}",
            reply.text()
        );
        reply.request_id();
    }
    let health = lab.send(request("GET", "/health", &[], b"")).await;
    assert_eq!(health.json(), serde_json::json!({ "status": "ok" }));
    let sts = super::client::form(&[], b"Action=GetCallerIdentity&Version=2011-06-15");
    let reply = lab.send(sts).await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert!(
        reply
            .text()
            .contains("<Code>MissingAuthenticationToken</Code>"),
        "{}",
        reply.text()
    );
}

/// The signature is of the body as it was sent.
#[tokio::test]
async fn a_compressed_body_is_signed_compressed() {
    let lab = lab().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"{}").unwrap();
    let body = encoder.finish().unwrap();
    let gzip = [("content-encoding", "gzip")];
    let good = lab
        .send(signed("secret", &gzip, &body, &sha256_hex(&body)))
        .await;
    assert_eq!(good.status, 200, "{}", good.text());
    let plain = lab
        .send(signed("secret", &gzip, &body, &sha256_hex(b"{}")))
        .await;
    assert_eq!(plain.code(), "InvalidSignatureException");
}

/// Nobody without a key is waited for: his answer comes before his body, and is his last.
#[tokio::test]
async fn a_strangers_body_is_not_read() {
    let lab = lab().await;
    let body = vec![b' '; 100 << 10];
    let line = sha256_hex(&body);
    let target = format!("{ECS}.ListClusters");
    let sts = super::client::form(&[], &body);
    for whole in [
        json(&target, &[], &body),
        sts,
        signed("wrong", &[("x-amz-content-sha256", &line)], &body, &line),
    ] {
        let mut client = lab.connect().await;
        client.send(&whole[..whole.len() - 1]).await;
        let reply = client.reply().await.expect("answered");
        assert!(matches!(reply.status, 400 | 403 | 404), "{}", reply.text());
        assert_eq!(reply.header("connection"), "close");
        client.send(&whole[whole.len() - 1..]).await;
        assert!(client.reply().await.is_none(), "the end");
    }
    for declared in [vec![], vec![("x-amz-content-sha256", line.as_str())]] {
        let reply = lab.send(signed("secret", &declared, &body, &line)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// A key's id is no secret: what it announces takes room as it comes, and that has an end.
#[tokio::test]
async fn bodies_under_a_known_key_share_a_room() {
    let lab = lab().await;
    let body = vec![b'x'; 7 << 20];
    let whole = signed("wrong", &[], &body, &sha256_hex(&body));
    let (mut held, mut turned_away) = (Vec::new(), 0);
    for _ in 0..12 {
        let mut client = lab.connect().await;
        client.send(&whole[..whole.len() - 1]).await;
        held.push(client);
    }
    // 64 MiB hold nine of them. Who is turned away is told so before long.
    while turned_away < 2 {
        for client in &mut held {
            let reply = tokio::time::timeout(Duration::from_millis(100), client.reply());
            if let Ok(Some(reply)) = reply.await {
                assert_eq!(
                    (reply.status, reply.code().as_str()),
                    (503, "ThrottlingException")
                );
                turned_away += 1;
            }
        }
    }
    assert!(turned_away <= 5, "64 MiB of 84: {turned_away}");
    // Ordinary calls pass meanwhile, and large ones afterwards.
    let small = lab
        .send(signed("secret", &[], b"{}", &sha256_hex(b"{}")))
        .await;
    assert_eq!(small.status, 200, "{}", small.text());
    drop(held);
    let large = || signed("secret", &[], &body, &sha256_hex(&body));
    while lab.send(large()).await.status == 503 {
        tokio::task::yield_now().await;
    }
}

/// One byte now and then keeps no connection.
#[tokio::test]
async fn a_body_that_trickles_is_ended() {
    let lab = Lab::patient(enforced(), Duration::from_millis(300)).await;
    let whole = signed("secret", &[], &[b' '; 1_000], &sha256_hex(b"any"));
    let mut client = lab.connect().await;
    client.send(&whole[..whole.len() - 900]).await;
    let trickle = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            client.send(b" ").await;
            if let Ok(reply) = tokio::time::timeout(Duration::from_millis(1), client.reply()).await
            {
                return reply.map(|r| r.status);
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(5), trickle).await;
    assert_eq!(ended, Ok(Some(408)));
}

/// Whoever asks and never reads is left, whatever he asks.
#[tokio::test]
async fn unread_answers_end_a_connection() {
    let lab = Lab::patient(super::development(), Duration::from_millis(300)).await;
    let mut client = lab.connect().await;
    let ask = super::client::form(&[], b"Action=DescribeSubnets&Version=2016-11-15").repeat(200);
    // Until neither side takes any more, then until the server has gone.
    let until_gone = async { while client.try_send(&ask).await {} };
    let gone = tokio::time::timeout(Duration::from_secs(20), until_gone).await;
    gone.expect("it is ended");
}

/// An operation whose proof is in its form: what it is judged by is that, not a signature.
#[tokio::test]
async fn a_web_identity_needs_no_signature() {
    let lab = lab().await;
    let role = "arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Fr";
    let token = "x".repeat(20_000);
    let body = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={role}&RoleSessionName=me&WebIdentityToken={token}"
    );
    let sts = super::client::form(&[], body.as_bytes());
    let reply = lab.send(sts).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    let code = "<Code>InvalidIdentityToken</Code>";
    assert!(reply.text().contains(code), "{}", reply.text());
    // A signature that is wrong is wrong, whatever it is for.
    let signature = "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=00";
    let headers = [
        ("authorization", signature),
        ("x-amz-date", "20260101T000000Z"),
    ];
    let sts = super::client::form(&headers, body.as_bytes());
    let reply = lab.send(sts).await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert!(!reply.text().contains(code), "{}", reply.text());
}

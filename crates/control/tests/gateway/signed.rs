//! Enforced signatures, end to end.

use super::Lab;
use super::client::{ECS, json, request};
use flate2::Compression;
use flate2::write::GzEncoder;
use neargate_base::time::SystemClock;
use neargate_base::{Clock, Secret};
use neargate_control::gateway::Mode;
use neargate_wire::sigv4::{Scope, UNSIGNED_PAYLOAD, sha256_hex, sign};
use std::collections::BTreeMap;
use std::io::Write as _;

async fn lab() -> Lab {
    let keys = BTreeMap::from([("AKID".to_owned(), Secret::new("secret".to_owned()))]);
    Lab::with(Mode::Enforced(keys)).await
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

/// Without a known key nobody makes the server hold a large body.
#[tokio::test]
async fn large_bodies_are_read_of_known_callers_only() {
    let lab = lab().await;
    let body = vec![b' '; 100 << 10];
    let unsigned = json(&format!("{ECS}.ListClusters"), &[], &body);
    let reply = lab.send(unsigned).await;
    assert_eq!(reply.status, 413, "{}", reply.text());
    let line = sha256_hex(&body);
    let reply = lab.send(signed("secret", &[], &body, &line)).await;
    assert_ne!(reply.status, 413, "{}", reply.text());
}

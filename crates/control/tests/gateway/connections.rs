//! Connections: kept, shared, many, slow.

use super::client::{ECS, json, request};
use super::{Lab, development};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let lab = Lab::new().await;
    let mut client = lab.connect().await;
    let create = |name: &str| {
        let body = format!(r#"{{"clusterName":"{name}"}}"#);
        json(&format!("{ECS}.CreateCluster"), &[], body.as_bytes())
    };
    let mut all = Vec::new();
    for name in ["a", "b", "c"] {
        all.extend(create(name));
    }
    all.extend(json(&format!("{ECS}.MakeCoffee"), &[], b"{}"));
    all.extend(request("GET", "/health", &[], b""));
    client.send(&all).await;
    let mut ids = BTreeSet::new();
    for name in ["a", "b", "c"] {
        let reply = client.reply().await.expect("answered");
        assert_eq!(reply.json()["cluster"]["clusterName"], name);
        ids.insert(reply.request_id().to_owned());
    }
    assert_eq!(ids.len(), 3, "each has an id of its own");
    assert_eq!(client.reply().await.expect("answered").status, 400);
    assert_eq!(client.reply().await.expect("answered").status, 200);
    for _ in 0..100 {
        client
            .send(json(&format!("{ECS}.ListClusters"), &[], b"{}"))
            .await;
        assert_eq!(client.reply().await.expect("kept open").status, 200);
    }
    client
        .send("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.expect("answered").status, 200);
    assert!(client.reply().await.is_none(), "closed as asked");
}

#[tokio::test]
async fn a_thousand_connections_at_once() {
    let lab = Lab::new().await;
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        clients.push(lab.connect().await);
    }
    for client in &mut clients {
        client
            .send(json(&format!("{ECS}.ListClusters"), &[], b"{}"))
            .await;
    }
    let replies = join_all(clients.iter_mut().map(|c| c.reply())).await;
    assert!(
        replies
            .into_iter()
            .all(|r| r.expect("answered").status == 200)
    );
}

#[tokio::test]
async fn what_is_no_http_is_turned_away() {
    let lab = Lab::new().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    ] {
        let mut client = lab.connect().await;
        client.send(garbage).await;
        if let Some(reply) = client.reply().await {
            assert!(reply.status == 400 || reply.status == 505, "{reply:?}");
        }
    }
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let mut client = lab.connect().await;
    client.send(long.as_bytes()[..600_000].to_vec()).await;
    if let Some(reply) = client.reply().await {
        assert!(matches!(reply.status, 414 | 431), "{reply:?}");
    }
    let mut client = lab.connect().await;
    client.send(request("GET", "/health", &[], b"")).await;
    assert_eq!(
        client.reply().await.expect("the server goes on").status,
        200
    );
}

/// Whether it stops in the head, in the body or before both.
#[tokio::test]
async fn a_client_that_never_finishes_is_closed() {
    let lab = Lab::patient(development(), Duration::from_millis(300)).await;
    let started = json(
        &format!("{ECS}.CreateCluster"),
        &[],
        br#"{"clusterName":"slow"}"#,
    );
    let body_at = started.len() - 10;
    for sent in [0, 1, 30, body_at] {
        let mut client = lab.connect().await;
        client.send(&started[..sent]).await;
        // A head that never ends may be answered by nothing at all.
        let reply = client.reply().await;
        assert!(reply.is_none_or(|r| r.status == 408), "{sent} bytes");
    }
    let mut idle = lab.connect().await;
    idle.send(request("GET", "/health", &[], b"")).await;
    assert_eq!(idle.reply().await.expect("answered").status, 200);
    assert!(
        idle.reply().await.is_none(),
        "a kept connection is not kept for ever"
    );
    let reply = lab.json(&format!("{ECS}.ListClusters"), "{}").await;
    assert_eq!(reply.json()["clusterArns"], serde_json::json!([]));
}

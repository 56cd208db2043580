//! Web pages of other origins cannot drive the unauthenticated port.

use super::Lab;
use super::client::{ECS, form, json, request};

#[tokio::test]
async fn foreign_pages_are_refused() {
    let lab = Lab::new().await;
    let create = format!("{ECS}.CreateCluster");
    for header in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Host", "evil.example:4566"),
        ("Host", "localhost.evil.example"),
    ] {
        let reset = request("POST", "/_neargate/reset", &[header], b"");
        let sts = form(&[header], b"Action=GetCallerIdentity&Version=2011-06-15");
        let registry = request("GET", "/v2/", &[header], b"");
        let health = request("GET", "/health", &[header], b"");
        for bytes in [
            json(&create, &[header], b"{}"),
            reset,
            sts,
            registry,
            health,
        ] {
            let reply = lab.send(bytes).await;
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (403, "AccessDeniedException"),
                "{header:?}"
            );
            reply.request_id();
            assert!(!reply.headers.contains_key("access-control-allow-origin"));
        }
    }
    let preflight = [
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "POST"),
    ];
    assert_eq!(
        lab.send(request("OPTIONS", "/", &preflight, b""))
            .await
            .status,
        403
    );
    let listed = lab.json(&format!("{ECS}.ListClusters"), "{}").await;
    assert_eq!(listed.json()["clusterArns"], serde_json::json!([]));
    // Our own page may.
    let own = [
        ("Host", "localhost:4566"),
        ("Origin", "http://localhost:4566"),
    ];
    assert_eq!(lab.send(json(&create, &own, b"{}")).await.status, 200);
}

#[tokio::test]
async fn reset_is_offered_only_where_it_is_given() {
    let lab = Lab::new().await;
    assert_eq!(
        lab.send(request("POST", "/_neargate/reset", &[], b""))
            .await
            .status,
        403
    );
    assert_eq!(
        lab.send(request("GET", "/_neargate/other", &[], b""))
            .await
            .status,
        404
    );
}

/// What another server between might read otherwise.
#[tokio::test]
async fn requests_are_read_in_one_way_only() {
    let lab = Lab::new().await;
    for head in [
        "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost:4566.evil.example\r\n\r\n",
        "GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://a@localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        assert_eq!(lab.send(head).await.status, 400, "{head}");
    }
    let health = lab.send("GET /health HTTP/1.0\r\n\r\n").await;
    assert_eq!(health.status, 200);
    let smuggled = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {ECS}.ListClusters\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    );
    let mut client = lab.connect().await;
    client.send(smuggled).await;
    let reply = client.reply().await.expect("answered");
    assert_eq!((reply.status, reply.header("connection")), (200, "close"));
    assert!(client.reply().await.is_none(), "nothing comes after it");
}

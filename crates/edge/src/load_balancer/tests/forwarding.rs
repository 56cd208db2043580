//! What targets are sent, what clients get back, and that neither is disturbed by changes.

use super::lab::*;
use crate::load_balancer::tests::lab;
use neargate_domain::load_balancer::TargetState;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn targets_learn_who_asked_and_how() {
    let lab = Lab::with(Echo("blue")).await;
    let request = "GET /a?b=c HTTP/1.1\r\nhost: Example.com\r\nX-Own: 1\r\nConnection: x-secret, \
                   keep-alive\r\nX-Secret: 2\r\nKeep-Alive: 5\r\nTE: trailers, gzip\r\n\
                   X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: https\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: x\r\nProxy-Connection: close\r\n\r\n";
    let answer = lab.ask(request).await;
    let text = answer.text();
    assert!(text.starts_with("blue\nGET /a?b=c HTTP/1.1\r\n"), "{text}");
    let field = |name| lab::field(&text, name);
    assert_eq!(field("x-forwarded-for"), Some("10.1.2.3, 127.0.0.1"));
    assert_eq!(field("x-forwarded-proto"), Some("http"));
    assert_eq!(field("x-forwarded-port"), Some("8080"));
    assert_eq!(field("host"), Some("Example.com:8080"));
    assert_eq!(field("x-own"), Some("1"));
    assert_eq!(field("te"), Some("trailers"));
    for gone in [
        "x-secret",
        "keep-alive",
        "connection",
        "upgrade",
        "http2-settings",
    ] {
        assert_eq!(field(gone), None, "{gone}");
    }
    let trace = field("x-amzn-trace-id").unwrap();
    assert!(trace.starts_with("Root=1-") && trace.len() == "Root=1-".len() + 8 + 1 + 24);
    assert_eq!(answer.field("connection"), Some("keep-alive"));
    assert!(answer.field("date").is_some());
}

#[tokio::test]
async fn forwarded_fields_are_as_attributes_say() {
    let mut lab = Lab::with(Echo("blue")).await;
    let request = "GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 10.1.2.3\r\n\
                   X-Amzn-Trace-Id: Self=1-x;Root=1-abc;CalledFrom=app\r\nX_Bad: 1\r\n\r\n";
    for (key, value, name, expected) in [
        (
            "routing.http.xff_client_port.enabled",
            "true",
            "x-forwarded-for",
            None,
        ),
        (
            "routing.http.xff_header_processing.mode",
            "preserve",
            "x-forwarded-for",
            Some("10.1.2.3"),
        ),
        (
            "routing.http.xff_header_processing.mode",
            "remove",
            "x-forwarded-for",
            Some(""),
        ),
        (
            "routing.http.preserve_host_header.enabled",
            "true",
            "host",
            Some("a.example"),
        ),
        (
            "routing.http.drop_invalid_header_fields.enabled",
            "true",
            "x_bad",
            Some(""),
        ),
    ] {
        lab.set(key, value).start().await;
        let text = lab.ask(request).await.text();
        let found = field(&text, name).unwrap_or_default();
        match expected {
            Some(expected) => assert_eq!(found, expected, "{key}"),
            None => assert!(found.starts_with("10.1.2.3, 127.0.0.1:"), "{found}"),
        }
        let trace = field(&text, "x-amzn-trace-id").unwrap();
        assert!(trace.starts_with("Self=1-") && trace.ends_with(";Root=1-abc;CalledFrom=app"));
    }
    let many = vec!["10.0.0.1"; 31].join(", ");
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {many}\r\n\r\n");
    assert_eq!(lab.ask(&request).await.status(), 463);
}

#[tokio::test]
async fn bodies_pass_in_both_directions_in_every_form() {
    let lab = Lab::with(Echo("blue")).await;
    let mut client = lab.connect().await;
    client
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    let text = client.answer().await.text();
    assert!(text.ends_with("\r\n\r\nhello") && field(&text, "content-length") == Some("5"));
    client
        .send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: x-sum\r\n\r\n\
              3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 9\r\nContent-Length: 3\r\n\r\n",
        )
        .await;
    let text = client.answer().await.text();
    assert!(text.ends_with("\r\n\r\nabcdeX-Sum: 9\n"), "{text}");
    let large = "x".repeat(3_000_000);
    let head = format!(
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        large.len()
    );
    client.send(head.as_bytes()).await;
    client.send(large.as_bytes()).await;
    assert!(client.answer().await.text().ends_with(&large));
    client.send(b"GET / HTTP/1.0\r\n\r\n").await;
    let answer = client.answer().await;
    let host = "front-1.us-east-1.elb.amazonaws.com:8080";
    assert_eq!(field(&answer.text(), "host"), Some(host));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn responses_keep_their_meaning_for_every_client() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-End: 1\r\n\r\n";
    let until_close = "HTTP/1.1 200 Fine\r\nServer: own\r\n\r\nto the end";
    for (says, body, body_for_10) in [
        (chunked, "abcX-End: 1\n", "abc"),
        (until_close, "to the end", "to the end"),
    ] {
        let lab = Lab::with(Says(says)).await;
        let answer = lab.get("/").await;
        assert_eq!(answer.text(), body);
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
        let answer = lab
            .ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .await;
        assert_eq!(answer.text(), body_for_10);
        assert_eq!(answer.field("connection"), Some("close"));
        assert_eq!(answer.field("transfer-encoding"), None);
    }
    let lab = Lab::with(Says("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n")).await;
    let mut client = lab.connect().await;
    for _ in 0..2 {
        client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = client.head().await.unwrap();
        assert_eq!(field(&head, "content-length"), Some("77"));
    }
    for none in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
    ] {
        let lab = Lab::with(Says(none)).await;
        let mut client = lab.connect().await;
        for _ in 0..2 {
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let answer = client.answer().await;
            assert!(none.starts_with(&answer.head[..12]));
        }
    }
}

/// Sends a part at a time, each when it is asked for.
struct Drip;

impl Behaviour for Drip {
    async fn answer(&self, _: String, connection: &mut Client) -> bool {
        connection
            .send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            .await;
        while connection.more().await {
            let asked = std::mem::take(&mut connection.text);
            connection.send(&asked).await;
        }
        false
    }
}

#[tokio::test]
async fn what_a_target_says_early_is_passed_on_at_once() {
    let lab = Lab::with(Drip).await;
    let mut client = lab.connect().await;
    client
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        .await;
    let head = client.head().await.unwrap();
    assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
    for part in [b"ab", b"cd"] {
        client.send(part).await;
        while !client.text.ends_with(b"\r\n") {
            assert!(client.more().await);
        }
        let expected = [b"2\r\n", &part[..], b"\r\n"].concat();
        assert_eq!(std::mem::take(&mut client.text), expected);
    }
}

/// Lets a client go on, then answers.
struct GoesOn;

impl Behaviour for GoesOn {
    async fn answer(&self, head: String, connection: &mut Client) -> bool {
        assert_eq!(field(&head, "expect"), Some("100-continue"));
        assert!(connection.text.is_empty(), "the body waits");
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        Echo("on").answer(head, connection).await
    }
}

#[tokio::test]
async fn a_client_that_expects_to_go_on_is_told_by_the_target() {
    let lab = Lab::with(GoesOn).await;
    let mut client = lab.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    client.send(head.as_bytes()).await;
    assert_eq!(client.answer().await.head, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(b"ok").await;
    assert!(client.answer().await.text().ends_with("\r\n\r\nok"));
}

/// Switches protocols and sends back what it gets.
struct WebSocket;

impl Behaviour for WebSocket {
    async fn answer(&self, head: String, connection: &mut Client) -> bool {
        assert_eq!(field(&head, "upgrade"), Some("websocket"));
        assert_eq!(field(&head, "connection"), Some("upgrade"));
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                      Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
        connection.send(answer.as_bytes()).await;
        loop {
            let bytes = std::mem::take(&mut connection.text);
            connection.send(&bytes).await;
            if !connection.more().await {
                return false;
            }
        }
    }
}

const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
                         Upgrade: WebSocket\r\nSec-WebSocket-Key: y\r\n\r\n";

#[tokio::test]
async fn a_websocket_carries_bytes_both_ways() {
    let mut lab = Lab::with(WebSocket).await;
    let mut client = lab.connect().await;
    client.send(UPGRADE).await;
    client.send(b"first").await;
    let answer = client.answer().await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.field("sec-websocket-accept"), Some("x"));
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    while client.text.len() < 5 {
        assert!(client.more().await);
    }
    assert_eq!(std::mem::take(&mut client.text), b"first");
    // It outlives a change, counts as under way, and is cut off when its target is gone.
    lab.told.target_groups[0].targets[0].draining = true;
    lab.tell();
    lab.until("it drains", |state| {
        state.targets[0].state == TargetState::Draining
    })
    .await;
    client.send(b"second").await;
    while client.text.len() < 6 {
        assert!(client.more().await);
    }
    client.text.clear();
    lab.told.target_groups[0].targets.clear();
    lab.tell();
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn connections_to_targets_are_used_again() {
    let count = Arc::new(AtomicUsize::new(0));
    struct Counts(Arc<AtomicUsize>);
    impl Behaviour for Counts {
        async fn answer(&self, head: String, connection: &mut Client) -> bool {
            let peer = connection.stream.peer_addr().unwrap().port();
            self.0.fetch_max(peer.into(), Ordering::SeqCst);
            let text = peer.to_string();
            let _ = head;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            );
            connection.send(answer.as_bytes()).await;
            true
        }
    }
    let lab = Lab::with(Counts(count)).await;
    let mut client = lab.connect().await;
    let mut ports = std::collections::BTreeSet::new();
    for _ in 0..10 {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        ports.insert(client.answer().await.text());
    }
    assert_eq!(ports.len(), 1);
}

#[tokio::test]
async fn no_request_fails_while_everything_changes() {
    let mut lab = Lab::new();
    let mut targets = Vec::new();
    for _ in 0..4 {
        targets.push(target(Echo("t")).await);
    }
    lab.told.target_groups = vec![group("blue", &targets[..2]), group("green", &targets[2..])];
    lab.start().await;
    let at = lab.at();
    let done = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let done = Arc::clone(&done);
            neargate_base::task::spawn("client", async move {
                let mut client = None;
                for turn in 0..500 {
                    // Some keep their connection, some take a new one each time.
                    if client.is_none() || number % 2 == 0 {
                        let stream = tokio::net::TcpStream::connect(at).await.unwrap();
                        client = Some(Client {
                            stream,
                            text: Vec::new(),
                        });
                    }
                    let connection = client.as_mut().unwrap();
                    let body = format!("{number}-{turn}");
                    let head = format!(
                        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    connection.send(head.as_bytes()).await;
                    let answer = connection.answer().await;
                    assert_eq!(answer.status(), 200, "{}", answer.text());
                    assert!(answer.text().ends_with(&format!("\r\n\r\n{body}")));
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut step = 0_u32;
    while clients.iter().any(|client| !client.is_finished()) {
        step += 1;
        lab.rules()[0] = rule(
            vec![],
            forward(&[("blue", step % 3), ("green", 1 + step % 2)]),
        );
        let registered: Vec<_> = targets[2..]
            .iter()
            .skip((step % 2) as usize)
            .copied()
            .collect();
        let mut green = group("green", &targets[2..]);
        for target in &mut green.targets {
            target.draining = !registered.iter().any(|at| at.port() == target.key.port);
        }
        lab.told.target_groups[1] = green;
        lab.told.listeners.truncate(1);
        if step.is_multiple_of(4) {
            let rules = lab.rules().clone();
            lab.told.listeners.push(listener(PORT + 1, rules));
        }
        lab.tell();
        let before = done.load(Ordering::SeqCst);
        while done.load(Ordering::SeqCst) < before + 5 && clients.iter().any(|c| !c.is_finished()) {
            tokio::task::yield_now().await;
        }
    }
    for client in clients {
        client.await.unwrap();
    }
    assert!(step > 10, "{step} changes");
}

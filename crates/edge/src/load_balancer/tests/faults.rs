//! Targets that fail, lie, hang or go away.

use super::lab::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn what_is_no_response_is_502() {
    for says in [
        "",
        "HTTP/1.1 20",
        "nonsense\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let lab = Lab::with(Says(says)).await;
        let mut client = lab.connect().await;
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.answer().await;
        assert_eq!(answer.status(), 502, "{says:?}");
        assert_eq!(answer.field("content-length"), Some("122"));
        assert_eq!(answer.field("connection"), Some("keep-alive"));
    }
    struct TooLong;
    impl Behaviour for TooLong {
        async fn answer(&self, _: String, connection: &mut Client) -> bool {
            let fields = format!("X: {}\r\n", "x".repeat(8_000)).repeat(5);
            let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
            connection.send(answer.as_bytes()).await;
            true
        }
    }
    assert_eq!(Lab::with(TooLong).await.get("/").await.status(), 502);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_taken_for_the_whole() {
    for says in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n",
    ] {
        let lab = Lab::with(Says(says)).await;
        let mut client = lab.connect().await;
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        while client.more().await {}
        let text = String::from_utf8_lossy(&client.text).into_owned();
        assert!(
            !text.contains("0\r\n\r\n") || text.contains("Content-Length: 10"),
            "{text}"
        );
        assert!(
            !text.contains("502"),
            "nothing is sent after a part: {text}"
        );
    }
}

/// Sends more than its response is long.
struct SaysMore;

impl Behaviour for SaysMore {
    async fn answer(&self, _: String, connection: &mut Client) -> bool {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\
                      Content-Length: 6\r\n\r\npoison";
        connection.send(answer.as_bytes()).await;
        true
    }
}

#[tokio::test]
async fn what_a_target_says_unasked_reaches_nobody() {
    let lab = Lab::with(SaysMore).await;
    let mut client = lab.connect().await;
    for _ in 0..5 {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.text(), "ok");
    }
    assert!(client.text.is_empty());
}

#[tokio::test]
async fn a_target_that_hangs_is_504() {
    let mut lab = Lab::with(Hangs).await;
    lab.set("idle_timeout.timeout_seconds", "1").start().await;
    let answer = lab.get("/").await;
    assert_eq!(answer.status(), 504);
    assert!(answer.text().contains("<h1>504 Gateway Time-out</h1>"));
}

/// Answers one request on each connection and then closes it, without having said so.
struct ClosesLater(Arc<AtomicUsize>);

impl Behaviour for ClosesLater {
    async fn answer(&self, head: String, connection: &mut Client) -> bool {
        let before = self.0.fetch_add(1, Ordering::SeqCst);
        if before % 2 == 1 {
            return false;
        }
        Echo("once").answer(head, connection).await
    }
}

#[tokio::test]
async fn a_connection_that_turns_out_closed_is_replaced() {
    let count = Arc::new(AtomicUsize::new(0));
    let lab = Lab::with(ClosesLater(Arc::clone(&count))).await;
    let mut client = lab.connect().await;
    for _ in 0..6 {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.status(), 200);
    }
    assert!(count.load(Ordering::SeqCst) > 6, "some were sent twice");
    // What changes something is not sent twice.
    let count = Arc::new(AtomicUsize::new(0));
    let lab = Lab::with(ClosesLater(Arc::clone(&count))).await;
    let mut client = lab.connect().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        client
            .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
            .await;
        statuses.push(client.answer().await.status());
    }
    assert_eq!(statuses, [200, 502, 200, 502]);
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_target_that_takes_no_connections_is_passed_over() {
    let mut lab = Lab::new();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = {
        // It is not open any more.
        let closed = gone;
        closed.local_addr().unwrap()
    };
    lab.told.target_groups = vec![group("blue", &[gone])];
    lab.start().await;
    assert_eq!(lab.get("/").await.status(), 502);
    let good = target(Echo("good")).await;
    lab.told.target_groups = vec![group("blue", &[gone, good])];
    lab.start().await;
    for _ in 0..4 {
        assert_eq!(lab.get("/").await.status(), 200);
    }
}

/// Answers before it has heard everything, and reads no more.
struct Early;

impl Behaviour for Early {
    async fn answer(&self, _: String, connection: &mut Client) -> bool {
        let answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig";
        connection.send(answer.as_bytes()).await;
        // The connection stays open, and what comes is not read.
        tokio::time::sleep(PATIENCE).await;
        false
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_given() {
    let lab = Lab::with(Early).await;
    let mut client = lab.connect().await;
    client
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        .await;
    client.send(&[b'x'; 10_000]).await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text().as_str()), (413, "big"));
    assert!(
        client.is_closed().await,
        "what is left is not read as a request"
    );
}

/// Sends much, and says when the connection ends.
struct Floods(Arc<AtomicUsize>);

impl Behaviour for Floods {
    async fn answer(&self, _: String, connection: &mut Client) -> bool {
        use tokio::io::AsyncWriteExt as _;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n";
        connection.send(head).await;
        while connection.stream.write_all(&[0; 65536]).await.is_ok() {}
        self.0.fetch_add(1, Ordering::SeqCst);
        false
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up_and_one_that_goes_frees_the_target() {
    let ends = Arc::new(AtomicUsize::new(0));
    let mut lab = Lab::with(Floods(Arc::clone(&ends))).await;
    lab.set("idle_timeout.timeout_seconds", "1").start().await;
    let mut never_reads = lab.connect().await;
    never_reads.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut goes = lab.connect().await;
    goes.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(goes.head().await.is_some());
    drop(goes);
    let wait = async {
        while ends.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok());
    drop(never_reads);
}

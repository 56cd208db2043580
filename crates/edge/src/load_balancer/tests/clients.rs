//! Requests that are refused, and how connections of clients end.

use super::lab::*;

/// A request with this body, in chunks.
macro_rules! chunks {
    ($body:literal) => {
        concat!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            $body
        )
    };
}
/// What must not be taken, and the status that says so.
const REFUSED: &[(&str, u16)] = &[
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\n\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nab",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\na",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\na",
        400,
    ),
    (
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/11\r\nHost: a\r\n\r\n", 400),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    // Bodies that end nowhere, or somewhere else for somebody else.
    (chunks!("-1\r\nab\r\n0\r\n\r\n"), 400),
    (chunks!("2 \r\nab\r\n0\r\n\r\n"), 400),
    (chunks!("2\nab\r\n0\r\n\r\n"), 400),
    (chunks!("2;a\rb\r\nab\r\n0\r\n\r\n"), 400),
    (chunks!("2\r\nabc\r\n0\r\n\r\n"), 400),
    (chunks!("0x2\r\nab\r\n0\r\n\r\n"), 400),
    (chunks!("fffffffffffffffff\r\nab\r\n0\r\n\r\n"), 400),
    (chunks!("0\r\nX : 1\r\n\r\n"), 400),
];

#[tokio::test]
async fn what_could_be_understood_in_two_ways_is_refused() {
    let lab = Lab::with(Echo("blue")).await;
    for (request, status) in REFUSED {
        let mut client = lab.connect().await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        client.send(format!("{request}{smuggled}").as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!(answer.status(), *status, "{request:?}");
        assert_eq!(answer.field("connection"), Some("close"), "{request:?}");
        assert!(client.is_closed().await, "{request:?}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let lab = Lab::with(Echo("blue")).await;
    let long = "x".repeat(16 * 1024);
    let fields = format!("X: {}\r\n", "x".repeat(8_000)).repeat(9);
    for (request, status) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET /{long}"), 414),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), 431),
    ] {
        assert_eq!(lab.ask(&request).await.status(), status);
    }
}

#[tokio::test]
async fn a_doubtful_request_is_the_last_of_its_connection() {
    let mut lab = Lab::with(Echo("blue")).await;
    let both = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
                Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let twice = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na";
    for request in [both, twice] {
        let mut client = lab.connect().await;
        client.send(request.as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.field("connection"), Some("close"));
        assert!(client.is_closed().await);
    }
    lab.set("routing.http.desync_mitigation_mode", "strictest")
        .start()
        .await;
    for request in [both, twice] {
        assert_eq!(lab.ask(request).await.status(), 400);
    }
}

#[tokio::test]
async fn slow_clients_are_given_up() {
    let mut lab = Lab::with(Echo("blue")).await;
    lab.set("idle_timeout.timeout_seconds", "1").start().await;
    let mut silent = lab.connect().await;
    let mut slow = lab.connect().await;
    slow.send(b"GET / HT").await;
    let mut late = lab.connect().await;
    late.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        .await;
    assert!(silent.is_closed().await);
    assert_eq!(slow.answer().await.status(), 408);
    assert!(slow.is_closed().await);
    assert_eq!(late.answer().await.status(), 408);
    assert!(late.is_closed().await);
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_turn() {
    let lab = Lab::with(Echo("blue")).await;
    let mut client = lab.connect().await;
    let one = |n| format!("\r\nPOST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n{n}");
    let all: String = (0..9).map(one).collect();
    client.send(all.as_bytes()).await;
    for n in 0..9 {
        let text = client.answer().await.text();
        assert!(text.contains(&format!("POST /{n} ")) && text.ends_with(&format!("\n{n}")));
    }
}

#[tokio::test]
async fn a_closed_listener_ends_connections_that_wait() {
    let mut lab = Lab::with(Echo("blue")).await;
    let mut client = lab.connect().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 200);
    lab.told.listeners.clear();
    lab.tell();
    assert!(client.is_closed().await);
    let refused = async {
        while tokio::net::TcpStream::connect(lab.at()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, refused).await.is_ok());
}

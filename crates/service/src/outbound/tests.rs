//! Which endpoints are called, and what those cost that hang or lie.

use super::*;
use neargate_base::task;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn reach(allow_private: bool, own_ports: &[u16]) -> Outbound {
    Outbound::new(Reach {
        allow_private,
        own_ports: own_ports.to_vec(),
    })
}

fn get(url: &str) -> Call {
    Call {
        method: Method::GET,
        url: url.into(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        patience: Duration::from_secs(10),
        max_body_bytes: 8,
    }
}

/// A server that says `answer` to each who connects, and keeps the connection. Its port.
async fn server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    task::spawn("test-server", async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer).await;
            open.push(stream);
        }
    });
    port
}

#[test]
fn addresses_that_are_no_endpoints() {
    let everything = reach(true, &[]);
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.170.2/v2/credentials",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://0.0.0.0:4566/",
        "http://0/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://[64:ff9b::a9fe:a9fe]/",
    ] {
        assert_eq!(everything.check(url), Err(Forbidden::NoEndpoint), "{url}");
    }
    for url in ["ftp://example.com/", "example.com", "", "http://"] {
        assert_eq!(everything.check(url), Err(Forbidden::NoUrl), "{url}");
    }
}

#[test]
fn private_networks_are_the_operators_choice() {
    for url in [
        "http://127.0.0.1:9000/",
        "http://2130706433/",
        "http://[::1]/",
        "http://10.1.2.3/",
        "http://172.31.0.9/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://[fd12::1]/",
        "http://[2002:7f00:1::]/",
    ] {
        assert_eq!(
            reach(false, &[]).check(url),
            Err(Forbidden::Private),
            "{url}"
        );
        assert_eq!(reach(true, &[]).check(url), Ok(()), "{url}");
    }
    for url in ["https://example.com/a", "http://198.51.100.1/"] {
        assert_eq!(reach(false, &[]).check(url), Ok(()), "{url}");
    }
}

#[tokio::test]
async fn our_own_ports_are_never_endpoints() {
    let port = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let (own, other) = (reach(true, &[port]), reach(true, &[]));
    for host in ["127.0.0.1", "localhost", "127.0.0.2"] {
        let url = format!("http://{host}:{port}/");
        let refused = own.send(get(&url)).await.expect_err("refused");
        assert!(
            matches!(refused, OutboundError::Forbidden(Forbidden::Own)),
            "{refused:?}"
        );
    }
    let url = format!("http://localhost:{port}/");
    assert_eq!(other.send(get(&url)).await.expect("answered").status, 200);
    let refused = reach(false, &[])
        .send(get(&url))
        .await
        .expect_err("refused");
    assert!(matches!(
        refused,
        OutboundError::Forbidden(Forbidden::Private)
    ));
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let port = server(
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let url = format!("http://127.0.0.1:{port}/");
    let answer = reach(true, &[]).send(get(&url)).await.expect("answered");
    assert_eq!(answer.status, 302);
}

#[tokio::test]
async fn what_is_too_long_is_not_read_and_what_hangs_is_left() {
    let long = server(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n0123456789").await;
    let url = format!("http://127.0.0.1:{long}/");
    let answer = reach(true, &[]).send(get(&url)).await.expect("answered");
    assert_eq!(&answer.body[..], b"01234567");
    let mut hang = get(&format!("http://127.0.0.1:{}/", server(b"").await));
    hang.patience = Duration::from_millis(100);
    let left = reach(true, &[]).send(hang).await.expect_err("left");
    assert!(matches!(left, OutboundError::TimedOut), "{left:?}");
    let nobody = reach(true, &[]).send(get("http://127.0.0.1:9/")).await;
    assert!(matches!(nobody, Err(OutboundError::Unreachable(_))));
}

#[test]
fn addresses_of_the_internet() {
    for bad in [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.31.0.5",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ] {
        assert!(!is_public(bad.parse().expect("an address")), "{bad}");
    }
    for good in ["198.19.0.5", "192.0.2.1", "8.8.8.8", "2001:db8::1"] {
        assert!(is_public(good.parse().expect("an address")), "{good}");
    }
}

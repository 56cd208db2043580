//! Network load balancers: bytes to targets and back.

use super::lab::*;
use neargate_domain::load_balancer::{LoadBalancerType, Protocol};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A target that says its name, and sends back what it gets until that ends.
async fn echo(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    neargate_base::task::spawn("target", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            neargate_base::task::spawn("target", async move {
                stream.write_all(name.as_bytes()).await.unwrap();
                let mut all = Vec::new();
                // It answers after the client has ended: the two ends are apart.
                let _ = stream.read_to_end(&mut all).await;
                let _ = stream.write_all(&all).await;
            });
        }
    });
    at
}

async fn network(targets: &[SocketAddr]) -> Lab {
    let mut lab = Lab::new();
    lab.told.load_balancer_type = LoadBalancerType::Network;
    lab.told.listeners[0].protocol = Protocol::Tcp;
    lab.set("load_balancing.cross_zone.enabled", "false");
    let mut blue = group("blue", targets);
    blue.protocol = Protocol::Tcp;
    lab.told.target_groups = vec![blue];
    lab.start().await;
    lab
}

/// What a target says first, and what comes back when everything was sent.
async fn talk(lab: &Lab, text: &[u8]) -> String {
    let mut client = lab.connect().await;
    client.send(text).await;
    client.stream.shutdown().await.unwrap();
    while client.more().await {}
    String::from_utf8(client.text).unwrap()
}

#[tokio::test]
async fn bytes_and_their_end_pass_both_ways() {
    let lab = network(&[echo("hi ").await]).await;
    assert_eq!(talk(&lab, b"hello").await, "hi hello");
    let large = "x".repeat(1_000_000);
    assert_eq!(talk(&lab, large.as_bytes()).await.len(), 1_000_003);
}

#[tokio::test]
async fn zones_keep_to_themselves_and_clients_can_stay_with_a_target() {
    let targets = [echo("one").await, echo("two").await];
    let mut lab = network(&targets).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        seen.insert(talk(&lab, b"").await);
    }
    assert_eq!(seen.len(), 2);
    // A target in another zone gets nothing.
    let blue = &mut lab.told.target_groups[0];
    blue.targets[0].availability_zone = Some("us-east-1b".into());
    lab.start().await;
    for _ in 0..20 {
        assert_eq!(talk(&lab, b"").await, "two");
    }
    lab.set("load_balancing.cross_zone.enabled", "true");
    let sticky = &mut lab.told.target_groups[0].attributes;
    sticky.insert("stickiness.enabled".into(), "true".into());
    sticky.insert("stickiness.type".into(), "source_ip".into());
    lab.start().await;
    let own = talk(&lab, b"").await;
    for _ in 0..20 {
        assert_eq!(talk(&lab, b"").await, own);
    }
}

#[tokio::test]
async fn targets_learn_of_clients_by_proxy_protocol() {
    let mut lab = network(&[echo("").await]).await;
    let blue = &mut lab.told.target_groups[0].attributes;
    blue.insert("proxy_protocol_v2.enabled".into(), "true".into());
    lab.start().await;
    let mut client = lab.connect().await;
    let own = client.stream.local_addr().unwrap();
    client.send(b"x").await;
    client.stream.shutdown().await.unwrap();
    while client.more().await {}
    let expected = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01"[..],
        &lab.address.octets(),
        &own.port().to_be_bytes(),
        &PORT.to_be_bytes(),
        b"x",
    ];
    assert_eq!(client.text, expected.concat());
}

#[tokio::test]
async fn without_a_target_a_connection_is_reset() {
    let lab = network(&[]).await;
    let mut client = lab.connect().await;
    assert!(client.stream.read_buf(&mut client.text).await.is_err());
}

//! Network load balancers: bytes to targets and back.

use super::lab::*;
use neargate_domain::load_balancer::{LoadBalancerType, Protocol, TargetState};
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

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
    // The reset may come before the client knows that it is connected.
    let read = async {
        let mut stream = TcpStream::connect(lab.at()).await?;
        stream.read_u8().await
    };
    let ended = read.await.map_err(|error| error.kind());
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn connections_end_with_the_health_of_their_target_where_the_group_says_so() {
    for ends in [true, false] {
        let mut lab = network(&[echo("hi").await]).await;
        let blue = &mut lab.told.target_groups[0].attributes;
        let key = "target_health_state.unhealthy.connection_termination.enabled";
        blue.insert(key.into(), ends.to_string());
        lab.start().await;
        let mut client = lab.connect().await;
        while client.text != b"hi" {
            assert!(client.more().await);
        }
        let mut found = lab.balancers.states().borrow()["arn:lb"].targets.clone();
        for one in &mut found {
            one.state = TargetState::Unhealthy;
        }
        lab.balancers.set_health(found);
        lab.until("it is unhealthy", |state| {
            state
                .targets
                .iter()
                .all(|t| t.state == TargetState::Unhealthy)
        })
        .await;
        match ends {
            true => assert!(!client.more().await),
            false => {
                client.send(b" you").await;
                client.stream.shutdown().await.unwrap();
                while client.more().await {}
                assert_eq!(client.text, b"hi you");
            }
        }
        // One that is made now is made all the same: no other target is healthy.
        assert_eq!(talk(&lab, b"").await, "hi");
    }
}

#[tokio::test]
async fn an_unhealthy_target_is_said_to_drain_for_as_long_as_its_group_says() {
    let mut lab = network(&[echo("hi").await]).await;
    for (interval, expected) in [
        ("360000", TargetState::UnhealthyDraining),
        ("0", TargetState::Unhealthy),
    ] {
        let blue = &mut lab.told.target_groups[0].attributes;
        let state = "target_health_state.unhealthy";
        let terminates = format!("{state}.connection_termination.enabled");
        blue.insert(terminates, "false".into());
        blue.insert(
            format!("{state}.draining_interval_seconds"),
            interval.into(),
        );
        lab.start().await;
        let mut found = lab.balancers.states().borrow()["arn:lb"].targets.clone();
        for one in &mut found {
            one.state = TargetState::Unhealthy;
        }
        lab.balancers.set_health(found);
        lab.until("it is said", |state| {
            state.targets.iter().all(|t| t.state == expected)
        })
        .await;
    }
}

/// A target of datagrams that answers each with its own name before it.
async fn datagram_echo(name: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    neargate_base::task::spawn("target", async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let answer = [name.as_bytes(), &buffer[..length]].concat();
            let _ = socket.send_to(&answer, from).await;
        }
    });
    at
}

async fn datagram(client: &UdpSocket, text: &str) -> String {
    let mut buffer = [0; 2048];
    client.send(text.as_bytes()).await.unwrap();
    let received = tokio::time::timeout(PATIENCE, client.recv(&mut buffer)).await;
    let length = received.expect("it is answered").unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn datagrams_of_a_client_go_to_one_target_and_back() {
    let targets = [datagram_echo("one ").await, datagram_echo("two ").await];
    let mut lab = Lab::new();
    lab.told.load_balancer_type = LoadBalancerType::Network;
    lab.told.listeners[0].protocol = Protocol::Udp;
    let mut blue = group("blue", &targets);
    blue.protocol = Protocol::Udp;
    lab.told.target_groups = vec![blue];
    lab.start().await;
    let mut seen = std::collections::BTreeSet::new();
    let mut last = None;
    for number in 0..40 {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(lab.at()).await.unwrap();
        let first = datagram(&client, "hi").await;
        assert_eq!(datagram(&client, "hi").await, first, "{number}");
        seen.insert(first);
        last = Some(client);
    }
    assert_eq!(seen, ["one hi".to_owned(), "two hi".into()].into());
    // A flow goes on with another target when its own is not registered any more.
    let client = last.unwrap();
    let own = datagram(&client, "x").await;
    let is_first = own.starts_with("one");
    let blue = &mut lab.told.target_groups[0];
    blue.targets.remove(usize::from(!is_first));
    lab.start().await;
    assert_ne!(datagram(&client, "x").await, own);
    // With connections beside them, at the same port.
    lab.told.listeners[0].protocol = Protocol::TcpUdp;
    lab.start().await;
    assert!(datagram(&client, "x").await.ends_with(" x"));
    // Its targets take no connections: it is reset, perhaps before the client knows of it.
    let connected = TcpStream::connect(lab.at()).await;
    let refusal = connected.err().map(|error| error.kind());
    assert!(matches!(refusal, None | Some(ErrorKind::ConnectionReset)));
}

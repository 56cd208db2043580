//! What callers of the node API may hold: places, connections, requests, memory, addresses.

use super::node_api::{Api, Node, Requests, Sent, about, api, ask, line, request};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame as Piece;
use neargate_base::task;
use neargate_domain::NodeAbout;
use neargate_domain::link::{Frame, NODE_HEADER, Peer, SERVER_NAME};
use neargate_ecs::model::KnownNode;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A request that says how long its body is, and sends it bit by bit.
fn slow(id: &str, path: &str, length: usize) -> (mpsc::Sender<Bytes>, http::Request<Sent>) {
    let (sender, pieces) = mpsc::channel(1);
    let pieces = futures_util::stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((Ok(Piece::data(piece)), pieces))
    });
    let request = http::Request::post(format!("https://{SERVER_NAME}{path}"))
        .header(NODE_HEADER, id)
        .header("content-length", length)
        .body(StreamBody::new(pieces).boxed_unsync())
        .unwrap();
    (sender, request)
}

/// Send it and do not wait for the answer.
fn send(requests: &Requests, request: http::Request<Sent>) -> JoinHandle<Option<u16>> {
    let mut requests = requests.clone();
    task::spawn("request", async move {
        let response = requests.send_request(request).await.ok()?;
        Some(response.status().as_u16())
    })
}

#[tokio::test]
async fn strangers_of_one_address_have_few_places() {
    let api = api().await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(api.dial(HERE).await.unwrap());
    }
    let mut turned_away = api.dial(HERE).await.unwrap();
    assert!(matches!(turned_away.read(&mut [0]).await, Ok(0) | Err(_)));
    // Nobody else is kept out.
    let other = api.connect_from(ELSEWHERE, None).await.unwrap();
    assert_eq!(ask(other, "", "/v1/join", &json!({})).await.0, 400);
    // And they do not stay: this waits for the server's patience, which is short.
    tokio::time::pause();
    for mut one in silent {
        assert!(matches!(one.read(&mut [0]).await, Ok(0) | Err(_)));
    }
    tokio::time::resume();
    assert!(api.connect(None).await.is_ok());
}

#[tokio::test]
async fn a_stranger_has_one_request_and_little_time() {
    let api = api().await;
    let stranger = api.connect(None).await.unwrap();
    let (_body, first) = slow("", "/v1/join", 100);
    let first = send(&stranger, first);
    let second = send(&stranger, request("", "/v1/join", &json!({})));
    // Time enough for the second, if it were taken.
    for _ in 0..3 {
        let other = api.connect_from(ELSEWHERE, None).await.unwrap();
        assert_eq!(ask(other, "", "/v1/join", &json!({})).await.0, 400);
    }
    tokio::time::pause();
    assert_eq!(first.await.unwrap(), None, "closed without an answer");
    assert_eq!(second.await.unwrap(), None, "refused, or never taken");
}

#[tokio::test]
async fn a_node_has_few_connections() {
    let api = api().await;
    let node = api.node().await;
    let mut open = Vec::new();
    for _ in 0..9 {
        // Several places before the certificate is seen are not needed at once.
        let requests = api.connect(Some(&node)).await.unwrap();
        assert_eq!(
            ask(requests.clone(), &node.id, "/v1/x", &json!({})).await.0,
            503
        );
        open.push(requests);
    }
    while !open[0].is_closed() {
        tokio::task::yield_now().await;
    }
    assert!(!open[1..].iter().any(|requests| requests.is_closed()));
    assert!(api.api.remove(&node.id).await.unwrap());
    for requests in &open {
        while !requests.is_closed() {
            tokio::task::yield_now().await;
        }
    }
    // From now on it is a stranger: told so, then closed.
    let stranger = api.connect(Some(&node)).await.unwrap();
    assert_eq!(
        ask(stranger.clone(), &node.id, "/v1/x", &json!({})).await.0,
        403
    );
    tokio::time::pause();
    while !stranger.is_closed() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn what_a_node_sends_at_once_is_bounded() {
    let api = api().await;
    let node = api.node().await;
    let (requests, _lines) = api.stream(&node).await;
    let mut large = Vec::new();
    for _ in 0..4 {
        let (body, request) = slow(&node.id, "/v1/logs", 8 << 20);
        large.push((body, send(&requests, request)));
    }
    let small = || request(&node.id, "/v1/log-offset", &json!({ "target": 0 }));
    let waiting = send(&requests, small());
    // Time enough for it, were it not for the others; another node's are its own affair.
    let other = api.node().await;
    let (others, _others_lines) = api.stream(&other).await;
    for _ in 0..3 {
        let (others, body) = (others.clone(), json!({}));
        assert_eq!(ask(others, &other.id, "/v1/log-offset", &body).await.0, 400);
    }
    assert!(!waiting.is_finished());
    let (body, one) = large.pop().unwrap();
    one.abort();
    drop((one.await, body));
    assert_eq!(waiting.await.unwrap(), Some(400), "there is room again");
    // A body that does not come to an end is given up, though pieces of it come.
    tokio::time::pause();
    let (body, mut one) = large.pop().unwrap();
    let ended = loop {
        if body.send(Bytes::from_static(b" ")).await.is_err() {
            break one.await;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        if let Some(ended) = (&mut one).now_or_never() {
            break ended;
        }
    };
    assert!(matches!(ended.unwrap(), Some(503) | None));
    tokio::time::resume();
    // Longer than it may be: not even begun.
    let (_body, request) = slow(&node.id, "/v1/logs", (8 << 20) + 1);
    assert_eq!(send(&requests, request).await.unwrap(), Some(400));
}

fn at(address: &str) -> NodeAbout {
    NodeAbout {
        address: Some(address.parse().unwrap()),
        ..about()
    }
}

/// What the store has as the node's address.
async fn address(api: &Api, node: &Node) -> Option<IpAddr> {
    let db = &api.lab.control_plane.house.db;
    let known = db.get_key::<KnownNode>(&KnownNode::key(&node.id)).await;
    known.unwrap().unwrap().value.address
}

/// Wait until these are the peers.
async fn peers(api: &Api, wanted: &[(&Node, &str)]) {
    let mut wanted: Vec<Peer> = wanted
        .iter()
        .map(|(node, address)| Peer {
            id: node.id.clone(),
            address: address.parse().unwrap(),
        })
        .collect();
    wanted.sort_unstable();
    let mut peers = api.api.peers();
    peers.wait_for(|now| *now == wanted).await.unwrap();
}

async fn until_away(api: &Api, node: &Node) {
    let mut changes = api.lab.control_plane.ecs.nodes.changes();
    while api.lab.control_plane.ecs.nodes.is_connected(&node.id) {
        changes.changed().await.unwrap();
    }
}

#[tokio::test]
async fn an_address_is_one_nodes() {
    let api = api().await;
    let (one, two, three) = (api.node().await, api.node().await, api.node().await);
    let first = api.stream_as(&one, &at("10.0.0.7")).await.unwrap();
    peers(&api, &[(&one, "10.0.0.7")]).await;
    let refused = api.stream_as(&two, &at("10.0.0.7")).await.unwrap_err();
    assert_eq!(refused.0, 409);
    assert!(
        refused.1.contains(&one.id) && refused.1.contains("--address"),
        "{}",
        refused.1
    );
    assert_eq!(address(&api, &two).await, None);
    // The same written as IPv6 is the same.
    let mapped = api.stream_as(&two, &at("::ffff:10.0.0.7")).await;
    assert_eq!(mapped.unwrap_err().0, 409);
    let second = api.stream_as(&two, &at("10.0.0.8")).await.unwrap();
    peers(&api, &[(&one, "10.0.0.7"), (&two, "10.0.0.8")]).await;
    // The node itself may come again.
    drop(first);
    let mut first = api.stream_as(&one, &at("10.0.0.7")).await.unwrap();

    // An absent node's address is the newcomer's, and the older record has it no more.
    drop(second);
    until_away(&api, &two).await;
    let _third = api.stream_as(&three, &at("10.0.0.8")).await.unwrap();
    peers(&api, &[(&one, "10.0.0.7"), (&three, "10.0.0.8")]).await;
    assert_eq!(address(&api, &two).await, None);
    assert_eq!(
        api.stream_as(&two, &at("10.0.0.8")).await.unwrap_err().0,
        409
    );
    // What is sent to nodes says the same.
    loop {
        let sent = line(&mut first.1).await;
        let sent = sent.into_iter().find_map(|frame| match frame {
            Frame::Peers(peers) => Some(peers),
            _ => None,
        });
        if let Some(sent) = sent
            && sent.iter().any(|p| p.id == three.id)
        {
            assert!(!sent.iter().any(|p| p.id == two.id), "{sent:?}");
            break;
        }
    }
    // One that moves leaves its address to others.
    let _moved = api.stream_as(&one, &at("10.0.0.9")).await.unwrap();
    let _second = api.stream_as(&two, &at("10.0.0.7")).await.unwrap();
    let all = [(&one, "10.0.0.9"), (&two, "10.0.0.7"), (&three, "10.0.0.8")];
    peers(&api, &all).await;
}

/// A node says where it is before it has ever come: nobody is sent there.
#[tokio::test]
async fn who_only_joins_has_no_address() {
    let api = api().await;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut request = api.join_request(&key).await;
    request["about"]["address"] = "10.0.0.7".into();
    let (status, joined) = api.ask(None, "", "/v1/join", &request).await;
    assert_eq!(status, 200, "{joined}");
    let db = &api.lab.control_plane.house.db;
    let key = KnownNode::key(joined["node_id"].as_str().unwrap());
    let known = db.get_key::<KnownNode>(&key).await.unwrap().unwrap();
    assert_eq!(known.address, None);
}

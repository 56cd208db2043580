//! The node API against callers that are not what they say: strangers, impostors, other
//! authorities' nodes.

use super::Lab;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use neargate_control::NodeApi;
use neargate_control::node_api::Wanted;
use neargate_domain::link::{Frame, JoinRequest, Joined, NODE_HEADER, SERVER_NAME};
use neargate_domain::{NodeAbout, NodeKind, Resources};
use neargate_ecs::model::KnownNode;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub(super) type Requests = http2::SendRequest<Sent>;
pub(super) type Sent = UnsyncBoxBody<Bytes, Infallible>;

/// A control plane with its node API.
pub(super) struct Api {
    pub(super) lab: Lab,
    pub(super) api: Arc<NodeApi>,
    pub(super) address: SocketAddr,
    authority: CertificateDer<'static>,
}

pub(super) async fn api() -> Api {
    let lab = Lab::new().await;
    let dir = tempfile::tempdir().unwrap();
    let api = NodeApi::open(lab.control_plane.clone(), dir.path()).unwrap();
    let kept: Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("authority.json")).unwrap()).unwrap();
    let authority = hex::decode(kept["certificate"].as_str().unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    neargate_base::task::spawn("node-api", api.clone().serve(listener));
    Api {
        lab,
        api,
        address,
        authority: authority.into(),
    }
}

/// A node, or who claims to be one.
pub(super) struct Node {
    pub(super) id: String,
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

pub(super) fn about() -> NodeAbout {
    NodeAbout {
        id: "whoever".into(),
        kind: NodeKind::External,
        resources: Resources::default(),
        attributes: Default::default(),
        version: "1".into(),
        address: None,
        hostname: "host".into(),
    }
}

impl Api {
    pub(super) async fn connect(&self, node: Option<&Node>) -> std::io::Result<Requests> {
        self.connect_from(Ipv4Addr::LOCALHOST, node).await
    }

    pub(super) async fn connect_from(
        &self,
        from: Ipv4Addr,
        node: Option<&Node>,
    ) -> std::io::Result<Requests> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match node {
            None => config.with_no_client_auth(),
            Some(n) => {
                let key = PrivatePkcs8KeyDer::from(n.key.serialize_der());
                let chain = vec![n.certificate.clone()];
                config.with_client_auth_cert(chain, key.into()).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = self.dial(from).await?;
        let name = ServerName::try_from(SERVER_NAME).unwrap();
        let tls = tokio_rustls::TlsConnector::from(Arc::new(config));
        let tls = tls.connect(name, tcp).await?;
        let (requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
            .await
            .map_err(std::io::Error::other)?;
        neargate_base::task::spawn("client", async move { drop(connection.await) });
        Ok(requests)
    }

    pub(super) async fn dial(&self, from: Ipv4Addr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        socket.connect(self.address).await
    }

    /// Status and body; 0 when the connection does not live that long.
    pub(super) async fn ask(
        &self,
        node: Option<&Node>,
        id: &str,
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let Ok(requests) = self.connect(node).await else {
            return (0, Value::Null);
        };
        ask(requests, id, path, body).await
    }

    pub(super) async fn join_request(&self, key: &KeyPair) -> Value {
        let wanted = Wanted {
            kind: NodeKind::Fargate,
            cluster: None,
            ttl: Duration::from_secs(60),
        };
        let (token, _) = self.api.token(wanted).await.unwrap();
        let request = JoinRequest {
            secret: hex::encode(token.secret),
            public_key: hex::encode(key.public_key_raw()),
            about: about(),
            kind: None,
            cluster: None,
        };
        serde_json::to_value(request).unwrap()
    }

    pub(super) async fn node(&self) -> Node {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let request = self.join_request(&key).await;
        let (status, body) = self.ask(None, "", "/v1/join", &request).await;
        assert_eq!(status, 200, "{body}");
        let joined: Joined = serde_json::from_value(body).unwrap();
        assert_eq!(joined.kind, NodeKind::Fargate, "the token decides");
        Node {
            id: joined.node_id,
            key,
            certificate: hex::decode(joined.certificate.der).unwrap().into(),
        }
    }

    /// The open stream of a node: its requests, and its lines.
    pub(super) async fn stream(&self, node: &Node) -> (Requests, hyper::body::Incoming) {
        let opened = self.stream_as(node, &about()).await;
        opened.expect("the stream opens")
    }

    /// As [`Api::stream`] of a node that says this of itself; or the refusal.
    pub(super) async fn stream_as(
        &self,
        node: &Node,
        about: &NodeAbout,
    ) -> Result<(Requests, hyper::body::Incoming), (u16, String)> {
        let mut requests = self.connect(Some(node)).await.unwrap();
        let about = serde_json::to_value(about).unwrap();
        let request = request(&node.id, "/v1/assignments", &about);
        let response = requests.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        if status == 200 {
            return Ok((requests, response.into_body()));
        }
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Err((status, String::from_utf8(bytes.to_vec()).unwrap()))
    }
}

pub(super) fn request(id: &str, path: &str, body: &Value) -> http::Request<Sent> {
    http::Request::post(format!("https://{SERVER_NAME}{path}"))
        .header(NODE_HEADER, id)
        .body(Full::new(Bytes::from(body.to_string())).boxed_unsync())
        .unwrap()
}

pub(super) async fn ask(
    mut requests: Requests,
    id: &str,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let Ok(response) = requests.send_request(request(id, path, body)).await else {
        return (0, Value::Null);
    };
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

pub(super) async fn line(body: &mut hyper::body::Incoming) -> Vec<Frame> {
    let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
    data.split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect()
}

#[tokio::test]
async fn strangers_can_only_join() {
    let api = api().await;
    let (status, body) = api.ask(None, "node-1", "/v1/report", &json!({})).await;
    assert_eq!(status, 403, "{body}");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut request = api.join_request(&key).await;
    let good = request["secret"].clone();
    for bad in ["", "zz", "00112233445566778899aabbccddeeff"] {
        request["secret"] = bad.into();
        let (status, body) = api.ask(None, "", "/v1/join", &request).await;
        assert_eq!(
            (status, body["message"].as_str()),
            (400, Some("The join token is unknown, expired or used."))
        );
    }
    request["secret"] = good;
    request["public_key"] = "04".into();
    assert_eq!(
        api.ask(None, "", "/v1/join", &request).await.0,
        400,
        "no key, and the token is not spent"
    );
    request["public_key"] = hex::encode(key.public_key_raw()).into();
    let (status, first) = api.ask(None, "", "/v1/join", &request).await;
    assert_eq!(status, 200);
    // Asked again with the same key, it is the same node; with another key, nobody.
    let (status, again) = api.ask(None, "", "/v1/join", &request).await;
    assert_eq!((status, &again["node_id"]), (200, &first["node_id"]));
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    request["public_key"] = hex::encode(other.public_key_raw()).into();
    assert_eq!(api.ask(None, "", "/v1/join", &request).await.0, 400);
    request["about"]["hostname"] = "x".repeat(70_000).into();
    assert_eq!(
        api.ask(None, "", "/v1/join", &request).await.0,
        400,
        "too long"
    );
}

#[tokio::test]
async fn a_node_is_itself_only() {
    let api = api().await;
    let (one, two) = (api.node().await, api.node().await);
    assert_ne!(one.id, two.id);
    // Not connected yet: to be asked again.
    assert_eq!(
        api.ask(Some(&one), &one.id, "/v1/report", &json!({}))
            .await
            .0,
        503
    );
    let (requests, mut lines) = api.stream(&one).await;
    let first = line(&mut lines).await;
    assert!(
        matches!(first[0], Frame::Begin | Frame::Peers(_) | Frame::Beat),
        "{first:?}"
    );
    assert!(api.lab.control_plane.ecs.nodes.is_connected(&one.id));
    assert!(!api.lab.control_plane.ecs.nodes.is_connected(&two.id));
    let asked = |id: &str, path: &'static str, body: Value| {
        let (requests, id) = (requests.clone(), id.to_owned());
        async move { ask(requests, &id, path, &body).await }
    };
    assert_eq!(
        asked(&two.id, "/v1/report", json!({})).await.0,
        403,
        "another's name"
    );
    assert_eq!(asked("", "/v1/report", json!({})).await.0, 403);
    assert_eq!(asked(&one.id, "/v1/nonsense", json!({})).await.0, 404);
    assert_eq!(
        asked(&one.id, "/v1/report", json!({})).await.0,
        400,
        "no report"
    );
    drop((requests, lines));
    let mut changes = api.lab.control_plane.ecs.nodes.changes();
    while api.lab.control_plane.ecs.nodes.is_connected(&one.id) {
        changes.changed().await.unwrap();
    }
}

#[tokio::test]
async fn other_authorities_nodes_are_nobody() {
    let (ours, theirs) = (api().await, api().await);
    let node = theirs.node().await;
    assert_eq!(
        ours.ask(Some(&node), &node.id, "/v1/report", &json!({}))
            .await
            .0,
        0
    );
    // A key of its own does not help with somebody else's certificate.
    let one = ours.node().await;
    let forged = Node {
        id: one.id.clone(),
        key: node.key,
        certificate: one.certificate.clone(),
    };
    let connect = std::panic::AssertUnwindSafe(ours.connect(Some(&forged)));
    let connected = futures_util::FutureExt::catch_unwind(connect).await;
    if let Ok(Ok(requests)) = connected {
        assert_eq!(ask(requests, &one.id, "/v1/report", &json!({})).await.0, 0);
    }
}

#[tokio::test]
async fn a_removed_node_hears_of_it() {
    let api = api().await;
    let node = api.node().await;
    let (requests, mut lines) = api.stream(&node).await;
    line(&mut lines).await;
    assert!(api.api.remove(&node.id).await.unwrap());
    // The stream ends at once, and the connection with it.
    while lines.frame().await.is_some_and(|f| f.is_ok()) {}
    while !requests.is_closed() {
        tokio::task::yield_now().await;
    }
    // It may come back to hear why.
    let mut requests = api.connect(Some(&node)).await.unwrap();
    let about = serde_json::to_value(about()).unwrap();
    let response = requests
        .send_request(request(&node.id, "/v1/assignments", &about))
        .await
        .unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text, "\"begin\"\n\"end\"\n\"dismissed\"\n");
    assert_eq!(
        ask(
            requests,
            &node.id,
            "/v1/renew",
            &json!({ "public_key": "" })
        )
        .await
        .0,
        403
    );
    assert!(!api.lab.control_plane.ecs.nodes.is_connected(&node.id));
    assert!(!api.api.remove(&node.id).await.unwrap(), "once");
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends() {
    let api = api().await;
    let node = api.node().await;
    let (requests, lines) = api.stream(&node).await;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let body = json!({ "public_key": hex::encode(key.public_key_raw()) });
    let (status, renewed) = ask(requests, &node.id, "/v1/renew", &body).await;
    assert_eq!(status, 200, "{renewed}");
    let newer = Node {
        id: node.id.clone(),
        key,
        certificate: hex::decode(renewed["der"].as_str().unwrap())
            .unwrap()
            .into(),
    };
    drop(lines);
    let known = async || {
        let db = &api.lab.control_plane.house.db;
        let node = db
            .get_key::<KnownNode>(&KnownNode::key(&node.id))
            .await
            .unwrap();
        node.unwrap().value.certificates.len()
    };
    assert_eq!(known().await, 2, "both, until the newer one is used");
    drop(api.stream(&node).await);
    assert_eq!(known().await, 2);
    drop(api.stream(&newer).await);
    assert_eq!(known().await, 1);
    assert_eq!(
        api.ask(Some(&node), &node.id, "/v1/report", &json!({}))
            .await
            .0,
        403,
        "the older one is over"
    );
}

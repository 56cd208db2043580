//! What a proxy is told, and when; and the server, with a client of gRPC.

use crate::conversation::Conversation;
use crate::{Kind, Proxy, Refusal, Rejected, Snapshot, Source, serve};
use async_trait::async_trait;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use envoy_types::pb::google::rpc::Status as RpcStatus;
use futures_util::stream;
use hyper_util::rt::TokioIo;
use prost::Message;
use std::future::{Ready, ready};
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

fn snapshot(clusters: &[&str], route: &str) -> Arc<Snapshot> {
    let named = |name: &&str| Cluster {
        name: (*name).to_owned(),
        ..Cluster::default()
    };
    let endpoints = |name: &&str| ClusterLoadAssignment {
        cluster_name: (*name).to_owned(),
        ..ClusterLoadAssignment::default()
    };
    Arc::new(Snapshot {
        clusters: clusters.iter().map(named).collect(),
        endpoints: clusters.iter().map(endpoints).collect(),
        listeners: vec![Listener {
            name: "out".to_owned(),
            ..Listener::default()
        }],
        routes: vec![RouteConfiguration {
            name: "out".to_owned(),
            internal_only_headers: vec![route.to_owned()],
            ..RouteConfiguration::default()
        }],
        secrets: Vec::new(),
    })
}

/// An Envoy that takes everything, or rejects one kind.
#[derive(Default)]
struct Envoy {
    conversation: Conversation,
    said: Vec<(Kind, Vec<String>)>,
    rejects: Option<Kind>,
}

fn ask(kind: Kind, names: &[&str], nonce: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: kind.type_url().to_owned(),
        resource_names: names.iter().map(|n| (*n).to_owned()).collect(),
        response_nonce: nonce.to_owned(),
        ..DiscoveryRequest::default()
    }
}

fn names(response: &DiscoveryResponse) -> (Kind, Vec<String>) {
    let kind = Kind::of_type_url(&response.type_url).unwrap();
    let name = |value: &[u8]| match kind {
        Kind::Cluster => Cluster::decode(value).unwrap().name,
        Kind::Endpoint => ClusterLoadAssignment::decode(value).unwrap().cluster_name,
        Kind::Listener => Listener::decode(value).unwrap().name,
        Kind::Route => RouteConfiguration::decode(value).unwrap().name,
        Kind::Secret => String::new(),
    };
    let all = response.resources.iter();
    (kind, all.map(|any| name(&any.value)).collect())
}

impl Envoy {
    fn begin() -> Envoy {
        let mut envoy = Envoy::default();
        for kind in [Kind::Cluster, Kind::Listener] {
            envoy.conversation.hear(ask(kind, &[], ""));
        }
        envoy.conversation.hear(ask(Kind::Route, &["out"], ""));
        envoy
    }

    /// Answers everything that is said; what that was.
    fn drain(&mut self) -> Vec<(Kind, Vec<String>)> {
        self.said.clear();
        while let Some(response) = self.conversation.next() {
            let (kind, told) = names(&response);
            self.said.push((kind, told.clone()));
            let asked: Vec<&str> = match kind {
                Kind::Route => vec!["out"],
                Kind::Endpoint => told.iter().map(String::as_str).collect(),
                _ => vec![],
            };
            let mut answer = ask(kind, &asked, &response.nonce);
            if self.rejects == Some(kind) {
                answer.error_detail = Some(RpcStatus {
                    message: "no".to_owned(),
                    ..RpcStatus::default()
                });
            }
            self.conversation.hear(answer);
            if kind == Kind::Cluster {
                let asked: Vec<&str> = told.iter().map(String::as_str).collect();
                self.conversation.hear(ask(Kind::Endpoint, &asked, ""));
            }
        }
        self.said.clone()
    }
}

fn told(kind: Kind, names: &[&str]) -> (Kind, Vec<String>) {
    (kind, names.iter().map(|n| (*n).to_owned()).collect())
}

#[test]
fn everything_is_told_in_order_once() {
    let mut envoy = Envoy::begin();
    assert!(envoy.conversation.aim(snapshot(&["a", "b"], "1")));
    let said = envoy.drain();
    assert_eq!(
        said,
        [
            told(Kind::Cluster, &["a", "b"]),
            told(Kind::Endpoint, &["a", "b"]),
            told(Kind::Listener, &["out"]),
            told(Kind::Route, &["out"]),
        ]
    );
    assert!(envoy.conversation.has_settled());
    assert!(!envoy.conversation.has_settled(), "it is said once");
    assert!(!envoy.conversation.aim(snapshot(&["a", "b"], "1")));
    assert_eq!(envoy.drain(), []);
}

#[test]
fn a_cluster_goes_only_when_no_route_leads_there() {
    let mut envoy = Envoy::begin();
    envoy.conversation.aim(snapshot(&["a"], "to a"));
    envoy.drain();
    envoy.conversation.aim(snapshot(&["b"], "to b"));
    let said = envoy.drain();
    let of = |kind: Kind| said.iter().filter(move |(k, _)| *k == kind);
    let clusters: Vec<_> = of(Kind::Cluster).cloned().collect();
    assert_eq!(
        clusters,
        [
            told(Kind::Cluster, &["b", "a"]),
            told(Kind::Cluster, &["b"])
        ]
    );
    let at = |wanted: &(Kind, Vec<String>)| said.iter().position(|one| one == wanted);
    let route = at(&told(Kind::Route, &["out"])).unwrap();
    let last = at(&told(Kind::Cluster, &["b"])).unwrap();
    assert!(route < last, "{said:?}");
}

#[test]
fn listeners_and_routes_wait_for_clusters_that_are_being_taken() {
    let mut envoy = Envoy::begin();
    envoy.conversation.aim(snapshot(&["a"], "1"));
    let clusters = envoy.conversation.next().unwrap();
    assert_eq!(names(&clusters).0, Kind::Cluster);
    assert!(envoy.conversation.next().is_none());
    // It is warm only with its endpoints: they are told before it is acknowledged.
    envoy.conversation.hear(ask(Kind::Endpoint, &["a"], ""));
    let endpoints = envoy.conversation.next().unwrap();
    assert_eq!(names(&endpoints).0, Kind::Endpoint);
    assert!(envoy.conversation.next().is_none());
    let nonce = clusters.nonce;
    envoy.conversation.hear(ask(Kind::Cluster, &[], &nonce));
    let listeners = envoy.conversation.next().unwrap();
    assert_eq!(names(&listeners).0, Kind::Listener);
    // A late word about an earlier answer changes nothing.
    envoy.conversation.hear(ask(Kind::Listener, &[], &nonce));
    assert!(envoy.conversation.next().is_none());
}

#[test]
fn what_is_rejected_is_told_again_only_when_it_changes() {
    let mut envoy = Envoy::begin();
    envoy.rejects = Some(Kind::Cluster);
    envoy.conversation.aim(snapshot(&["a"], "1"));
    let said = envoy.drain();
    let kinds: Vec<Kind> = said.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::Cluster, Kind::Endpoint]);
    assert!(!envoy.conversation.has_settled());
    envoy.rejects = None;
    envoy.conversation.aim(snapshot(&["b"], "1"));
    let kinds: Vec<Kind> = envoy.drain().iter().map(|(kind, _)| *kind).collect();
    assert!(kinds.contains(&Kind::Listener) && kinds.contains(&Kind::Route));
    assert!(envoy.conversation.has_settled());
}

#[test]
fn endpoints_that_nobody_knows_are_none() {
    let mut envoy = Envoy::begin();
    envoy.conversation.aim(Arc::new(Snapshot::default()));
    envoy.conversation.next().unwrap();
    envoy.conversation.hear(ask(Kind::Endpoint, &["x"], ""));
    let response = envoy.conversation.next().unwrap();
    assert_eq!(names(&response), told(Kind::Endpoint, &["x"]));
}

#[derive(Debug)]
struct Fake {
    state: watch::Sender<u64>,
    snapshot: Mutex<Result<Arc<Snapshot>, Refusal>>,
    rejected: mpsc::UnboundedSender<Option<Rejected>>,
}

#[async_trait]
impl Source for Fake {
    fn knows(&self, proxy: &Proxy) -> bool {
        proxy.resource == "mesh/m/virtualNode/n"
    }

    async fn changes(&self, _: &Proxy) -> watch::Receiver<u64> {
        self.state.subscribe()
    }

    async fn snapshot(&self, _: &Proxy) -> Result<Arc<Snapshot>, Refusal> {
        self.snapshot.lock().unwrap().clone()
    }

    fn taken(&self, _: &Proxy, rejected: Option<&Rejected>) {
        let _ = self.rejected.send(rejected.cloned());
    }
}

/// Connects once, by what it holds.
struct Connector(Option<UnixStream>);

impl tonic::codegen::Service<tonic::codegen::http::Uri> for Connector {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<UnixStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: tonic::codegen::http::Uri) -> Self::Future {
        let io = self.0.take().ok_or_else(|| io::Error::other("used"));
        ready(io.map(TokioIo::new))
    }
}

async fn client(source: Arc<Fake>) -> AggregatedDiscoveryServiceClient<tonic::transport::Channel> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let proxy = Proxy {
        account: "000000000000".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        task_id: "t".to_owned(),
        task_arn: String::new(),
        task_key: String::new(),
        task_role_arn: None,
        container: "envoy".to_owned(),
        resource: String::new(),
    };
    let sources: Arc<[Arc<dyn Source>]> = vec![source as Arc<dyn Source>].into();
    neargate_base::task::spawn("server", serve(ours, proxy, sources));
    let endpoint = tonic::transport::Endpoint::from_static("http://ads");
    let channel = endpoint.connect_with_connector(Connector(Some(theirs)));
    AggregatedDiscoveryServiceClient::new(channel.await.unwrap())
}

fn first(resource: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        node: Some(Node {
            id: resource.to_owned(),
            ..Node::default()
        }),
        ..ask(Kind::Cluster, &[], "")
    }
}

#[tokio::test]
async fn a_client_is_told_what_changes_and_says_what_it_rejects() {
    let (sender, mut taken) = mpsc::unbounded_channel();
    let fake = Arc::new(Fake {
        state: watch::Sender::default(),
        snapshot: Mutex::new(Err(Refusal::Absent("not yet".to_owned()))),
        rejected: sender,
    });
    let mut client = client(fake.clone()).await;
    let (requests, mut asked) = mpsc::channel(8);
    requests.send(first("mesh/m/virtualNode/n")).await.unwrap();
    let stream = stream::poll_fn(move |cx| asked.poll_recv(cx));
    let opened = client.stream_aggregated_resources(stream);
    let mut answers = opened.await.unwrap().into_inner();
    // It waits for what is not there yet.
    *fake.snapshot.lock().unwrap() = Ok(snapshot(&["a"], "1"));
    fake.state.send_modify(|n| *n += 1);
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!(names(&answer), told(Kind::Cluster, &["a"]));
    let ack = ask(Kind::Cluster, &[], &answer.nonce);
    requests.send(ack).await.unwrap();
    assert_eq!(taken.recv().await, Some(None));
    // What changes is told; what it does not take is said to the source.
    *fake.snapshot.lock().unwrap() = Ok(snapshot(&["a", "b"], "1"));
    fake.state.send_modify(|n| *n += 1);
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!(names(&answer), told(Kind::Cluster, &["a", "b"]));
    let mut nack = ask(Kind::Cluster, &[], &answer.nonce);
    nack.error_detail = Some(RpcStatus {
        message: "bad b".to_owned(),
        ..RpcStatus::default()
    });
    requests.send(nack).await.unwrap();
    let message = "bad b".to_owned();
    let kind = Kind::Cluster;
    assert_eq!(taken.recv().await, Some(Some(Rejected { kind, message })));
}

#[tokio::test]
async fn who_stands_for_something_else_is_refused() {
    let (sender, _taken) = mpsc::unbounded_channel();
    let fake = Arc::new(Fake {
        state: watch::Sender::default(),
        snapshot: Mutex::new(Err(Refusal::Denied("you may not".to_owned()))),
        rejected: sender,
    });
    for (resource, code) in [
        ("mesh/other/virtualNode/n", tonic::Code::NotFound),
        ("mesh/m/virtualNode/n", tonic::Code::PermissionDenied),
    ] {
        let mut client = client(fake.clone()).await;
        let requests = stream::iter([first(resource)]);
        let opened = client.stream_aggregated_resources(requests).await.unwrap();
        let status = opened.into_inner().message().await.unwrap_err();
        assert_eq!(status.code(), code);
    }
}

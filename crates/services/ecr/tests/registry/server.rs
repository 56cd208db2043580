//! A registry on loopback: a real HTTP server over a store in memory and blobs in a scratch
//! directory, and a client for it.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use neargate_api_ecr as api;
use neargate_base::task;
use neargate_base::time::ManualClock;
use neargate_blob::Digest;
use neargate_ecr::{Ecr, registry};
use neargate_service::door::{BodyError, HttpDoor, Visitor};
use neargate_service::{AwsError, Caller, Component, House, Scope, Settings};
use neargate_store::memory::MemoryStore;
use neargate_testkit as testkit;
use neargate_wire::structure::OperationDef;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

pub struct Registry {
    pub house: Arc<House>,
    pub clock: Arc<ManualClock>,
    /// `localhost:<port>`.
    pub host: String,
    pub scope: Scope,
    client: Client<HttpConnector, Full<Bytes>>,
    server: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// OCI's error code.
    pub fn code(&self) -> String {
        self.json()["errors"][0]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Registry {
    pub async fn start() -> Self {
        Self::start_as(false).await
    }

    pub async fn start_as(enforced: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = format!("localhost:{port}");
        let (clock, scope) = (Arc::new(ManualClock::at(testkit::START)), testkit::scope());
        let store = MemoryStore::new(clock.clone());
        let settings = Settings {
            registry_endpoint: host.clone(),
            ..testkit::settings()
        };
        let dir = tempfile::tempdir().unwrap();
        let house = testkit::house(dir.path(), store, clock.clone(), 1, settings);
        house.caller.connect(vec![Arc::new(Ecr).table()]);
        let visitor = Visitor {
            source: None,
            default_scope: scope.clone(),
            must_prove: enforced,
            keys: Arc::new(NoKeys),
        };
        let server = task::spawn("test-registry", serve(listener, house.clone(), visitor));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Registry {
            house,
            clock,
            host,
            scope,
            client,
            server,
            _dir: dir,
        }
    }

    pub async fn call<O: OperationDef>(
        &self,
        _: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        let role = "arn:aws:iam::000000000000:root";
        Caller::call::<O>(&self.house, &self.scope, role, &input).await
    }

    pub async fn create(&self, name: &str) {
        let input = api::CreateRepositoryInput {
            repository_name: name.into(),
            ..Default::default()
        };
        self.call(api::ops::CreateRepository, input).await.unwrap();
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let uri = match path.strip_prefix("http://") {
            Some(_) => path.to_owned(),
            None => format!("http://{}{path}", self.host),
        };
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    /// Push a blob in one request; answers its digest.
    pub async fn blob(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let reply = self.send("POST", &path, &[], content.to_vec()).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        digest
    }

    /// Push an image of one layer with this content.
    pub async fn image(&self, repository: &str, reference: &str, content: &str) -> Digest {
        let config = self.blob(repository, b"{}").await;
        let layer = self.blob(repository, content.as_bytes()).await;
        let manifest = manifest(&config, &[(layer, content.len())]);
        let digest = Digest::of(manifest.as_bytes());
        let reference = if reference == "digest" {
            digest.to_string()
        } else {
            reference.to_owned()
        };
        let reply = self
            .put_manifest(repository, &reference, MANIFEST, manifest)
            .await;
        assert_eq!(reply.status, 201, "{reply:?}");
        digest
    }

    pub async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        kind: &str,
        manifest: String,
    ) -> Reply {
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.send("PUT", &path, &[("content-type", kind)], manifest)
            .await
    }
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub fn manifest(config: &Digest, layers: &[(Digest, usize)]) -> String {
    let layers: Vec<_> = layers
        .iter()
        .map(|(digest, size)| {
            serde_json::json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest, "size": size })
        })
        .collect();
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
        "layers": layers,
    })
    .to_string()
}

async fn serve(listener: TcpListener, house: Arc<House>, visitor: Visitor) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (house, visitor) = (house.clone(), visitor.clone());
        let service = service_fn(move |request: http::Request<Incoming>| {
            let (house, visitor) = (house.clone(), visitor.clone());
            let broken = |e: hyper::Error| BodyError(e.into());
            let request = request.map(|body| body.map_err(broken).boxed_unsync());
            async move { Ok::<_, Infallible>(registry::Registry.serve(house, visitor, request).await) }
        });
        task::spawn("test-connection", async move {
            let builder = hyper::server::conn::http1::Builder::new();
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The registry's callers do not sign.
#[derive(Debug)]
struct NoKeys;

impl neargate_service::door::Keys for NoKeys {
    fn signer(
        &self,
        _: &neargate_wire::sigv4::Claim,
    ) -> Result<neargate_service::door::Signer, neargate_wire::sigv4::SigV4Error> {
        Err(neargate_wire::sigv4::SigV4Error::UnknownKey)
    }
}

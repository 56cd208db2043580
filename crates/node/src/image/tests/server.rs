//! A small registry on loopback that can be told to misbehave.

use super::{Pushed, index};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use neargate_base::task;
use neargate_blob::Digest;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

type Body = BoxBody<Bytes, io::Error>;

#[derive(Debug, Default)]
struct State {
    /// By path.
    content: HashMap<String, Bytes>,
    /// Requests by path, successful or not.
    asked: HashMap<String, usize>,
    /// Break off after so many bytes, that often; by path.
    breaks: HashMap<String, (usize, usize)>,
    /// Answer with this status, that often; by path.
    statuses: HashMap<String, (StatusCode, usize)>,
    /// Demand this token.
    token: Option<String>,
    without_ranges: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) host: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(super) async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = Server {
            host,
            state: Arc::default(),
        };
        let accepting = server.clone();
        drop(task::spawn("test-registry", async move {
            while let Ok((socket, _)) = listener.accept().await {
                let serving = accepting.clone();
                let service = service_fn(move |request| {
                    let serving = serving.clone();
                    async move { Ok::<_, Infallible>(serving.answer(&request)) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service);
                drop(task::spawn("test-connection", async move {
                    drop(connection.await)
                }));
            }
        }));
        server
    }

    pub(super) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host)
    }

    pub(super) fn put(&self, path: &str, bytes: Bytes) {
        self.state.lock().content.insert(path.to_owned(), bytes);
    }

    pub(super) fn push(&self, repository: &str, tag: &str, image: &Pushed) {
        let manifest = |name: &str| format!("/v2/{repository}/manifests/{name}");
        self.put(&manifest(tag), image.manifest.clone());
        self.put(&manifest(&image.digest.to_string()), image.manifest.clone());
        for blob in image.layers.iter().chain([&image.config]) {
            self.put(&blob_path(repository, blob), blob.clone());
        }
    }

    pub(super) fn push_index(
        &self,
        repository: &str,
        tag: &str,
        images: &[(&str, &Pushed)],
    ) -> Digest {
        images
            .iter()
            .for_each(|(_, image)| self.push(repository, "unused", image));
        let index = index(images);
        let digest = Digest::of(&index);
        for name in [tag, &digest.to_string()] {
            self.put(&format!("/v2/{repository}/manifests/{name}"), index.clone());
        }
        digest
    }

    pub(super) fn asked(&self, path: &str) -> usize {
        self.state.lock().asked.get(path).copied().unwrap_or(0)
    }

    pub(super) fn break_off(&self, path: &str, after: usize, times: usize) {
        self.state
            .lock()
            .breaks
            .insert(path.to_owned(), (after, times));
    }

    pub(super) fn fail(&self, path: &str, status: StatusCode, times: usize) {
        self.state
            .lock()
            .statuses
            .insert(path.to_owned(), (status, times));
    }

    pub(super) fn demand_token(&self, token: &str) {
        self.state.lock().token = Some(token.to_owned());
    }

    pub(super) fn forget_ranges(&self) {
        self.state.lock().without_ranges = true;
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let mut state = self.state.lock();
        *state.asked.entry(path.clone()).or_default() += 1;
        if path == "/token" {
            assert_eq!(
                request.uri().query(),
                Some("service=test&scope=repository%3Aprivate%2Fapp%3Apull")
            );
            let token = state.token.clone().unwrap_or_default();
            return reply(StatusCode::OK, format!("{{\"token\":\"{token}\"}}").into());
        }
        if let Some(token) = &state.token {
            let given = request
                .headers()
                .get("authorization")
                .and_then(|h| h.to_str().ok());
            if given != Some(&format!("Bearer {token}")) {
                let challenge = format!(
                    "Bearer realm=\"http://{}/token\",service=\"test\"",
                    self.host
                );
                let mut refused = reply(StatusCode::UNAUTHORIZED, Bytes::new());
                refused
                    .headers_mut()
                    .insert("www-authenticate", challenge.parse().unwrap());
                return refused;
            }
        }
        if let Some((status, times)) = state.statuses.get_mut(&path)
            && *times > 0
        {
            *times -= 1;
            let error = "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"slow down\"}]}";
            return reply(*status, error.into());
        }
        let Some(content) = state.content.get(&path).cloned() else {
            return reply(
                StatusCode::NOT_FOUND,
                "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}".into(),
            );
        };
        let range = request.headers().get("range").and_then(|h| h.to_str().ok());
        let start = range.and_then(|r| {
            r.strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        });
        let start = start.filter(|_| !state.without_ranges);
        let part = content.slice(start.unwrap_or(0)..);
        let status = if start.is_some() {
            StatusCode::PARTIAL_CONTENT
        } else {
            StatusCode::OK
        };
        let mut answer = match state.breaks.get_mut(&path) {
            Some((after, times)) if *times > 0 && *after < part.len() => {
                *times -= 1;
                let pieces = [
                    Ok(Frame::data(part.slice(..*after))),
                    Err(io::Error::other("broken off")),
                ];
                Response::new(BodyExt::boxed(StreamBody::new(stream::iter(pieces))))
            }
            _ => reply(status, part.clone()),
        };
        *answer.status_mut() = status;
        answer
            .headers_mut()
            .insert("content-length", part.len().into());
        let digest = Digest::of(&content).to_string();
        let by_digest = path
            .rsplit_once('/')
            .map(|(dir, _)| format!("{dir}/{digest}"));
        if by_digest.is_some_and(|p| state.content.contains_key(&p)) {
            answer
                .headers_mut()
                .insert("docker-content-digest", digest.parse().unwrap());
        }
        if let Some(start) = start {
            let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
            answer
                .headers_mut()
                .insert("content-range", range.parse().unwrap());
        }
        answer
    }
}

pub(super) fn blob_path(repository: &str, blob: &Bytes) -> String {
    format!("/v2/{repository}/blobs/{}", Digest::of(blob))
}

fn reply(status: StatusCode, body: Bytes) -> Response<Body> {
    let body = StreamBody::new(stream::iter([Ok(Frame::data(body))]));
    let mut response = Response::new(BodyExt::boxed(body));
    *response.status_mut() = status;
    response
}

//! Paths of the API, with or without their version, and who answers each.

use super::reply::{self, Refusal, Reply};
use super::{API_VERSION, Engine};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::json;
use std::sync::Arc;

/// A request without its body.
pub(super) struct Asked {
    pub pairs: Vec<(String, String)>,
    pub parts: http::request::Parts,
}

/// Bodies that are not archives are small.
const SMALL_BODY: usize = 1 << 20;

impl Asked {
    /// A parameter of the query.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        pairs
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.pairs.iter().filter(move |(n, _)| n == name);
        named.map(|(_, value)| value.as_str())
    }

    /// `1`, `true`, `True`
    pub fn is(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|v| v == "1" || v.eq_ignore_ascii_case("true"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }
}

impl Engine {
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Reply {
        let (parts, body) = request.into_parts();
        let pairs = reqwest::Url::parse(&format!("http://engine{}", parts.uri));
        let pairs = pairs.map(|url| url.query_pairs().into_owned().collect());
        let asked = Asked {
            pairs: pairs.unwrap_or_default(),
            parts,
        };
        let path = unversioned(asked.parts.uri.path()).to_owned();
        let done = self.dispatch(&path, asked, body).await;
        done.unwrap_or_else(Reply::from)
    }

    async fn dispatch(
        self: Arc<Self>,
        path: &str,
        asked: Asked,
        body: Incoming,
    ) -> Result<Reply, Refusal> {
        let method = asked.parts.method.clone();
        let path = percent_decoded(path);
        match (&method, path.as_str()) {
            (&Method::GET | &Method::HEAD, "/_ping") => Ok(ping()),
            (&Method::GET, "/version") => Ok(version()),
            (&Method::GET, "/info") => Ok(self.info()),
            (&Method::POST, "/auth") => self.auth(&small(body).await?).await,
            (&Method::POST, "/build") => self.build(asked, body).await,
            (&Method::POST, "/build/prune") => Ok(reply::json(
                &json!({"CachesDeleted": [], "SpaceReclaimed": 0}),
            )),
            (&Method::POST, "/images/create") => self.pull(&asked).await,
            (&Method::POST, "/images/load") => self.load(body).await,
            (&Method::GET, "/images/json") => self.list(&asked).await,
            (&Method::GET, "/images/get") => {
                let names: Vec<String> = asked.all("names").map(str::to_owned).collect();
                self.save(names).await
            }
            // Nobody's containers are here.
            (&Method::GET, "/containers/json") => Ok(reply::json(&json!([]))),
            (method, path) if path.starts_with("/images/") => {
                let rest = path.trim_start_matches("/images/").to_owned();
                self.image_request(method, &rest, &asked).await
            }
            (method, path) => {
                // Who is still writing would not read the answer.
                let _ = small(body).await;
                Err(not_served(method, path))
            }
        }
    }

    async fn image_request(
        self: Arc<Self>,
        method: &Method,
        rest: &str,
        asked: &Asked,
    ) -> Result<Reply, Refusal> {
        let (name, what) = match rest.rsplit_once('/') {
            Some((name, what)) if ["json", "tag", "push", "get", "history"].contains(&what) => {
                (name, what)
            }
            _ => (rest, ""),
        };
        match (method, what) {
            (&Method::GET, "json") => self.inspect(name).await,
            (&Method::GET, "history") => self.history(name).await,
            (&Method::POST, "tag") => self.tag(name, asked).await,
            (&Method::POST, "push") => self.push(name, asked).await,
            (&Method::GET, "get") => self.save(vec![name.to_owned()]).await,
            (&Method::DELETE, "") => self.remove(name).await,
            (method, _) => Err(not_served(method, &format!("/images/{rest}"))),
        }
    }
}

/// What is not served, by its name.
fn not_served(method: &Method, path: &str) -> Refusal {
    let message = format!(
        "{method} {path} is not served: this is Neargate's builder, which builds, names, sends and fetches images"
    );
    Refusal::new(StatusCode::NOT_IMPLEMENTED, message)
}

/// `/v1.43/build` is `/build`.
fn unversioned(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/v") else {
        return path;
    };
    match rest.find('/') {
        Some(at) if rest[..at].bytes().all(|b| b.is_ascii_digit() || b == b'.') => &rest[at..],
        _ => path,
    }
}

fn percent_decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[at], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub(super) async fn small(body: Incoming) -> Result<Bytes, Refusal> {
    let body = Limited::new(body, SMALL_BODY).collect().await;
    Ok(body.map_err(|e| Refusal::bad(e.to_string()))?.to_bytes())
}

fn ping() -> Reply {
    let mut reply = reply::bytes(Bytes::from_static(b"OK"));
    reply::typed(&mut reply, "text/plain; charset=utf-8");
    let headers = reply.headers_mut();
    for (name, value) in [
        ("builder-version", "1"),
        ("docker-experimental", "false"),
        ("ostype", "linux"),
        ("cache-control", "no-cache, no-store, must-revalidate"),
    ] {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    reply
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    release.unwrap_or_default().trim().to_owned()
}

fn version() -> Reply {
    let own = env!("CARGO_PKG_VERSION");
    reply::json(&json!({
        "Platform": {"Name": "Neargate builder"},
        "Components": [{"Name": "Engine", "Version": format!("neargate-{own}"), "Details": {}}],
        "Version": format!("neargate-{own}"),
        "ApiVersion": API_VERSION,
        "MinAPIVersion": "1.24",
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": super::super::state::architecture(),
        "KernelVersion": kernel(),
        "BuildTime": "",
    }))
}

impl Engine {
    fn info(&self) -> Reply {
        let images = self.builder.tags().all().len();
        reply::json(&json!({
            "ID": "neargate-builder",
            "Name": "neargate-builder",
            "Containers": 0, "ContainersRunning": 0, "ContainersPaused": 0, "ContainersStopped": 0,
            "Images": images,
            "Driver": "overlay2",
            "KernelVersion": kernel(),
            "OperatingSystem": "Neargate builder",
            "OSType": "linux",
            "Architecture": std::env::consts::ARCH,
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": {"IndexConfigs": {}, "InsecureRegistryCIDRs": [], "Mirrors": []},
            "ServerVersion": format!("neargate-{}", env!("CARGO_PKG_VERSION")),
            "SecurityOptions": ["name=seccomp,profile=default"],
            "Warnings": null,
        }))
    }
}

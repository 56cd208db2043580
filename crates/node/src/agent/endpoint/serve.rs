//! The endpoint's HTTP: which path is which, and how much of it anybody may have.

use super::agent_api;
use super::metadata::{self, Besides, Version};
use super::{Caller, Found, TaskEndpoint, credentials, stats};
use crate::agent::command;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_base::task::spawn;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A connection that asks nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(15);
/// A request is a line and a few headers.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// How many connections there may be, and how many of one address.
const CONNECTIONS: usize = 1024;
const CONNECTIONS_OF_ONE: usize = 16;
/// When descriptors are short.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Where a listener is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum At {
    /// In the namespace of the VPC with this id, for tasks with an interface of their own.
    Vpc(String),
    /// In that of a container instance, by its node's id, for those on its own network.
    Instance(String),
}

/// The endpoint behind one listener; it closes with this.
#[derive(Debug)]
pub struct Served(JoinHandle<()>);

impl Served {
    /// Its listener, which keeps a network namespace alive, is closed when this returns.
    pub async fn end(mut self) {
        self.0.abort();
        // It was cancelled, as it should be.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connections that are open, by who has them.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<(At, IpAddr), usize>>);

/// One connection's place.
struct Place {
    endpoint: Arc<TaskEndpoint>,
    of: (At, IpAddr),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.endpoint.places.0.lock();
        if let Some(count) = places.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                places.remove(&self.of);
            }
        }
    }
}

impl TaskEndpoint {
    /// Answers on this listener, which blocks nobody.
    ///
    /// # Errors
    /// It cannot be waited on.
    pub fn serve(self: &Arc<Self>, listener: std::net::TcpListener, at: At) -> io::Result<Served> {
        let endpoint = Arc::clone(self);
        self.serve_with(listener, at, move |caller, request| {
            let endpoint = Arc::clone(&endpoint);
            async move { answer(&endpoint, &caller, request).await }
        })
    }

    /// As [`TaskEndpoint::serve`], by what `answer` says.
    pub(super) fn serve_with<A, F>(
        self: &Arc<Self>,
        listener: std::net::TcpListener,
        at: At,
        answer: A,
    ) -> io::Result<Served>
    where
        A: Fn(Caller, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
    {
        let listener = TcpListener::from_std(listener)?;
        let endpoint = Arc::clone(self);
        let accept = async move {
            loop {
                match listener.accept().await {
                    Ok((stream, from)) => endpoint.take(stream, from, &at, answer.clone()),
                    Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
                }
            }
        };
        Ok(Served(spawn("task-endpoint", accept)))
    }

    /// One that finds no place is closed at once.
    fn take<A, F>(self: &Arc<Self>, stream: TcpStream, from: SocketAddr, at: &At, answer: A)
    where
        A: Fn(Caller, Request<Incoming>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
    {
        let Some(place) = self.place(at, from.ip()) else {
            return;
        };
        let (IpAddr::V4(address), Ok(SocketAddr::V4(called))) = (from.ip(), stream.local_addr())
        else {
            return;
        };
        let caller = Caller {
            at: at.clone(),
            address,
            called: *called.ip(),
        };
        spawn("task-endpoint-connection", async move {
            let _place = place;
            let answer = service_fn(|request| answer(caller.clone(), request));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(IDLE)
                // Who has said all may wait for the answer with `nc`.
                .half_close(true)
                .max_buf_size(MAX_HEAD_BYTES);
            // Whatever a client does wrong concerns it alone.
            let _ = http.serve_connection(TokioIo::new(stream), answer).await;
        });
    }

    fn place(self: &Arc<Self>, at: &At, from: IpAddr) -> Option<Place> {
        let of = (at.clone(), from);
        let mut places = self.places.0.lock();
        let all: usize = places.values().sum();
        let count = places.entry(of.clone()).or_default();
        if all >= CONNECTIONS || *count >= CONNECTIONS_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place {
            endpoint: Arc::clone(self),
            of,
        })
    }
}

async fn answer(
    endpoint: &TaskEndpoint,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    if let ["api", id, rest @ ..] = parts.as_slice() {
        let (status, body) = agent_api::answer(endpoint, caller, id, rest, request).await;
        return Ok(said(status, &body));
    }
    if request.method() != Method::GET {
        return Ok(said(StatusCode::METHOD_NOT_ALLOWED, &Value::Null));
    }
    let (status, body) = match parts.as_slice() {
        ["v4", id, rest @ ..] => of_container(endpoint, caller, Version::V4, id, rest).await,
        ["v3", id, rest @ ..] => of_container(endpoint, caller, Version::V3, id, rest).await,
        [
            "v2",
            what @ ("metadata" | "metadataWithTags" | "stats"),
            rest @ ..,
        ] => by_address(endpoint, caller, what, rest).await,
        ["v2", "credentials", id] => keys(endpoint, caller, id).await,
        ["v2", "credentials"] => {
            let text = "No Credential ID in the request";
            let body = credentials::refusal("NoIdInRequest", text, 400);
            (StatusCode::BAD_REQUEST, body)
        }
        _ => (StatusCode::NOT_FOUND, "404 page not found".into()),
    };
    Ok(said(status, &body))
}

/// The keys of a task's role, for that task alone.
async fn keys(endpoint: &TaskEndpoint, caller: &Caller, id: &str) -> (StatusCode, Value) {
    let Some(task_id) = endpoint.find_role(id, caller).await else {
        let body = credentials::refusal("InvalidIdInRequest", "Credentials not found", 400);
        return (StatusCode::BAD_REQUEST, body);
    };
    match endpoint.credentials.get(&task_id).await {
        Ok(keys) => (StatusCode::OK, credentials::shown(&keys)),
        Err(_) => {
            let text = "Credentials uninitialized for ID";
            let body = credentials::refusal("CredentialsUninitialized", text, 503);
            (StatusCode::SERVICE_UNAVAILABLE, body)
        }
    }
}

/// The words of the ECS agent for an id that nobody has
/// (<https://github.com/aws/amazon-ecs-agent/blob/master/agent/handlers/v4/tmdsstate.go>).
async fn of_container(
    endpoint: &TaskEndpoint,
    caller: &Caller,
    version: Version,
    id: &str,
    rest: &[&str],
) -> (StatusCode, Value) {
    let prefix = version.as_str();
    let (of_task, is_stats) = match rest {
        [] => (false, false),
        ["stats"] => (false, true),
        ["task" | "taskWithTags"] => (true, false),
        ["task", "stats"] => (true, true),
        _ => return (StatusCode::NOT_FOUND, "404 page not found".into()),
    };
    let Some(found) = endpoint.find(id, caller).await else {
        let what = match (of_task, is_stats) {
            (false, false) => "container metadata",
            (false, true) => "container stats",
            (true, false) => "task metadata",
            (true, true) => "task stats",
        };
        let why = match of_task || is_stats {
            true => {
                "unable to get task arn from request: unable to get task Arn from v3 endpoint ID"
            }
            false => {
                "unable to get container ID from request: unable to get docker ID from v3 endpoint ID"
            }
        };
        let text = format!("{prefix} {what} handler: {why}: {id}");
        return (StatusCode::NOT_FOUND, text.into());
    };
    let (seen, container) = (&found.seen, found.container);
    let body = match (of_task, is_stats) {
        (false, false) => metadata::container(&seen.state, container, version),
        (true, false) => {
            let with_tags = rest == ["taskWithTags"];
            metadata::task(&seen.state, version, &besides(&found, with_tags).await)
        }
        (false, true) => match stats::container(endpoint, seen, container).await {
            Some(stats) => stats,
            None => {
                let text =
                    format!("{prefix} container stats handler: unable to get container stats");
                return (StatusCode::INTERNAL_SERVER_ERROR, text.into());
            }
        },
        (true, true) => stats::task(endpoint, seen).await,
    };
    (StatusCode::OK, body)
}

/// Version 2 knows a task by its address, and a container by the id that the task is told of it.
async fn by_address(
    endpoint: &TaskEndpoint,
    caller: &Caller,
    what: &str,
    rest: &[&str],
) -> (StatusCode, Value) {
    let refused = |text: String| (StatusCode::BAD_REQUEST, text.into());
    let Some(found) = endpoint.find_by_address(caller).await else {
        return refused(format!(
            "Unable to get task arn from request: unable to associate '{}' with task",
            caller.address
        ));
    };
    let seen = &found.seen;
    let task = &seen.state.assignment;
    let with_tags = what == "metadataWithTags" || rest == ["taskWithTags"];
    let body = match (what, rest) {
        ("stats", []) => stats::task(endpoint, seen).await,
        (_, []) | ("metadata", ["taskWithTags"]) => {
            metadata::task(&seen.state, Version::V2, &besides(&found, with_tags).await)
        }
        ("stats" | "metadata", [id]) => {
            let mut containers = task.containers.iter();
            let i = containers.position(|c| command::runtime_id(task, &c.name) == *id);
            match (what, i) {
                ("metadata", Some(i)) => metadata::container(&seen.state, i, Version::V2),
                ("metadata", None) => {
                    return refused(format!("Unable to generate metadata for container '{id}'"));
                }
                (_, i) => {
                    let stats = match i {
                        Some(i) => stats::container(endpoint, seen, i).await,
                        None => None,
                    };
                    match stats {
                        Some(stats) => stats,
                        None => {
                            return refused(format!("Unable to get container stats for: {id}"));
                        }
                    }
                }
            }
        }
        _ => return (StatusCode::NOT_FOUND, "404 page not found".into()),
    };
    (StatusCode::OK, body)
}

async fn besides(found: &Found, with_tags: bool) -> Besides {
    let task_id = &found.resident.task_id;
    let tags = match with_tags {
        true => Some(found.resident.upstream.tags(task_id).await),
        false => None,
    };
    Besides {
        tags: tags.map(|tags| tags.map_err(|e| e.to_string())),
        room: found.resident.runtime.room(task_id).await.ok().flatten(),
        clock: stats::clock(),
    }
}

pub(super) fn said(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let text = match body {
        Value::Null => Vec::new(),
        body => serde_json::to_vec(body).expect("JSON has string keys only"),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

//! The endpoint's HTTP: which path is which, and how much of it anybody may have.

use super::{Caller, TaskEndpoint, credentials, metadata, stats};
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
        let listener = TcpListener::from_std(listener)?;
        let endpoint = Arc::clone(self);
        let accept = async move {
            loop {
                match listener.accept().await {
                    Ok((stream, from)) => endpoint.take(stream, from, &at),
                    Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
                }
            }
        };
        Ok(Served(spawn("task-endpoint", accept)))
    }

    /// One that finds no place is closed at once.
    fn take(self: &Arc<Self>, stream: TcpStream, from: SocketAddr, at: &At) {
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
        let endpoint = Arc::clone(self);
        spawn("task-endpoint-connection", async move {
            let _place = place;
            let answer = service_fn(|request| answer(&endpoint, &caller, request));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(IDLE)
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
    if request.method() != Method::GET {
        return Ok(said(StatusCode::METHOD_NOT_ALLOWED, &Value::Null));
    }
    let path = request.uri().path().trim_matches('/');
    let parts: Vec<&str> = path.split('/').collect();
    let (status, body) = match parts.as_slice() {
        ["v4", id, rest @ ..] => {
            of_container(endpoint, caller, metadata::Version::V4, id, rest).await
        }
        ["v3", id, rest @ ..] => {
            of_container(endpoint, caller, metadata::Version::V3, id, rest).await
        }
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
    version: metadata::Version,
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
    let Some((seen, container)) = endpoint.find(id, caller).await else {
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
    let body = match (of_task, is_stats) {
        (false, false) => metadata::container(&seen.state, container, version),
        (true, false) => metadata::task(&seen.state, version),
        (false, true) => match stats::container(endpoint, &seen, container).await {
            Some(stats) => stats,
            None => {
                let text =
                    format!("{prefix} container stats handler: unable to get container stats");
                return (StatusCode::INTERNAL_SERVER_ERROR, text.into());
            }
        },
        (true, true) => stats::task(endpoint, &seen).await,
    };
    (StatusCode::OK, body)
}

fn said(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
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

//! What the ECS agent tells on an instance of itself and its tasks, at port 51678
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-introspection.html>). Whoever
//! is in the instance's own network, or on its bridge, may ask, as on EC2.

use super::super::command;
use super::serve::said;
use super::{At, Seen, Served, TaskEndpoint, metadata};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

/// A container's id as `docker ps` shows it.
const SHORT_ID: usize = 12;

impl TaskEndpoint {
    /// Answers what containers of the instance of this node ask, and on the listeners `about` what
    /// whoever is in it asks about the node.
    ///
    /// # Errors
    /// A listener cannot be waited on.
    pub fn serve_instance(
        self: &Arc<Self>,
        listener: std::net::TcpListener,
        about: Vec<std::net::TcpListener>,
        node: &str,
    ) -> io::Result<Vec<Served>> {
        let mut served = vec![self.serve(listener, At::Instance(node.to_owned()))?];
        for listener in about {
            served.push(self.introspect(listener, node.to_owned())?);
        }
        Ok(served)
    }

    /// Answers on this listener what whoever works on the instance of this node asks.
    ///
    /// # Errors
    /// It cannot be waited on.
    fn introspect(
        self: &Arc<Self>,
        listener: std::net::TcpListener,
        node: String,
    ) -> io::Result<Served> {
        let (endpoint, at) = (Arc::clone(self), At::Instance(node.clone()));
        let node: Arc<str> = node.into();
        self.serve_with(listener, at, move |_, request| {
            let (endpoint, node) = (Arc::clone(&endpoint), Arc::clone(&node));
            async move { answer(&endpoint, &node, &request).await }
        })
    }
}

async fn answer(
    endpoint: &TaskEndpoint,
    node: &str,
    request: &Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET {
        return Ok(said(StatusCode::METHOD_NOT_ALLOWED, &Value::Null));
    }
    let all = endpoint.all_of(node).await;
    let (status, body) = match request.uri().path() {
        "/v1/metadata" => (StatusCode::OK, about(&all)),
        "/v1/tasks" => tasks(&all, request.uri().query().unwrap_or_default()),
        _ => {
            let commands = json!({ "AvailableCommands": ["/v1/metadata", "/v1/tasks"] });
            (StatusCode::OK, commands)
        }
    };
    Ok(said(status, &body))
}

/// Who asks is of a task of this instance, which says where it runs.
fn about(all: &[Box<Seen>]) -> Value {
    let of = all.first().map(|seen| &seen.state.assignment);
    json!({
        "Cluster": of.map(|task| task.cluster.as_str()).unwrap_or_default(),
        "ContainerInstanceArn": of.and_then(|task| task.container_instance_arn.as_deref()),
        "Version": format!("Neargate - v{}", env!("CARGO_PKG_VERSION")),
    })
}

fn tasks(all: &[Box<Seen>], query: &str) -> (StatusCode, Value) {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        Some(
            value
                .replace("%3A", ":")
                .replace("%3a", ":")
                .replace("%2F", "/")
                .replace("%2f", "/"),
        )
    };
    let nothing = || metadata::introspected_nothing();
    let of = |seen: &Seen, id: &str| {
        let task = &seen.state.assignment;
        let mut ids = task
            .containers
            .iter()
            .map(|c| command::runtime_id(task, &c.name));
        ids.any(|own| own == id || (id.len() <= SHORT_ID && own.starts_with(id)))
    };
    let seen = || all.iter().map(|seen| &**seen);
    let found: Vec<&Seen> = match (value("dockerid"), value("taskarn")) {
        (Some(_), Some(_)) => return (StatusCode::BAD_REQUEST, nothing()),
        (Some(id), None) => seen().filter(|seen| of(seen, &id)).collect(),
        (None, Some(arn)) => {
            let is = |seen: &&Seen| seen.state.assignment.task_arn == arn;
            seen().filter(is).collect()
        }
        (None, None) => {
            let shown = all.iter().map(|seen| metadata::introspected(&seen.state));
            let body = json!({ "Tasks": shown.collect::<Vec<Value>>() });
            return (StatusCode::OK, body);
        }
    };
    match found.as_slice() {
        [] => (StatusCode::NOT_FOUND, nothing()),
        [one] => (StatusCode::OK, metadata::introspected(&one.state)),
        // A short id of several.
        _ => (StatusCode::BAD_REQUEST, nothing()),
    }
}

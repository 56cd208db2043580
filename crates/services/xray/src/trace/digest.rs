//! What queries ask of a trace: its services, who called whom, how that went and how long it took.

use super::assemble::{Shown, each_subsegment, text};
use super::cause::{self, Cause};
use serde_json::Value;
use std::collections::HashMap;

/// A node of a graph of services.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName {
    pub name: String,
    pub kind: Option<String>,
    /// Where the document says it; otherwise it is the account that the trace is in.
    pub account: Option<String>,
}

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    pub error: bool,
    pub throttle: bool,
    pub fault: bool,
}

impl Flags {
    pub fn is_ok(self) -> bool {
        !(self.error || self.throttle || self.fault)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Http {
    pub url: Option<String>,
    pub status: Option<i64>,
    pub method: Option<String>,
    pub user_agent: Option<String>,
    pub client_ip: Option<String>,
}

/// What an annotation's value may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Text(String),
    Number(f64),
    Bool(bool),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    pub key: String,
    pub value: Scalar,
    /// The node that said it.
    pub node: usize,
}

/// One segment, sent or inferred.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub service: ServiceName,
    pub start: f64,
    pub end: f64,
    pub flags: Flags,
    pub in_progress: bool,
    pub inferred: bool,
    pub http: Http,
    pub user: Option<String>,
    pub resource_arn: Option<String>,
    pub instance: Option<String>,
    pub zone: Option<String>,
}

impl Node {
    pub fn seconds(&self) -> f64 {
        (self.end - self.start).max(0.0)
    }
}

/// A call, as its caller saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub start: f64,
    pub end: f64,
    pub flags: Flags,
}

impl Edge {
    pub fn seconds(&self) -> f64 {
        (self.end - self.start).max(0.0)
    }
}

/// A whole trace.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Digest {
    pub start: f64,
    pub end: f64,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    /// The first segment of the request.
    pub root: Option<usize>,
    /// Something is under way or missing.
    pub partial: bool,
    pub annotations: Vec<Annotation>,
    /// Of faults, errors and response times, in this order.
    pub causes: [Vec<Cause>; 3],
}

impl Digest {
    pub fn of(shown: &[Shown]) -> Digest {
        let mut digest = Digest {
            partial: shown.iter().any(|s| s.is_alone),
            ..Digest::default()
        };
        let documents: Vec<&Value> = shown
            .iter()
            .filter(|s| !s.is_alone)
            .map(|s| &s.document)
            .collect();
        digest.nodes = documents.iter().map(|document| node(document)).collect();
        // Who is called from a subsegment, or from a segment itself.
        let mut called = HashMap::<&str, Vec<usize>>::new();
        for (at, document) in documents.iter().enumerate() {
            if let Some(parent) = text(document, "parent_id") {
                called.entry(parent).or_default().push(at);
            }
        }
        let mut is_called = vec![false; documents.len()];
        for (from, document) in documents.iter().enumerate() {
            digest.annotate(document, from);
            digest.partial |= digest.nodes[from].in_progress;
            let own_id = text(document, "id").unwrap_or_default();
            for to in called.get(own_id).into_iter().flatten().copied() {
                if to != from {
                    let Node {
                        start, end, flags, ..
                    } = digest.nodes[to];
                    digest.edges.push(Edge {
                        from,
                        to,
                        start,
                        end,
                        flags,
                    });
                    is_called[to] = true;
                }
            }
            each_subsegment(document, &mut |subsegment| {
                digest.annotate(subsegment, from);
                digest.partial |= flag(subsegment, "in_progress");
                let id = text(subsegment, "id").unwrap_or_default();
                let (start, end) = times(subsegment);
                for to in called.get(id).into_iter().flatten().copied() {
                    if to == from {
                        continue;
                    }
                    let flags = flags(subsegment);
                    digest.edges.push(Edge {
                        from,
                        to,
                        start,
                        end,
                        flags,
                    });
                    is_called[to] = true;
                    let is_traced = subsegment
                        .pointer("/http/request/traced")
                        .and_then(Value::as_bool);
                    digest.partial |= is_traced == Some(true) && digest.nodes[to].inferred;
                }
            });
        }
        let roots =
            (0..documents.len()).filter(|at| !is_called[*at] && !digest.nodes[*at].inferred);
        digest.root = roots.min_by(|a, b| {
            let of = |at: usize| digest.nodes[at].start;
            of(*a).total_cmp(&of(*b))
        });
        let starts = digest.nodes.iter().map(|n| n.start);
        digest.start = starts.fold(f64::INFINITY, f64::min);
        digest.end = digest.nodes.iter().map(|n| n.end).fold(0.0, f64::max);
        if digest.nodes.is_empty() {
            digest.start = 0.0;
        }
        if let Some(root) = digest.root {
            digest.causes = cause::find(&documents, &digest.nodes, &called, root);
        }
        digest
    }

    fn annotate(&mut self, document: &Value, node: usize) {
        let all = document.get("annotations").and_then(Value::as_object);
        for (key, value) in all.into_iter().flatten() {
            let value = match value {
                Value::String(text) => Scalar::Text(text.clone()),
                Value::Bool(flag) => Scalar::Bool(*flag),
                Value::Number(number) => Scalar::Number(number.as_f64().unwrap_or(0.0)),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            let key = key.clone();
            let annotation = Annotation { key, value, node };
            if !self.annotations.contains(&annotation) {
                self.annotations.push(annotation);
            }
        }
    }

    pub fn root(&self) -> Option<&Node> {
        self.nodes.get(self.root?)
    }

    pub fn seconds(&self) -> f64 {
        (self.end - self.start).max(0.0)
    }
}

fn node(document: &Value) -> Node {
    let (start, end) = times(document);
    let inferred = flag(document, "inferred");
    let at = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let owned = |pointer: &str| at(pointer).map(str::to_owned);
    let name = text(document, "name").unwrap_or_default();
    let resource = at("/aws/table_name")
        .or_else(|| at("/aws/bucket_name"))
        .or_else(|| at("/aws/queue_url").map(|url| url.rsplit('/').next().unwrap_or(url)));
    let kind = text(document, "origin").map(str::to_owned);
    let service = ServiceName {
        name: resource.filter(|_| inferred).unwrap_or(name).to_owned(),
        kind: kind.or_else(|| inferred.then(|| "remote".to_owned())),
        account: owned("/aws/account_id"),
    };
    Node {
        service,
        start,
        end,
        flags: flags(document),
        in_progress: flag(document, "in_progress"),
        inferred,
        http: Http {
            url: owned("/http/request/url"),
            status: document
                .pointer("/http/response/status")
                .and_then(Value::as_i64),
            method: owned("/http/request/method"),
            user_agent: owned("/http/request/user_agent"),
            client_ip: owned("/http/request/client_ip"),
        },
        user: text(document, "user").map(str::to_owned),
        resource_arn: text(document, "resource_arn")
            .or_else(|| at("/aws/ecs/container_arn"))
            .map(str::to_owned),
        instance: owned("/aws/ec2/instance_id"),
        zone: owned("/aws/ec2/availability_zone"),
    }
}

pub fn times(document: &Value) -> (f64, f64) {
    let time = |name: &str| document.get(name).and_then(Value::as_f64);
    let start = time("start_time").unwrap_or(0.0);
    (start, time("end_time").unwrap_or(start).max(start))
}

pub fn flag(document: &Value, name: &str) -> bool {
    document.get(name).and_then(Value::as_bool) == Some(true)
}

/// What the document says, or its response's status does.
pub fn flags(document: &Value) -> Flags {
    let status = document
        .pointer("/http/response/status")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let throttle = flag(document, "throttle") || status == 429;
    Flags {
        error: flag(document, "error") || throttle || (400..500).contains(&status),
        throttle,
        fault: flag(document, "fault") || (500..600).contains(&status),
    }
}

//! Faults that a container asks for of its task's network, at `$ECS_AGENT_URI/fault/v1/…`. Requests, checks,
//! their order and the answers are the ECS agent's
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fault-injection.html>,
//! <https://github.com/aws/amazon-ecs-agent/tree/master/ecs-agent/tmds/handlers/fault/v1>).
//!
//! A task has one fault of latency or of loss at a time, and as many blackholes as it asks for.

use super::super::state::Network;
use super::{Caller, Seen, TaskEndpoint};
use crate::net::NetworkError;
use crate::net::TASK_ENDPOINT;
use crate::net::fault::{self, Blackhole, Fault, Kind, Towards, Way};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use neargate_domain::{InstanceNetwork, TaskNetwork};
use serde_json::{Map, Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

const MAX_BODY_BYTES: usize = 64 << 10;
/// As long as the agent's commands may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The endpoint's port, which a blackhole of all web servers is not to take.
const ENDPOINT_PORT: u16 = 80;

/// A status and a text: `Error`.
type Refused = (StatusCode, String);

fn bad(text: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, text.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Start,
    Stop,
    Status,
}

pub(super) async fn answer(
    endpoint: &TaskEndpoint,
    caller: &Caller,
    id: &str,
    (fault, act): (&str, &str),
    request: Request<Incoming>,
) -> Option<(StatusCode, Value)> {
    let act = match act {
        "start" => Act::Start,
        "stop" => Act::Stop,
        "status" => Act::Status,
        _ => return None,
    };
    if ![
        "network-blackhole-port",
        "network-latency",
        "network-packet-loss",
    ]
    .contains(&fault)
    {
        return None;
    }
    if *request.method() != Method::POST {
        return Some((StatusCode::METHOD_NOT_ALLOWED, Value::Null));
    }
    let answered = answered(endpoint, caller, id, (fault, act), request).await;
    Some(match answered {
        Ok(status) => (StatusCode::OK, json!({ "Status": status })),
        Err((status, text)) => (status, json!({ "Error": text })),
    })
}

async fn answered(
    endpoint: &TaskEndpoint,
    caller: &Caller,
    id: &str,
    (name, act): (&str, Act),
    request: Request<Incoming>,
) -> Result<&'static str, Refused> {
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES)
        .collect()
        .await;
    let body = body.map_err(|_| bad("http: request body too large"))?;
    let wanted = wanted(name, act, &body.to_bytes())?;
    let found = endpoint.find(id, caller).await.ok_or_else(|| {
        let text = format!("unable to lookup container: {id}");
        (StatusCode::NOT_FOUND, text)
    })?;
    let namespace = namespace(&found.seen)?;
    // One at a time: what is looked at is still so when it is changed.
    let _held = endpoint.faults.lock().await;
    let done = tokio::time::timeout(PATIENCE, carry_out(namespace, wanted, act)).await;
    let what = match act {
        Act::Start => "start",
        Act::Stop => "stop",
        Act::Status => "check status",
    };
    done.unwrap_or_else(|_| {
        let text = format!("{what} {name}: request timed out");
        Err((StatusCode::INTERNAL_SERVER_ERROR, text))
    })
}

/// What a request is about: a fault to start, or one to stop or look for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Fault(Fault),
    Kind(Kind),
}

async fn carry_out(namespace: PathBuf, wanted: Wanted, act: Act) -> Result<&'static str, Refused> {
    let failed = |error: NetworkError| {
        tracing::warn!(%error, "a fault of a task's network failed");
        // The agent says the first two words alone.
        let text = format!("internal error: {error}");
        (StatusCode::INTERNAL_SERVER_ERROR, text)
    };
    let kind = match &wanted {
        Wanted::Fault(fault) => fault.kind(),
        Wanted::Kind(kind) => *kind,
    };
    let running = |kind| fault::is_running(namespace.clone(), kind);
    match (act, wanted) {
        (Act::Start, Wanted::Fault(fault)) => {
            if kind == Kind::Latency || kind == Kind::Loss {
                for (other, name) in [(Kind::Latency, "latency"), (Kind::Loss, "packet loss")] {
                    if running(other).await.map_err(failed)? {
                        let text = format!("There is already one network {name} fault running");
                        return Err((StatusCode::CONFLICT, text));
                    }
                }
            }
            // A blackhole that is there stays as it is.
            if !running(kind).await.map_err(failed)? {
                fault::start(namespace, fault).await.map_err(failed)?;
            }
            Ok("running")
        }
        (Act::Status, _) => match running(kind).await.map_err(failed)? {
            true => Ok("running"),
            false => Ok("not-running"),
        },
        _ => {
            fault::stop(namespace, kind).await.map_err(failed)?;
            Ok("stopped")
        }
    }
}

/// The task's network namespace, if faults may be in it.
fn namespace(seen: &Seen) -> Result<PathBuf, Refused> {
    let task = &seen.state.assignment;
    if !task.fault_injection {
        let arn = &task.task_arn;
        return Err(bad(format!(
            "enableFaultInjection is not enabled for task: {arn}"
        )));
    }
    let mode = match &task.network {
        TaskNetwork::Awsvpc(_) => {
            let links = match &seen.state.network {
                Network::Ready(links) => links.as_slice(),
                _ => &[],
            };
            let path = links
                .iter()
                .flatten()
                .find_map(|joined| joined.netns.clone());
            return path.ok_or_else(|| {
                let text = "internal error: the task has no network".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, text)
            });
        }
        TaskNetwork::Instance(InstanceNetwork::Host) => {
            return Err(bad(
                "host mode is not supported by Neargate. Please use awsvpc mode.",
            ));
        }
        TaskNetwork::Instance(InstanceNetwork::Bridge) => "bridge",
        TaskNetwork::Instance(InstanceNetwork::None) => "none",
    };
    Err(bad(format!(
        "{mode} mode is not supported. Please use either host or awsvpc mode."
    )))
}

/// What the body asks for. To stop or look for latency and loss nothing needs to be said.
fn wanted(name: &str, act: Act, body: &[u8]) -> Result<Wanted, Refused> {
    match (name, act) {
        ("network-blackhole-port", _) => {
            let fields = Fields::read(body, "NetworkBlackholePortRequest")?;
            let blackhole = blackhole(&fields)?;
            Ok(match act {
                Act::Start => Wanted::Fault(blackhole),
                Act::Stop | Act::Status => Wanted::Kind(blackhole.kind()),
            })
        }
        ("network-latency", Act::Start) => {
            let fields = Fields::read(body, "NetworkLatencyRequest")?;
            latency(&fields).map(Wanted::Fault)
        }
        ("network-latency", _) => Ok(Wanted::Kind(Kind::Latency)),
        (_, Act::Start) => {
            let fields = Fields::read(body, "NetworkPacketLossRequest")?;
            loss(&fields).map(Wanted::Fault)
        }
        _ => Ok(Wanted::Kind(Kind::Loss)),
    }
}

fn missing(field: &str) -> Refused {
    bad(format!("required parameter {field} is missing"))
}

fn invalid(value: impl std::fmt::Display, field: &str) -> Refused {
    bad(format!("invalid value {value} for parameter {field}"))
}

fn blackhole(fields: &Fields) -> Result<Fault, Refused> {
    let port = fields.number("Port", "uint16", u64::from(u16::MAX))?;
    let protocol = fields.text("Protocol")?;
    let way = fields.text("TrafficType")?;
    let mut passing = fields.texts("SourcesToFilter")?;
    let port = port.ok_or_else(|| missing("Port"))?;
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    let protocol = said(protocol).ok_or_else(|| missing("Protocol"))?;
    let way = said(way).ok_or_else(|| missing("TrafficType"))?;
    let protocol = match protocol.as_str() {
        "tcp" => "tcp",
        "udp" => "udp",
        other => return Err(invalid(other, "Protocol")),
    };
    let way = match way.as_str() {
        "ingress" => Way::Ingress,
        "egress" => Way::Egress,
        other => return Err(invalid(other, "TrafficType")),
    };
    addresses(&passing, "SourcesToFilter")?;
    let port = u16::try_from(port).map_err(|_| invalid(port, "Port"))?;
    if way == Way::Egress && port == ENDPOINT_PORT {
        passing.push(TASK_ENDPOINT.to_string());
    }
    Ok(Fault::Blackhole(Blackhole {
        port,
        protocol,
        way,
        passing,
    }))
}

fn latency(fields: &Fields) -> Result<Fault, Refused> {
    let delay = fields.number("DelayMilliseconds", "uint64", u64::MAX)?;
    let jitter = fields.number("JitterMilliseconds", "uint64", u64::MAX)?;
    let towards = Towards {
        sources: fields.texts("Sources")?,
        passing: fields.texts("SourcesToFilter")?,
        flows_percent: 100,
    };
    let flows = fields.signed("FlowsPercent")?;
    let delay_millis = delay.ok_or_else(|| missing("DelayMilliseconds"))?;
    let jitter_millis = jitter.ok_or_else(|| missing("JitterMilliseconds"))?;
    if delay_millis == 0 && jitter_millis == 0 {
        return Err(bad(
            "required either DelayMilliseconds or JitterMilliseconds to be non-zero",
        ));
    }
    let towards = checked(towards, flows)?;
    if towards.flows_percent != 100 {
        return Err(bad(
            "FlowsPercent of network-latency other than 100 is not supported by Neargate.",
        ));
    }
    Ok(Fault::Latency {
        delay_millis,
        jitter_millis,
        towards,
    })
}

fn loss(fields: &Fields) -> Result<Fault, Refused> {
    let percent = fields.number("LossPercent", "uint64", u64::MAX)?;
    let towards = Towards {
        sources: fields.texts("Sources")?,
        passing: fields.texts("SourcesToFilter")?,
        flows_percent: 100,
    };
    let flows = fields.signed("FlowsPercent")?;
    let percent = percent.ok_or_else(|| missing("LossPercent"))?;
    let percent = u8::try_from(percent)
        .ok()
        .filter(|n| (1..=100).contains(n))
        .ok_or_else(|| invalid(percent, "LossPercent"))?;
    let towards = checked(towards, flows)?;
    Ok(Fault::Loss { percent, towards })
}

fn checked(towards: Towards, flows: Option<i64>) -> Result<Towards, Refused> {
    if towards.sources.is_empty() {
        return Err(missing("Sources"));
    }
    addresses(&towards.sources, "Sources")?;
    addresses(&towards.passing, "SourcesToFilter")?;
    let flows_percent = match flows {
        None => 100,
        Some(n) => u8::try_from(n)
            .ok()
            .filter(|n| (1..=100).contains(n))
            .ok_or_else(|| invalid(n, "flowsPercent"))?,
    };
    Ok(Towards {
        flows_percent,
        ..towards
    })
}

/// Each is an address or a range of them, of version 4 or 6.
fn addresses(all: &[String], field: &str) -> Result<(), Refused> {
    let is_one = |text: &String| match text.split_once('/') {
        None => text.parse::<IpAddr>().is_ok(),
        Some((address, bits)) => {
            let is_number = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
            let most = match address.parse() {
                Ok(IpAddr::V4(_)) => Ipv4Addr::BITS,
                Ok(IpAddr::V6(_)) => Ipv6Addr::BITS,
                Err(_) => return false,
            };
            is_number && bits.parse::<u32>().is_ok_and(|bits| bits <= most)
        }
    };
    match all.iter().find(|text| !is_one(text)) {
        Some(text) => Err(invalid(text, field)),
        None => Ok(()),
    }
}

/// A request's fields as Go reads them: names in any case, `null` as if it was not there, what else is
/// there ignored.
struct Fields {
    of: Map<String, Value>,
    /// Go's name of the request.
    request: &'static str,
}

impl Fields {
    fn read(body: &[u8], request: &'static str) -> Result<Fields, Refused> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(bad("required request body is missing"));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(of)) => Ok(Fields { of, request }),
            Ok(Value::Null) => Ok(Fields {
                of: Map::new(),
                request,
            }),
            Ok(other) => Err(bad(format!(
                "json: cannot unmarshal {} into Go value of type types.{request}",
                kind(&other)
            ))),
            Err(error) => Err(bad(error.to_string())),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let mut fields = self.of.iter();
        let named = fields.find(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).filter(|v| !v.is_null())
    }

    fn mistaken(&self, name: &str, value: &Value, go: &str) -> Refused {
        let what = match value {
            Value::Number(n) => format!("number {n}"),
            other => kind(other).to_owned(),
        };
        let request = self.request;
        bad(format!(
            "json: cannot unmarshal {what} into Go struct field {request}.{name} of type {go}"
        ))
    }

    fn number(&self, name: &str, go: &str, most: u64) -> Result<Option<u64>, Refused> {
        let number = |value: &Value| {
            let number = value.as_u64().filter(|n| *n <= most);
            number.ok_or_else(|| self.mistaken(name, value, go))
        };
        self.get(name).map(number).transpose()
    }

    fn signed(&self, name: &str) -> Result<Option<i64>, Refused> {
        let number = |value: &Value| {
            let number = value.as_i64();
            number.ok_or_else(|| self.mistaken(name, value, "int"))
        };
        self.get(name).map(number).transpose()
    }

    fn text(&self, name: &str) -> Result<Option<String>, Refused> {
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            other => Err(self.mistaken(name, other, "string")),
        };
        self.get(name).map(text).transpose()
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, Refused> {
        let all = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(all)) => all,
            Some(other) => return Err(self.mistaken(name, other, "[]*string")),
        };
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            other => Err(self.mistaken(name, other, "string")),
        };
        all.iter().map(text).collect()
    }
}

/// Go's name of what a JSON text holds.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests;

//! What segment a span is: one that serves a request, or begins a trace, is a segment; every other is a subsegment
//! that was sent apart. Pure.

use super::attributes::Attributes;
use crate::trace::{Document, Unprocessed, of_span};
use neargate_base::Timestamp;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::{Map, Value, json};

/// Exceptions of a span.
const MOST_EXCEPTIONS: usize = 16;
const MOST_NAME_CHARS: usize = 200;

pub fn of(
    request: ExportTraceServiceRequest,
    now: Timestamp,
) -> Vec<Result<Document, Unprocessed>> {
    let mut all = Vec::new();
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|r| r.attributes).unwrap_or_default();
        let attributes = Attributes::of(attributes);
        for scope in resource.scope_spans {
            for span in scope.spans {
                all.push(of_span(&segment(span, &attributes), now));
            }
        }
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn trace_id(bytes: &[u8]) -> String {
    let digits = hex(bytes);
    match digits.split_at_checked(8) {
        Some((time, chance)) => format!("1-{time}-{chance}"),
        None => digits,
    }
}

pub fn segment(span: Span, resource: &Attributes) -> Map<String, Value> {
    let kind = SpanKind::try_from(span.kind).unwrap_or(SpanKind::Unspecified);
    let attributes = Attributes::of(span.attributes);
    let has_parent = span.parent_span_id.iter().any(|byte| *byte != 0);
    let is_segment = !has_parent || kind == SpanKind::Server;
    let is_call = matches!(kind, SpanKind::Client | SpanKind::Producer);
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| {
        if !value.is_null() {
            object.insert(name.to_owned(), value);
        }
    };
    set("id", hex(&span.span_id).into());
    set("trace_id", trace_id(&span.trace_id).into());
    if has_parent {
        set("parent_id", hex(&span.parent_span_id).into());
    }
    if !is_segment {
        set("type", "subsegment".into());
    }
    let is_aws = attributes.text(&["rpc.system", "rpc.system.name"]) == Some("aws-api");
    if is_call && !is_segment {
        set("namespace", if is_aws { "aws" } else { "remote" }.into());
    }
    let name = name(
        &span.name,
        is_segment,
        is_call,
        is_aws,
        &attributes,
        resource,
    );
    set("name", name.into());
    set("start_time", seconds(span.start_time_unix_nano).into());
    set("end_time", seconds(span.end_time_unix_nano).into());
    let status = attributes.number(&["http.response.status_code", "http.status_code"]);
    let failed = span
        .status
        .as_ref()
        .is_some_and(|s| s.code() == StatusCode::Error);
    match status {
        Some(429) => {
            set("throttle", true.into());
            set("error", true.into());
        }
        Some(400..500) => set("error", true.into()),
        Some(500..) => set("fault", true.into()),
        _ if failed => set("fault", true.into()),
        _ => {}
    }
    let message = span.status.map(|s| s.message).unwrap_or_default();
    set(
        "cause",
        cause(&span.events, failed, &message, &hex(&span.span_id)),
    );
    set("http", http(&attributes, is_segment, status));
    set("sql", sql(&attributes));
    set("aws", aws(&attributes, resource, is_segment));
    if is_segment {
        set("origin", origin(resource));
        if let Some(user) = attributes.text(&["enduser.id", "user.id"]) {
            set("user", user.into());
        }
        if let Some(version) = resource.text(&["service.version"]) {
            set("service", json!({ "version": version }));
        }
    }
    let links = span.links.into_iter().map(|link| {
        json!({ "trace_id": trace_id(&link.trace_id), "id": hex(&link.span_id),
            "attributes": Attributes::of(link.attributes).0 })
    });
    let links: Vec<Value> = links.collect();
    if !links.is_empty() {
        set("links", links.into());
    }
    let (annotations, metadata) = divided(attributes.0);
    if !annotations.is_empty() {
        set("annotations", annotations.into());
    }
    if !metadata.is_empty() {
        set("metadata", json!({ "default": metadata }));
    }
    object
}

fn seconds(nanos: u64) -> f64 {
    // Microseconds are as much as a number of seconds since 1970 has room for.
    (nanos / 1_000) as f64 / 1e6
}

fn name(
    span: &str,
    is_segment: bool,
    is_call: bool,
    is_aws: bool,
    attributes: &Attributes,
    resource: &Attributes,
) -> String {
    let service = || resource.text(&["service.name"]);
    let database = || attributes.text(&["db.namespace", "db.name", "db.system.name", "db.system"]);
    let host = || attributes.text(&["server.address", "http.host", "net.peer.name"]);
    let called = || match is_aws {
        true => attributes.text(&["aws.remote.service", "rpc.service"]),
        false => attributes
            .text(&["peer.service", "service.peer.name"])
            .or_else(database)
            .or_else(host),
    };
    let found = match (is_segment, is_call) {
        (true, _) => service(),
        (false, true) => called(),
        (false, false) => None,
    };
    let allowed =
        |c: &char| c.is_alphanumeric() || c.is_whitespace() || "_.:/%&#=+\\-@".contains(*c);
    let name: String = found
        .unwrap_or(span)
        .chars()
        .filter(allowed)
        .take(MOST_NAME_CHARS)
        .collect();
    match name.is_empty() {
        true => "span".into(),
        false => name,
    }
}

fn http(attributes: &Attributes, is_segment: bool, status: Option<i64>) -> Value {
    let mut request = Map::new();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            request.insert(name.to_owned(), value.into());
        }
    };
    let text = |names: &[&str]| attributes.text(names).map(str::to_owned);
    set("method", text(&["http.request.method", "http.method"]));
    set(
        "url",
        text(&["url.full", "http.url"]).or_else(|| url(attributes)),
    );
    if is_segment {
        set(
            "user_agent",
            text(&["user_agent.original", "http.user_agent"]),
        );
        set("client_ip", text(&["client.address", "http.client_ip"]));
    }
    let length = attributes.number(&["http.response.body.size", "http.response_content_length"]);
    if request.is_empty() && status.is_none() {
        return Value::Null;
    }
    let mut response = Map::new();
    for (name, number) in [("status", status), ("content_length", length)] {
        if let Some(number) = number {
            response.insert(name.to_owned(), number.into());
        }
    }
    json!({ "request": request, "response": response })
}

/// Put together from its parts.
fn url(attributes: &Attributes) -> Option<String> {
    let scheme = attributes
        .text(&["url.scheme", "http.scheme"])
        .unwrap_or("http");
    let host = attributes.text(&["http.host", "server.address", "net.host.name"])?;
    let path = attributes.text(&["url.path", "http.target", "http.route"])?;
    let port = attributes.number(&["server.port", "net.host.port"]);
    let port = port.filter(|_| !host.contains(':'));
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{scheme}://{host}{port}{path}"))
}

fn sql(attributes: &Attributes) -> Value {
    let Some(system) = attributes.text(&["db.system.name", "db.system"]) else {
        return Value::Null;
    };
    let mut sql = Map::new();
    sql.insert("database_type".into(), system.into());
    for (name, from) in [
        ("sanitized_query", &["db.query.text", "db.statement"][..]),
        ("user", &["db.user"][..]),
        ("url", &["db.connection_string"][..]),
    ] {
        if let Some(text) = attributes.text(from) {
            sql.insert(name.into(), text.into());
        }
    }
    match system {
        // No language of queries.
        "dynamodb" | "aws.dynamodb" | "redis" | "memcached" | "mongodb" => Value::Null,
        _ => sql.into(),
    }
}

fn aws(attributes: &Attributes, resource: &Attributes, is_segment: bool) -> Value {
    let mut aws = Map::new();
    let pairs: [(&str, Option<&str>); 6] = [
        ("operation", attributes.text(&["rpc.method"])),
        ("region", attributes.text(&["aws.region", "cloud.region"])),
        (
            "request_id",
            attributes.text(&["aws.request_id", "aws.requestId"]),
        ),
        (
            "queue_url",
            attributes.text(&["aws.sqs.queue.url", "aws.queue_url", "aws.queue.url"]),
        ),
        (
            "table_name",
            attributes.first(&["aws.dynamodb.table_names", "aws.table_name"]),
        ),
        ("bucket_name", attributes.text(&["aws.s3.bucket"])),
    ];
    for (name, value) in pairs {
        if let Some(value) = value.filter(|_| !is_segment) {
            aws.insert(name.into(), value.into());
        }
    }
    if let Some(account) = resource.text(&["cloud.account.id"]).filter(|_| is_segment) {
        aws.insert("account_id".into(), account.into());
    }
    let mut group = |name: &str, fields: &[(&str, &str)]| {
        let found = fields.iter().filter_map(|(field, from)| {
            Some(((*field).to_owned(), Value::from(resource.text(&[*from])?)))
        });
        let found: Map<String, Value> = found.collect();
        if is_segment && !found.is_empty() {
            aws.insert(name.to_owned(), found.into());
        }
    };
    group(
        "ecs",
        &[
            ("container", "container.name"),
            ("container_id", "container.id"),
            ("container_arn", "aws.ecs.container.arn"),
            ("cluster_arn", "aws.ecs.cluster.arn"),
            ("task_arn", "aws.ecs.task.arn"),
            ("task_family", "aws.ecs.task.family"),
            ("launch_type", "aws.ecs.launchtype"),
        ],
    );
    group(
        "ec2",
        &[
            ("instance_id", "host.id"),
            ("availability_zone", "cloud.availability_zone"),
        ],
    );
    group(
        "xray",
        &[
            ("sdk", "telemetry.sdk.name"),
            ("sdk_version", "telemetry.sdk.version"),
        ],
    );
    match aws.is_empty() {
        true => Value::Null,
        false => aws.into(),
    }
}

fn origin(resource: &Attributes) -> Value {
    match resource.text(&["cloud.platform"]) {
        Some("aws_ecs" | "aws.ecs") => "AWS::ECS::Container".into(),
        Some("aws_eks" | "aws.eks") => "AWS::EKS::Container".into(),
        Some("aws_ec2" | "aws.ec2") => "AWS::EC2::Instance".into(),
        Some("aws_elastic_beanstalk") => "AWS::ElasticBeanstalk::Environment".into(),
        _ => Value::Null,
    }
}

fn cause(events: &[Event], failed: bool, message: &str, id: &str) -> Value {
    let exceptions = events.iter().filter(|event| event.name == "exception");
    let exceptions: Vec<Value> = exceptions
        .take(MOST_EXCEPTIONS)
        .map(|event| {
            let attributes = Attributes::of(event.attributes.clone());
            json!({ "id": id, "type": attributes.text(&["exception.type"]),
                "message": attributes.text(&["exception.message"]) })
        })
        .collect();
    if !exceptions.is_empty() {
        return json!({ "exceptions": exceptions });
    }
    match failed && !message.is_empty() {
        true => json!({ "exceptions": [{ "id": id, "message": message }] }),
        false => Value::Null,
    }
}

/// What the span says is to be found by, and the rest.
fn divided(mut attributes: Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
    let indexed = attributes.remove("aws.xray.annotations");
    let names: Vec<String> = match indexed {
        Some(Value::Array(all)) => {
            let texts = all.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    };
    let mut annotations = Map::new();
    for name in names {
        let value = attributes.remove(&name);
        if let Some(value) = value.filter(|v| !v.is_array() && !v.is_object() && !v.is_null()) {
            let plain = |c: char| {
                if c.is_alphanumeric() || c == '_' {
                    c
                } else {
                    '_'
                }
            };
            annotations.insert(name.chars().map(plain).collect(), value);
        }
    }
    (annotations, attributes)
}

//! Which service, protocol and operation a request on the one port means.
//!
//! A pure function of the request line, the headers and (for form posts only) the body. It
//! judges no signature: a credential scope is taken at its word here, and verified by whoever
//! enforces. In order:
//!
//! 1. `/_neargate/...` is ours, whatever else the request says; a post to `/v1/traces` that is signed for X-Ray or not
//!    at all is OpenTelemetry's.
//! 2. A credential scope (header or presigned URL) names the service.
//! 3. `X-Amz-Target`, or rpc-v2-cbor's path, names service and operation.
//! 4. A registry's host, and the paths `/v2/`, `/v4/`, `/v1/data-channel/`, `/v1/repos/`, `/health`,
//!    `/console` and that of the certificate of what SNS signs.
//! 5. `Action` and `Version`.
//! 6. The host name; then the URI templates of REST services.
//!
//! What matches nothing is unknown: in particular, nothing falls back to S3.

mod hint;
mod rest;

#[cfg(test)]
mod tests;

use crate::schema::{Operation, Protocol, Service};
use hint::Hints;
use http::Method;
use http::request::Parts;

/// Where a request goes.
#[derive(Debug)]
pub enum Route {
    /// An AWS operation of a service we have.
    Aws(Found),
    /// An AWS service we do not have, to be told so in the caller's protocol.
    Unserved {
        name: String,
        protocol: Protocol,
        operation: Option<String>,
    },
    /// HTTP that is no AWS protocol.
    Door(Door),
    Health,
    /// The console's files, under `/console`.
    Console,
    /// Our own paths under `/_neargate/`.
    Internal,
    /// The ECS task metadata endpoint, version 4.
    TaskMetadata,
    Unknown,
}

/// What is spoken on the one port beside AWS's protocols; a service answers it itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// The OCI registry.
    Registry,
    /// S3, whose bodies are streams and whose buckets have host names of their own.
    Objects,
    /// The WebSockets of Session Manager's sessions.
    DataChannel,
    /// The certificate of what SNS signs.
    SigningCertificate,
    /// CodeCommit's repositories, by git's smart HTTP.
    Git,
    /// Where CloudFormation is told that a resource is ready.
    Signals,
    /// Spans of OpenTelemetry, by OTLP over HTTP.
    Spans,
}

/// The operation a request calls.
#[derive(Debug, Clone)]
pub struct Found {
    pub service: &'static Service,
    /// What the caller speaks, and is to be answered in, even where the service does not.
    pub protocol: Protocol,
    /// `None`: AWS has no operation of that name, or the service does not speak this protocol,
    /// or the request names no operation at all. See [`unknown_operation`].
    pub operation: Option<&'static Operation>,
    /// The name as the client gave it; of REST services, the operation found.
    pub name: Option<String>,
}

/// Whether [`route`] needs the body to decide: a form post whose `Action` is not in the URL.
/// Everything else can be routed before its body is read: our own pages and the registry too,
/// to which some clients (curl, Python) post with a form's content type.
pub fn needs_body(parts: &Parts) -> bool {
    let path = parts.uri.path();
    parts.method == Method::POST
        && hint::is_form(parts)
        && hint::action_of_query(parts).is_none()
        && !under(path, "/_neargate")
        && !under(path, "/v2")
}

/// Routes a request. `body` may be empty unless [`needs_body`], and may be cut after its first
/// parameters.
pub fn route(parts: &Parts, body: &[u8], services: &[&'static Service]) -> Route {
    let path = parts.uri.path();
    if under(path, "/_neargate") {
        return Route::Internal;
    }
    let hints = Hints::of(parts, body);
    // X-Ray's own endpoint of OpenTelemetry; a bucket's path is signed for S3.
    let is_of_xray = || hints.scope.as_deref().is_none_or(|scope| scope == "xray");
    if path == "/v1/traces" && parts.method == Method::POST && is_of_xray() {
        return Route::Door(Door::Spans);
    }
    if let Some(name) = &hints.scope {
        let candidates: Vec<_> = services
            .iter()
            .copied()
            .filter(|s| s.signing_name == name)
            .collect();
        return match choose(&candidates, &hints, parts) {
            Some(service) => aws(service, &hints, parts),
            None => hints.unserved(name.clone()),
        };
    }
    if let Some(named) = hints.target.as_ref().map(|t| t.prefix.clone()) {
        return match services.iter().find(|s| hints.is_target_of(s)) {
            Some(service) => aws(service, &hints, parts),
            None => hints.unserved(named),
        };
    }
    if let Some(reserved) = reserved(&parts.method, path, &hints) {
        return reserved;
    }
    if hints.action.is_some() {
        let speaks = |s: &&&'static Service| hint::speaks_query(s);
        let candidates: Vec<_> = services.iter().filter(speaks).copied().collect();
        let by_host = hints
            .service_of_host(services)
            .filter(|s| hint::speaks_query(s));
        let found = by_host.or_else(|| candidates.iter().copied().find(|s| hints.is_version_of(s)));
        return match found.or_else(|| hints.only_one_with_action(&candidates)) {
            Some(service) => aws(service, &hints, parts),
            None => hints.unserved("unknown".to_owned()),
        };
    }
    if let Some(service) = hints.service_of_host(services) {
        return aws(service, &hints, parts);
    }
    let found = services
        .iter()
        .copied()
        .filter(|s| s.signing_name != "s3" && hint::speaks_rest(s))
        .filter_map(|service| Some((service, rest::find(service, parts)?)))
        .next();
    match found {
        Some((service, op)) => {
            let protocol = hints.protocol(service);
            let name = Some(op.name.to_owned());
            Route::Aws(Found {
                service,
                protocol,
                operation: Some(op),
                name,
            })
        }
        None => Route::Unknown,
    }
}

/// The operation of a REST service at this method, path and query.
pub fn rest_operation(service: &'static Service, parts: &Parts) -> Option<&'static Operation> {
    rest::find(service, parts)
}

/// Is the request made by a host name of S3's, of a bucket or of the service?
pub fn is_bucket_host(parts: &Parts) -> bool {
    Hints::of(parts, &[]).is_bucket_host()
}

/// Is `path` this prefix, or below it?
fn under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A repository of CodeCommit's, `/v1/repos/NAME`, or one of another account and region:
/// `/codecommit/ACCOUNT/REGION/v1/repos/NAME`.
fn is_git(path: &str) -> bool {
    const REPOSITORIES: &str = "/v1/repos/";
    let elsewhere = || {
        let (account, rest) = path.strip_prefix("/codecommit/")?.split_once('/')?;
        let (_, rest) = rest.split_once('/')?;
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        Some(is_account && format!("/{rest}").starts_with(REPOSITORIES))
    };
    path.starts_with(REPOSITORIES) || elsewhere().unwrap_or(false)
}

/// `/cloudformation/ACCOUNT/REGION/STACK/RESOURCE/TOKEN`.
fn is_signal(path: &str) -> bool {
    let rest = path.strip_prefix("/cloudformation/");
    let account = rest
        .and_then(|rest| rest.split_once('/'))
        .map(|(account, _)| account);
    account.is_some_and(|a| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit()))
        && path.matches('/').count() == 6
}

/// Paths that no signed call of an AWS service reaches. A bucket's own host name goes first:
/// its keys may begin with anything.
fn reserved(method: &Method, path: &str, hints: &Hints) -> Option<Route> {
    if hints.is_bucket_host() {
        return None;
    }
    if hints.is_registry_host() || under(path, "/v2") {
        return Some(Route::Door(Door::Registry));
    }
    if path.starts_with("/v1/data-channel/") {
        return Some(Route::Door(Door::DataChannel));
    }
    if path.starts_with("/SimpleNotificationService-") && path.ends_with(".pem") {
        return Some(Route::Door(Door::SigningCertificate));
    }
    if is_git(path) {
        return Some(Route::Door(Door::Git));
    }
    if is_signal(path) {
        return Some(Route::Door(Door::Signals));
    }
    if path.starts_with("/v4/") {
        return Some(Route::TaskMetadata);
    }
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    if under(path, "/console") {
        return Some(Route::Console);
    }
    (path == "/health").then_some(Route::Health)
}

/// The one of several services that sign alike whose target prefix or version is named, or whose
/// path it is.
fn choose(
    candidates: &[&'static Service],
    hints: &Hints,
    parts: &Parts,
) -> Option<&'static Service> {
    let mut all = candidates.iter().copied();
    let by_name = all.clone().find(|s| hints.is_target_of(s));
    let by_version = || all.clone().find(|s| hints.is_version_of(s));
    let has_path = |s: &&'static Service| hint::speaks_rest(s) && rest::find(s, parts).is_some();
    by_name
        .or_else(by_version)
        .or_else(|| all.clone().find(has_path))
        .or_else(|| all.find(|s| hint::speaks_rest(s) && parts.uri.path() != "/"))
        .or_else(|| candidates.first().copied())
}

fn aws(service: &'static Service, hints: &Hints, parts: &Parts) -> Route {
    let protocol = hints.protocol(service);
    let name = match protocol {
        Protocol::RestJson | Protocol::RestXml => {
            let operation = rest::find(service, parts);
            let name = operation.map(|op| op.name.to_owned());
            return Route::Aws(Found {
                service,
                protocol,
                operation,
                name,
            });
        }
        Protocol::Query | Protocol::Ec2 => hints.action.clone(),
        Protocol::AwsJson10 | Protocol::AwsJson11 | Protocol::RpcV2Cbor => hints
            .target
            .as_ref()
            .map(|target| match hints.is_target_of(service) {
                true => target.operation.clone(),
                false => format!("{}.{}", target.prefix, target.operation),
            }),
    };
    let spoken = hint::speaks(service, protocol);
    let operation = name
        .as_deref()
        .filter(|_| spoken)
        .and_then(|name| service.operation(name));
    Route::Aws(Found {
        service,
        protocol,
        operation,
        name,
    })
}

/// AWS's answer to an operation it does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownOperation {
    pub code: &'static str,
    pub message: String,
    pub status: u16,
}

/// Words the answer to a call that found no operation.
pub fn unknown_operation(found: &Found) -> UnknownOperation {
    let Found {
        service,
        protocol,
        name,
        ..
    } = found;
    let name = name.as_deref();
    let (code, status, message) = match (protocol, name) {
        (Protocol::Query, Some(name)) => (
            "InvalidAction",
            400,
            format!(
                "Could not find operation {name} for version {}",
                service.api_version
            ),
        ),
        (Protocol::Ec2, Some(name)) => (
            "InvalidAction",
            400,
            format!("The action {name} is not valid for this web service."),
        ),
        (Protocol::Query | Protocol::Ec2, None) => (
            "MissingAction",
            400,
            "The request is missing an action or a required parameter.".into(),
        ),
        (Protocol::RestJson | Protocol::RestXml, _) => (
            "UnknownOperationException",
            404,
            format!(
                "{} has no operation at this method and path.",
                service.sdk_id
            ),
        ),
        (_, Some(name)) => (
            "UnknownOperationException",
            400,
            format!("{} has no operation {name}.", service.sdk_id),
        ),
        (_, None) => (
            "UnknownOperationException",
            400,
            "The request names no operation: X-Amz-Target is missing.".into(),
        ),
    };
    UnknownOperation {
        code,
        message,
        status,
    }
}

/// Stands in for a service we do not have, so that [`crate::protocol::encode_error`] can answer.
pub static UNSERVED: Service = Service {
    id: "",
    sdk_id: "",
    signing_name: "",
    endpoint_prefix: "",
    api_version: "",
    target_prefix: None,
    json_version: None,
    xml_namespace: None,
    protocols: &[],
    query_compatible: false,
    operations: &[],
};

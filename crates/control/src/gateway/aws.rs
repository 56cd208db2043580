//! One AWS call: route, authenticate, decode, validate, dispatch, encode.

use super::body::{Body, ReadError, full, read};
use super::{Gateway, auth};
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use neargate_base::time::Stopwatch;
use neargate_service::{AwsError, Ctx, Status};
use neargate_wire::protocol::{self, ErrorReply};
use neargate_wire::route::{Found, Route, route};
use neargate_wire::schema;
use neargate_wire::schema::{Operation, Protocol};
use neargate_wire::sigv4::{ErrorStyle, SigV4Error};
use neargate_wire::validate::validate;
use std::error::Error;

/// The largest body of any call but the one below: a full `PutLogEvents` batch fits, with its escapes.
const MAX_BODY_BYTES: usize = 8 << 20;
/// `UploadLayerPart` carries up to 20 MiB as base64.
const MAX_LAYER_PART_BYTES: usize = 32 << 20;

/// Where a call goes, and in which protocol it is answered.
#[derive(Clone, Copy)]
struct Call {
    service: &'static schema::Service,
    protocol: Protocol,
    operation: Option<&'static Operation>,
}

pub(super) async fn handle(gateway: &Gateway, parts: Parts, incoming: Incoming) -> Response<Body> {
    let request_id = gateway.built.house.rng.uuid();
    let limit = match parts.headers.get("x-amz-target").and_then(|t| t.to_str().ok()) {
        Some(target) if target.ends_with(".UploadLayerPart") => MAX_LAYER_PART_BYTES,
        _ => MAX_BODY_BYTES,
    };
    let body = read(incoming, limit).await;
    let bytes = body.as_ref().map_or_else(|_| bytes::Bytes::new(), Clone::clone);
    let found = match route(&parts, &bytes, crate::services::schemas()) {
        Route::Aws(found) => found,
        other => return unknown(&other, &request_id),
    };
    let Found { service, protocol, operation, .. } = &found;
    let call = Call { service: *service, protocol: *protocol, operation: *operation };
    let outcome = match body {
        Ok(bytes) => answer(gateway, call, &found, parts, bytes, &request_id).await,
        Err(ReadError::TooLarge) => Err(too_large(limit)),
        Err(ReadError::Broken) => Err(AwsError::client(
            "IncompleteBody",
            "The request body ended before it was complete.",
        )),
    };
    outcome.unwrap_or_else(|error| refuse(call, &error, &request_id))
}

async fn answer(
    gateway: &Gateway,
    call: Call,
    found: &Found,
    parts: Parts,
    body: bytes::Bytes,
    request_id: &str,
) -> Result<Response<Body>, AwsError> {
    let house = &gateway.built.house;
    let caller = auth::caller(&gateway.mode, &parts, &body, &gateway.default_scope, house.now());
    let (scope, principal) = caller.map_err(|refusal| refused(call, refusal))?;
    let Some(operation) = call.operation else {
        return Err(unknown_operation(call, found));
    };
    let service = house.caller.service(call.service.id);
    let Some(service) = service.filter(|s| s.status(operation.name) != Status::NotYet) else {
        return Err(AwsError::not_implemented(call.service.id, operation.name));
    };
    let request = Request::from_parts(parts, body);
    let input = protocol::decode(call.service, call.protocol, operation, &request)
        .map_err(|e| AwsError::client(e.code, e.message).status(e.status))?;
    if let Some(shape) = operation.input {
        validate(shape, &input).map_err(|invalid| service.invalid(&invalid))?;
    }
    let cx = Ctx {
        request_id: request_id.to_owned(),
        scope: scope.clone(),
        principal,
        house: house.clone(),
    };
    let watch = Stopwatch::start();
    let output = service.call(cx, operation, input).await;
    tracing::debug!(
        request_id, account = %scope.account, region = %scope.region,
        service = call.service.id, operation = operation.name,
        micros = watch.elapsed().as_micros() as u64,
        error = output.as_ref().err().map(|e| e.code.as_str()),
        "call"
    );
    let reply = protocol::encode(call.service, call.protocol, operation, &output?, request_id);
    Ok(reply.map(full))
}

/// Writes an error in the caller's protocol; our own failures are logged with their cause, once.
fn refuse(call: Call, error: &AwsError, request_id: &str) -> Response<Body> {
    if error.status >= 500 && error.code != "NotImplemented" {
        let causes: Vec<String> =
            std::iter::successors(error.source(), |e| e.source()).map(ToString::to_string).collect();
        tracing::error!(
            request_id, service = call.service.id,
            operation = call.operation.map(|o| o.name), %error, ?causes, "call failed"
        );
    }
    let reply = ErrorReply {
        code: error.code.clone(),
        message: error.message.clone(),
        status: error.status,
        fault: error.fault,
        fields: error.fields.clone(),
        request_id: request_id.to_owned(),
    };
    protocol::encode_error(call.service, call.protocol, call.operation, &reply).map(full)
}

fn too_large(limit: usize) -> AwsError {
    AwsError::client(
        "RequestEntityTooLargeException",
        format!("The request body is larger than {limit} bytes."),
    )
    .status(413)
}

fn unknown_operation(call: Call, found: &Found) -> AwsError {
    let name = found.name.as_deref().unwrap_or_default();
    match call.protocol {
        Protocol::Query | Protocol::Ec2 => AwsError::client(
            "InvalidAction",
            format!("Could not find operation {name} for version {}", call.service.api_version),
        ),
        _ => AwsError::client(
            "UnknownOperationException",
            format!("The operation {name} is not one of {}.", call.service.sdk_id),
        ),
    }
}

fn refused(call: Call, refusal: auth::Refusal) -> AwsError {
    let style = match call.protocol {
        _ if call.service.id == "s3" => ErrorStyle::S3,
        Protocol::AwsJson10 | Protocol::AwsJson11 | Protocol::RpcV2Cbor => ErrorStyle::Json,
        Protocol::RestJson => ErrorStyle::RestJson,
        Protocol::Query | Protocol::RestXml => ErrorStyle::Query,
        Protocol::Ec2 => ErrorStyle::Ec2,
    };
    let error = match refusal {
        auth::Refusal::Signature(error) => error,
        auth::Refusal::Region(region) => SigV4Error::Mismatch(format!(
            "Credential should be scoped to a valid region, not '{region}'."
        )),
    };
    let answer = error.answer(style);
    AwsError::client(answer.code, answer.message).status(answer.status)
}

/// No AWS service is addressed: say what this port serves.
fn unknown(_: &Route, request_id: &str) -> Response<Body> {
    let body = serde_json::json!({
        "__type": "UnknownOperationException",
        "message": "No AWS service is recognised in this request. See GET /health for what runs here.",
    });
    let mut response = Response::new(full(body.to_string()));
    *response.status_mut() = http::StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    let json = http::HeaderValue::from_static("application/x-amz-json-1.1");
    headers.insert(http::header::CONTENT_TYPE, json);
    if let Ok(id) = http::HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

//! One AWS call: route, authenticate, decode, validate, dispatch, encode.

use super::body::{Body, ReadError, full, read};
use super::encoding::{EncodingError, plain};
use super::{Gateway, auth};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use neargate_base::time::Stopwatch;
use neargate_service::{AwsError, Ctx, Status};
use neargate_wire::json;
use neargate_wire::protocol::{self, ErrorReply};
use neargate_wire::route::{Found, Route, UNSERVED, route, unknown_operation};
use neargate_wire::schema;
use neargate_wire::schema::{Operation, Protocol};
use neargate_wire::sigv4::{ErrorStyle, SigV4Error};
use neargate_wire::validate::validate;
use std::error::Error;

/// The largest body of any call but the one below: a full `PutLogEvents` batch fits, with its escapes.
const MAX_BODY_BYTES: usize = 8 << 20;
/// The largest body read of a caller whose key is not known, to answer it properly.
const MAX_UNKNOWN_BODY_BYTES: usize = 64 << 10;
/// `UploadLayerPart` carries up to 20 MiB as base64.
const MAX_LAYER_PART_BYTES: usize = 32 << 20;

/// Where a call goes, and in which protocol it is answered.
#[derive(Clone, Copy)]
struct Call {
    service: &'static schema::Service,
    protocol: Protocol,
    operation: Option<&'static Operation>,
}

/// A call whose service and operation the head of the request names.
pub(super) async fn handle(
    gateway: &Gateway,
    found: Found,
    parts: Parts,
    incoming: Incoming,
) -> Response<Body> {
    let large = found.operation.is_some_and(|o| o.name == "UploadLayerPart");
    let limit = if large {
        MAX_LAYER_PART_BYTES
    } else {
        MAX_BODY_BYTES
    };
    let limit = allowed(gateway, &parts, limit);
    let body = read(incoming, limit, gateway.patience)
        .await
        .map_err(|e| unreadable(&e, limit));
    respond(gateway, &found, parts, body).await
}

/// The limit for this caller: nobody fills the memory without a key.
fn allowed(gateway: &Gateway, parts: &Parts, limit: usize) -> usize {
    if auth::is_known(&gateway.mode, parts) {
        limit
    } else {
        limit.min(MAX_UNKNOWN_BODY_BYTES)
    }
}

/// A form post: the body names the operation.
pub(super) async fn handle_form(
    gateway: &Gateway,
    parts: Parts,
    incoming: Incoming,
) -> Response<Body> {
    let limit = allowed(gateway, &parts, MAX_BODY_BYTES);
    let body = read(incoming, limit, gateway.patience).await;
    let body = body.map_err(|e| unreadable(&e, limit));
    // What cannot be read names nothing here, and is refused where it is answered.
    let form = body
        .as_ref()
        .ok()
        .and_then(|b| plain(&parts.headers, b, MAX_BODY_BYTES).ok());
    match route(
        &parts,
        &form.unwrap_or_default(),
        crate::services::schemas(),
    ) {
        Route::Aws(found) => respond(gateway, &found, parts, body).await,
        Route::Unserved {
            name,
            protocol,
            operation,
        } => unserved(gateway, &name, protocol, operation.as_deref()),
        _ => super::own::unknown(&gateway.built.house.rng.uuid()),
    }
}

/// A service AWS has and nobody here knows.
pub(super) fn unserved(
    gateway: &Gateway,
    name: &str,
    protocol: Protocol,
    operation: Option<&str>,
) -> Response<Body> {
    let request_id = gateway.built.house.rng.uuid();
    let call = Call {
        service: &UNSERVED,
        protocol,
        operation: None,
    };
    let error = AwsError::not_implemented(name, operation.unwrap_or("*"));
    refuse(call, &error, &request_id)
}

async fn respond(
    gateway: &Gateway,
    found: &Found,
    parts: Parts,
    body: Result<Bytes, AwsError>,
) -> Response<Body> {
    let request_id = gateway.built.house.rng.uuid();
    let call = Call {
        service: found.service,
        protocol: found.protocol,
        operation: found.operation,
    };
    let outcome = match body {
        Ok(bytes) => answer(gateway, call, found, parts, bytes, &request_id).await,
        Err(error) => Err(error),
    };
    outcome.unwrap_or_else(|error| refuse(call, &error, &request_id))
}

async fn answer(
    gateway: &Gateway,
    call: Call,
    found: &Found,
    parts: Parts,
    body: Bytes,
    request_id: &str,
) -> Result<Response<Body>, AwsError> {
    let house = &gateway.built.house;
    let signing_name = call.service.signing_name;
    let caller = auth::caller(
        &gateway.mode,
        signing_name,
        &parts,
        &body,
        &gateway.default_scope,
        house.now(),
    );
    let (scope, principal) = caller.map_err(|refusal| refused(call, refusal))?;
    let body = if call.service.id == "s3" {
        body
    } else {
        plain(&parts.headers, &body, MAX_BODY_BYTES).map_err(undecodable)?
    };
    let Some(operation) = call.operation else {
        let unknown = unknown_operation(found);
        return Err(AwsError::client(unknown.code, unknown.message).status(unknown.status));
    };
    let service = house.caller.service(call.service.id);
    let Some(service) = service.filter(|s| s.status(operation.name) != Status::NotYet) else {
        return Err(AwsError::not_implemented(call.service.id, operation.name));
    };
    let mut request = Request::from_parts(parts, body);
    let decode = |request: &_| protocol::decode(call.service, call.protocol, operation, request);
    let mut input = decode(&request);
    if input.is_err() && service.takes_any_text(operation.name) {
        *request.body_mut() = json::mended(request.body()).into();
        input = decode(&request);
    }
    let mut input = input.map_err(|e| AwsError::client(e.code, e.message).status(e.status))?;
    service.admit(operation, &mut input);
    if let Some(shape) = operation.input {
        validate(&shape, &input).map_err(|invalid| service.invalid(&invalid))?;
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
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
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

fn unreadable(why: &ReadError, limit: usize) -> AwsError {
    match why {
        ReadError::TooLarge => too_large(limit),
        ReadError::Broken => AwsError::client(
            "IncompleteBody",
            "The request body ended before it was complete.",
        ),
        ReadError::Stalled => {
            AwsError::client("RequestTimeout", "The request body was not sent in time.").status(408)
        }
    }
}

fn undecodable(why: EncodingError) -> AwsError {
    match why {
        EncodingError::TooLarge => too_large(MAX_BODY_BYTES),
        EncodingError::Broken => AwsError::client(
            "SerializationException",
            "The request body is not what its Content-Encoding says.",
        ),
    }
}

fn too_large(limit: usize) -> AwsError {
    AwsError::client(
        "RequestEntityTooLargeException",
        format!("The request body is larger than {limit} bytes."),
    )
    .status(413)
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

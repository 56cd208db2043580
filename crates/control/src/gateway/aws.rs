//! One AWS call: route, authenticate, decode, validate, dispatch, encode.

use super::auth::{self, Caller, Shown};
use super::body::{Paced, ReadError, beginning, full, going_on, read};
use super::encoding::{EncodingError, plain};
use super::memory::HeldMemory;
use super::{Gateway, Peer};
use bytes::Bytes;
use http::header::{HOST, HeaderName, REFERER, USER_AGENT};
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use neargate_base::time::Stopwatch;
use neargate_service::authority::{self, Circumstances};
use neargate_service::door::Body;
use neargate_service::table::MAX_BODY_BYTES;
use neargate_service::{AwsError, Ctx, Status};
use neargate_wire::json;
use neargate_wire::protocol::{self, ErrorReply};
use neargate_wire::route::{Found, Route, UNSERVED, route, unknown_operation};
use neargate_wire::schema;
use neargate_wire::schema::{Operation, Protocol};
use neargate_wire::sigv4::{ErrorStyle, SigV4Error};
use neargate_wire::validate::validate;
use std::error::Error;
use std::sync::Arc;

/// So much of a stranger's form tells which service he means.
const MAX_NAMED_BYTES: usize = 4 << 10;

/// The longest form of a caller who does not sign: it may hold a token of 20,000 characters.
const MAX_UNSIGNED_BYTES: usize = 32 << 10;

/// Where a call goes, and in which protocol it is answered.
#[derive(Clone, Copy)]
struct Call {
    service: &'static schema::Service,
    protocol: Protocol,
    operation: Option<&'static Operation>,
}

/// A call's body, and who calls.
struct Heard {
    caller: Caller,
    /// As it was sent.
    body: Bytes,
    /// The memory that the body takes while the call goes on.
    _memory: HeldMemory,
}

/// What a body is without its compression.
type Inflated = Result<Bytes, EncodingError>;

/// Why a call is not answered as asked.
enum Refusal {
    /// Nobody was shown to call.
    Caller(auth::Refusal),
    Call(AwsError),
}

impl From<AwsError> for Refusal {
    fn from(error: AwsError) -> Self {
        Refusal::Call(error)
    }
}

/// A call whose service and operation the head of the request names.
pub(super) async fn handle(
    gateway: &Gateway,
    peer: &Peer,
    found: Found,
    parts: Parts,
    incoming: Incoming,
) -> Response<Body> {
    let service = gateway.house().caller.service(found.service.id);
    let limit = match (service, found.operation) {
        (Some(service), Some(operation)) => service.max_body_bytes(operation.name),
        _ => MAX_BODY_BYTES,
    };
    let mut heard = hear(gateway, peer, &parts, incoming, limit).await;
    // A link that somebody follows: all that it says is in the URL.
    if parts.method == Method::GET && is_for_anybody(gateway, &found, &heard) {
        heard = Ok(Heard {
            caller: Caller::nobody(gateway.default_scope.clone()),
            body: Bytes::new(),
            _memory: gateway.memory.strangers.hold(peer.origin),
        });
    }
    respond(gateway, peer, &found, parts, heard, None).await
}

/// The body of a call, once its head has shown that somebody may be calling. Of everybody else
/// nothing more is read.
async fn hear(
    gateway: &Gateway,
    peer: &Peer,
    parts: &Parts,
    incoming: Incoming,
    limit: usize,
) -> Result<Heard, Refusal> {
    let shown = look(gateway, peer, parts)?;
    hear_out(gateway, peer, parts, shown, incoming, limit).await
}

fn look(gateway: &Gateway, peer: &Peer, parts: &Parts) -> Result<Shown, Refusal> {
    let (mode, house) = (&gateway.mode, gateway.house());
    let shown = auth::look(mode, house, peer.free, parts, &gateway.default_scope);
    shown.map_err(Refusal::Caller)
}

async fn hear_out(
    gateway: &Gateway,
    peer: &Peer,
    parts: &Parts,
    shown: Shown,
    incoming: Incoming,
    limit: usize,
) -> Result<Heard, Refusal> {
    let (memory, patience, in_all) = if shown.is_settled() {
        let patience = gateway.patience;
        (&gateway.memory.callers, patience, patience * 20)
    } else {
        let patience = gateway.patience / 3;
        (&gateway.memory.strangers, patience, patience * 30)
    };
    let mut held = memory.hold(peer.origin);
    let paced = Paced::new(incoming, patience, Some(in_all));
    let body = read(paced, limit, Some(&mut held)).await;
    let body = body.map_err(|e| unreadable(&e, limit))?;
    let caller = auth::prove(gateway.house(), shown, parts, &body);
    Ok(Heard {
        caller: caller.map_err(Refusal::Caller)?,
        body,
        _memory: held,
    })
}

/// A form post: the body names the operation.
pub(super) async fn handle_form(
    gateway: &Gateway,
    peer: &Peer,
    parts: Parts,
    incoming: Incoming,
) -> Response<Body> {
    // Whoever is refused is refused in the words of the service he names, which takes but the
    // beginning of what he sends. Where another proof than a signature is in the form, it is no
    // longer than that.
    let mut held = gateway.memory.strangers.hold(peer.origin);
    let (heard, form) = match look(gateway, peer, &parts) {
        Ok(shown) => {
            let limit = MAX_BODY_BYTES;
            let heard = hear_out(gateway, peer, &parts, shown, incoming, limit).await;
            let form = heard.as_ref().ok();
            let form = form.map(|h| plain(&parts.headers, &h.body, limit));
            (heard, form)
        }
        Err(refusal) => {
            let brief = gateway.patience / 15;
            let paced = Paced::new(incoming, brief, Some(brief));
            let most = match held.grow_to(MAX_UNSIGNED_BYTES) {
                true => MAX_UNSIGNED_BYTES,
                false => MAX_NAMED_BYTES,
            };
            let named = beginning(paced, most).await;
            (Err(refusal), Some(Ok(named)))
        }
    };
    let named = match &form {
        Some(Ok(form)) => form.clone(),
        Some(Err(_)) | None => Bytes::new(),
    };
    match route(&parts, &named, crate::services::schemas()) {
        Route::Aws(found) if is_for_anybody(gateway, &found, &heard) => {
            let heard = Heard {
                caller: Caller::nobody(gateway.default_scope.clone()),
                body: named,
                _memory: held,
            };
            respond(gateway, peer, &found, parts, Ok(heard), form).await
        }
        Route::Aws(found) => respond(gateway, peer, &found, parts, heard, form).await,
        Route::Unserved {
            name,
            protocol,
            operation,
        } => peer.last(unserved(gateway, &name, protocol, operation.as_deref())),
        _ => peer.last(super::own::unknown(&gateway.house().rng.uuid())),
    }
}

/// Is it an operation that needs no signature, and is there none?
fn is_for_anybody(gateway: &Gateway, found: &Found, heard: &Result<Heard, Refusal>) -> bool {
    let unsigned = matches!(
        heard,
        Err(Refusal::Caller(auth::Refusal::Signature(
            SigV4Error::MissingToken
        )))
    );
    let service = gateway.house().caller.service(found.service.id);
    let named = service.zip(found.operation);
    unsigned && named.is_some_and(|(service, operation)| service.is_for_anybody(operation.name))
}

/// A service AWS has and nobody here knows.
pub(super) fn unserved(
    gateway: &Gateway,
    name: &str,
    protocol: Protocol,
    operation: Option<&str>,
) -> Response<Body> {
    let request_id = gateway.house().rng.uuid();
    let call = Call {
        service: &UNSERVED,
        protocol,
        operation: None,
    };
    let error = AwsError::not_implemented(name, operation.unwrap_or("*"));
    refuse(call, &error, &request_id)
}

/// `inflated` is the body, where it was needed to find the operation.
async fn respond(
    gateway: &Gateway,
    peer: &Peer,
    found: &Found,
    parts: Parts,
    heard: Result<Heard, Refusal>,
    inflated: Option<Inflated>,
) -> Response<Body> {
    let request_id = gateway.house().rng.uuid();
    let call = Call {
        service: found.service,
        protocol: found.protocol,
        operation: found.operation,
    };
    let outcome = match heard {
        Ok(heard) => {
            let from = circumstances(gateway, peer, &parts);
            let id = &request_id;
            answer(gateway, call, found, parts, heard, inflated, &from, id).await
        }
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(response) => response,
        Err(Refusal::Call(error)) => refuse(call, &error, &request_id),
        Err(Refusal::Caller(why)) => peer.last(refuse(call, &refused(call, why), &request_id)),
    }
}

#[expect(clippy::too_many_arguments, reason = "a call in all its parts")]
async fn answer(
    gateway: &Gateway,
    call: Call,
    found: &Found,
    parts: Parts,
    heard: Heard,
    inflated: Option<Inflated>,
    from: &Circumstances,
    request_id: &str,
) -> Result<Response<Body>, Refusal> {
    let house = gateway.house();
    let Heard {
        caller,
        body,
        _memory,
    } = heard;
    caller
        .calls(call.service.signing_name)
        .map_err(Refusal::Caller)?;
    let for_anybody = call.operation.is_some_and(|operation| {
        let service = house.caller.service(call.service.id);
        service.is_some_and(|service| service.is_for_anybody(operation.name))
    });
    if !caller.is_signed() && !for_anybody && changes_by_get(call, &parts) {
        return Err(Refusal::Caller(SigV4Error::MissingToken.into()));
    }
    let body = if call.service.keeps_content_encoding() {
        body
    } else {
        inflated
            .unwrap_or_else(|| plain(&parts.headers, &body, MAX_BODY_BYTES))
            .map_err(undecodable)?
    };
    let Some(operation) = call.operation else {
        let unknown = unknown_operation(found);
        return Err(AwsError::client(unknown.code, unknown.message)
            .status(unknown.status)
            .into());
    };
    let service = house.caller.service(call.service.id);
    let Some(service) = service.filter(|s| s.status(operation.name) != Status::NotYet) else {
        return Err(AwsError::not_implemented(call.service.id, operation.name).into());
    };
    if service.refuses_users_sessions() && caller.principal.is_users_session() {
        return Err(Refusal::Caller(SigV4Error::UnknownKey.into()));
    }
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
    let is_signed = caller.is_signed();
    let reached_at = reached_at(gateway, &request);
    let cx = Ctx {
        request_id: request_id.to_owned(),
        scope: caller.scope,
        principal: caller.principal,
        reached_at,
        house: house.clone(),
    };
    // Who needs no proof is free of policies, too.
    if is_signed {
        authority::authorize(&cx, from, &**service, operation, &input).await?;
    }
    if service.goes_on(operation.name) {
        let events = service.open(cx, operation, input).await?;
        return Ok(going_on(operation, events, request_id));
    }
    let scope = cx.scope.clone();
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

/// The address that the caller knows the API by.
fn reached_at(gateway: &Gateway, request: &protocol::Request) -> Option<Arc<str>> {
    let authority = request.uri().authority().map(|a| a.as_str());
    let host = || request.headers().get(HOST)?.to_str().ok();
    let host = authority.or_else(host).filter(|host| !host.is_empty())?;
    let scheme = if gateway.tls.is_some() {
        "https"
    } else {
        "http"
    };
    Some(format!("{scheme}://{host}").into())
}

/// How a call came in, as far as policies ask.
fn circumstances(gateway: &Gateway, peer: &Peer, parts: &Parts) -> Circumstances {
    let header = |name: HeaderName| {
        let value = parts.headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    Circumstances {
        source: Some(peer.address),
        secure: gateway.house().settings.is_secure(),
        user_agent: header(USER_AGENT),
        referer: header(REFERER),
        via: None,
        sender: None,
    }
}

/// Is this a GET where the caller chose to make it one, of an operation that changes something?
/// Anything that follows a link sends GETs, a registry's client among them: without a signature
/// they only read, but for operations that bring a proof of their own. Where AWS's model itself says GET, the operation does.
fn changes_by_get(call: Call, parts: &Parts) -> bool {
    let by_choice = !matches!(call.protocol, Protocol::RestJson | Protocol::RestXml);
    let reads = |name: &str| {
        ["Describe", "Get", "List"]
            .iter()
            .any(|v| name.starts_with(v))
    };
    let safe = matches!(parts.method, Method::GET | Method::HEAD);
    safe && by_choice && call.operation.is_some_and(|o| !reads(o.name))
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
        // AWS's clients wait and try again.
        ReadError::NoRoom => AwsError::client(
            "ThrottlingException",
            "Too many large requests are being sent at the same time.",
        )
        .status(503),
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
    let style = ErrorStyle::of(call.service, call.protocol);
    let error = match refusal {
        auth::Refusal::Signature(error) => error,
        auth::Refusal::Region(region) => SigV4Error::Mismatch(format!(
            "Credential should be scoped to a valid region, not '{region}'."
        )),
    };
    let answer = error.answer(style);
    AwsError::client(answer.code, answer.message).status(answer.status)
}

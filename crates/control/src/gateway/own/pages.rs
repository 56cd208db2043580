//! Who asks for Neargate's own pages, `/_neargate/...`: callers are authenticated as those of every
//! AWS call. [`crate::pages`] answers them.

use super::super::auth::{self, Shown};
use super::super::body::{Paced, full, read};
use super::super::{Gateway, Peer};
use super::{answer, refuse};
use crate::pages::Page;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use neargate_service::door::Body;
use neargate_service::identity::Kind;
use neargate_service::{AwsError, Scope};
use neargate_wire::sigv4::{ErrorStyle, SigV4Error};

/// The service name of these calls' signatures.
pub const OWN_SIGNING_NAME: &str = "neargate";

const MAX_BODY_BYTES: usize = 64 << 10;

/// Everything under `/_neargate/` but the reset.
pub(super) async fn serve(
    gateway: &Gateway,
    peer: &Peer,
    parts: Parts,
    incoming: Incoming,
) -> Response<Body> {
    let request_id = gateway.house().rng.uuid();
    let (scope, body) = match hear(gateway, peer, &parts, incoming).await {
        Ok(heard) => heard,
        Err(error) => return peer.last(failed(&error, &request_id)),
    };
    match gateway.pages.serve(&scope, &parts, &body).await {
        Ok(Page::Json(value)) => answer(StatusCode::OK, &value),
        Ok(Page::Text(text)) => {
            let mut response = Response::new(full(text));
            let form = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, form);
            response
        }
        Ok(Page::Lines(lines)) => {
            let mut response = Response::new(lines);
            let lines = HeaderValue::from_static("application/x-ndjson");
            response.headers_mut().insert(header::CONTENT_TYPE, lines);
            response
        }
        Err(error) => {
            if error.status >= 500 {
                tracing::error!(request_id, path = parts.uri.path(), %error, "call failed");
            }
            failed(&error, &request_id)
        }
    }
}

/// Whose pages are asked for, and the request's body.
async fn hear(
    gateway: &Gateway,
    peer: &Peer,
    parts: &Parts,
    incoming: Incoming,
) -> Result<(Scope, Bytes), AwsError> {
    let (mode, house) = (&gateway.mode, gateway.house());
    let shown: Shown =
        auth::look(mode, house, peer.free, parts, &gateway.default_scope).map_err(refused)?;
    let mut held = gateway.memory.strangers.hold(peer.origin);
    let paced = Paced::new(incoming, gateway.patience, Some(gateway.patience));
    let body = read(paced, MAX_BODY_BYTES, Some(&mut held)).await;
    let body = body.map_err(|_| {
        AwsError::client("SerializationException", "The request body cannot be read.")
    })?;
    let caller = auth::prove(house, shown, parts, &body).map_err(refused)?;
    caller.calls(OWN_SIGNING_NAME).map_err(refused)?;
    if caller.principal.kind != Kind::Root {
        return Err(AwsError::client(
            "AccessDeniedException",
            format!(
                "User: {} is not authorized to ask for Neargate's own pages: only the root of an account is.",
                caller.principal.arn
            ),
        )
        .status(403));
    }
    Ok((caller.scope, body))
}

/// An error as these pages answer it.
fn failed(error: &AwsError, request_id: &str) -> Response<Body> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    refuse(status, &error.code, &error.message, request_id)
}

fn refused(refusal: auth::Refusal) -> AwsError {
    let error = match refusal {
        auth::Refusal::Signature(error) => error,
        auth::Refusal::Region(region) => SigV4Error::Mismatch(format!(
            "Credential should be scoped to a valid region, not '{region}'."
        )),
    };
    let answer = error.answer(ErrorStyle::RestJson);
    AwsError::client(answer.code, answer.message).status(answer.status)
}

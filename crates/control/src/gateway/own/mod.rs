//! Our own pages: health, the development-mode reset, refusals; [`pages`] serves the rest.

mod pages;

pub use pages::OWN_SIGNING_NAME;

use super::body::full;
use super::guard::Refused;
use super::{Gateway, Peer, Reset};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use neargate_service::door::Body;
use serde_json::{Value, json};

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(full(body.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}

/// Answers an error that belongs to no AWS service, in the form every AWS JSON client reads.
pub(super) fn refuse(
    status: StatusCode,
    code: &str,
    message: &str,
    request_id: &str,
) -> Response<Body> {
    let mut response = answer(status, &json!({ "__type": code, "message": message }));
    if let Ok(id) = http::HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

pub(super) fn refused(why: &Refused, request_id: &str) -> Response<Body> {
    let code = match why.status() {
        StatusCode::FORBIDDEN => "AccessDeniedException",
        _ => "BadRequestException",
    };
    refuse(why.status(), code, &why.to_string(), request_id)
}

/// That it runs. To callers who need no proof also what: every service that has handlers, and
/// the nodes connected; that is nothing for whoever passes by.
pub(super) fn health(gateway: &Gateway, peer: &Peer) -> Response<Body> {
    if !peer.free {
        return peer.last(answer(StatusCode::OK, &json!({ "status": "ok" })));
    }
    let services: serde_json::Map<String, Value> = gateway
        .house()
        .caller
        .services()
        .map(|s| (s.schema().id.to_owned(), json!("running")))
        .collect();
    let body = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "services": services,
        "nodes": gateway.pages.nodes(),
    });
    answer(StatusCode::OK, &body)
}

/// Everything under `/_neargate/`.
pub(super) async fn internal(
    gateway: &Gateway,
    peer: &Peer,
    parts: Parts,
    incoming: Incoming,
) -> Response<Body> {
    if parts.uri.path() == "/_neargate/reset" {
        return reset(&parts, peer, gateway.reset.as_ref()).await;
    }
    if let Some(rest) = parts.uri.path().strip_prefix(neargate_ses::identity::LINKS) {
        return peer.last(verify(gateway, &parts, rest).await);
    }
    pages::serve(gateway, peer, parts, incoming).await
}

/// Somebody follows the link in a mail, which is proof enough.
async fn verify(gateway: &Gateway, parts: &Parts, rest: &str) -> Response<Body> {
    if parts.method != Method::GET {
        return answer(
            StatusCode::METHOD_NOT_ALLOWED,
            &json!({ "message": "use GET" }),
        );
    }
    match neargate_ses::identity::follow(gateway.house(), rest).await {
        Ok(Some(verified)) => {
            let message = format!("You have successfully verified {verified}.");
            answer(StatusCode::OK, &json!({ "message": message }))
        }
        Ok(None) => {
            let message = "This link verifies no email address, or none any more.";
            answer(StatusCode::NOT_FOUND, &json!({ "message": message }))
        }
        Err(error) => {
            tracing::warn!(%error, "an address is not verified");
            let message = "Try again later.";
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                &json!({ "message": message }),
            )
        }
    }
}

/// `POST /_neargate/reset`: stop every task and forget all state. Only in development mode, and
/// only for callers who need no proof there.
async fn reset(parts: &Parts, peer: &Peer, reset: Option<&Reset>) -> Response<Body> {
    let Some(reset) = reset.filter(|_| peer.free) else {
        let message = "reset works in development mode on loopback only, for root and the users \
                       of the trusted group";
        return peer.last(answer(
            StatusCode::FORBIDDEN,
            &json!({ "message": message }),
        ));
    };
    if parts.method != Method::POST {
        return answer(
            StatusCode::METHOD_NOT_ALLOWED,
            &json!({ "message": "use POST" }),
        );
    }
    match reset().await {
        Ok(()) => answer(StatusCode::OK, &json!({ "status": "reset" })),
        Err(message) => answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({ "message": message }),
        ),
    }
}

/// Whoever opens this server's address in a browser wants the console.
pub(super) fn front() -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::FOUND;
    let console = http::HeaderValue::from_static(neargate_console::PATH);
    response
        .headers_mut()
        .insert(http::header::LOCATION, console);
    response
}

/// No AWS service is addressed: say what this port serves.
pub(super) fn unknown(request_id: &str) -> Response<Body> {
    let message =
        "No AWS service is recognised in this request. See GET /health for what runs here.";
    refuse(
        StatusCode::NOT_FOUND,
        "UnknownOperationException",
        message,
        request_id,
    )
}

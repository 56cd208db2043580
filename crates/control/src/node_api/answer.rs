//! Requests and answers of the node API as HTTP.

use super::tokens::refused;
use crate::gateway::body::{self, Body, ReadError, full};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use neargate_domain::link::Refusal;
use neargate_service::{AwsError, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A node must send each piece of its request within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// The request's body as JSON.
pub(super) async fn read<T: DeserializeOwned>(
    request: Request<Incoming>,
    limit: usize,
) -> Result<T, AwsError> {
    let bytes = body::read(request.into_body(), limit, PATIENCE).await;
    let bytes = bytes.map_err(|e| match e {
        ReadError::TooLarge => refused("The request is too large."),
        ReadError::Broken | ReadError::Stalled => {
            AwsError::server("Broken", "The request broke off.").status(503)
        }
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|e| refused(format!("The request is not understood: {e}")))
}

pub(super) fn json<T: Serialize>(value: &T) -> Response<Body> {
    let bytes = serde_json::to_vec(value).expect("answers have string keys only");
    let mut response = Response::new(full(bytes));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Final for a caller's fault, 503 otherwise.
pub(super) fn refusal(error: &AwsError) -> Response<Body> {
    let status = match error.fault {
        Fault::Client => StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST),
        Fault::Server => {
            tracing::warn!(%error, cause = ?error.source, "a node's request failed");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    // Refusals are for the operator; AWS's errors keep their name, as AWS's agent shows them.
    let message = match error.code.as_str() {
        "Refused" => error.message.clone(),
        _ => error.to_string(),
    };
    let mut response = json(&Refusal { message });
    *response.status_mut() = status;
    response
}

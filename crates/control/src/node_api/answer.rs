//! Requests and answers of the node API as HTTP.

use crate::error::{self, refused};
use crate::gateway::body::full;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use neargate_domain::link::Refusal;
use neargate_service::door::{Body, BoxError};
use neargate_service::{AwsError, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A request's body must be there within this time, the wait for room included.
const PATIENCE: Duration = Duration::from_secs(30);

/// The room that a request's body takes of its node's budget, until it is dropped.
pub(super) type Held = Option<OwnedSemaphorePermit>;

/// The request's body as JSON. `budget` is the room, in KiB, for all bodies of the caller's node.
pub(super) async fn read<T: DeserializeOwned>(
    request: Request<Incoming>,
    limit: usize,
    budget: Option<&Arc<Semaphore>>,
) -> Result<(T, Held), AwsError> {
    let body = request.into_body();
    let too_large = || refused("The request is too large.");
    // HTTP/2 holds a caller to the length it declares.
    let length = body.size_hint().upper().unwrap_or(limit as u64);
    let length = usize::try_from(length).map_err(|_| too_large())?;
    if length > limit {
        return Err(too_large());
    }
    let whole = tokio::time::timeout(PATIENCE, async {
        let held = match budget {
            Some(budget) => Some(reserve(budget.clone(), length).await),
            None => None,
        };
        Ok((Limited::new(body, length).collect().await?, held))
    });
    let whole: Result<_, BoxError> = whole.await.unwrap_or_else(|late| Err(late.into()));
    let (bytes, held) = whole.map_err(|e| match e.is::<LengthLimitError>() {
        true => too_large(),
        false => AwsError::server("Broken", "The request broke off.").status(503),
    })?;
    let read = serde_json::from_slice(&bytes.to_bytes())
        .map_err(|e| refused(format!("The request is not understood: {e}")))?;
    Ok((read, held))
}

async fn reserve(budget: Arc<Semaphore>, length: usize) -> OwnedSemaphorePermit {
    let kib = u32::try_from(length.div_ceil(1 << 10)).expect("limits are a few MiB");
    let held = budget.acquire_many_owned(kib).await;
    held.expect("budgets are never closed")
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
    let message = error::text(error);
    let mut response = json(&Refusal { message });
    *response.status_mut() = status;
    response
}

//! The OCI distribution v2 registry.

use crate::ecr::Ecr;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use neargate_service::{House, Scope};
use std::sync::Arc;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How callers of the registry are recognised.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account and region of names that carry none.
    pub default_scope: Scope,
    /// Demand a token of `GetAuthorizationToken`.
    pub enforced: bool,
}

/// Serve one request under `/v2/`.
pub async fn serve(
    _ecr: Arc<Ecr>,
    _house: Arc<House>,
    _caller: Caller,
    _request: http::Request<Incoming>,
) -> http::Response<UnsyncBoxBody<Bytes, BoxError>> {
    let mut response = http::Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = http::StatusCode::NOT_IMPLEMENTED;
    response
}

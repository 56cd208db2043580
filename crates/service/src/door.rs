//! HTTP that a service answers itself, beside AWS's protocols.

use crate::{House, Scope};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use std::fmt::Debug;
use std::sync::Arc;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An answer's body, whole or streamed.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A request's body. How long it may take is its maker's to bound.
pub type RequestBody = UnsyncBoxBody<Bytes, BodyError>;

/// Why a request's body is not there.
#[derive(Debug, thiserror::Error)]
#[error("the request body ended before it was complete")]
pub struct BodyError(#[source] pub BoxError);

/// Who comes through a door, as far as the connection tells.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The account and region of names that carry none.
    pub default_scope: Scope,
    /// He must show who he is.
    pub must_prove: bool,
}

/// Answers every request that comes through a door.
#[async_trait]
pub trait HttpDoor: Debug + Send + Sync {
    /// An answer of 401 or 403 is the connection's last, unless the visitor needs no proof.
    async fn serve(
        &self,
        house: Arc<House>,
        visitor: Visitor,
        request: Request<RequestBody>,
    ) -> Response<Body>;
}

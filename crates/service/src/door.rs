//! HTTP that a service answers itself, beside AWS's protocols.

use crate::{House, Principal, Scope};
use async_trait::async_trait;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use neargate_base::{AccountId, Secret};
use neargate_wire::sigv4::{Claim, SigV4Error};
use std::fmt::Debug;
use std::net::IpAddr;
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
    /// His address; `None`: he came by a socket of this host's file system.
    pub source: Option<IpAddr>,
    /// He must show who he is.
    pub must_prove: bool,
    /// Whose keys there are, for a door that judges signatures itself.
    pub keys: Arc<dyn Keys>,
}

/// Somebody who signs.
#[derive(Debug, Clone)]
pub struct Signer {
    /// `None`: he needs no proof, and nothing is known to prove it with.
    pub secret: Option<Secret<String>>,
    pub account: AccountId,
    pub principal: Principal,
}

/// Who signs with a key.
pub trait Keys: Debug + Send + Sync {
    /// Who makes this claim, which is not proven by it.
    ///
    /// # Errors
    /// When nobody has the key, or its session is over.
    fn signer(&self, claim: &Claim) -> Result<Signer, SigV4Error>;
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

    /// Is a request meant for this door that names no service at all?
    async fn claims(&self, _house: &Arc<House>, _parts: &Parts) -> bool {
        false
    }
}

//! Git's smart HTTP (<https://git-scm.com/docs/http-protocol>), as `git http-backend` speaks it.
//!
//! It knows who calls and what he may; the rest is git's own programs, between whose ends and the connection's
//! bytes flow as they come: nothing of a pack is kept here.

mod access;
mod body;
mod commands;
mod fetch;
mod push;
mod refusal;
mod reply;
mod route;

use crate::CodeCommit;
use crate::model::Repository;
use async_trait::async_trait;
use http::request::Parts;
use neargate_service::door::{Body, HttpDoor, RequestBody, Visitor};
use neargate_service::{House, Principal, Scope, Stored};
use refusal::Refusal;
use route::{Route, Service};
use std::sync::Arc;

type Response = http::Response<Body>;

/// What answers everything at a repository's address.
#[derive(Debug)]
pub struct GitDoor(pub Arc<CodeCommit>);

/// One request for one repository.
struct Call {
    codecommit: Arc<CodeCommit>,
    house: Arc<House>,
    visitor: Visitor,
    parts: Parts,
    /// The name the client uses for this server, port included.
    host: String,
}

/// A repository, and who came to it.
struct Entered {
    scope: Scope,
    repository: Stored<Repository>,
    principal: Principal,
}

#[async_trait]
impl HttpDoor for GitDoor {
    async fn serve(
        &self,
        house: Arc<House>,
        visitor: Visitor,
        request: http::Request<RequestBody>,
    ) -> Response {
        let (parts, body) = request.into_parts();
        let host = match parts.uri.authority() {
            Some(authority) => authority.to_string(),
            None => text(&parts, http::header::HOST)
                .unwrap_or_default()
                .to_owned(),
        };
        let call = Call {
            codecommit: self.0.clone(),
            house,
            visitor,
            parts,
            host,
        };
        match call.answer(body).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        }
    }
}

impl Call {
    async fn answer(&self, body: RequestBody) -> Result<Response, Refusal> {
        let query = self.parts.uri.query().unwrap_or_default();
        let (place, route) = route::route(&self.parts.method, self.parts.uri.path(), query)?;
        let entered = self.enter(&place, route.service()).await?;
        let git = &self.codecommit.git;
        git.ensure(&entered.repository.id).await?;
        match route {
            Route::Advertise(service) => self.advertise(&entered, service).await,
            Route::Fetch => self.fetch(&entered, body).await,
            Route::Push => self.push(entered, body).await,
        }
    }

    /// `Git-Protocol`, where it says no more than which version is spoken.
    fn protocol(&self) -> Option<&str> {
        let said = text(&self.parts, "git-protocol")?;
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'=' | b':' | b'.' | b'-');
        (said.len() <= 64 && said.bytes().all(known)).then_some(said)
    }
}

/// A header's value, if it is text.
fn text(parts: &Parts, name: impl http::header::AsHeaderName) -> Option<&str> {
    parts.headers.get(name)?.to_str().ok()
}

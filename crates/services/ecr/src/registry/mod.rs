//! The OCI distribution v2 registry
//! (<https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md>), with ECR's rules
//! and texts: repositories are never made by a push, tags may be immutable.
//!
//! It streams blobs both ways and keeps no request state of its own: an upload is known by its id
//! alone, which begins with its repository's.

mod access;
mod blobs;
mod lists;
mod manifests;
mod refusal;
mod reply;
mod route;
mod uploads;

use crate::contents::Contents;
use crate::names;
use async_trait::async_trait;
use http::request::Parts;
use neargate_service::door::{Body, HttpDoor, RequestBody, Visitor};
use neargate_service::{House, Scope};
use refusal::Refusal;
use route::{Route, Target};
use std::sync::Arc;

type Response = http::Response<Body>;

/// One request to one registry.
struct Call {
    house: Arc<House>,
    visitor: Visitor,
    parts: Parts,
    /// The name the client uses for this server, port included.
    host: String,
}

/// A repository, and the path the client knows it by.
struct Place {
    contents: Contents,
    path: String,
}

/// What answers everything under `/v2/`.
#[derive(Debug, Default)]
pub struct Registry;

#[async_trait]
impl HttpDoor for Registry {
    async fn serve(
        &self,
        house: Arc<House>,
        visitor: Visitor,
        request: http::Request<RequestBody>,
    ) -> Response {
        serve(house, visitor, request).await
    }
}

async fn serve(
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
        house,
        visitor,
        parts,
        host,
    };
    let mut response = match call.answer(body).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(&call.parts),
    };
    reply::mark(&mut response);
    response
}

impl Call {
    async fn answer(&self, body: RequestBody) -> Result<Response, Refusal> {
        let route = route::route(&self.parts.method, self.parts.uri.path())?;
        let who = self.authorise(&route).await?;
        let (path, target) = match route {
            Route::Ping => return Ok(reply::json(http::StatusCode::OK, "{}")),
            Route::Catalog => return self.catalog().await,
            Route::In { path, target } => (path, target),
        };
        let named = names::place(&self.host, &path, &self.visitor.default_scope);
        let contents = Contents::open(&self.house, &named.scope, &named.repository).await?;
        let place = Place { contents, path };
        match target {
            Target::Blob(digest) => self.blob(&place, &digest).await,
            Target::DeleteBlob(digest) => self.delete_blob(place, &digest).await,
            Target::BeginUpload => self.begin_upload(&place, who, body).await,
            Target::UploadStatus(id) => self.upload_status(&place, &id).await,
            Target::AppendUpload(id) => self.append_upload(&place, &id, body).await,
            Target::FinishUpload(id) => self.finish_upload(&place, &id, body).await,
            Target::CancelUpload(id) => self.cancel_upload(&place, &id).await,
            Target::Manifest(reference) => self.manifest(&place, &reference).await,
            Target::PutManifest(reference) => self.put_manifest(place, &reference, body).await,
            Target::DeleteManifest(reference) => self.delete_manifest(place, &reference).await,
            Target::Tags => self.tags(&place).await,
            Target::Referrers(digest) => self.referrers(&place, &digest).await,
        }
    }

    /// The registry that names without a repository mean.
    fn scope(&self) -> Scope {
        names::scope_of_host(&self.host).unwrap_or_else(|| self.visitor.default_scope.clone())
    }

    /// A parameter of the query string, decoded.
    fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query()?;
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            // A plus stays one: media types have them, and nothing here has spaces.
            let decoded = || percent_encoding::percent_decode_str(value).decode_utf8_lossy();
            (key == name).then(|| decoded().into_owned())
        })
    }
}

/// A header's value, if it is text.
fn text(parts: &Parts, name: impl http::header::AsHeaderName) -> Option<&str> {
    parts.headers.get(name)?.to_str().ok()
}

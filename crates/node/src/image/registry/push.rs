//! Sending to a registry (OCI distribution spec, "Pushing").

use super::failure::Failure;
use super::place::{Login, Place};
use super::{Registry, reach, refused};
use crate::image::error::{PullError, PullErrorKind};
use crate::image::name::Reference;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::StreamBody;
use hyper::body::Frame;
use neargate_base::task::spawn;
use neargate_blob::Digest;
use neargate_domain::RegistryLogin;
use reqwest::{Body, Method, Response, StatusCode, Url, header};
use serde::Deserialize;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Pieces between the disk and the network.
const QUEUE: usize = 8;

/// A body that comes through a channel: it can be shared between threads, whatever it is read from.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Pieces {
    type Item = io::Result<Frame<Bytes>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

impl Registry {
    /// The repository of `reference`, to be written to. Mirrors are for reading.
    pub(in crate::image) fn place_to_push(
        &self,
        reference: &Reference,
        login: Option<&RegistryLogin>,
    ) -> Place {
        let (_, itself) = Place::of(reference, &self.config);
        itself.asked_as(login).for_writing()
    }

    pub(in crate::image) async fn has_blob(
        &self,
        place: &Place,
        digest: &Digest,
    ) -> Result<bool, PullError> {
        let url = place.url("blobs", &digest.to_string());
        match self.send(place, Method::HEAD, &url, None).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.kind == PullErrorKind::NotFound => Ok(false),
            Err(failure) => Err(said(failure)),
        }
    }

    /// Sends one blob, whole.
    pub(in crate::image) async fn put_blob(
        &self,
        place: &Place,
        digest: &Digest,
        size: u64,
        mut body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    ) -> Result<(), PullError> {
        let begin = place.url("blobs", "uploads/");
        let begun = self.ask(place, Method::POST, &begin, None).await;
        let begun = begun.map_err(said)?;
        let location = begun.headers().get(header::LOCATION);
        let location = location.and_then(|l| l.to_str().ok()).unwrap_or_default();
        let mut url = leads(&begin, location).map_err(said)?;
        url.query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let (sender, receiver) = mpsc::channel(QUEUE);
        let reading = spawn("push", async move {
            while let Some(piece) = body.next().await {
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        let body = Body::wrap(StreamBody::new(Pieces(receiver)));
        let sent = self
            .ask(place, Method::PUT, url.as_str(), Some((size, body)))
            .await;
        reading.abort();
        sent.map(drop).map_err(said)
    }

    pub(in crate::image) async fn put_manifest(
        &self,
        place: &Place,
        target: &str,
        bytes: Bytes,
    ) -> Result<(), PullError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Typed {
            #[serde(default)]
            media_type: Option<String>,
        }
        let typed: Typed = serde_json::from_slice(&bytes)
            .map_err(|e| PullError::new(PullErrorKind::Invalid, e.to_string()))?;
        let kind = typed.media_type;
        let kind = kind.unwrap_or_else(|| "application/vnd.oci.image.manifest.v1+json".to_owned());
        let url = place.url("manifests", target);
        let client = self.client(place);
        let request = client
            .put(&url)
            .header(header::CONTENT_TYPE, kind)
            .body(bytes);
        let request = self.proven(place, request);
        let sent = request.send().await;
        let sent = sent.map_err(|e| said(Failure::transport(&e, &url)))?;
        taken(sent, &url).await.map(drop).map_err(said)
    }

    /// Asks for the registry's version, as whoever the place is asked as.
    pub(in crate::image) async fn check(&self, place: &Place) -> Result<(), PullError> {
        let url = format!("{}/v2/", place.base);
        let asked = self.send(place, Method::GET, &url, None).await;
        asked.map(drop).map_err(said)
    }

    /// A request with a body that can be sent once only: who asks is shown beforehand, as the registry
    /// has asked for it before.
    async fn ask(
        &self,
        place: &Place,
        method: Method,
        url: &str,
        body: Option<(u64, Body)>,
    ) -> Result<Response, Failure> {
        let client = self.client(place);
        let begin = |method: &Method| self.proven(place, client.request(method.clone(), url));
        let sent = match body {
            Some((size, body)) => {
                let request = begin(&method)
                    .header(header::CONTENT_TYPE, "application/octet-stream")
                    .header(header::CONTENT_LENGTH, size)
                    .body(body);
                request.send().await
            }
            None => {
                let empty = || begin(&method).header(header::CONTENT_LENGTH, 0);
                let first = empty().send().await;
                match first {
                    Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                        let headers = response.headers();
                        self.tokens.renew(client, place, headers).await?;
                        empty().send().await
                    }
                    first => first,
                }
            }
        };
        taken(sent.map_err(|e| Failure::transport(&e, url))?, url).await
    }

    fn proven(&self, place: &Place, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        use super::auth::Proof;
        match (self.tokens.get(place), &place.login) {
            (Some(Proof::Token(token)), _) => request.bearer_auth(token),
            (Some(Proof::Password), Some(Login(login))) => {
                request.basic_auth(&login.username, Some(login.password.expose()))
            }
            _ => request,
        }
    }
}

async fn taken(response: Response, url: &str) -> Result<Response, Failure> {
    match response.status() {
        status if status.is_success() => Ok(response),
        status => Err(refused(status, response, url).await),
    }
}

/// Where an upload goes on.
fn leads(from: &str, location: &str) -> Result<Url, Failure> {
    let wrong = || Failure::denied("the registry answers an upload with no place to go on at");
    let from = Url::parse(from).map_err(|_| wrong())?;
    let to = from.join(location).map_err(|_| wrong())?;
    reach::lead(&from, &to).map_err(|why| Failure::denied(&why.to_string()))?;
    Ok(to)
}

fn said(failure: Failure) -> PullError {
    PullError::new(failure.kind, failure.message)
}

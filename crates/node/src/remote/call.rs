//! One question and its answer, over the connection there is.

use super::connection::{Question, Requests};
use crate::upstream::UpstreamError;
use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use neargate_base::Rng;
use neargate_domain::link::{MAX_MESSAGE_BYTES, NODE_HEADER, Refusal, SERVER_NAME};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A connection, and who this node is on it.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) requests: Requests,
    pub(super) node: String,
}

/// Asks the control plane while there is a connection.
#[derive(Debug)]
pub(super) struct Caller {
    current: watch::Receiver<Option<Link>>,
    pub(super) rng: Arc<Rng>,
}

fn unavailable(why: impl ToString) -> UpstreamError {
    UpstreamError::Unavailable(why.to_string())
}

impl Caller {
    pub(super) fn new(current: watch::Receiver<Option<Link>>, rng: Arc<Rng>) -> Self {
        Caller { current, rng }
    }

    /// Wait for a connection; forever, if need be.
    pub(super) async fn connected(&self) {
        let mut current = self.current.clone();
        if current.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ask, and read the whole answer, within `limit`.
    pub(super) async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
        limit: Duration,
    ) -> Result<A, UpstreamError> {
        let asked = tokio::time::timeout(limit, async {
            let response = self.open(Method::POST, path, question).await?;
            let bytes = collect(response.into_body()).await?;
            serde_json::from_slice(&bytes).map_err(unavailable)
        });
        asked
            .await
            .unwrap_or_else(|_| Err(unavailable("it does not answer in time")))
    }

    /// Ask; the answer's body is still to come.
    pub(super) async fn open<Q: Serialize>(
        &self,
        method: Method,
        path: &str,
        question: &Q,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let body = serde_json::to_vec(question).expect("questions have string keys only");
        let body = if method == Method::GET {
            Vec::new()
        } else {
            body
        };
        let body = Full::new(Bytes::from(body)).boxed_unsync();
        self.send(method, path, body).await
    }

    /// Ask what may still be on its way when the answer comes.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Question,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let link = self.current.borrow().clone();
        let mut link = link.ok_or_else(|| unavailable("there is no connection"))?;
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{SERVER_NAME}{path}"))
            .header(NODE_HEADER, &link.node)
            .body(body)
            .map_err(unavailable)?;
        let response = link.requests.send_request(request).await;
        let response = response.map_err(unavailable)?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let bytes = collect(response.into_body()).await?;
        let said = serde_json::from_slice::<Refusal>(&bytes);
        let said = said.map_or_else(|_| status.to_string(), |r| r.message);
        Err(match status {
            // About this node, not about what it asked: that may be mended.
            StatusCode::FORBIDDEN => unavailable(said),
            status if status.is_client_error() => UpstreamError::Refused(said),
            _ => unavailable(said),
        })
    }
}

/// A whole body, if it is not too long.
async fn collect(mut body: Incoming) -> Result<Bytes, UpstreamError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(unavailable)?.into_data() {
            if whole.len() + data.len() > MAX_MESSAGE_BYTES {
                return Err(unavailable("its answer is too long"));
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

//! The aggregated discovery service, one connection of one proxy at a time.

use crate::conversation::Conversation;
use crate::{Proxy, Refusal, Source};
use async_trait::async_trait;
use envoy_types::pb::envoy::service::discovery::v3 as discovery;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server as service;
use futures_util::Stream;
use futures_util::stream;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use neargate_base::task;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status, Streaming};

/// Streams that one connection may have at a time; Envoy has one.
const STREAMS: u32 = 4;
/// A request names resources: far more than any snapshot has.
const LONGEST_REQUEST_BYTES: usize = 1 << 20;
/// How long a proxy that nothing is known for is kept waiting before it is told so.
const PATIENCE: Duration = Duration::from_secs(20);
/// A source that failed is asked again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// A proxy that does not answer a ping is gone.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Speaks with the proxy at the other end until either ends. `proxy.resource` is what it says itself, with
/// its first request.
pub async fn serve<I>(io: I, proxy: Proxy, sources: Arc<[Arc<dyn Source>]>)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let task_id = proxy.task_id.clone();
    let door = service::AggregatedDiscoveryServiceServer::new(Door { proxy, sources })
        .max_decoding_message_size(LONGEST_REQUEST_BYTES);
    let served = http2::Builder::new(Spawn)
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .max_concurrent_streams(STREAMS)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(door))
        .await;
    if let Err(error) = served {
        tracing::debug!(task_id, %error, "a proxy's connection ended");
    }
}

#[derive(Debug, Clone, Copy)]
struct Spawn;

impl<F> hyper::rt::Executor<F> for Spawn
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        task::spawn("proxy-request", future);
    }
}

#[derive(Debug)]
struct Door {
    proxy: Proxy,
    sources: Arc<[Arc<dyn Source>]>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[async_trait]
impl service::AggregatedDiscoveryService for Door {
    type StreamAggregatedResourcesStream = Answers<discovery::DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Answers<discovery::DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<discovery::DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        let (sender, mut receiver) = mpsc::channel(1);
        let (proxy, sources) = (self.proxy.clone(), self.sources.clone());
        task::spawn("proxy-stream", async move {
            let talk = talk(proxy, sources, request.into_inner(), &sender);
            if let Err(status) = talk.await {
                // It may be gone.
                let _ = sender.send(Err(status)).await;
            }
        });
        let answers = stream::poll_fn(move |cx| receiver.poll_recv(cx));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn delta_aggregated_resources(
        &self,
        _: Request<Streaming<discovery::DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let why = "Neargate does not serve the incremental form of xDS: set api_type to GRPC.";
        Err(Status::unimplemented(why))
    }
}

/// Where a stream's answers go.
type Sender = mpsc::Sender<Result<discovery::DiscoveryResponse, Status>>;

async fn talk(
    mut proxy: Proxy,
    sources: Arc<[Arc<dyn Source>]>,
    mut requests: Streaming<discovery::DiscoveryRequest>,
    answers: &Sender,
) -> Result<(), Status> {
    let Some(first) = requests.message().await? else {
        return Ok(());
    };
    proxy.resource = first.node.as_ref().map_or("", |node| &node.id).to_owned();
    let source = sources.iter().find(|source| source.knows(&proxy)).cloned();
    let source = source.ok_or_else(|| {
        Status::not_found(format!(
            "Nothing is known of a proxy that stands for {:?}.",
            proxy.resource
        ))
    })?;
    let mut changes = source.changes(&proxy).await;
    changes.mark_unchanged();
    let mut conversation = Conversation::default();
    conversation.hear(first);
    let begun = begin(&proxy, &*source, &mut changes);
    conversation.aim(
        tokio::time::timeout(PATIENCE, begun)
            .await
            .map_err(|_| Status::unavailable("What the proxy is to do is not known yet."))??,
    );
    loop {
        while let Some(answer) = conversation.next() {
            if answers.send(Ok(answer)).await.is_err() {
                return Ok(());
            }
        }
        if conversation.has_settled() {
            source.taken(&proxy, None);
        }
        tokio::select! {
            request = requests.message() => match request? {
                None => return Ok(()),
                Some(request) => {
                    if let Some(rejected) = conversation.hear(request) {
                        let Proxy { task_id, resource, .. } = &proxy;
                        let message = &rejected.message;
                        tracing::warn!(task_id, resource, message, "a proxy rejects what it is told");
                        source.taken(&proxy, Some(&rejected));
                    }
                }
            },
            changed = changes.changed() => {
                if changed.is_err() {
                    return Err(Status::unavailable("Neargate is about to end."));
                }
                match source.snapshot(&proxy).await {
                    Ok(snapshot) => { conversation.aim(snapshot); }
                    Err(refusal) => {
                        let task_id = &proxy.task_id;
                        tracing::debug!(task_id, %refusal, "a proxy keeps what it was told");
                        if let Refusal::Failed(_) = refusal {
                            tokio::time::sleep(AGAIN).await;
                            changes.mark_changed();
                        }
                    }
                }
            }
        }
    }
}

/// The first snapshot; waits for it while it may come.
async fn begin(
    proxy: &Proxy,
    source: &dyn Source,
    changes: &mut watch::Receiver<u64>,
) -> Result<Arc<crate::Snapshot>, Status> {
    let mut told = false;
    loop {
        match source.snapshot(proxy).await {
            Ok(snapshot) => return Ok(snapshot),
            Err(Refusal::Denied(why)) => return Err(Status::permission_denied(why)),
            Err(Refusal::Absent(why)) => {
                if !std::mem::replace(&mut told, true) {
                    let Proxy {
                        task_id, resource, ..
                    } = proxy;
                    tracing::info!(task_id, resource, why, "a proxy waits");
                }
                if changes.changed().await.is_err() {
                    return Err(Status::not_found(why));
                }
            }
            Err(Refusal::Failed(why)) => {
                tracing::warn!(task_id = proxy.task_id, why, "a proxy waits");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

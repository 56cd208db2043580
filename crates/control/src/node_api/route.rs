//! Which request is which, and who may make it.

use super::answer::{json, read, refusal};
use super::{Caller, NodeApi, members, stream};
use crate::NodePort;
use crate::error::refused;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use neargate_blob::{BlobError, Digest};
use neargate_domain::flow::FlowReport;
use neargate_domain::link::{
    Done, ImageAnswer, ImageQuestion, JoinRequest, LogBatch, LogQuestion, MAX_LOGS_BYTES,
    MAX_MESSAGE_BYTES, NODE_HEADER, Offset, RenewRequest, TaskQuestion, VISITS,
};
use neargate_domain::usage::TaskUsage;
use neargate_domain::{NodeAbout, ProtectionQuestion, TaskReport};
use neargate_ecr::Resolved;
use neargate_ecs::model::KnownNode;
use neargate_service::door::{Body, BoxError};
use neargate_service::{AwsError, Stored};
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What a stranger may send, and what a node may say of itself: it goes into the store.
const MAX_JOIN_BYTES: usize = 64 << 10;

pub(super) async fn answer(
    api: &Arc<NodeApi>,
    caller: &Caller,
    request: Request<Incoming>,
) -> Response<Body> {
    match handle(api, caller, request).await {
        Ok(response) => response,
        Err(error) => refusal(&error),
    }
}

async fn handle(
    api: &Arc<NodeApi>,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Response<Body>, AwsError> {
    let path = request.uri().path().to_owned();
    let visits = request.uri().query() == Some(VISITS);
    let (house, budget) = (&api.control_plane.house, caller.budget.as_ref());
    if (request.method(), path.as_str()) == (&Method::POST, "/v1/join") {
        let (request, _held) = read::<JoinRequest>(request, MAX_JOIN_BYTES, budget).await?;
        let joined = members::join(house, &api.authority, request).await?;
        return Ok(json(&joined));
    }
    let (node, certificate) = who(api, caller, &request).await?;
    match (request.method(), path.as_str()) {
        (&Method::POST, "/v1/assignments") if node.dismissed => Ok(stream::dismiss()),
        _ if node.dismissed => Err(refused("The node was removed.").status(403)),
        (&Method::POST, "/v1/assignments") => {
            let (about, _held) = read::<NodeAbout>(request, MAX_JOIN_BYTES, budget).await?;
            let mut greeting = api.holders.lock().await;
            // Cut short from here on, what is held is read again.
            let mut holders = std::mem::take(&mut *greeting);
            let (said, seen_at) = (about.address, caller.address);
            let address = members::address_of(api, &mut holders, &node, said, seen_at).await;
            let address = match address {
                Ok(address) => address,
                Err(error) => {
                    // Nothing has changed, or it forgot all by itself.
                    *greeting = holders;
                    return Err(error);
                }
            };
            let node = members::greet(house, &node, certificate, about, address).await?;
            *greeting = holders;
            if let Some(why) = members::register(house, &node).await? {
                tracing::warn!(node = node.id, %why, "the node is no container instance");
            }
            Ok(stream::open(api, node, caller.own, visits))
        }
        (&Method::POST, "/v1/renew") => {
            let (request, _held) = read::<RenewRequest>(request, MAX_JOIN_BYTES, budget).await?;
            let renewed =
                members::renew(house, &api.authority, &node, certificate, &request).await?;
            Ok(json(&renewed))
        }
        (&Method::GET, path) if path.starts_with("/v1/blob/") => blob(api, &request).await,
        (&Method::POST, path) if path.starts_with("/v1/visit/") => {
            let id = path.trim_start_matches("/v1/visit/").to_owned();
            api.visits.arrive(&node.id, &id, request.into_body())
        }
        (&Method::POST, _) => {
            let port = api.sessions.port(&node.id).ok_or_else(|| {
                AwsError::server("NotConnected", "The assignment stream is not open.").status(503)
            })?;
            of_task(&port, &path, request, budget).await
        }
        _ => Err(unknown()),
    }
}

fn unknown() -> AwsError {
    refused("There is no such request.").status(404)
}

/// The node that the caller is, by name and certificate.
async fn who<'a>(
    api: &NodeApi,
    caller: &'a Caller,
    request: &Request<Incoming>,
) -> Result<(Stored<KnownNode>, &'a CertificateDer<'static>), AwsError> {
    let stranger = || refused("A node shows its certificate and says who it is.").status(403);
    let certificate = caller.certificate.as_ref().ok_or_else(stranger)?;
    let id = request.headers().get(NODE_HEADER);
    let id = id.and_then(|id| id.to_str().ok()).ok_or_else(stranger)?;
    let node = members::authenticate(&api.control_plane.house, id, certificate).await?;
    Ok((node, certificate))
}

/// What concerns the node's own tasks: the port checks that.
async fn of_task(
    port: &NodePort,
    path: &str,
    request: Request<Incoming>,
    budget: Option<&Arc<Semaphore>>,
) -> Result<Response<Body>, AwsError> {
    match path {
        "/v1/report" => {
            let (report, _held) = read::<TaskReport>(request, MAX_MESSAGE_BYTES, budget).await?;
            port.report(&report).await?;
            Ok(json(&Done {}))
        }
        "/v1/usage" => {
            let (used, _held) = read::<Vec<TaskUsage>>(request, MAX_MESSAGE_BYTES, budget).await?;
            port.usage(&used);
            Ok(json(&Done {}))
        }
        "/v1/flows" => {
            let (seen, _held) = read::<Vec<FlowReport>>(request, MAX_MESSAGE_BYTES, budget).await?;
            port.flows(seen).await?;
            Ok(json(&Done {}))
        }
        "/v1/logs" => {
            let (batch, _held) = read::<LogBatch>(request, MAX_LOGS_BYTES, budget).await?;
            if batch.start > batch.end {
                return Err(refused("The batch ends before it begins."));
            }
            let (target, source) = (&batch.target, &batch.source);
            let span = batch.start..batch.end;
            let recorded = port.put_logs(target, source, span, batch.lines).await?;
            Ok(json(&Offset { recorded }))
        }
        "/v1/log-offset" => {
            let (of, _held) = read::<LogQuestion>(request, MAX_MESSAGE_BYTES, budget).await?;
            let recorded = port.log_offset(&of.target, &of.source).await?;
            Ok(json(&Offset { recorded }))
        }
        "/v1/image" => {
            let (of, _held) = read::<ImageQuestion>(request, MAX_MESSAGE_BYTES, budget).await?;
            let found = port
                .resolve_image(&of.account, &of.region, &of.name)
                .await?;
            Ok(json(&match found {
                Resolved::Own { digest } => ImageAnswer::Own {
                    digest: digest.to_string(),
                },
                Resolved::Missing { message } => ImageAnswer::Missing { message },
                Resolved::Elsewhere => ImageAnswer::Elsewhere,
            }))
        }
        "/v1/credentials" => {
            let (of, _held) = read::<TaskQuestion>(request, MAX_MESSAGE_BYTES, budget).await?;
            Ok(json(&port.role_credentials(&of.task_id).await?))
        }
        "/v1/tags" => {
            let (of, _held) = read::<TaskQuestion>(request, MAX_MESSAGE_BYTES, budget).await?;
            Ok(json(&port.tags(&of.task_id).await?))
        }
        "/v1/protection" => {
            let (of, _held) =
                read::<ProtectionQuestion>(request, MAX_MESSAGE_BYTES, budget).await?;
            Ok(json(&port.protection(&of.task_id, of.change).await?))
        }
        "/v1/secrets" => {
            let (of, _held) = read::<TaskQuestion>(request, MAX_MESSAGE_BYTES, budget).await?;
            Ok(json(&port.secrets(&of.task_id).await?))
        }
        _ => Err(unknown()),
    }
}

/// A blob of the registry, from an offset on. Whoever knows a digest knows the content or was
/// told of it in a manifest it was given; the caller is a node.
async fn blob(api: &NodeApi, request: &Request<Incoming>) -> Result<Response<Body>, AwsError> {
    let digest = request.uri().path().trim_start_matches("/v1/blob/");
    let digest: Digest = digest
        .parse()
        .map_err(|_| refused("This is not a digest."))?;
    let offset = match request.uri().query() {
        None => 0,
        Some(query) => query
            .strip_prefix("offset=")
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| refused("The offset is a number."))?,
    };
    let blobs = &api.control_plane.house.blobs;
    let missing = || refused(format!("{digest}: not found")).status(404);
    let size = blobs.size(&digest).await.ok_or_else(missing)?;
    if offset > size {
        return Err(refused("The offset is beyond the end.").status(416));
    }
    let (_, pieces) = blobs
        .stream(&digest, Some(offset..size))
        .await
        .map_err(|e| match e {
            BlobError::NotFound(_) => missing(),
            e => AwsError::internal(e),
        })?;
    let frames = pieces.map(|piece: std::io::Result<Bytes>| {
        piece.map(hyper::body::Frame::data).map_err(BoxError::from)
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    *response.status_mut() = StatusCode::OK;
    response
        .headers_mut()
        .insert(http::header::CONTENT_LENGTH, (size - offset).into());
    Ok(response)
}

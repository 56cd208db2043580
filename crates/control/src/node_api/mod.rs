//! The second listener: nodes on other hosts, over mutual TLS 1.3 and HTTP/2.
//!
//! Without a certificate a caller can do one thing: join, with a token. With one it is the node
//! named in the store beside the certificate's hash, and acts through that node's
//! [`crate::NodePort`], which lets it act for its own tasks only. While a node's assignment
//! stream is open the node counts as connected; HTTP/2 pings notice when it is gone. The shapes
//! are [`neargate_domain::link`]'s.
//!
//! Whoever has no certificate, or one that is no node's any more, is a stranger: there are few
//! places for strangers ([`door`]), they have one request at a time and little room and time for
//! it. Nodes have theirs apart ([`connections`]).

mod address;
mod answer;
mod authority;
mod connections;
mod door;
mod holders;
mod members;
mod peers;
mod route;
mod sessions;
mod stream;
#[cfg(test)]
mod tests;
mod tokens;
mod visits;

pub use authority::{Authority, AuthorityError};
pub use tokens::{DEFAULT_TTL, MAX_TTL, StoredToken, Wanted};

use crate::ControlPlane;
use connections::{Connection, Connections};
use door::{Door, Place};
use holders::Holders;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_base::{Timestamp, task};
use neargate_domain::link::{JoinToken, Peer};
use neargate_ecs::{self as ecs, model::KnownNode};
use neargate_service::{AwsError, Fault, Scope};
use rustls::pki_types::CertificateDer;
use sessions::Sessions;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use visits::{VISITORS, Visits};

/// TLS must be agreed on within this time.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A caller without a certificate has this long to join.
const STRANGER: Duration = Duration::from_secs(10);
/// A connection that does not answer a ping for this long is dead.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(6);

/// What a caller may have under way on one connection.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    /// Requests at the same time.
    streams: u32,
    /// Bytes that were not read yet, of one request and of all.
    stream_window: u32,
    connection_window: u32,
}

const FOR_STRANGERS: Allowance = Allowance {
    streams: 1,
    stream_window: 64 << 10,
    connection_window: 64 << 10,
};
const FOR_NODES: Allowance = Allowance {
    // What has an end, and each visit.
    streams: 64 + VISITORS,
    stream_window: 1 << 20,
    // A visitor who does not look holds up nobody else.
    connection_window: (4 + VISITORS) << 20,
};

/// The control plane as nodes elsewhere reach it.
#[derive(Debug)]
pub struct NodeApi {
    control_plane: Arc<ControlPlane>,
    authority: Authority,
    sessions: Sessions,
    door: Door,
    connections: Connections,
    peers: watch::Sender<Vec<Peer>>,
    visits: Visits,
    /// At the store, for what follows it.
    looking: Mutex<()>,
    /// One node at a time is greeted, until it counts as connected.
    holders: Mutex<Holders>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
struct Caller {
    certificate: Option<CertificateDer<'static>>,
    /// Its node's room for request bodies, in KiB; none of a stranger.
    budget: Option<Arc<Semaphore>>,
    address: IpAddr,
    /// Our own address, as the caller reaches us.
    own: IpAddr,
}

impl NodeApi {
    /// The authority is kept under `data`, made at the first use.
    pub fn open(
        control_plane: Arc<ControlPlane>,
        data: &Path,
    ) -> Result<Arc<NodeApi>, AuthorityError> {
        let authority = Authority::open(&data.join("authority.json"), control_plane.house.now())?;
        Ok(Arc::new(NodeApi {
            control_plane,
            authority,
            sessions: Sessions::default(),
            door: Door::default(),
            connections: Connections::default(),
            peers: watch::Sender::default(),
            visits: Visits::default(),
            looking: Mutex::default(),
            holders: Mutex::default(),
        }))
    }

    /// Serve until the future is dropped. The listener is the operator's choice of address.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let config = match self.authority.server_config(self.control_plane.house.now()) {
            Ok(config) => config,
            Err(error) => {
                tracing::error!(%error, "nodes elsewhere cannot be served");
                return;
            }
        };
        let following = task::spawn("node-peers", peers::follow(self.clone()));
        let _following = tokio_util::task::AbortOnDropHandle::new(following);
        let acceptor = TlsAcceptor::from(config);
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(place) = self.door.enter(peer.ip(), self.is_familiar(peer.ip()))
                    else {
                        tracing::debug!(%peer, "too many callers without a certificate");
                        continue;
                    };
                    let (api, acceptor) = (self.clone(), acceptor.clone());
                    task::spawn("node-connection", async move {
                        if let Err(error) = api.connection(acceptor, stream, peer, place).await {
                            tracing::debug!(%peer, %error, "a node's connection ended");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept nodes");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn connection(
        self: Arc<Self>,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        peer: SocketAddr,
        place: Place,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let tls = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await??;
        let certificates = tls.get_ref().1.peer_certificates();
        let certificate = certificates
            .and_then(|c| c.first())
            .map(|c| c.clone().into_owned());
        let node = match &certificate {
            Some(certificate) => self.recognise(certificate).await?,
            None => None,
        };
        let caller = Caller {
            certificate,
            budget: node.as_ref().map(|n| n.budget.clone()),
            address: peer.ip().to_canonical(),
            own: local.ip().to_canonical(),
        };
        let allowance = match node {
            Some(_) => FOR_NODES,
            None => FOR_STRANGERS,
        };
        let api = self.clone();
        let service = hyper::service::service_fn(move |request| {
            let (api, caller) = (api.clone(), caller.clone());
            async move { Ok::<_, Infallible>(route::answer(&api, &caller, request).await) }
        });
        let mut server = http2::Builder::new(Spawn);
        server
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .initial_stream_window_size(allowance.stream_window)
            .initial_connection_window_size(allowance.connection_window)
            .max_concurrent_streams(allowance.streams)
            .max_header_list_size(16 << 10);
        let serving = server.serve_connection(TokioIo::new(tls), service);
        let Some(node) = node else {
            let _place = place;
            return Ok(tokio::time::timeout(STRANGER, serving).await??);
        };
        drop(place);
        tokio::select! {
            served = serving => Ok(served?),
            () = node.end.cancelled() => Ok(()),
        }
    }

    /// The connection of the node whose certificate this is; `None` when it is nobody's now.
    async fn recognise(
        &self,
        certificate: &CertificateDer<'_>,
    ) -> Result<Option<Connection>, AwsError> {
        let print = authority::fingerprint(certificate);
        if let Some(connection) = self.connections.open(&print) {
            return Ok(Some(connection));
        }
        // It may be newer than what was seen of the store.
        self.look().await?;
        Ok(self.connections.open(&print))
    }

    /// A new token for one node.
    pub async fn token(&self, wanted: Wanted) -> Result<(JoinToken, Timestamp), AwsError> {
        tokens::create(&self.control_plane.house, self.authority.hash(), wanted).await
    }

    /// Every node that joined and was not removed, and whether it is connected.
    pub async fn nodes(&self) -> Result<Vec<(KnownNode, bool)>, AwsError> {
        let db = &self.control_plane.house.db;
        let known = db.list_prefix::<KnownNode>(&KnownNode::prefix()).await?;
        let known = known.into_iter().filter(|n| !n.dismissed);
        Ok(known
            .map(|n| {
                let connected = self.control_plane.ecs.nodes.is_connected(&n.id);
                (n.value, connected)
            })
            .collect())
    }

    /// Remove a node for good; its tasks end. Answers whether there was such a node.
    pub async fn remove(&self, id: &str) -> Result<bool, AwsError> {
        let (house, ecs) = (&self.control_plane.house, &self.control_plane.ecs);
        let known = house.db.get_key::<KnownNode>(&KnownNode::key(id)).await?;
        let Some(node) = known.filter(|n| !n.dismissed) else {
            return Ok(false);
        };
        if let (Some(cluster), Some(instance)) = (&node.cluster, &node.instance) {
            let scope = Scope {
                account: node.account.clone(),
                region: node.region.clone(),
            };
            let out = ecs::instances::deregister(ecs, house, &scope, cluster, instance, true);
            match out.await {
                // It may be out already.
                Err(error) if error.fault == Fault::Server => return Err(error),
                _ => {}
            }
        }
        ecs::lost::dismiss(house, ecs, id).await?;
        self.sessions.end(id);
        self.connections.end(id);
        Ok(true)
    }

    /// The other ends of the task network, but for the control plane's own.
    pub fn peers(&self) -> watch::Receiver<Vec<Peer>> {
        self.peers.subscribe()
    }
}

/// Runs what HTTP/2 wants run beside it.
#[derive(Debug, Clone, Copy)]
struct Spawn;

impl<F> hyper::rt::Executor<F> for Spawn
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        task::spawn("node-request", future);
    }
}

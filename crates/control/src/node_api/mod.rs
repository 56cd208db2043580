//! The second listener: nodes on other hosts, over mutual TLS 1.3 and HTTP/2.
//!
//! Without a certificate a caller can do one thing: join, with a token. With one it is the node
//! named in the store beside the certificate's hash, and acts through that node's
//! [`crate::NodePort`], which lets it act for its own tasks only. While a node's assignment
//! stream is open the node counts as connected; HTTP/2 pings notice when it is gone. The shapes
//! are [`neargate_domain::link`]'s.

mod address;
mod answer;
mod authority;
mod members;
mod peers;
mod route;
mod sessions;
mod stream;
#[cfg(test)]
mod tests;
mod tokens;

pub use authority::{Authority, AuthorityError};
pub use tokens::{DEFAULT_TTL, MAX_TTL, StoredToken, Wanted};

use crate::house::Built;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_base::{Timestamp, task};
use neargate_compute::ecs::{self, model::KnownNode};
use neargate_domain::link::{JoinToken, Peer};
use neargate_service::{AwsError, Fault, Scope};
use rustls::pki_types::CertificateDer;
use sessions::Sessions;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// Connections at the same time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 4_096;
/// TLS must be agreed on within this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Callers without a certificate at the same time; more are turned away.
const MAX_STRANGERS: usize = 256;
/// A caller without a certificate has this long to join.
const STRANGER: Duration = Duration::from_secs(30);
/// A connection that does not answer a ping for this long is dead.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(6);
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The control plane as nodes elsewhere reach it.
#[derive(Debug)]
pub struct NodeApi {
    built: Arc<Built>,
    authority: Authority,
    sessions: Sessions,
    strangers: Semaphore,
    peers: watch::Sender<Vec<Peer>>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
struct Caller {
    certificate: Option<CertificateDer<'static>>,
    peer: SocketAddr,
    /// Our own address, as the caller reaches us.
    local: SocketAddr,
}

impl NodeApi {
    /// The authority is kept under `data`, made at the first use.
    pub fn open(built: Arc<Built>, data: &Path) -> Result<Arc<NodeApi>, AuthorityError> {
        let authority = Authority::open(&data.join("authority.json"), built.house.now())?;
        Ok(Arc::new(NodeApi {
            built,
            authority,
            sessions: Sessions::default(),
            strangers: Semaphore::new(MAX_STRANGERS),
            peers: watch::Sender::default(),
        }))
    }

    /// Serve until the future is dropped. The listener is the operator's choice of address.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let config = match self.authority.server_config(self.built.house.now()) {
            Ok(config) => config,
            Err(error) => {
                tracing::error!(%error, "nodes elsewhere cannot be served");
                return;
            }
        };
        let following = task::spawn("node-peers", peers::follow(self.clone()));
        let _following = tokio_util::task::AbortOnDropHandle::new(following);
        let acceptor = TlsAcceptor::from(config);
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let slot = slots.clone().acquire_owned().await.expect("never closed");
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let (api, acceptor) = (self.clone(), acceptor.clone());
                    task::spawn("node-connection", async move {
                        if let Err(error) = api.connection(acceptor, stream, peer).await {
                            tracing::debug!(%peer, %error, "a node's connection ended");
                        }
                        drop(slot);
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
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let tls = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await??;
        let certificates = tls.get_ref().1.peer_certificates();
        let caller = Caller {
            certificate: certificates
                .and_then(|c| c.first())
                .map(|c| c.clone().into_owned()),
            peer,
            local,
        };
        let stranger = caller.certificate.is_none();
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
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(16 << 10);
        let serving = server.serve_connection(TokioIo::new(tls), service);
        if stranger {
            let _one = self.strangers.try_acquire()?;
            return Ok(tokio::time::timeout(STRANGER, serving).await??);
        }
        Ok(serving.await?)
    }

    /// A new token for one node.
    pub async fn token(&self, wanted: Wanted) -> Result<(JoinToken, Timestamp), AwsError> {
        tokens::create(&self.built.house, self.authority.hash(), wanted).await
    }

    /// Every node that joined and was not removed, and whether it is connected.
    pub async fn nodes(&self) -> Result<Vec<(KnownNode, bool)>, AwsError> {
        let db = &self.built.house.db;
        let known = db.list_prefix::<KnownNode>(&KnownNode::prefix()).await?;
        let known = known.into_iter().filter(|n| !n.dismissed);
        Ok(known
            .map(|n| {
                let connected = self.built.ecs.nodes.is_connected(&n.id);
                (n.value, connected)
            })
            .collect())
    }

    /// Remove a node for good; its tasks end. Answers whether there was such a node.
    pub async fn remove(&self, id: &str) -> Result<bool, AwsError> {
        let (house, ecs) = (&self.built.house, &self.built.ecs);
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

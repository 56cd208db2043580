//! The one port: routes every request to the AWS service, the registry or our own pages.
//!
//! It authenticates, decodes, dispatches and encodes. It knows no service's rules.

mod auth;
mod aws;
pub(crate) mod body;
mod encoding;
mod events;
mod guard;
mod own;

pub use auth::Mode;
pub use body::{Body, BoxError};
pub use own::{Host, OWN_SIGNING_NAME, TaskUsage, Traffic};

use crate::house::Built;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_base::{Region, task};
use neargate_compute::ecr::registry;
use neargate_service::Scope;
use neargate_wire::route::{self as wire_route, Route};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A client must send its request's head within this time, and each piece of its body.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections served at the same time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 4_096;

/// Something the operator's process can do to itself, for `POST /_neargate/reset`.
pub type Reset =
    Arc<dyn Fn() -> futures_util::future::BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The listening side of one control plane.
#[derive(Clone)]
pub struct Gateway {
    built: Arc<Built>,
    mode: Mode,
    default_scope: Scope,
    reset: Option<Reset>,
    host: Option<Arc<dyn Host>>,
    patience: Duration,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// `reset` is offered in development mode only.
    pub fn new(built: Arc<Built>, mode: Mode, region: Region, reset: Option<Reset>) -> Self {
        let default_scope = Scope {
            account: built.account.clone(),
            region,
        };
        let reset = reset.filter(|_| matches!(mode, Mode::Development));
        Gateway {
            built,
            mode,
            default_scope,
            reset,
            host: None,
            patience: PATIENCE,
        }
    }

    /// How long a client may take for its request's head, and for each piece of its body.
    pub fn patience(self, patience: Duration) -> Self {
        Gateway { patience, ..self }
    }

    /// The host whose pages are served too.
    pub fn host(self, host: Arc<dyn Host>) -> Self {
        Gateway {
            host: Some(host),
            ..self
        }
    }

    /// Serve until the future is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let slot = slots.clone().acquire_owned().await.expect("never closed");
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: let connections end first.
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let (gateway, patience) = (self.clone(), self.patience);
            task::spawn("connection", async move {
                let service = hyper::service::service_fn(move |request| {
                    let gateway = gateway.clone();
                    async move { Ok::<_, Infallible>(gateway.handle(request).await) }
                });
                // HTTP/1.1 only: no AWS client speaks HTTP/2 without TLS, and its detection would
                // wait for the first bytes without a limit.
                let mut server = http1::Builder::new();
                server
                    .timer(TokioTimer::new())
                    .header_read_timeout(patience);
                if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                    tracing::debug!(%error, "connection ended");
                }
                drop(slot);
            });
        }
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let (parts, incoming) = request.into_parts();
        if matches!(self.mode, Mode::Development)
            && let Err(refused) = guard::check(&parts)
        {
            return own::refused(&refused, &self.built.house.rng.uuid());
        }
        if wire_route::needs_body(&parts) {
            return aws::handle_form(self, parts, incoming).await;
        }
        match wire_route::route(&parts, &[], crate::services::schemas()) {
            Route::Aws(found) => aws::handle(self, found, parts, incoming).await,
            Route::Unserved {
                name,
                protocol,
                operation,
            } => aws::unserved(self, &name, protocol, operation.as_deref()),
            Route::Registry => {
                let caller = registry::Caller {
                    default_scope: self.default_scope.clone(),
                    enforced: !matches!(self.mode, Mode::Development),
                };
                let (ecr, house) = (self.built.ecr.clone(), self.built.house.clone());
                let request = Request::from_parts(parts, incoming);
                registry::serve(ecr, house, caller, request).await
            }
            Route::Health => own::health(&self.built, &self.mode),
            Route::Internal if parts.uri.path() == events::PATH => events::serve(self, &parts),
            Route::Internal => own::internal(self, parts, incoming).await,
            Route::TaskMetadata | Route::Unknown => own::unknown(&self.built.house.rng.uuid()),
        }
    }
}

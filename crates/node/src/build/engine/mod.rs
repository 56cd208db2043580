//! The Docker Engine API on a socket, as far as clients build, name, send and fetch images with it
//! (`docker build`, `tag`, `push`, `pull`, `images`, `save`, `load`; docker-py). Containers are not its
//! business: what it does not serve, it names.
//!
//! Every request is answered for whoever can open the socket; logins are each request's own, as Docker's
//! clients send them.

mod archive;
mod build;
mod images;
mod logins;
mod reply;
mod route;
mod transfer;

pub use logins::{EngineRegistries, Own};

use super::builder::Builder;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use neargate_base::task::spawn;
use neargate_blob::Digest;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tokio::net::UnixListener;

/// The version of the API that is spoken: Docker 24's.
pub(super) const API_VERSION: &str = "1.43";

/// What requests share.
#[derive(Debug)]
pub struct Engine {
    builder: Arc<Builder>,
    registries: Arc<EngineRegistries>,
    /// Images without a name: by their id, their manifest.
    unnamed: Mutex<BTreeMap<String, Digest>>,
}

impl Engine {
    /// `registries` are those that the builder asks.
    pub fn new(builder: Arc<Builder>, registries: Arc<EngineRegistries>) -> Arc<Engine> {
        Arc::new(Engine {
            builder,
            registries,
            unnamed: Mutex::default(),
        })
    }

    /// Answers on the socket, for ever.
    ///
    /// # Errors
    /// The socket fails.
    pub async fn serve(self: Arc<Self>, socket: UnixListener) -> io::Result<()> {
        loop {
            let (stream, _) = socket.accept().await?;
            let engine = self.clone();
            drop(spawn("engine", async move {
                let service = service_fn(move |request| {
                    let engine = engine.clone();
                    async move { Ok::<_, Infallible>(engine.answer(request).await) }
                });
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "a client of the engine went away");
                }
            }));
        }
    }
}

//! The gateway on a real socket, over the embedded store in a temporary directory.
#![allow(
    clippy::unwrap_used,
    reason = "clippy takes only functions marked as tests for tests"
)]

mod bodies;
mod client;
mod connections;
mod guard;
mod node_api;
mod node_limits;
mod node_port;
mod protocols;
mod signed;
mod tls;
mod unknown;

use client::{Client, Reply};
use neargate_base::time::SystemClock;
use neargate_base::{AccountId, Region, Rng, task};
use neargate_control::gateway::{Gateway, Mode, Trusted};
use neargate_control::{ControlPlane, Options};
use neargate_service::{Scope, Settings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What every user of this host but the tests' own would need.
fn development() -> Mode {
    Mode::development(Trusted::new(None), Arc::default())
}

/// A gateway that listens.
struct Lab {
    address: SocketAddr,
    control_plane: Arc<ControlPlane>,
    serving: JoinHandle<()>,
    _data: tempfile::TempDir,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Lab {
    async fn new() -> Lab {
        Lab::with(development()).await
    }

    async fn with(mode: Mode) -> Lab {
        Lab::patient(mode, Duration::from_secs(30)).await
    }

    async fn patient(mode: Mode, patience: Duration) -> Lab {
        let data = tempfile::tempdir().unwrap();
        let scope = Scope {
            account: AccountId::default(),
            region: Region::default(),
        };
        let options = Options {
            data: data.path().join("data"),
            account: AccountId::default(),
            new_state: false,
            root_key: Default::default(),
            times: Default::default(),
            settings: Settings::new("localhost:4566", scope),
            relay: None,
        };
        let control_plane =
            ControlPlane::start(options, Arc::new(SystemClock), Arc::new(Rng::seeded(1)))
                .await
                .unwrap();
        let control_plane = Arc::new(control_plane);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway =
            Gateway::new(control_plane.clone(), mode, Region::default(), None).patience(patience);
        let serving = task::spawn("gateway", gateway.serve(listener));
        Lab {
            address,
            control_plane,
            serving,
            _data: data,
        }
    }

    async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request on a connection of its own.
    async fn send(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut client = self.connect().await;
        client.send(request).await;
        client.reply().await.expect("answered")
    }

    /// An awsJson call.
    async fn json(&self, target: &str, body: &str) -> Reply {
        self.send(client::json(target, &[], body.as_bytes())).await
    }
}

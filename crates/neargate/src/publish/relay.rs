//! One published port: each connection goes to one of the service's tasks.

use neargate_control::ControlPlane;
use neargate_control::publications::Publication;
use neargate_ecs::targets::{self, Target};
use neargate_node::net::Network;
use neargate_service::{AwsError, Scope, Stored};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections of one port at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 4_096;
/// A task that does not answer for so long is passed over.
const CONNECT: Duration = Duration::from_secs(3);
/// How many tasks are tried for one connection.
const TRIES: usize = 3;

#[derive(Clone)]
pub(super) struct Relay {
    control_plane: Arc<ControlPlane>,
    network: Arc<Network>,
    told: watch::Receiver<Stored<Publication>>,
    /// Whose turn it is.
    turn: Arc<AtomicUsize>,
}

impl Relay {
    pub(super) fn new(
        control_plane: Arc<ControlPlane>,
        network: Arc<Network>,
        told: watch::Receiver<Stored<Publication>>,
    ) -> Relay {
        Relay {
            control_plane,
            network,
            told,
            turn: Arc::default(),
        }
    }

    /// Accepts connections, which end when this is dropped.
    pub(super) async fn serve(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut open = JoinSet::new();
        loop {
            let place = places.clone().acquire_owned().await;
            let place = place.expect("nobody closes the semaphore");
            let client = match listener.accept().await {
                Ok((client, _)) => client,
                Err(error) => {
                    tracing::debug!(%error, "a connection was lost before it was accepted");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            while open.try_join_next().is_some() {}
            let relay = self.clone();
            open.spawn(async move {
                relay.lead(client).await;
                drop(place);
            });
        }
    }

    async fn lead(&self, mut client: TcpStream) {
        let Some(mut server) = self.connect().await else {
            // Nobody is there: the client's connection is reset, not ended as if all was said.
            let _ = client.set_zero_linger();
            return;
        };
        let _ = client.set_nodelay(true);
        // Whichever end breaks off, both are closed.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }

    /// To one of the tasks, in turn.
    async fn connect(&self) -> Option<TcpStream> {
        let targets = match self.targets().await {
            Ok(targets) => targets,
            Err(error) => {
                tracing::warn!(%error, "the tasks of a published port are not known");
                return None;
            }
        };
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        for n in 0..targets.len().min(TRIES) {
            let target = &targets[(first + n) % targets.len()];
            match tokio::time::timeout(CONNECT, self.dial(target)).await {
                Ok(Ok(stream)) => return Some(stream),
                Ok(Err(error)) => {
                    tracing::debug!(%error, task = target.task_id, "a task is passed over")
                }
                Err(_) => tracing::debug!(task = target.task_id, "a task does not answer"),
            }
        }
        None
    }

    async fn targets(&self) -> Result<Vec<Target>, AwsError> {
        let publication = self.told.borrow().clone();
        let Some(scope) = Scope::of_key(&publication.key) else {
            return Ok(Vec::new());
        };
        let (ecs, house) = (&self.control_plane.ecs, &self.control_plane.house);
        let service = publication.service_id(&scope);
        targets::of_service(&ecs.fleet, house, &service, &publication.port()).await
    }

    async fn dial(&self, target: &Target) -> io::Result<TcpStream> {
        self.network.connect(&target.vpc_id, target.address).await
    }
}

//! One published port: each connection goes to one of the service's tasks, or to a node of the load
//! balancer.

use neargate_control::ControlPlane;
use neargate_control::publications::{Destination, Publication};
use neargate_ecs::fleet::ServiceId;
use neargate_ecs::targets::{self, Port};
use neargate_node::net::Network;
use neargate_service::{AwsError, Scope, Stored};
use std::io;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections of one port at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 4_096;
/// Who does not answer for so long is passed over.
const CONNECT: Duration = Duration::from_secs(3);
/// How many are tried for one connection.
const TRIES: usize = 3;

/// Where a connection may go: an address in a VPC.
struct Place {
    vpc_id: String,
    address: SocketAddrV4,
}

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

    /// To one of them, in turn.
    async fn connect(&self) -> Option<TcpStream> {
        let places = match self.places().await {
            Ok(places) => places,
            Err(error) => {
                tracing::warn!(%error, "it is not known where a published port leads");
                return None;
            }
        };
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        for n in 0..places.len().min(TRIES) {
            let place = &places[(first + n) % places.len()];
            let address = place.address;
            match tokio::time::timeout(CONNECT, self.dial(place)).await {
                Ok(Ok(stream)) => return Some(stream),
                Ok(Err(error)) => tracing::debug!(%error, %address, "it is passed over"),
                Err(_) => tracing::debug!(%address, "it does not answer"),
            }
        }
        None
    }

    async fn places(&self) -> Result<Vec<Place>, AwsError> {
        let publication = self.told.borrow().clone();
        let Some(scope) = Scope::of_key(&publication.key) else {
            return Ok(Vec::new());
        };
        match &publication.to {
            Destination::Service {
                cluster,
                service,
                container,
                container_port,
            } => {
                let port = Port {
                    container: container.clone(),
                    container_port: *container_port,
                };
                let service = ServiceId::new(&scope, cluster, service);
                let (ecs, house) = (&self.control_plane.ecs, &self.control_plane.house);
                let targets = targets::of_service(&ecs.fleet, house, &service, &port).await?;
                let place = |target: targets::Target| Place {
                    vpc_id: target.vpc_id,
                    address: target.address,
                };
                Ok(targets.into_iter().map(place).collect())
            }
            Destination::LoadBalancer {
                load_balancer,
                port,
            } => {
                let known = &self.control_plane.elbv2.load_balancers;
                let nodes = known.named(&scope, load_balancer).map(|lb| {
                    let place = |address| Place {
                        vpc_id: lb.vpc_id.clone(),
                        address: SocketAddrV4::new(address, *port),
                    };
                    let addresses = lb.nodes.iter().map(|node| node.private_ipv4);
                    addresses.map(place).collect()
                });
                Ok(nodes.unwrap_or_default())
            }
        }
    }

    async fn dial(&self, place: &Place) -> io::Result<TcpStream> {
        self.network.connect(&place.vpc_id, place.address).await
    }
}

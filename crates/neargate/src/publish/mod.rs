//! Published ports: this host listens on them and leads each connection to a task of the service,
//! whichever run then, or to a load balancer (`neargate_control::publications`). What an operator publishes reaches the tasks
//! whatever their security groups say: the connection comes from their VPC's router.
//!
//! Invariant: a port is listened on as long as its record exists, and no longer.

mod relay;

use anyhow::{Context, Result};
use neargate_base::backoff::Backoff;
use neargate_base::task;
use neargate_control::ControlPlane;
use neargate_control::publications::{self, Publication};
use neargate_node::net::Network;
use neargate_service::{AwsError, Resource, Stored};
use relay::Relay;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// Between an error and the next look.
const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// Between two tries to listen on a port that somebody else has.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// Listens for as long as it is kept.
pub struct Publisher {
    _main: AbortOnDropHandle<()>,
}

impl Publisher {
    pub fn start(control_plane: Arc<ControlPlane>, network: Arc<Network>) -> Publisher {
        let main = task::spawn("publisher", keep(control_plane, network));
        Publisher {
            _main: AbortOnDropHandle::new(main),
        }
    }
}

/// A port that is listened on, and what it leads to.
struct Port {
    wanted: watch::Sender<Stored<Publication>>,
    _listening: AbortOnDropHandle<()>,
}

async fn keep(control_plane: Arc<ControlPlane>, network: Arc<Network>) {
    let mut ports: HashMap<String, Port> = HashMap::new();
    let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
    loop {
        let followed = follow(&control_plane, &network, &mut ports, &mut backoff).await;
        if let Err(error) = followed {
            tracing::warn!(%error, "the published ports are looked at again");
        }
        tokio::time::sleep(backoff.next_delay(&control_plane.house.rng)).await;
    }
}

async fn follow(
    control_plane: &Arc<ControlPlane>,
    network: &Arc<Network>,
    ports: &mut HashMap<String, Port>,
    backoff: &mut Backoff,
) -> Result<(), AwsError> {
    let store = control_plane.house.db.store();
    let prefix = format!("{}/", Publication::KIND);
    let mut changes = store.watch(&prefix, None).await?;
    loop {
        let all = publications::all(&control_plane.house).await?;
        backoff.reset();
        ports.retain(|key, _| all.iter().any(|p| p.key == *key));
        for publication in all {
            match ports.get(&publication.key) {
                Some(port) if port.wanted.borrow().listen == publication.listen => {
                    port.wanted.send_replace(publication);
                }
                _ => {
                    let key = publication.key.clone();
                    let (wanted, told) = watch::channel(publication);
                    let listening = listen(control_plane.clone(), network.clone(), told);
                    let listening = task::spawn("published-port", listening);
                    let port = Port {
                        wanted,
                        _listening: AbortOnDropHandle::new(listening),
                    };
                    // The one before lets go of the port first.
                    ports.remove(&key);
                    ports.insert(key, port);
                }
            }
        }
        changes.next().await?;
    }
}

/// Accepts connections, until it is dropped with all of them.
async fn listen(
    control_plane: Arc<ControlPlane>,
    network: Arc<Network>,
    told: watch::Receiver<Stored<Publication>>,
) {
    let key = told.borrow().key.clone();
    let listener = loop {
        let at = told.borrow().listen;
        let bound = TcpListener::bind(at).await;
        let bound = bound.with_context(|| format!("cannot listen on {at}"));
        let problem = bound.as_ref().err().map(|e| format!("{e:#}"));
        let house = &control_plane.house;
        if let Err(error) = publications::set_problem(house, &key, problem.as_deref()).await {
            tracing::warn!(%error, "what is wrong with a published port cannot be stored");
        }
        match bound {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(LISTEN_AGAIN).await,
        }
    };
    Relay::new(control_plane, network, told)
        .serve(listener)
        .await;
}

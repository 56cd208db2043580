//! Who the nodes are, followed in the store: their certificates, and who belongs to the task
//! network: every node that joined, whether it is connected now or not (its tasks run on while
//! it is away), at the address it last came from.

use super::{NodeApi, address};
use neargate_base::backoff::Backoff;
use neargate_domain::link::Peer;
use neargate_ecs::model::KnownNode;
use neargate_service::AwsError;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Keep up with the store until the future is dropped.
pub(super) async fn follow(api: Arc<NodeApi>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        if let Err(error) = once(&api, &mut backoff).await {
            tracing::debug!(%error, "the nodes are listed again");
        }
        tokio::time::sleep(backoff.next_delay(&api.control_plane.house.rng)).await;
    }
}

async fn once(api: &NodeApi, backoff: &mut Backoff) -> Result<(), AwsError> {
    let db = &api.control_plane.house.db;
    let revision = db.store().revision().await?;
    let mut watch = db
        .store()
        .watch(&KnownNode::prefix(), Some(revision + 1))
        .await?;
    loop {
        api.look().await?;
        watch.next().await?;
        backoff.reset();
    }
}

impl NodeApi {
    /// Look at the store now: whose certificates are good, and where the nodes are. One look at a
    /// time, so that what is known never gets older.
    pub(super) async fn look(&self) -> Result<(), AwsError> {
        let _one = self.looking.lock().await;
        let db = &self.control_plane.house.db;
        let known = db.list_prefix::<KnownNode>(&KnownNode::prefix()).await?;
        let nodes = known.iter().filter(|n| !n.dismissed);
        let certificates = nodes
            .clone()
            .flat_map(|n| n.certificates.iter().map(|c| (c.clone(), n.id.clone())));
        self.connections.know(certificates.collect());
        let vpc = self.control_plane.house.settings.vpc;
        let mut peers: Vec<Peer> = nodes
            .filter_map(|n| {
                let (id, address) = (n.id.clone(), n.address?);
                address::is_hosts(address, vpc).then_some(Peer { id, address })
            })
            .collect();
        peers.sort_unstable();
        self.peers.send_if_modified(|now| {
            let changed = *now != peers;
            *now = peers;
            changed
        });
        Ok(())
    }

    /// Whether a node is known by this address.
    pub(super) fn is_familiar(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.peers.borrow().iter().any(|p| p.address == address)
    }
}

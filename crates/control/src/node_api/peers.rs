//! Who belongs to the task network: every node that joined, whether it is connected now or not
//! (its tasks run on while it is away), at the address it last came from.

use super::{NodeApi, address};
use neargate_base::backoff::Backoff;
use neargate_compute::ecs::model::KnownNode;
use neargate_domain::link::Peer;
use neargate_service::AwsError;
use std::sync::Arc;
use std::time::Duration;

/// Keep the list in step with the store until the future is dropped.
pub(super) async fn follow(api: Arc<NodeApi>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        if let Err(error) = once(&api, &mut backoff).await {
            tracing::debug!(%error, "the nodes are listed again");
        }
        tokio::time::sleep(backoff.next_delay(&api.built.house.rng)).await;
    }
}

async fn once(api: &NodeApi, backoff: &mut Backoff) -> Result<(), AwsError> {
    let db = &api.built.house.db;
    let prefix = KnownNode::prefix();
    let revision = db.store().revision().await?;
    let mut watch = db.store().watch(&prefix, Some(revision + 1)).await?;
    loop {
        let known = db.list_prefix::<KnownNode>(&prefix).await?;
        let mut peers: Vec<Peer> = known
            .iter()
            .filter(|n| !n.dismissed)
            .filter_map(|n| {
                let (id, address) = (n.id.clone(), n.address?);
                address::is_hosts(address).then_some(Peer { id, address })
            })
            .collect();
        peers.sort_unstable();
        api.peers.send_if_modified(|now| {
            let changed = *now != peers;
            *now = peers;
            changed
        });
        watch.next().await?;
        backoff.reset();
    }
}

//! Which node is reached at which address: one at a time. An address belongs to the node that
//! came with it last, and to nobody else while that one is connected.
//!
//! Learned from the store once; from then on whoever greets nodes is the only writer of their
//! addresses, holds this, and keeps both in step.

use neargate_ecs::model::KnownNode;
use neargate_service::{AwsError, Db};
use std::collections::HashMap;
use std::net::IpAddr;

/// The nodes that are known by an address; `None` until it is needed.
#[derive(Debug, Default)]
pub(super) struct Holders(Option<HashMap<IpAddr, Vec<String>>>);

impl Holders {
    /// The address is `node`'s from now on, and no absent node's any more; the other one, if it
    /// is connected and keeps it. The caller stores it as the node's.
    pub(super) async fn claim(
        &mut self,
        db: &Db,
        node: &str,
        address: IpAddr,
        is_connected: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, AwsError> {
        let mut all = match self.0.take() {
            Some(all) => all,
            None => listed(db).await?,
        };
        let of = all.entry(address).or_default();
        let others = of.iter().filter(|id| *id != node);
        if let Some(other) = others.clone().find(|id| is_connected(id)).cloned() {
            self.0 = Some(all);
            return Ok(Some(other));
        }
        // After an error everything is read again.
        for absent in others {
            tracing::info!(node, absent, %address, "an absent node's address has another node");
            let key = KnownNode::key(absent);
            let written = db.modify::<KnownNode, _>(&key, |n| {
                let its = n.address == Some(address);
                if its {
                    n.address = None;
                }
                Ok(its)
            });
            written.await?;
        }
        of.clear();
        self.0 = Some(all);
        self.leave(node);
        let all = self.0.get_or_insert_default();
        all.insert(address, vec![node.to_owned()]);
        Ok(None)
    }

    /// The node is at no address.
    pub(super) fn leave(&mut self, node: &str) {
        if let Some(all) = &mut self.0 {
            for ids in all.values_mut() {
                ids.retain(|id| id != node);
            }
            all.retain(|_, ids| !ids.is_empty());
        }
    }
}

async fn listed(db: &Db) -> Result<HashMap<IpAddr, Vec<String>>, AwsError> {
    let mut all: HashMap<IpAddr, Vec<String>> = HashMap::new();
    let known = db.list_prefix::<KnownNode>(&KnownNode::prefix()).await?;
    for node in known.into_iter().filter(|n| !n.dismissed) {
        if let Some(address) = node.address {
            all.entry(address).or_default().push(node.id.clone());
        }
    }
    Ok(all)
}

//! The interfaces of load balancers on this host, each in a network namespace of its own: security
//! groups and routes hold for them as for those of tasks.

use neargate_domain::load_balancer::LoadBalancer;
use neargate_node::net::{Network, Share};
use neargate_service::eni::Interface;
use neargate_service::{House, Scope};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

pub(super) struct Interfaces {
    share: Share,
    house: Arc<House>,
    connected: BTreeSet<String>,
    /// By interface, of a load balancer that is there: why it is not connected.
    failed: BTreeMap<String, String>,
    /// What an earlier process left was looked through.
    swept: bool,
}

impl Interfaces {
    pub(super) fn of(network: Arc<Network>, house: Arc<House>) -> Interfaces {
        Interfaces {
            share: Share::of_load_balancers(network),
            house,
            connected: BTreeSet::new(),
            failed: BTreeMap::new(),
            swept: false,
        }
    }

    pub(super) fn are_connected(&self) -> bool {
        self.failed.is_empty()
    }

    /// Connects what is not; the load balancers of which something is not, with the reason.
    pub(super) async fn connect<'a>(
        &mut self,
        all: impl Iterator<Item = &'a LoadBalancer>,
    ) -> BTreeMap<String, String> {
        let mut problems = BTreeMap::new();
        self.failed.clear();
        for lb in all {
            for node in &lb.nodes {
                let id = &node.interface_id;
                if self.connected.contains(id) {
                    continue;
                }
                match self.attach(&lb.arn, id).await {
                    Ok(()) => {
                        self.connected.insert(id.clone());
                    }
                    Err(problem) => {
                        tracing::warn!(problem, id, arn = lb.arn, "an interface is not connected");
                        problems.insert(lb.arn.clone(), problem.clone());
                        self.failed.insert(id.clone(), problem);
                    }
                }
            }
        }
        problems
    }

    async fn attach(&self, arn: &str, id: &str) -> Result<(), String> {
        let scope = Scope::of_arn(arn).ok_or_else(|| format!("{arn} is no ARN"))?;
        let found = self.house.db.get::<Interface>(&scope, id).await;
        let found = found.map_err(|error| error.to_string())?;
        let record = found.ok_or_else(|| format!("there is no interface {id}"))?;
        let attached = self.share.attach(id, &record.interface).await;
        attached.map(drop).map_err(|error| {
            let mut said = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(of) = cause {
                said = format!("{said}: {of}");
                cause = of.source();
            }
            said
        })
    }

    /// Disconnects every interface that is of none of them.
    pub(super) async fn disconnect_others<'a>(
        &mut self,
        all: impl Iterator<Item = &'a LoadBalancer>,
    ) {
        let nodes = all.flat_map(|lb| &lb.nodes);
        let keep: HashSet<String> = nodes.map(|node| node.interface_id.clone()).collect();
        let done = match self.swept {
            false => self.share.sweep(&keep).await,
            true => {
                let mut done = Ok(());
                for id in self.connected.difference(&keep.iter().cloned().collect()) {
                    done = done.and(self.share.detach(id).await);
                }
                done
            }
        };
        self.connected.retain(|id| keep.contains(id));
        // What could not be removed is left to the next sweep.
        self.swept = done.is_ok();
        if let Err(error) = done {
            tracing::warn!(%error, "an interface of a load balancer that is gone is left");
        }
    }
}

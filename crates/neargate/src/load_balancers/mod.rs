//! The load balancers that this host carries: each of their interfaces gets a network namespace, the
//! edge is told of them, and what it observes is written down.
//!
//! Invariants: an interface is connected before the edge is told of it, and disconnected after the
//! edge was told that it is gone; only what the edge has observed is reported.

mod interfaces;
mod logs;
mod metrics;
mod names;
mod states;

use crate::hosts_file::HostsFile;
use interfaces::Interfaces;
use neargate_base::backoff::Backoff;
use neargate_base::{Rng, task};
use neargate_control::ControlPlane;
use neargate_domain::load_balancer::{LoadBalancer, LoadBalancerChange};
use neargate_edge::process::Keeper;
use neargate_node::net::Network;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// Carries them for as long as it is kept. The edge goes on by itself.
pub struct Balancers {
    _follows: AbortOnDropHandle<()>,
    _reports: AbortOnDropHandle<()>,
    _metrics: AbortOnDropHandle<()>,
    _logs: AbortOnDropHandle<()>,
}

impl Balancers {
    /// `logs`: where the edge writes them.
    pub fn start(
        control_plane: Arc<ControlPlane>,
        network: Arc<Network>,
        edge: Arc<Keeper>,
        hosts: Option<HostsFile>,
        logs: PathBuf,
        rng: Arc<Rng>,
    ) -> Balancers {
        let reports = states::report(control_plane.clone(), edge.load_balancers());
        let metrics =
            metrics::publish(control_plane.clone(), edge.counted(), edge.load_balancers());
        let logs = logs::deliver(control_plane.clone(), logs);
        let carried = Carried {
            interfaces: Interfaces::of(network, control_plane.house.clone()),
            control_plane,
            edge,
            hosts,
            all: BTreeMap::new(),
            rng,
        };
        Balancers {
            _follows: AbortOnDropHandle::new(task::spawn("load-balancers", carried.follow())),
            _reports: AbortOnDropHandle::new(task::spawn("load-balancer-states", reports)),
            _metrics: AbortOnDropHandle::new(task::spawn("load-balancer-metrics", metrics)),
            _logs: AbortOnDropHandle::new(task::spawn("load-balancer-logs", logs)),
        }
    }
}

/// What is carried now.
struct Carried {
    control_plane: Arc<ControlPlane>,
    interfaces: Interfaces,
    edge: Arc<Keeper>,
    hosts: Option<HostsFile>,
    /// By ARN.
    all: BTreeMap<String, LoadBalancer>,
    rng: Arc<Rng>,
}

impl Carried {
    async fn follow(mut self) {
        loop {
            let changes = self.control_plane.elbv2.load_balancers.subscribe().await;
            self.take_in(changes).await;
        }
    }

    /// Until the stream ends, for this host fell behind.
    async fn take_in(&mut self, mut changes: mpsc::Receiver<LoadBalancerChange>) {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
        let mut retry = None::<Duration>;
        loop {
            let again = async {
                match retry {
                    Some(delay) => tokio::time::sleep(delay).await,
                    None => std::future::pending().await,
                }
            };
            let change = tokio::select! {
                change = changes.recv() => match change {
                    Some(change) => Some(change),
                    None => return,
                },
                () = again => None,
            };
            self.apply(change).await;
            retry = match self.interfaces.are_connected() {
                true => {
                    backoff.reset();
                    None
                }
                false => Some(backoff.next_delay(&self.rng)),
            };
        }
    }

    /// `None`: what could not be connected before is tried again.
    async fn apply(&mut self, change: Option<LoadBalancerChange>) {
        match &change {
            Some(LoadBalancerChange::Snapshot(all)) => {
                let by_arn = all.iter().map(|lb| (lb.arn.clone(), lb.clone()));
                self.all = by_arn.collect();
            }
            Some(LoadBalancerChange::LoadBalancer(lb)) => {
                self.all.insert(lb.arn.clone(), LoadBalancer::clone(lb));
            }
            Some(LoadBalancerChange::Gone(arn)) => {
                self.all.remove(arn);
            }
            None => {}
        }
        let failed = self.interfaces.connect(self.all.values()).await;
        for (arn, problem) in failed {
            let house = &self.control_plane.house;
            let set = neargate_elbv2::edges::set_state(house, &arn, Err(problem));
            if let Err(error) = set.await {
                tracing::warn!(%error, arn, "a load balancer's state cannot be stored");
            }
        }
        if let Some(change) = change {
            self.edge.tell_load_balancers(change);
        }
        self.interfaces.disconnect_others(self.all.values()).await;
        if let Some(hosts) = &self.hosts {
            let house = &self.control_plane.house;
            hosts.name(self.all.values(), &names::of_services(house).await);
        }
    }
}

//! What the two processes say to each other: lines of JSON.

use crate::load_balancer::{Counted, LoadBalancerState};
use neargate_domain::dns::ZoneChange;
use neargate_domain::load_balancer::{LoadBalancerChange, TargetHealth};
use neargate_domain::vpc_network::{NetworkChange, VpcNetwork};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the edge says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The word that it was started with.
    pub started_as: String,
    /// Its number, where it can hand its sockets to another process.
    #[serde(default)]
    pub pid: Option<i32>,
}

/// Which sockets one process asks another for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Sockets {
    Resolver,
    LoadBalancers,
}

/// What one process hands to another; the sockets come with the line, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Handed {
    pub sockets: Vec<String>,
    /// How it found targets.
    #[serde(default)]
    pub health: Vec<TargetHealth>,
    /// Nothing more follows.
    pub is_last: bool,
}

/// What the edge is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Told {
    /// Which of AWS's hosts lead to us, see `dns::names::AwsHosts`.
    AwsHosts(BTreeSet<String>),
    Network(NetworkChange),
    Zones(ZoneChange),
    LoadBalancers {
        change: LoadBalancerChange,
        /// What was known of targets' health before this process.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        known: Vec<TargetHealth>,
    },
    /// Another process is to take these sockets: nothing is taken from them any more, and they are
    /// handed over. Where [`Told::Taken`] does not follow, everything goes on as before.
    Offer(Sockets),
    /// The other process has them.
    Taken,
    /// How the process that has the load balancers' sockets finds targets.
    Health(Vec<TargetHealth>),
    /// It says how it is, which shows that it does not hang.
    Speak,
    /// Another one takes its place.
    End,
}

/// What the edge says whenever it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The VPCs in which it answers.
    pub vpcs: Vec<String>,
    pub troubles: Vec<String>,
    /// Those load balancers that changed, once their snapshot was told; `None`: it is gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub load_balancers: BTreeMap<String, Option<Arc<LoadBalancerState>>>,
    /// What was counted since this process began, where that is new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
}

/// The change as far as it concerns names.
pub fn without_rules(change: NetworkChange) -> NetworkChange {
    match change {
        NetworkChange::Snapshot { vpcs, interfaces } => NetworkChange::Snapshot {
            vpcs: vpcs.into_iter().map(bare).collect(),
            interfaces,
        },
        NetworkChange::Vpc(vpc) => NetworkChange::Vpc(bare(vpc)),
        other => other,
    }
}

fn bare(mut vpc: VpcNetwork) -> VpcNetwork {
    vpc.subnets.clear();
    vpc.groups.clear();
    vpc
}
